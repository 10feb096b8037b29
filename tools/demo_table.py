"""The demo's table: job, verdict, figures, and the mechanism that stopped it.

Usage: demo_table.py LIST-JSON SUBMITTED LABS-DIRECTORY   Exit 0 if each verdict is the expected one.
"""
import json
import sys
from pathlib import Path

COLUMNS = "{:>4}  {:18} {:15} {:>7} {:>7} {:>9}  {}"


def seconds(value):
    return "-" if value is None else f"{value:.2f} s"


def mebibytes(value):
    return "-" if value is None else f"{value / 2**20:.1f} MiB"


def main(list_json, submitted, labs):
    jobs = {str(job["id"]): job for job in json.loads(Path(list_json).read_text(encoding="utf-8"))}
    print(COLUMNS.format("job", "lab", "verdict", "wall", "cpu", "peak", "stopped by"))
    wrong = []
    for line in Path(submitted).read_text(encoding="utf-8").splitlines():
        number, lab = line.split()
        job = jobs.get(number, {})
        verdict = job.get("verdict") or job.get("state") or "not in the list"
        print(COLUMNS.format(number, lab, verdict, seconds(job.get("wall_s")), seconds(job.get("cpu_s")),
                             mebibytes(job.get("memory_peak_bytes")), job.get("stopped_by") or "-"))
        expected = (Path(labs) / lab / "expected").read_text(encoding="utf-8").strip()
        if verdict != expected:
            wrong.append(f"{lab}: expected {expected}, got {verdict}")
    for text in wrong:
        print(f"tools/demo: {text}", file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
