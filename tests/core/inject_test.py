#!/usr/bin/env python3
"""Makes every system call of a box's set-up and teardown go wrong, one at a time, and looks at what comes of it.

usage: inject_test.py --build DIRECTORY [--inject PROGRAM] [--only PATTERN] WHAT...
  error   the call fails: the run is refused or not judged, in one line; or it is right in all respects
  fake    the call does nothing and says that it did: the same
  kill    SIGKILL to the process at its entry: after `autodriver gc` nothing is left
  front   SIGKILL to autodriver at each of its own calls: the same
  short   a group above all boxes has too little memory: that is not held against the job

Each worker has a /run and cgroup trees of its own (a mount namespace with directories of the real ones in their places),
so that what is left is what its own runs have left, whoever runs boxes beside it. Exit: 0, 1, 77 without root.
"""
import argparse
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

JOBS = 2
# Calls whose success has no other trace than its effect: what a kernel or a filter that lies could leave out.
FAKED = ("write mount umount2 move_mount mount_setattr fsconfig pivot_root unshare setresuid setresgid setgroups capset prctl "
         "seccomp prlimit64 timerfd_settime pidfd_send_signal ioctl flock").split()
# Of these it must be noticed: without them the box would be open, or without limits. The first write of init joins a group.
READ_BACK = ("umount2", "pivot_root", "mount_setattr", "unshare", "timerfd_settime", "seccomp", ("setresuid", 1), ("write", 1))
# A run that ends by itself, and one that has to be ended.
SCENARIOS = {"ends": (["--memory=64M", "--wall-time=20", "--cpu-time=20"], "make", "ok", 0),
             "is ended": (["--wall-time=0.3", "--pids=20"], "sleep 30", "wall_limit", 2)}
SLEEPS = "sleeps"  # the second, but nothing ends it in time: for when its owner is killed
SOUND = ("requested", "effective", "rung", "read_back")


def call_names():
    text = open("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", encoding="ascii").read()
    return {int(number): name for name, number in re.findall(r"#define __NR_(\w+) (\d+)", text)}


class Private:
    """What a worker has to itself. Made in a mount namespace of its own (main)."""

    def __init__(self, name):
        self.trees = []
        base = "/sys/fs/cgroup"
        v2 = subprocess.run(["stat", "-fc", "%T", base], capture_output=True, text=True, check=True).stdout == "cgroup2fs\n"
        for tree in [base] if v2 else [f"{base}/{d}" for d in ("memory", "pids", "cpuacct", "unified")]:
            if not os.path.isdir(tree):
                continue
            if v2:
                for controller in ("memory", "pids", "cpu"):
                    open(f"{tree}/cgroup.subtree_control", "w", encoding="ascii").write(f"+{controller}")
            # Under its own name as well: after the bind mount the original is not to be reached.
            top = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
            os.mkdir(name, dir_fd=top)
            subprocess.run(["mount", "--bind", f"{tree}/{name}", tree], check=True)
            self.trees.append((tree, top, name))
        subprocess.run(["mount", "-t", "tmpfs", "run", "/run"], check=True)

    def close(self):
        for tree, top, name in self.trees:
            for directory, names, _ in os.walk(tree, topdown=False):
                for inner in names:
                    os.rmdir(os.path.join(directory, inner))
            os.rmdir(name, dir_fd=top)

    def boxes(self):
        return [os.path.join(d, n) for tree, _, _ in self.trees for d, names, _ in os.walk(tree) for n in names
                if n.startswith("box-")]

    def everything(self):
        mounts = [line.split()[4] for line in open("/proc/self/mountinfo", encoding="utf-8") if line.split()[4].startswith("/run/")]
        groups = [os.path.join(d, n) for tree, _, _ in self.trees for d, names, _ in os.walk(tree) for n in names]
        return mounts + groups + [f"/run/{n}" for n in os.listdir("/run")]


