#!/usr/bin/env python3
"""Boxes without root: a plain user, no setuid program, with and without cgroups that were delegated to it.

usage: rootless_test.py AUTODRIVER CASE
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

AUTODRIVER, CASE = sys.argv[1:3]
USER = 65534
LESS = "memory>=bounded,cpu>=none"
if os.geteuid() != 0:
    print("SKIPPED: needs root, to become a user that nothing else runs as")
    sys.exit(77)

root = tempfile.mkdtemp(prefix="milonga-rootless-", dir="/var/tmp")
os.chmod(root, 0o755)
for program in ("autodriver", "autodriver-core"):
    shutil.copy(os.path.join(os.path.dirname(AUTODRIVER), program), root)
    os.chmod(f"{root}/{program}", 0o755)
os.mkdir(f"{root}/out")
os.chown(f"{root}/out", USER, USER)
STATE = f"/tmp/milonga-{USER}"  # there is no /run/user of nobody


def as_user(groups=()):
    for group in groups:
        with open(f"{group}/cgroup.procs", "w", encoding="utf-8") as f:
            f.write(str(os.getpid()))
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)


def start(*args, groups=()):
    return subprocess.Popen([f"{root}/autodriver", "--report", f"{root}/out/report", *args], cwd=root,
                            preexec_fn=lambda: as_user(groups), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(*args, groups=()):
    p = start(*args, groups=groups)
    out, err = p.communicate(timeout=60)
    with open(f"{root}/out/report", encoding="utf-8") as f:
        report = json.load(f)
    return p.returncode, out.decode(), err.decode(), report


def shell(*args, script, groups=()):
    return run(*args, "--command", "--", "sh", "-c", script, groups=groups)


def processes_of_user():
    out = subprocess.run(["ps", "-o", "pid=", "-u", str(USER)], stdout=subprocess.PIPE, text=True, check=False).stdout
    return [int(pid) for pid in out.split()]


def refused_by_default():
    """Without cgroups the memory limit is weaker than what a run insists on: nothing runs unless that is allowed."""
    code, out, err, report = shell(script="echo ran")
    assert code == 3 and report["verdict"] == "refused" and "ran" not in out.splitlines(), (code, out, report["verdict"])
    assert "memory" in err and "'bounded' where 'strong' is required" in err and err.count("\n") == 1, err


def box():
    """The same box: own ids, no capability, nothing of the host writable, no network, nobody else to see."""
    code, out, err, report = shell("--require", LESS, script="""
        id -u; grep -c "^Cap.*0000000000000000" /proc/self/status; touch /usr/x 2>&1; touch /x 2>&1; echo made > /tmp/y; cat /tmp/y
        ls /proc | grep -c '^[0-9]'; ls /sys/class/net 2>&1; cat /proc/net/dev 2>&1 | wc -l; echo x > /dev/null; unshare -r true 2>&1
        grep Seccomp: /proc/self/status""")
    assert code == 0 and report["verdict"] == "ok", (code, err, report)
    lines = out.splitlines()[1:]
    assert lines[0] == "60600" and lines[1] == "5", lines  # all capability sets
    assert sum("Read-only file system" in l for l in lines) == 2 and "made" in lines, lines
    assert any("unshare failed" in l for l in lines) and lines[-1].split() == ["Seccomp:", "2"], lines
    for demand in ("filesystem", "visibility", "network", "privilege", "syscalls", "disk", "inodes"):
        assert report["demands"][demand]["rung"] == "exact", demand
    assert report["demands"]["memory"]["rung"] == "bounded" and report["demands"]["memory"]["read_back"] == 2 << 30
    assert report["demands"]["processes"]["rung"] == "strong" and report["demands"]["processes"]["read_back"] == 512
    for unknown in ("memory_peak_bytes", "oom_kills", "forks_refused"):
        assert report[unknown] is None, "what nobody counted is not 0"


def limits():
    """RLIMIT_DATA, RLIMIT_NPROC of the box's own user namespace, and the CPU limit by the tracer."""
    code, out, _, report = shell("--require", LESS, "--memory", "100M", script="python3 -c 'bytearray(200 << 20)' 2>&1; echo $?")
    assert "MemoryError" in out and code == 0, out
    hold = "python3 -c '\nimport os, time\ntry:\n  for n in range(50):\n    if os.fork() == 0: time.sleep(2); os._exit(0)\n" \
           "except OSError: print(\"refused\", n)'"
    first = start("--require", LESS, "--pids", "8", "--command", "--", "sh", "-c", hold)
    code, out, _, report = shell("--require", LESS, "--pids", "8", script=hold)  # beside it: each box counts for itself
    assert "refused 6" in out, out
    assert b"refused 6" in first.communicate(timeout=60)[0]
    for script in ("while :; do :; done", "(while :; do :; done) & while :; do :; done",
                   "python3 -c 'import os\nwhile True:\n  os.fork() or os._exit(0)\n  os.wait()'"):
        code, out, _, report = shell("--require", "memory>=bounded", "--cpu-time", "0.5", "--wall-time", "20", script=script)
        assert report["verdict"] == "cpu_limit", (script, report["verdict"], report["error"])
        assert 0.5 <= report["cpu_s"] < 0.9, (script, report["cpu_s"], report["times_s"])


