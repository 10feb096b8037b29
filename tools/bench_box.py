"""tools/bench box: runs the floor program with our columns, and prints medians, p99 and ratios.

Usage: bench_box.py BIN-DIRECTORY RUNS [--json FILE]
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

PAYLOAD = ["/usr/bin/busybox", "true"]
GAPS = {"": 0, "gap_": 30}  # prefix of the key: idle ms before each run
BUBBLEWRAP = "bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp".split()
STEP_RUNS = 50


def p99(values):
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def measure(floor, runs, gap_ms, commands):
    """{column: [ms]}; the first run of each column is for warming up."""
    arguments = [floor, str(runs), str(gap_ms)]
    for name, command in commands.items():
        arguments += ["--column", name, *command, *PAYLOAD]
    samples = {}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            name, us = line.split()
            samples.setdefault(name, []).append(float(us) / 1000)
            if sys.stderr.isatty():
                print(f"\r{gap_ms} ms gap: {len(samples[name]) - 1} of {runs} rounds ", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    if process.returncode != 0:
        sys.exit(f"tools/bench: floor ended with status {process.returncode}")
    return {name: values[1:] for name, values in samples.items()}


def steps(autodriver):
    """Median microseconds of each step, as the report has them, in the order of the steps."""
    samples = {}
    with tempfile.TemporaryDirectory(prefix="milonga-bench.") as directory:
        report = os.path.join(directory, "report.json")
        for _ in range(STEP_RUNS):
            subprocess.run([autodriver, "--report", report, "--command", "--", *PAYLOAD],
                           check=True, stdout=subprocess.DEVNULL)
            with open(report, encoding="utf-8") as file:
                run = json.load(file)
            times = run["times_s"]
            whole = {"until_exec": times["started"], "until_end": times["ended_at"], "until_dead": times["dead_at"]}
            for name, us in (run["steps_us"] | {k: s * 1e6 for k, s in whole.items()}).items():
                samples.setdefault(name, []).append(us or 0)
    return {name: statistics.median(values) for name, values in samples.items()}


def figures(results, step_medians):
    flat = {}
    for prefix, columns in results.items():
        median = {name: statistics.median(values) for name, values in columns.items()}
        for name, values in columns.items():
            flat[f"box.{prefix}{name}_ms"] = round(median[name], 3)
            flat[f"box.{prefix}{name}_p99_ms"] = round(p99(values), 3)
        for name in ("direct", "direct_newnet"):
            flat[f"box.{prefix}autodriver_over_{name}"] = round(median["autodriver"] / median[name], 3)
        flat[f"box.{prefix}over_spawn"] = round(median["autodriver"] / median["spawn"], 3)
        if "bubblewrap" in median:
            flat[f"box.{prefix}over_bubblewrap"] = round(median["autodriver"] / median["bubblewrap"], 3)
    for name, us in step_medians.items():
        flat[f"box.step.{name}_us"] = round(us, 1)
    return flat


def show(results, step_medians, runs):
    for prefix, columns in results.items():
        title = f"{GAPS[prefix]} ms idle before each" if GAPS[prefix] else "back to back"
        print(f"\n`true` in a fresh box, {runs} runs, {title}")
        print(f"{'':16}{'median ms':>10}{'p99 ms':>10}{'x spawn':>10}{'x direct':>10}")
        median = {name: statistics.median(values) for name, values in columns.items()}
        for name, values in columns.items():
            print(f"{name:16}{median[name]:10.2f}{p99(values):10.2f}"
                  f"{median[name] / median['spawn']:10.2f}{median[name] / median['direct']:10.2f}")
    print(f"\nsteps of autodriver-core, us (median of {STEP_RUNS} runs; some run side by side,")
    print("until_* count from its first instruction)")
    for name, us in step_medians.items():
        print(f"  {name:12}{us:9.0f}")


def main():
    binaries, runs = sys.argv[1], int(sys.argv[2])
    autodriver = os.path.join(binaries, "autodriver")
    commands = {"autodriver": [autodriver, "--command", "--"]}
    if shutil.which("bwrap"):
        commands["bubblewrap"] = BUBBLEWRAP
    results = {prefix: measure(os.path.join(binaries, "floor"), runs, gap, commands) for prefix, gap in GAPS.items()}
    step_medians = steps(autodriver)
    show(results, step_medians, runs)
    if len(sys.argv) > 4:
        with open(sys.argv[4], "w", encoding="utf-8") as file:
            json.dump(figures(results, step_medians), file, indent=2)
            file.write("\n")
        print(f"\nwritten to {sys.argv[4]}")


main()