class Worker:
    def __init__(self, options, work, private):
        self.options, self.work, self.private = options, work, private
        self.names = call_names()
        self.front, self.core = f"{work}/bin/autodriver", f"{options.build}/bin/autodriver-core"
        os.mkdir(f"{work}/bin")
        shutil.copy(f"{options.build}/bin/autodriver", self.front)
        os.mkdir(f"{work}/lab")
        open(f"{work}/lab/Makefile", "w", encoding="ascii").write("all:\n\t@echo hello\n")
        self.problems, self.outcomes = [], {}

    def place_core(self, before=""):
        """Where autodriver looks for its core: a script that starts the real one, under the words `before`."""
        path = f"{self.work}/bin/autodriver-core"
        open(path, "w", encoding="ascii").write(f"#!/bin/sh\nexec {before} {self.core}\n")
        os.chmod(path, 0o755)

    def run(self, scenario, process=-1, index=-1, action="none", value=0, front=False):
        """One run of autodriver with this call spoilt: exit status, report or None, calls, complaint."""
        options, job, _, _ = SCENARIOS.get(scenario) or (["--wall-time=20", "--pids=20"], "sleep 20", "", 0)
        spoil = [self.options.inject, f"{self.work}/log", "0" if front else "1", str(process), str(index), action, str(value)]
        self.place_core("" if front else " ".join(spoil))
        if os.path.exists(f"{self.work}/report"):
            os.unlink(f"{self.work}/report")
        command = [self.front, "--stream", f"--report={self.work}/report", *options, f"{self.work}/lab"]
        if job != "make":
            command += ["--command", "--", *job.split()]
        done = subprocess.run((spoil if front else []) + command, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=90, check=False)
        report = None
        if os.path.exists(f"{self.work}/report"):
            report = json.load(open(f"{self.work}/report", encoding="utf-8"))
        log = open(f"{self.work}/log", encoding="ascii").read().splitlines()
        return done, report, log

    def calls(self, scenario, front=False):
        """(process, index, name, result, sets) of each call of an untouched run."""
        done, report, log = self.run(scenario, front=front)
        if done.returncode != SCENARIOS[scenario][3]:
            sys.exit(f"the untouched run: exit {done.returncode}\n{done.stderr}")
        calls = [tuple(map(int, line.split())) for line in log if line[0].isdigit()]
        self.baseline = report
        named = [self.names.get(c[2]) for c in calls]
        # The poll in which autodriver waits for the end: of the output, or by the answer.
        self.last_wait = next((calls[i - 1][1] for i in range(1, len(calls)) if named[i - 1] == "poll" and
                               (named[i] == "recvfrom" or (named[i] == "read" and calls[i][3] == 0))), -1)
        return [(process, index, self.names.get(number, str(number)), result, sets) for process, index, number, result, sets in calls]

    def problem(self, where, what):
        self.problems.append(f"{where}: {what}")

    def count(self, outcome):
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def check_report(self, where, scenario, done, report, must_be_refused):
        """Refused or not judged, in one line; or right, with evidence that is true."""
        _, _, verdict, status = SCENARIOS[scenario]
        if report is None:
            return self.problem(where, f"no report; exit {done.returncode}: {done.stderr.strip()}")
        if report["verdict"] in ("refused", "internal_error"):
            self.count(report["verdict"])
            lines = done.stderr.splitlines()  # libc has a word of its own when it cannot even begin
            if "ended without an answer" in done.stderr:
                lines = lines[-1:]
            if done.returncode != 3 or not report["error"] or not report["error"]["what"] or len(lines) != 1:
                self.problem(where, f"exit {done.returncode}, error {report['error']}, said {done.stderr!r}")
            return None
        self.count("right")
        if must_be_refused:
            self.problem(where, "nobody noticed")
        if (report["verdict"], done.returncode) != (verdict, status):
            return self.problem(where, f"{report['verdict']}, exit {done.returncode}: {done.stderr.strip()}")
        if scenario == "ends" and done.stdout != "hello\n":
            self.problem(where, f"the job printed {done.stdout!r}")
        rungs = ("none", "best_effort", "bounded", "strong", "exact")
        for demand, row in report["demands"].items():
            before = self.baseline["demands"][demand]
            if rungs.index(row["rung"]) < rungs.index(before["rung"]):
                self.count(f"right, {demand} at a lower rung")
                continue  # and it says so
            for field in SOUND:
                if row[field] != before[field]:
                    self.problem(where, f"{demand}.{field} is {row[field]}, else {before[field]}")
        for block in ("privilege", "rlimits"):
            for name, value in (report[block] or {"all of it": "absent"}).items():
                if value is not None and value != self.baseline[block].get(name):
                    self.problem(where, f"{block}.{name} is {value}")

    def check_left(self, where, log, is_removal):
        outlived = [line for line in log if line.startswith("outlived")]
        if outlived:
            self.problem(where, f"{', '.join(outlived)}")
        if not is_removal and self.private.boxes():
            self.problem(where, f"left without gc: {self.private.boxes()}")

    def collect(self, where):
        self.place_core()
        deadline = time.monotonic() + 5  # whose front was killed has to notice it
        while True:
            done = subprocess.run([self.front, "gc"], capture_output=True, text=True, timeout=60, check=False)
            if done.returncode != 0:
                self.problem(where, f"gc ended with {done.returncode}: {done.stderr}")
            left = self.private.everything()
            if not left or time.monotonic() > deadline:
                break
        if left:
            self.problem(where, f"left after gc: {left}")

    def points(self, what, scenario):
        for number, (process, index, name, result, sets) in enumerate(self.calls(scenario, front=what == "front")):
            if self.options.only and not re.search(self.options.only, f"{process} {index} {name}"):
                continue
            if name in ("exit_group", "exit", "rt_sigreturn") and what != "kill":
                continue
            if what == "fake" and (name not in FAKED or result < 0 or not sets):
                continue
            if number % self.options.stride == self.options.worker % self.options.stride:
                yield process, index, name, result

    def spoil(self, what):
        count = 0
        for scenario in SCENARIOS:
            for process, index, name, result in self.points(what, scenario):
                where = f"{what} of {name}, call {index} of {'autodriver' if what == 'front' else ('core', 'init', 'job')[min(process, 2)]}, job {scenario}"
                value = {"error": errno.EIO, "fake": result}.get(what, 0)
                action = {"front": "kill"}.get(what, "made" if (what, name) == ("error", "close") else what)
                played = SLEEPS if what == "front" and scenario == "is ended" and index <= self.last_wait else scenario
                began = time.monotonic()
                done, report, log = self.run(played, process, index, action, value, what == "front")
                if what in ("error", "fake"):
                    must = what == "fake" and (name in READ_BACK or (name, process) in READ_BACK)
                    self.check_report(where, scenario, done, report, must)
                    self.check_left(where, log, name in ("unlinkat", "rmdir", "flock"))
                else:
                    self.check_left(where, log, True)
                    if what == "kill" and report is None:
                        self.problem(where, f"no report; exit {done.returncode}: {done.stderr.strip()}")
                took = time.monotonic() - began  # run() waits for the end of the core's stderr as well
                if took > 10:
                    self.problem(where, f"all was over only after {took:.0f} s")
                self.collect(where)
                count += 1
        return count

    def short(self):
        """v1 and hybrid only; on v2 tests/vm/cgroup_v2_test does it."""
        ours = "/sys/fs/cgroup/memory/milonga"
        os.makedirs(ours, exist_ok=True)
        open(f"{ours}/memory.limit_in_bytes", "w", encoding="ascii").write("40M")
        self.place_core()
        done = subprocess.run([self.front, "--stream", f"--report={self.work}/report", "--memory=200M", "--command", "--",
                               "python3", "-c", "x = b'x' * 100_000_000"], capture_output=True, text=True, timeout=60, check=False)
        report = json.load(open(f"{self.work}/report", encoding="utf-8"))
        if report["verdict"] != "internal_error" or "host ran out of memory" not in done.stderr:
            self.problem("short of memory", f"{report['verdict']}: {done.stderr}")
        self.collect("short of memory")
        return 1


