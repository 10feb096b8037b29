"""tools/bench e2e: from the submission of a trivial job to its feedback, through the daemon.

Usage: bench_e2e.py BIN-DIRECTORY RUNS [--json FILE]

The spool is on an ext4 image of its own. The floor is what cannot be saved: `make` of the same job
run bare, the least box that this kernel gives (tests/bench/floor.cpp), two flushes to that disk.
"""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import bench_docker

MAKEFILE = "all:\n\t@echo hello\n"
DRAIN_JOBS_PER_RUN = 2
RUNS_PER_CONTAINER = 5
IDLE_SECONDS = 10


def ms_since(start):
    return (time.perf_counter() - start) * 1000


class Disk:
    """An ext4 of its own, mounted from a file; the machine's own may have no journal."""

    def __init__(self, directory):
        self.image, self.path = os.path.join(directory, "disk.img"), os.path.join(directory, "disk")
        os.mkdir(self.path)
        with open(self.image, "wb") as file:
            file.truncate(1 << 30)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)
        subprocess.run(["mount", "-o", "loop", self.image, self.path], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.path], check=True)


class Daemon:
    def __init__(self, binaries, spool, slots):
        self.process = subprocess.Popen([f"{binaries}/milongad", "--spool", spool, "--slots", str(slots)],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def line_with(self, text):
        for line in self.process.stdout:
            if text in line:
                return line
        sys.exit("tools/bench: milongad ended before it was asked to")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.stdout.read()
        self.process.wait()


def time_make(lab):
    start = time.perf_counter()
    subprocess.run(["make", "-s", "-C", lab], check=True, stdout=subprocess.DEVNULL)
    return ms_since(start)


def time_flushes(directory):
    start = time.perf_counter()
    for name in ("job", "result"):
        fd = os.open(os.path.join(directory, "flushed." + name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, b"x" * 1000)
        os.fsync(fd)
        os.close(fd)
    return ms_since(start)


def time_job(milonga, spool, lab):
    """Until the last line of the feedback, the job's own, has been printed; then until the command has ended."""
    start = time.perf_counter()
    with subprocess.Popen([milonga, "--spool", spool, "submit", lab, "--wait"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        while (line := process.stdout.readline()) and line != b"hello\n":
            pass
        seen = ms_since(start)
        process.stdout.read()
    if line != b"hello\n" or process.returncode != 0:
        sys.exit("tools/bench: the job was not graded")
    return seen, ms_since(start)


def floor_box(binaries, runs):
    """What the least box costs beyond the program in it."""
    lines = subprocess.run([f"{binaries}/floor", str(runs), "0"], check=True, capture_output=True, text=True).stdout
    samples = {}
    for line in lines.splitlines():
        name, us = line.split()
        samples.setdefault(name, []).append(float(us) / 1000)
    return statistics.median(samples["direct"]) - statistics.median(samples["spawn"])


def latency(binaries, disk, lab, spool, runs):
    samples = {"make": [], "flushes": [], "local": [], "local_end": []}
    with Daemon(binaries, spool, os.cpu_count()) as daemon:
        daemon.line_with("ready")
        for round_number in range(runs + 1):  # the first is for warming up
            times = {"make": time_make(lab), "flushes": time_flushes(disk.path)}
            times["local"], times["local_end"] = time_job(f"{binaries}/milonga", spool, lab)
            if round_number > 0:
                for name, value in times.items():
                    samples[name].append(value)
            if sys.stderr.isatty():
                print(f"\rlatency: {round_number} of {runs} ", end="", file=sys.stderr)
        idle = idle_cost(daemon.process.pid)
    return samples, idle


def idle_cost(pid):
    time.sleep(0.5)

    def status(field):
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return sum(int(line.split()[1]) for line in file if re.match(field, line))

    before = status("(non)?voluntary_ctxt_switches")
    time.sleep(IDLE_SECONDS)
    return {"rss_mib": round(status("VmRSS") / 1024, 1),
            "wakeups_per_min": (status("(non)?voluntary_ctxt_switches") - before) * 60 // IDLE_SECONDS}


def jobs_per_s(binaries, spool, lab, jobs, slots):
    """Jobs that wait already when the daemon starts: its own speed, not that of who submits."""
    for _ in range(jobs):
        subprocess.run([f"{binaries}/milonga", "--spool", spool, "submit", lab], check=True, stdout=subprocess.DEVNULL)
    with Daemon(binaries, spool, slots) as daemon:
        daemon.line_with("ready")
        start = time.perf_counter()
        for _ in range(jobs):
            daemon.line_with("done: ok")
        return jobs / (time.perf_counter() - start)


def main():
    binaries, runs = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="milonga-bench.") as directory, Disk(directory) as disk:
        lab = os.path.join(directory, "lab")
        os.mkdir(lab)
        with open(os.path.join(lab, "Makefile"), "w", encoding="ascii") as file:
            file.write(MAKEFILE)
        spool = os.path.join(disk.path, "spool")
        samples, idle = latency(binaries, disk, lab, spool, runs)
        box = floor_box(binaries, runs)
        docker = bench_docker.figures(binaries, disk.path, lab, max(1, runs // RUNS_PER_CONTAINER))
        rate = jobs_per_s(binaries, spool, lab, runs * DRAIN_JOBS_PER_RUN, os.cpu_count())
    median = {name: statistics.median(values) for name, values in samples.items()}
    floor = median["make"] + box + median["flushes"]
    flat = {"e2e.make_ms": median["make"], "e2e.floor_box_ms": box, "e2e.flushes_ms": median["flushes"],
            "e2e.floor_ms": floor, "e2e.local_ms": median["local"],
            "e2e.local_p99_ms": sorted(samples["local"])[int(len(samples["local"]) * 0.99)],
            "e2e.local_command_ms": median["local_end"], "e2e.local_over_floor": median["local"] / floor,
            "e2e.local_jobs_per_s": rate, "e2e.idle_rss_mib": idle["rss_mib"],
            "e2e.idle_wakeups_per_min": idle["wakeups_per_min"], **docker}
    flat = {name: round(value, 3) for name, value in flat.items()}
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    print(f"a trivial job through milongad, {runs} runs, one after the other")
    for name, value in flat.items():
        print(f"  {name:28}{value:10}")
    if len(sys.argv) > 4:
        with open(sys.argv[4], "w", encoding="utf-8") as file:
            json.dump(flat, file, indent=2)
            file.write("\n")
        print(f"\nwritten to {sys.argv[4]}")


main()
