"""coverage.py RESULTS.json...   prints docs/coverage.md from what run.py has written: case x place. No times, no pids, so that
the same outcome gives the same text.
"""
import json
import sys
from pathlib import Path

import case as cases
from places import PLACES

HEAD = """# Coverage

Made by `tools/coverage` from a run of each case; not to be edited. The cases are in [tests/attacks](../tests/attacks/README.md)
and tests/honest; each says in its head what it tries and what is expected.

A cell: what became of the case (`contained` for hostile jobs, `unharmed` for honest ones, `open` for a known hole, see
[limitations.md](limitations.md)), and the rung at which its demand was met.
"""


def cell(result, of):
    if "unavailable" in of:
        return "-"
    if result is None:
        return "**not run**"
    if result["outcome"] in ("not promised", "skipped"):
        return result["outcome"]
    outcome = "**failed**" if result["outcome"] == "failed" else result["outcome"]
    return f"{outcome}, {result['rung']}" if result.get("rung") else outcome


def main(files):
    runs = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    of = {run["place"]: {r["case"]: r for r in run.get("results", [])} | ({"unavailable": run["unavailable"]} if "unavailable" in run else {})
          for run in runs}
    print(HEAD)
    for place, results in of.items():
        print(f"- `{place}`: {PLACES[place]}" + (f". No box there: {results['unavailable']}" if "unavailable" in results else ""))
    known = {case.name: case for case in cases.load_all()}
    names = sorted({name for results in of.values() for name in results if name != "unavailable"} | set(known))
    outcomes = sorted({r["outcome"] for run in runs for r in run.get("results", [])})
    print("\n| | " + " | ".join(of) + " |\n|---|" + "---|" * len(of))
    for outcome in outcomes:
        count = [sum(r["outcome"] == outcome for n, r in results.items() if n != "unavailable") for results in of.values()]
        print(f"| {outcome} | " + " | ".join(str(c) for c in count) + " |")
    category = None
    for name in names:
        if name.split(".")[0] != category:
            category = name.split(".")[0]
            print(f"\n## {category}\n\n| case | expected verdict | demand | " + " | ".join(of) + " |\n|---|---|---|" + "---|" * len(of))
        head = known[name].head if name in known else {"Expect": "", "Demand": "visibility"}
        verdict = " or ".join(head["Expect"].split())
        print(f"| {name.split('.', 1)[1]} | {verdict} | {head['Demand']} | "
              + " | ".join(cell(results.get(name), results) for results in of.values()) + " |")


main(sys.argv[1:])
