"""Usage: profile_test.py AUTODRIVER. Each profile runs what it is for, in a real box, and refuses what it says."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

AUTODRIVER = sys.argv.pop(1)
BUILD = "printf 'int main(){return 0;}' > a.cc && g++ -o a a.cc && ./a && "
PTRACE = "gdb -nx -batch -ex run ./a 2>&1 | grep -q 'exited normally'"


def run(profile, script):
    """The exit code of the script in a box, and the report."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        subprocess.run([AUTODRIVER, f"--profile={profile}", f"--report={report}", "-t", "60", "--stream", "--command",
                        "--", "sh", "-c", script], check=False, stdout=subprocess.DEVNULL, timeout=90)
        result = json.loads(report.read_text(encoding="utf-8"))
        return result["exit_code"], result


@unittest.skipIf(os.geteuid() != 0, "boxes need root")
class Profiles(unittest.TestCase):
    def test_each_profile_compiles_runs_and_is_named_in_the_report(self):
        hashes = set()
        for profile in ("course", "strict", "debugger"):
            status, report = run(profile, BUILD + "make --version && python3 -c 'import multiprocessing, subprocess;"
                                 'assert subprocess.check_output(["echo", "a"]) == b"a\\n"\'')
            self.assertEqual(status, 0, profile)
            self.assertEqual(report["profile"]["name"], profile)
            self.assertEqual(report["demands"]["syscalls"]["rung"], "exact")
            hashes.add(report["profile"]["sha256"])
        self.assertEqual(len(hashes), 3)
        self.assertTrue(all(len(h) == 64 for h in hashes))

    def test_gdb_works_in_course_and_debugger_and_not_in_strict(self):
        for profile, status in (("course", 0), ("debugger", 0), ("strict", 1)):
            self.assertEqual(run(profile, BUILD + PTRACE)[0], status, profile)

    def test_valgrind_works_in_course(self):
        self.assertEqual(run("course", BUILD + "valgrind -q --error-exitcode=9 ./a")[0], 0)

    @unittest.skipUnless(shutil.which("perf"), "perf is not installed")
    def test_perf_counts_in_debugger_and_not_in_course(self):
        for profile, status in (("debugger", 0), ("course", 1)):
            self.assertEqual(run(profile, "perf stat -e task-clock:u true 2>&1 | grep -q 'msec task-clock'")[0], status)

    def test_strict_has_no_sockets_but_pairs(self):
        self.assertEqual(run("strict", "python3 -c 'import socket; socket.socketpair()'")[0], 0)
        self.assertEqual(run("strict", "python3 -c 'import socket; socket.socket(socket.AF_INET)'")[0], 1)
        self.assertEqual(run("course", "python3 -c 'import socket; socket.socket(socket.AF_INET)'")[0], 0)


unittest.main()
