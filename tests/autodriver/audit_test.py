"""Usage: audit_test.py AUTODRIVER. The audit of each profile, as people and as programs read it."""
import json
import subprocess
import sys
import unittest

AUTODRIVER = sys.argv.pop(1)


def audit(*words):
    return subprocess.run([AUTODRIVER, "audit", *words], text=True, capture_output=True, timeout=60, check=False)


class Audit(unittest.TestCase):
    def test_json_and_table_say_the_same(self):
        scores = {}
        for profile in ("course", "strict", "debugger"):
            found = json.loads(audit("--profile", profile, "--json").stdout)
            text = audit(f"--profile={profile}").stdout
            self.assertEqual(found["profile"]["name"], profile)
            self.assertIn(found["profile"]["sha256"], text)
            for one in found["classes"]:
                self.assertIn(f"  {'closed' if one['closed'] else 'OPEN  '}  {one['name']} (", text)
                self.assertEqual(one["closed"], not one["let_through"])
                self.assertEqual(one["closed"] and not one["refused"], False, "a closed class is closed by something")
            self.assertIn(f"Score   {found['score']} of 100", text)
            scores[profile] = found["score"]
        self.assertGreater(scores["strict"], scores["course"])
        self.assertGreater(scores["course"], scores["debugger"])

    def test_each_call_stands_once_with_its_answer_and_reason(self):
        rows = json.loads(audit("--json").stdout)["calls"]
        calls = [call for row in rows for call in row["calls"]]
        self.assertEqual(len(calls), len(set(calls)))
        self.assertGreater(len(calls), 360)
        answer = {call: row["answer"] for row in rows for call in row["calls"]}
        self.assertEqual((answer["read"], answer["keyctl"], answer["clone3"], answer["sync"]),
                         ("allow", "EPERM", "ENOSYS", "0 (pretended)"))
        self.assertTrue(all(row["why"] for row in rows))

    def test_mistakes_are_one_line_and_exit_64(self):
        for words in (("--profile=none",), ("--jsn",), ("--", "true")):
            done = audit(*words)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (64, "", 1), words)


unittest.main()