def accounting():
    """CPU time without a cgroup, exact also for those whom nobody waits for."""
    burn = "import os, signal, sys, time\ndef burn():\n  while time.process_time() < 0.4: pass\n"
    fixtures = {
        "plain": "burn()",
        "double fork": "r, w = os.pipe()\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0: os.close(r); burn()\n"
                       "  os._exit(0)\nos.wait(); os.close(w); os.read(r, 1)",
        "SIGCHLD ignored": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nr, w = os.pipe()\n"
                           "if os.fork() == 0: os.close(r); burn(); os._exit(0)\nos.close(w); os.read(r, 1)",
        "zombie of a dead parent": "if os.fork() == 0:\n  pid = os.fork()\n  if pid == 0: burn(); os._exit(0)\n"
                                   "  os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT); time.sleep(0.05); os._exit(0)\n"
                                   "os.wait(); time.sleep(0.05)",
        "threads": "import threading\nt = threading.Thread(target=burn); t.start(); t.join()",
    }
    base = min(shell("--require", "cpu>=strong,memory>=bounded", script=f"exec python3 -c '{burn}'")[3]["cpu_s"] for _ in range(5))
    for name, code in fixtures.items():
        report = run("--require", "cpu>=strong,memory>=bounded", "--command", "--", "python3", "-c", burn + code)[3]
        assert report["verdict"] == "ok", (name, report["error"])
        # process_time() of who burns counts from its own beginning; for a forked one the parent's start comes on top.
        truth = 0.4 + (base if "fork" in code else 0)
        print(f"{name}: {report['cpu_s']:.4f} s, truth {truth:.4f} s")
        assert abs(report["cpu_s"] - truth) < 0.02, name
        assert report["cpu_user_s"] is None and report["demands"]["cpu"]["mechanism"].endswith("by ptrace")


def out_of_sight():
    """clone(CLONE_UNTRACED) would make a process that nobody counts; clone3 cannot be looked into."""
    code = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nfor call in ((56, 0x00800000 | 17, 0, 0, 0, 0), (435, 0, 0)):\n" \
           "  r = libc.syscall(*call)\n  if r == 0: os._exit(0)\n  print(r, ctypes.get_errno())"
    out = run("--require", "cpu>=strong,memory>=bounded", "--command", "--", "python3", "-c", code)[1]
    assert out.splitlines()[1:] == ["-1 1", "-1 38"], out


def honest():
    """What a traced job does that stops, resumes, kills and threads."""
    code, out, _, _ = shell("--require", "cpu>=strong,memory>=bounded", script="""
        (sleep 0.2; kill -CONT $$) & kill -STOP $$; echo resumed; timeout 1 sleep 9; echo $?; sh -c 'kill -9 $$'; echo $?
        python3 -c 'import threading as t; x = [t.Thread() for _ in range(50)]; [i.start() for i in x]; [i.join() for i in x]; print("joined")'
        bash -c 'set -m; sleep 9 & sleep 0.1; kill -STOP %1; sleep 0.1; jobs; kill %1; kill -CONT %1; wait; echo waited' """)
    assert code == 0 and all(w in out for w in ("resumed", "\n124", "\n137", "joined", "Stopped", "waited")), out


def counted_once():
    """A process that was stopped and resumed often counts once; what does is not to be had by filling the tracer's list."""
    code, out, _, report = run("--require", "memory>=bounded", "--cpu-time", "1.5", "--wall-time", "40", "--command", "--", "python3", "-c", """
import os, signal, time
r, w = os.pipe()
child = os.fork()
if child == 0:
    os.close(w)
    os.read(r, 1)
    began = time.process_time()
    while time.process_time() < began + 0.6: pass
    os._exit(0)
for n in range(100):
    os.kill(child, signal.SIGSTOP)
    os.waitid(os.P_PID, child, os.WSTOPPED)
    os.kill(child, signal.SIGCONT)
    os.waitid(os.P_PID, child, os.WCONTINUED)
os.close(w)
os.waitpid(child, 0)
print("counted")""")
    assert code == 0 and "counted" in out and 0.6 <= report["cpu_s"] < 1, (code, out, report["verdict"], report["cpu_s"])


