#!/usr/bin/env python3
"""Runs one job under strace and holds every system call that autodriver-core
makes while a capability is in effect against the ledger in docs/privilege.md.

A call that is not in the ledger fails the test; so does a ledger row that no
run ever made. Prints the calls with their counts.
usage: privilege_test.py AUTODRIVER LEDGER
"""
import collections
import glob
import os
import re
import subprocess
import sys
import tempfile

autodriver, ledger_path = sys.argv[1:3]
if os.geteuid() != 0:
    print("SKIPPED: needs root to trace a privileged program")
    sys.exit(77)

ledger = {}  # (capability, call) -> optional?
for line in open(ledger_path, encoding="utf-8"):
    m = re.match(r"\|\s*`(CAP_\w+)`\s*\|\s*`(\w+)`\s*\|.*\|\s*(always|sometimes)\s*\|", line)
    if m:
        ledger[m.group(1), m.group(2)] = m.group(3) == "sometimes"
if not ledger:
    sys.exit(f"{ledger_path}: no row of the form | `CAP_X` | `call` | where | why | always |")


def trace(arguments, status):
    """Counter of (capability, call) made by autodriver-core and what it clones, until it executes the job."""
    seen = collections.Counter()
    with tempfile.TemporaryDirectory() as work:
        os.mkdir(f"{work}/lab")
        open(f"{work}/lab/Makefile", "w", encoding="utf-8").write("all:\n\t@echo hello\n")
        done = subprocess.run(["strace", "-ff", "-o", f"{work}/trace", autodriver, *arguments], cwd=work,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        files = {int(f.rsplit(".", 1)[1]): open(f, errors="replace").read().splitlines()
                 for f in glob.glob(f"{work}/trace.*")}
        cores = [pid for pid, lines in files.items() if any(re.match(r'execve\("[^"]*autodriver-core"', l) for l in lines)]
        if done.returncode != status or not cores:
            sys.exit(f"autodriver {arguments}: exit {done.returncode}, {len(cores)} traces\n{done.stderr.decode()}")
        family = list(cores)
        for pid in family:
            raised = ""
            began = pid not in cores
            for line in files[pid]:
                if re.match(r'execve\("[^"]*autodriver-core"', line):
                    began = True
                    continue
                if line.startswith("execve(") and pid not in cores:
                    break  # the job's own from here
                child = re.match(r"(?:clone3?|v?fork)\(.*= (\d+)$", line)
                if child and int(child.group(1)) in files:
                    family.append(int(child.group(1)))
                elif child:  # numbered inside the box's pid namespace: the traced one that is not known yet
                    family.extend(p for p in files if p not in family and not any(
                        l.startswith("execve(") and "autodriver" in l for l in files[p]))
                call = re.match(r"(\w+)\(", line)
                if not began or not call:
                    continue
                if call.group(1) == "capset":
                    effective = re.search(r"effective=([^,]*),", line)
                    if effective and line.endswith("= 0"):
                        raised = "" if effective.group(1) == "0" else effective.group(1).replace("1<<", "")
                    continue
                if raised:
                    seen[raised, call.group(1)] += 1
    return seen


runs = [(["lab"], 0), (["--wall-time", "0.2", "--command", "--", "sleep", "60"], 2), (["gc"], 0)]
total = collections.Counter()
for run in runs:
    total += trace(*run)
print(f"{sum(total.values())} privileged calls of {len(total)} kinds in {len(runs)} runs:")
for (capability, call), count in sorted(total.items()):
    print(f"  {capability:18} {call:20} {count}")
unknown = sorted(set(total) - set(ledger))
unused = sorted(k for k, sometimes in ledger.items() if not sometimes and k not in total)
for capability, call in unknown:
    print(f"not in {ledger_path}: {call} with {capability}")
for capability, call in unused:
    print(f"in {ledger_path}, but never made: {call} with {capability}")
sys.exit(1 if unknown or unused else 0)
