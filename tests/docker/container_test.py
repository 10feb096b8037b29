#!/usr/bin/env python3
"""autodriver as a container's entrypoint, in a real Docker Engine with its default confinement.

usage: container_test.py AUTODRIVER
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

AUTODRIVER = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
if os.geteuid() != 0:
    print("SKIPPED: needs root, to start a Docker Engine of its own")
    sys.exit(77)
DOCKER = "/usr/bin/docker"
IMAGE = "milonga-test"
BOX = "/opt/milonga/autodriver --require container --report /tmp/report"
CASES = []


def case(function):
    CASES.append(function)
    return function


@contextlib.contextmanager
def engine(root):
    """dockerd on a socket of its own, which leaves the machine's network alone."""
    socket = f"unix://{root}/docker.sock"
    with open(f"{root}/log", "wb") as log:
        daemon = subprocess.Popen(["/usr/sbin/dockerd", "--host", socket, "--data-root", f"{root}/data", "--exec-root", f"{root}/exec",
                                   "--pidfile", f"{root}/pid", "--iptables=false", "--bridge=none"], stdout=log, stderr=log)
    os.environ["DOCKER_HOST"] = socket
    try:
        until = time.monotonic() + 60
        while subprocess.run([DOCKER, "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0:
            assert daemon.poll() is None and time.monotonic() < until, open(f"{root}/log", encoding="utf-8").read()[-2000:]
            time.sleep(0.1)
        yield
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)
        subprocess.run(f"umount {root}/data/overlay2/*/merged {root}/exec/netns/* {root}/data 2>/dev/null", shell=True, check=False)


def docker(*args, check=True, timeout=120):
    r = subprocess.run([DOCKER, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False)
    if check:
        assert r.returncode == 0, f"docker {args}: {r.returncode}: {r.stdout.decode()}{r.stderr.decode()}"
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def options(*more):
    network = [] if "--network" in more else ["--network", "none"]
    return ["run", "--rm", *network, "-v", f"{PROGRAMS}:/opt/milonga:ro", "-v", f"{LAB}:/home/mount:ro", *more, IMAGE]


def makefile(text):
    with open(f"{LAB}/Makefile", "w", encoding="utf-8") as f:
        f.write(text)


def inside(script, *more, check=True):
    """A shell in a fresh container; `script` may run more than one box."""
    return docker(*options(*more), "sh", "-c", script, check=check)


def graded(script, *more, box=BOX, extra=""):
    """One job in a fresh container: exit code, output, errors, report."""
    makefile("all:\n\t@" + script.replace("$", "$$").replace("\n", "\\\n") + "\n")
    code, out, err = inside(f"{box} {extra} /home/mount; echo CODE $?; echo REPORT; cat /tmp/report", *more)
    text, report = out.split("REPORT\n", 1)
    output, status = text.rsplit("CODE ", 1)
    return int(status), output, err, json.loads(report)


@case
def refused_by_default():
    """What a container cannot give is named, and nothing runs."""
    makefile("all:\n\t@echo ran\n")
    code, out, err = docker(*options(), "/opt/milonga/autodriver", "/home/mount", check=False)
    assert code == 3 and "\nran" not in out and err.count("\n") == 1 and "memory" in err and "'bounded'" in err, (code, out, err)


@case
def as_entrypoint():
    """As pid 1, root without setuid, no_new_privs: graded, with the same report and the truth about the rungs."""
    code, out, err, r = graded("id -u; touch /x /etc/x 2>&1; echo made > /tmp/y; cat /tmp/y; grep Cap /proc/self/status; "
                               "ls -d /home/autograde; pwd", "--security-opt", "no-new-privileges")
    assert code == 0 and r["verdict"] == "ok", (code, out, err)
    assert out.count("Permission denied") == 2 and "made" in out and out.count("0000000000000000") == 5, out
    assert "/home/autograde/mount" in out and r["box"]["kind"] == "container", out
    rungs = {name: row["rung"] for name, row in r["demands"].items()}
    assert rungs["memory"] == "bounded" and rungs["processes"] == "strong" and rungs["cpu"] == "strong", rungs
    assert rungs["network"] in ("exact", "strong") and rungs["privilege"] == rungs["syscalls"] == rungs["wall"] == "exact", rungs
    assert rungs["filesystem"] == "bounded" and "Landlock" in r["demands"]["filesystem"]["mechanism"], rungs
    assert rungs["inodes"] == "none" and rungs["swap"] == "none", rungs


@case
def no_network():
    """Also where the container has one."""
    tries = "python3 -c 'import socket\nfor f in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):\n" \
            "  try: socket.socket(f, socket.SOCK_DGRAM); print(\"OPENED\", f)\n  except OSError as e: print(e)\n" \
            "socket.socketpair(); socket.socket(socket.AF_UNIX); print(\"unix ok\")'"
    with open(f"{LAB}/tries.py", "w", encoding="utf-8") as f:
        f.write(tries.split("'")[1])
    _, out, _, r = graded("python3 tries.py", "--network", "host")
    assert "OPENED" not in out and "unix ok" in out, out
    assert r["demands"]["network"]["mechanism"] == "seccomp filter: AF_UNIX sockets only", r["demands"]["network"]


@case
def nothing_survives():
    """Daemons that left their session, and every file and IPC object of the job, are gone after the run."""
    with open(f"{LAB}/stay.py", "w", encoding="utf-8") as f:
        f.write("import os, signal, time\nfor n in range(20):\n  if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
                "      for s in range(1, 32):\n        try: signal.signal(s, signal.SIG_IGN)\n        except OSError: pass\n"
                "      time.sleep(600)\n    os._exit(0)\ntime.sleep(0.3)\n")
    with open(f"{LAB}/deep.py", "w", encoding="utf-8") as f:
        f.write("import os\nos.chdir('/tmp')\nfor n in range(3000):\n  os.mkdir('d' * 50)\n  os.chdir('d' * 50)\n  open('f', 'w')\n")
    makefile("all:\n\t@python3 stay.py; mkdir -p /tmp/a/b/c /dev/shm/d; touch /tmp/a/b/c/f /var/tmp/g; chmod 0 /tmp/a/b /tmp/a; "
             "touch ~/home; chmod 0 /dev/shm/d; "
             "python3 deep.py; ln -s /etc/passwd /tmp/l\n")
    _, out, _ = inside(f"{BOX} /home/mount; grep -l '^Uid:.19' /proc/[0-9]*/status; ls -A /tmp /var/tmp /dev/shm /home/autograde; cat /etc/passwd")
    left = out.split("\n", 1)[1]
    assert left.startswith("/dev/shm:\n\n/home/autograde:\n\n/tmp:\nreport\n\n/var/tmp:\nroot:"), left
    code, out, err, r = graded("ls -A ~ | tr '\\n' ' '")  # and a second box of the same container starts
    assert code == 0 and r["verdict"] == "ok", (out, err)


@case
def limits():
    """Wall, CPU, memory, processes, file size."""
    _, _, _, r = graded("sleep 60", extra="--wall-time 0.5")
    assert r["verdict"] == "wall_limit" and 0.5 <= r["wall_s"] < 1, r
    _, _, _, r = graded("while :; do :; done & while :; do :; done", extra="--cpu-time 0.5")
    assert r["verdict"] == "cpu_limit" and 0.5 <= r["cpu_s"] < 0.7, (r["verdict"], r["cpu_s"])
    _, out, _, r = graded("python3 -c 'bytearray(300 << 20)' 2>&1 | tail -1", extra="--memory 100M")
    assert "MemoryError" in out, out
    _, out, _, r = graded("for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done 2>&1; wait", extra="--pids 6")
    assert "fork" in out.lower(), out
    _, out, _, r = graded("head -c 3000000 /dev/zero > big; ls -l big", extra="--disk 1M")
    assert "1048576" in out, out


@case
def accounting():
    """CPU time within 20 ms, also of those whom nobody waits for."""
    burn = "import os, signal, sys, time\ndef burn():\n  while time.process_time() < 0.4: pass\n"
    tails = {"plain": "burn()",
             "double": "r, w = os.pipe()\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0: os.close(r); burn()\n  os._exit(0)\n"
                       "os.wait(); os.close(w); os.read(r, 1)",
             "ignored": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nr, w = os.pipe()\nif os.fork() == 0: os.close(r); burn(); os._exit(0)\n"
                        "os.close(w); os.read(r, 1)"}
    for name, tail in {"nothing": "", **tails}.items():
        with open(f"{LAB}/{name}.py", "w", encoding="utf-8") as f:
            f.write(burn + tail + "\n")
    base = min(graded("exec python3 nothing.py")[3]["cpu_s"] for _ in range(3))
    for name in tails:
        cpu = graded(f"exec python3 {name}.py")[3]["cpu_s"]
        truth = 0.4 + (0 if name == "plain" else base)
        print(f"  {name}: {cpu:.4f} s, truth {truth:.4f} s")
        assert abs(cpu - truth) < 0.02 + 0.01, (name, cpu, truth)  # make's own and the shell's are in it


@case
def killed_core():
    """SIGKILL of the core: everything of the job dies with its tracer, also daemons."""
    makefile("all:\n\t@setsid sleep 777 & sleep 778\n")
    _, out, _ = inside(f"{BOX} /home/mount & while ! pidof sleep | grep -q ' '; do usleep 10000; done; "
                       "kill -9 $(pidof autodriver-core); wait; for i in $(seq 100); do pidof sleep >/dev/null || break; usleep 10000; done; "
                       f"echo LEFT $(pidof sleep); {BOX} --command -- echo again; cat /tmp/report")
    assert "LEFT\n" in out and "again" in out, out


@case
def out_of_reach():
    """The box's init, which counts and kills, has the job's uid: Landlock keeps signals from it."""
    with open(f"{LAB}/attack.py", "w", encoding="utf-8") as f:
        f.write("import os, signal\n"
                "for pid in [os.getppid()] + [int(p) for p in os.listdir('/proc') if p.isdigit()]:\n"
                "  for s in (signal.SIGSTOP, signal.SIGKILL):\n"
                "    try:\n      if pid != os.getpid() and pid not in MINE: os.kill(pid, s); print('REACHED', pid, s)\n"
                "    except OSError: pass\nprint('still here')\n".replace("MINE", "{os.getppid()}"))
    code, out, err, r = graded("python3 attack.py")
    assert r["verdict"] == "ok" and "still here" in out and "REACHED" not in out, (r["verdict"], out)
    assert r["demands"]["visibility"]["rung"] == "strong", r["demands"]["visibility"]


@case
def stopped():
    """docker stop: pid 1 ends the job and says so, well inside the ten seconds."""
    makefile("all:\n\t@echo started; sleep 600\n")
    name = f"milonga-stop-{os.getpid()}"
    docker("run", "-d", "--name", name, "--network", "none", "-v", f"{PROGRAMS}:/opt/milonga:ro", "-v", f"{LAB}:/home/mount:ro",
           "--entrypoint", "/opt/milonga/autodriver", IMAGE, "--require", "container", "--report", "/tmp/report", "/home/mount")
    try:
        time.sleep(1)
        began = time.monotonic()
        docker("stop", name)
        took = time.monotonic() - began
        _, code, _ = docker("wait", name)
        _, out, _ = docker("logs", name)
        _, report, _ = docker("cp", f"{name}:/tmp/report", "-", check=False)
        assert took < 8 and code.strip() == "3" and "cancelled" in out and "started" in out, (took, code, out)
        assert '"verdict":"cancelled"' in report.replace(" ", ""), report[:500]
    finally:
        docker("rm", "-f", name)


@case
def less_privilege():
    """Capabilities dropped, a read-only container, a plain user: graded, or refused in one line."""
    needed = [f"--cap-add={c}" for c in ("SETUID", "SETGID", "SETPCAP", "CHOWN", "KILL", "DAC_OVERRIDE")]
    code, out, _, r = graded("echo fine", "--cap-drop=ALL", *needed)
    assert code == 0 and "fine" in out, out
    code, out, _, r = graded("echo fine", "--read-only", "--tmpfs", "/tmp", "--tmpfs", "/home:exec", "--tmpfs", "/run")
    assert code == 0 and "fine" in out, out
    for more in (["--cap-drop=ALL"], ["--user", "1000:1000"]):
        code, out, err = docker(*options(*more), "/opt/milonga/autodriver", "--require", "container", "/home/mount", check=False)
        assert code == 3 and err.count("\n") == 1 and "fine" not in out.splitlines(), (more, code, out, err)


@case
def setuid():
    """A plain user of the container with the setuid core: the same box; under no_new_privs it says why not."""
    copy = "cp /opt/milonga/autodriver* /usr/libexec/milonga/ && chmod 4755 /usr/libexec/milonga/autodriver-core && " \
           "/usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups /usr/libexec/milonga/autodriver --require container /home/mount"
    makefile("all:\n\t@echo fine; id -u\n")
    _, out, err = inside(copy, "--user", "0")
    assert "fine" in out and "\n19" in out, (out, err)
    code, out, err = inside(copy, "--security-opt", "no-new-privileges", check=False)
    assert code == 3 and err.count("\n") == 1, (code, out, err)


with tempfile.TemporaryDirectory(prefix="mlgd-", dir="/var/tmp") as base, engine(base):
    PROGRAMS, LAB = f"{base}/programs", f"{base}/lab"
    os.mkdir(PROGRAMS)
    os.mkdir(LAB)
    for program in ("autodriver", "autodriver-core"):
        shutil.copy(os.path.join(os.path.dirname(AUTODRIVER), program), PROGRAMS)
    subprocess.run([f"{HERE}/image", f"{base}/image.tar"], check=True)
    docker("import", f"{base}/image.tar", IMAGE)
    failed = 0
    for one in CASES:
        if len(sys.argv) > 2 and one.__name__ not in sys.argv[2:]:
            continue
        began = time.monotonic()
        try:
            one()
            print(f"{one.__name__}: ok ({time.monotonic() - began:.1f} s)", flush=True)
        except AssertionError as e:
            failed += 1
            print(f"{one.__name__}: FAILED: {str(e)[:3000]}", flush=True)
sys.exit(1 if failed else 0)
