"""The last lines of tools/test: what failed, what was skipped and why, and the sums.

Usage: summary.py JUNIT-FILE...   Exit 0 if something passed and nothing failed.
"""
import re
import sys
import xml.etree.ElementTree as ET


def reason(case):
    """What a skipped test said of itself: `SKIPPED: why`, or GoogleTest's line below `Skipped`."""
    text = case.findtext("system-out") or ""
    found = re.search(r"SKIPPED: *(.+)", text) or re.search(r": Skipped\n(.+)", text)
    return found.group(1).strip() if found else "it did not say why"


def main(files):
    passed, failed, skipped = 0, [], []
    for file in files:
        for case in ET.parse(file).getroot().iter("testcase"):
            skip = case.find("skipped")
            # ctest marks a program that it could not start the same way: that is a failure.
            if skip is not None and skip.get("message", "").startswith("SKIP_"):
                skipped.append((case.get("name"), reason(case)))
            elif case.get("status") == "run":
                passed += 1
            else:
                failed.append(case.get("name"))
    print()
    for name, why in skipped:
        print(f"skipped: {name}: {why}")
    for name in failed:
        print(f"FAILED:  {name}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    if passed + len(failed) + len(skipped) == 0:
        print("tools/test: no test has that label or name", file=sys.stderr)
        return 1
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
