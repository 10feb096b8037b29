"""Usage: attack_test.py BUILD-DIRECTORY. A job tries to reach what is not its own (attacker/attack.py), and reaches nothing.

First the attacker runs outside of a box, as nobody: it must find something there, or its silence in the box says nothing.
"""
import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

SHM_KEY, VARIABLE = 0x4D4C4741, "MILONGA_TEST_SECRET"
NOBODY = 65534
# What nobody can reach on any host: if the attacker misses these outside, it is blind.
MUST_FIND_OUTSIDE = ("a file of others", "a port of the host", "processes of others", "a shared memory segment of the host",
                     "a secret of the caller's environment", "kernel settings", "unfiltered system calls")


def reached(output):
    return re.findall(r"^REACHED: ([^:]+): .*$", output, re.M)


def run_outside(lab):
    return subprocess.run(["make", "-s"], cwd=lab, user=NOBODY, group=NOBODY, extra_groups=[], text=True,
                          env=os.environ | {VARIABLE: "1"}, capture_output=True, timeout=120, check=False)


def run_in_box(autodriver, lab, report):
    subprocess.run([autodriver, "--report", report, "--wall-time", "100", lab], text=True, timeout=120, check=False,
                   env=os.environ | {VARIABLE: "1"}, stdout=open(report.with_name("output"), "w", encoding="utf-8"))
    return report.with_name("output").read_text(encoding="utf-8"), json.loads(report.read_text(encoding="utf-8"))


def check(autodriver, directory, port):
    lab = directory / "lab"
    shutil.copytree(Path(__file__).parent / "attacker", lab)
    secret = directory / "secret"  # in /var/tmp, readable by everybody: another job's file
    secret.write_text("points", encoding="utf-8")
    planted = {"files": [str(secret), str(lab / "Makefile"), "/run/milonga", "/proc/1/exe", "/root/.bashrc"],
               "shm_key": SHM_KEY, "port": port, "variable": VARIABLE}
    (lab / "planted.json").write_text(json.dumps(planted), encoding="utf-8")

    outside = run_outside(lab).stdout
    blind = [what for what in MUST_FIND_OUTSIDE if what not in reached(outside)]
    if blind:
        return [f"outside of a box the attacker did not reach: {blind}", outside]
    output, report = run_in_box(autodriver, lab, directory / "report.json")
    problems = [line for line in output.splitlines() if line.startswith("REACHED")]
    attempts = re.search(r"^(\d+) attempts$", output, re.M)
    if not attempts or int(attempts.group(1)) < 1000:
        problems.append(f"the attacker did not get to its end: {output[-500:]}")
    if (report["verdict"], report["exit_code"]) != ("failed", 2):  # make's status: its recipe exits with 7
        problems.append(f"the job talked itself into {report['verdict']}, exit code {report['exit_code']}")
    if not problems:
        print(f"{attempts.group(1)} attempts, nothing reached (outside: {len(reached(outside))} things)")
    return problems


def main(build):
    if os.geteuid() != 0:
        print("SKIPPED: boxes need root")
        return 77
    libc = ctypes.CDLL(None, use_errno=True)
    segment = libc.shmget(SHM_KEY, 4096, 0o1666)
    directory = Path(tempfile.mkdtemp(prefix="milonga-test.", dir="/var/tmp"))
    directory.chmod(0o755)
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            problems = check(Path(build) / "bin/autodriver", directory, server.getsockname()[1])
    finally:
        libc.shmctl(segment, 0, None)  # IPC_RMID
        shutil.rmtree(directory)
    print("\n".join(problems))
    return 1 if problems else 0


sys.exit(main(sys.argv[1]))
