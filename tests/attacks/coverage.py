"""coverage.py RESULTS.json...   prints docs/coverage.md from what run.py has written: case x place.

No times and no pids: the same outcome gives the same text.
"""
import json
import sys
from pathlib import Path

import case as cases
from places import PLACES

HEAD = """# Coverage

Made by `tools/coverage` from a run of each case; not to be edited. The cases are in
[tests/attacks](../tests/attacks/README.md) and tests/honest; each says in its head what it tries and what is expected.

A cell: what became of the case (`contained` for hostile jobs, `unharmed` for honest ones, `open` for a known hole, see
[limitations.md](limitations.md)), and the rung at which its demand was met.
"""


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def heading(*cells):
    row(*cells)
    print("|---" * len(cells) + "|")


def cell(run, name):
    if "unavailable" in run:
        return "-"
    result = run["of"].get(name)
    if result is None:
        return "**not run**"
    outcome = "**failed**" if result["outcome"] == "failed" else result["outcome"]
    return f"{outcome}, {result['rung']}" if result.get("rung") else outcome


def read(file):
    run = json.loads(Path(file).read_text(encoding="utf-8"))
    run["of"] = {result["case"]: result for result in run.get("results", [])}
    return run


def main(files):
    runs = [read(file) for file in files]
    known = {case.name: case.head for case in cases.load_all()}
    print(HEAD)
    for run in runs:
        why = f". No box there: {run['unavailable']}" if "unavailable" in run else ""
        print(f"- `{run['place']}`: {PLACES[run['place']]}{why}")
    print()
    places = [run["place"] for run in runs]
    heading("", *places)
    for outcome in sorted({result["outcome"] for run in runs for result in run["of"].values()}):
        row(outcome, *(sum(result["outcome"] == outcome for result in run["of"].values()) for run in runs))
    category = None
    for name in sorted({*known, *(name for run in runs for name in run["of"])}):
        if name.split(".")[0] != category:
            category = name.split(".")[0]
            print(f"\n## {category}\n")
            heading("case", "expected verdict", "demand", *places)
        head = known.get(name, {"Expect": "", "Demand": "visibility"})  # the channels of leaks.py have no file each
        expected = " or ".join(head["Expect"].split())
        row(name.split(".", 1)[1], expected, head["Demand"], *(cell(run, name) for run in runs))


main(sys.argv[1:])