def init_signals():
    """Outside, the box's init has the job's uid: no signal of the job's may end it, and with it the run without a verdict."""
    for rung in ("none", "strong"):  # without and with the tracer
        code, out, _, report = shell("--require", f"cpu>={rung},memory>=bounded", "--wall-time", "20", script="""
            for signal in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 19 20 23 24 25 26 27 29 30 31 34 50 64; do kill -$signal 1; done
            sleep 0.1; echo judged""")
        assert code == 0 and report["verdict"] == "ok" and "judged" in out, (code, out, report["verdict"], report["error"])


def delegated():
    """With delegated groups the exact rungs are back, and nothing is left in them."""
    groups = []
    for hierarchy in ("memory", "pids", "cpuacct", "unified", ""):
        parent = f"/sys/fs/cgroup/{hierarchy}"
        if not os.path.exists(f"{parent}/cgroup.procs"):
            continue
        group = f"{parent}/milonga-rootless-{os.getpid()}"
        os.mkdir(group)
        for name in ("", "/cgroup.procs", "/tasks", "/cgroup.subtree_control"):
            if os.path.exists(group + name):
                os.chown(group + name, USER, USER)
        groups.append(group)
    homes = groups
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):  # v2 alone: processes only in leaves
        subprocess.run(["sh", "-c", "echo +memory +pids > /sys/fs/cgroup/cgroup.subtree_control"], check=True)
        homes = [f"{groups[0]}/self"]
        os.mkdir(homes[0])
        for name in ("", "/cgroup.procs"):
            os.chown(homes[0] + name, USER, USER)
    try:
        code, out, err, report = shell("--memory", "64M", script="python3 -c 'bytearray(200 << 20)'", groups=homes)
        assert report["verdict"] == "memory_limit", (code, out, err, report["verdict"])
        for demand in ("memory", "processes", "cpu"):
            assert report["demands"][demand]["rung"] == "exact", report["demands"][demand]
        assert report["memory_peak_bytes"] > 60 << 20
        left = [d for g in groups for d, _, _ in os.walk(g) if "box-" in d]
        assert not left, left
    finally:
        for group in groups:
            for directory, _, _ in os.walk(group, topdown=False):
                os.rmdir(directory)


def killed():
    """SIGKILL of the core: the box is gone at once; the next run takes the slot, gc leaves nothing."""
    p = start("--require", LESS, "--command", "--", "sleep", "60")
    until = time.monotonic() + 20
    while not (core := subprocess.run(["pgrep", "-P", str(p.pid)], stdout=subprocess.PIPE, check=False).stdout.split()) or \
            len(processes_of_user()) < 4:
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(int(core[0]), signal.SIGKILL)
    began = time.monotonic()
    while len(processes_of_user()) > 1 and p.poll() is None:
        assert time.monotonic() < began + 5, processes_of_user()
        time.sleep(0.001)
    assert p.wait(timeout=5) == 3
    while processes_of_user():
        assert time.monotonic() < began + 5, processes_of_user()
    assert shell("--require", LESS, script="true")[0] == 0
    assert subprocess.run([f"{root}/autodriver", "gc"], preexec_fn=as_user, check=False).returncode == 0
    assert not os.path.exists(STATE)


def foreign_state():
    """A state directory that somebody else prepared is refused."""
    os.mkdir(STATE)  # root's
    try:
        code, _, err, report = shell("--require", LESS, script="true")
        assert code == 3 and report["verdict"] == "internal_error" and "not ours alone" in err, (code, err)
    finally:
        os.rmdir(STATE)


try:
    subprocess.run(["rm", "-rf", STATE], check=True)
    {"refused_by_default": refused_by_default, "box": box, "limits": limits, "accounting": accounting, "honest": honest, "out_of_sight": out_of_sight,
     "counted_once": counted_once,
     "init_signals": init_signals, "delegated": delegated, "killed": killed, "foreign_state": foreign_state}[CASE]()
finally:
    shutil.rmtree(root)
    shutil.rmtree(STATE, ignore_errors=True)
print("ok")