def work(options):
    with tempfile.TemporaryDirectory(prefix="milonga-inject-", dir="/var/tmp") as directory:
        private = Private(f"milonga-inject-{os.getpid()}")
        try:
            worker = Worker(options, directory, private)
            points = sum(worker.short() if what == "short" else worker.spoil(what) for what in options.what)
        finally:
            private.close()
    print(f"worker {options.worker}: {points} points; " + ", ".join(f"{n} {o}" for o, n in sorted(worker.outcomes.items())))
    for line in worker.problems:
        print(f"FAILED: {line}")
    return 1 if worker.problems or points == 0 else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--inject", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--stride", type=int, default=JOBS)
    parser.add_argument("--worker", type=int, default=-1)
    parser.add_argument("what", nargs="+", choices=("error", "fake", "kill", "front", "short"))
    options = parser.parse_args()
    options.inject = options.inject or f"{options.build}/tests/core/inject"
    if os.geteuid() != 0:
        print("SKIPPED: needs root")
        return 77
    if options.worker >= 0:
        return work(options)
    workers = [subprocess.Popen(["unshare", "--mount", sys.executable, "-B", *sys.argv, f"--worker={k}"])
               for k in range(1 if options.what == ["short"] else JOBS)]
    return max(worker.wait() for worker in workers)


if __name__ == "__main__":
    sys.exit(main())
