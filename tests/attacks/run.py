"""Runs hostile and honest jobs in real boxes, and looks at the host after each.

  run.py --build DIRECTORY [--env root|setuid|rootless|vm] [--only PATTERN] [-j N] [--json FILE] [--no-skips]
  run.py --build DIRECTORY --self-check     without boxes: the attackers must escape, and each check must see its fault
  run.py --list                             the cases

--only      those whose name matches the regular expression (category.name)
--json      the results, for tools/coverage
--no-skips  a case whose tools are missing here is a failure

Exit: 0 all as expected; 1 not; 77 no box can be had in that place; 64 usage.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import case as cases
import checks
import places
from planted import Planted

LONGEST = 150  # seconds: a run that does not come back is a failure


class Run:
    """One run of one case, as far as the checks need to know it."""

    def __init__(self, case, place, planted, lab):
        self.case, self.place, self.planted, self.lab = case, place, planted, lab
        self.report, self.output, self.errors, self.status, self.box_uid = None, b"", "", None, -1
        self.slot = -1
        self.lab_then = checks.tree(lab)

    @property
    def text(self):
        return self.output.decode("utf-8", errors="replace")

    def perform(self, scratch):
        report = scratch / "report.json"
        arguments = ["--report", report, *self.case.limits(self.place.slack), self.lab]
        command = self.case.command()
        if command:
            arguments += ["--command", "--", *command]
        with open(scratch / "output", "w+b") as output, open(scratch / "errors", "w+b") as errors:
            process = self.place.popen(arguments, self.planted.environment(), output, errors)
            try:
                self.status = process.wait(timeout=LONGEST * self.place.slack)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                self.status = "nothing: it had to be killed"
            for file in (output, errors):
                file.seek(0)
            self.output, self.errors = output.read(), errors.read().decode(errors="replace")
        if report.exists():
            self.report = json.loads(report.read_text(encoding="utf-8"))
            self.box_uid = self.report["box"]["uid"] or -1
            self.slot = self.report["box"]["slot"]
            if self.report["box"]["kind"] == "user namespace":
                self.box_uid = self.place.caller  # outside of it


def prepare_lab(case, build, planted, directory):
    lab = directory / "lab"
    lab.mkdir(parents=True)
    name = "Makefile" if case.path.suffix == ".mk" else case.path.name
    if case.path.suffix == ".cpp":
        shutil.copy(build / "bin/hostile", lab / "hostile")
    else:
        shutil.copy(case.path, lab / name)
    if not case.honest:
        (lab / "planted").write_text(planted.lines(), encoding="ascii")
    return lab


def missing(case):
    return [tool for tool in case.head.get("Needs", "").split() if shutil.which(tool) is None]


def run_case(case, place, planted, build, work):
    """A result, as it is written to --json."""
    result = {"case": case.name, "demand": case.head["Demand"], "problems": [], "verdict": None, "rung": None,
              "seconds": 0.0}
    if place.name not in case.head.get("Environments", " ".join(places.PLACES)).split():
        return result | {"outcome": "not promised"}
    if missing(case):
        return result | {"outcome": "skipped", "problems": [f"there is no {tool} here" for tool in missing(case)]}
    scratch = Path(tempfile.mkdtemp(prefix="case.", dir=work))
    if place.caller != 0:
        os.chown(scratch, place.caller, place.caller)
    run = Run(case, place, planted, prepare_lab(case, build, planted, scratch))
    began = time.monotonic()
    run.perform(scratch)
    result["seconds"] = time.monotonic() - began
    result["problems"] = checks.problems_of(run)
    if run.report:
        row = run.report["demands"].get(case.head["Demand"])
        result |= {"verdict": run.report["verdict"], "rung": row and row["rung"], "mechanism": row and row["mechanism"]}
    shutil.rmtree(scratch)
    return result | {"outcome": outcome_of(case, result)}


def outcome_of(case, result):
    if "Open" in case.head:  # a known hole: it stays a failure to close it without saying so
        if result["problems"]:
            return "open"
        result["problems"] = ["it is contained now: take its line `Open:` out, and its row in docs/limitations.md"]
    return "failed" if result["problems"] else "unharmed" if case.honest else "contained"


@contextmanager
def workplace():
    """A directory that others may enter and that goes with us, and what is planted on the host."""
    work = Path(tempfile.mkdtemp(prefix="milonga-attacks.", dir="/var/tmp"))
    work.chmod(0o755)
    os.umask(0o022)
    planted = Planted(work)
    try:
        yield work, planted
    finally:
        planted.remove()
        shutil.rmtree(work)


def run_all(todo, place, planted, build, work, jobs):
    """Those that measure time run alone, before the others."""
    results = []

    def one(case):
        try:
            result = run_case(case, place, planted, build, work)
        except Exception as error:  # a fault of ours is a failure of this case, not the end of all
            result = {"case": case.name, "outcome": "failed", "problems": [f"the driver: {error!r}"], "seconds": 0.0}
        results.append(result)
        line = (f"[{len(results):3}/{len(todo)}] {result['outcome']:12} {case.name:44}"
                f" {result.get('verdict') or '-':14} {result['seconds']:6.2f} s")
        print("\n      ".join([line, *result["problems"]]) + "\n", end="", flush=True)

    for case in todo:
        if "Alone" in case.head:
            one(case)
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, [case for case in todo if "Alone" not in case.head]))
    return sorted(results, key=lambda result: result["case"])


def summary(results):
    outcomes = ("contained", "unharmed", "open", "skipped", "not promised", "failed")
    categories = sorted({result["case"].split(".")[0] for result in results})
    print(f"\n{'category':12}" + "".join(f"{outcome:>14}" for outcome in outcomes))
    for category in (*categories, "all"):
        mine = [r["outcome"] for r in results if category in ("all", r["case"].split(".")[0])]
        print(f"{category:12}" + "".join(f"{mine.count(outcome) or '-':>14}" for outcome in outcomes))


def write_json(options, content):
    if options.json:
        Path(options.json).write_text(json.dumps({"place": options.env} | content, indent=1), encoding="utf-8")


def run_here(options, build):
    if os.geteuid() != 0:
        print("SKIPPED: what is looked at on the host needs root")
        return 77
    import leaks  # pylint: disable=import-outside-toplevel  # needs the core of a box
    with workplace() as (work, planted):
        place = places.place(options.env, build, work)
        why = place.unavailable()
        if why:
            print(f"SKIPPED: no box in the place {place.name}: {why}")
            write_json(options, {"unavailable": why})
            return 77
        todo = cases.load_all(options.only)
        began = time.monotonic()
        results = run_all(todo, place, planted, build, work, options.j)
        results += leaks.hunt(place, build, work, options.only)
    summary(results)
    print(f"{len(results)} cases in {time.monotonic() - began:.0f} s, in the place {place.name}"
          f" ({places.PLACES[place.name]})")
    write_json(options, {"results": results})
    bad = [r["case"] for r in results if r["outcome"] == "failed" or (options.no_skips and r["outcome"] == "skipped")]
    if bad:
        print(f"FAILED: {', '.join(bad)}")
    return 1 if bad or not results else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=True)
    parser.add_argument("--build")
    parser.add_argument("--env", default="root", choices=list(places.PLACES))
    parser.add_argument("--only", default="")
    parser.add_argument("-j", type=int, default=os.cpu_count())
    parser.add_argument("--json")
    parser.add_argument("--no-skips", action="store_true")
    parser.add_argument("--self-check", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for case in cases.load_all(options.only):
            print(f"{case.name:44} {case.head.get('Attack') or case.head['Program']}")
        return 0
    if not options.build:
        parser.error("--build DIRECTORY is needed")
    build = Path(options.build).resolve()
    if options.self_check:
        import selfcheck  # pylint: disable=import-outside-toplevel
        return selfcheck.main(build)
    if options.env == "vm":
        import guest  # pylint: disable=import-outside-toplevel
        return guest.run(build, options)
    return run_here(options, build)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except cases.BadCase as bad_case:
        sys.exit(f"run.py: {bad_case}")
