#!/usr/bin/env python3
"""The daemon as a process: killed, stopped, started twice, fed broken files.

usage: milongad_test.py BIN_DIR CASE
"""
import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from daemon import Place, stop

BIN, CASE = sys.argv[1:3]
if os.geteuid() != 0:
    print("SKIPPED: boxes need root, or the installed setuid core")
    sys.exit(77)


def box_of(pid):
    """The cgroups of the box that a process is in, by inode: the next box of that slot has its own."""
    name = re.search(r"/milonga/(box-\d+)", open(f"/proc/{pid}/cgroup", encoding="ascii").read())[1]
    paths = glob.glob(f"/sys/fs/cgroup/*/milonga/{name}") + glob.glob(f"/sys/fs/cgroup/milonga/{name}")
    return {path: os.stat(path).st_ino for path in paths}


def is_there(path, inode):
    try:
        return os.stat(path).st_ino == inode
    except FileNotFoundError:
        return False


def kill_daemon(place):
    """kill -9 in the middle of 20 jobs, at several moments: all 20 end once, with one feedback each."""
    place.makefile("all:\n\t@sleep 0.2; echo graded\n")
    for moment in (0.1, 0.35, 0.6, 0.9):
        p = place.daemon("--slots", "4")
        jobs = place.submit(20)
        until = time.monotonic() + moment
        while time.monotonic() < until:
            time.sleep(0.01)
        p.kill()
        p.wait()
        done_before = set(place.results()) & set(jobs)
        p = place.daemon("--slots", "4")
        place.wait_until_done(jobs)
        place.wait_until_left()
        for job in jobs:
            result = place.result(job)
            assert result["outcome"] == "graded", result
            outs = glob.glob(f"{place.spool}/done/*/{job}.*.out")
            feedback = open(result["feedback"], encoding="utf-8").read()
            assert feedback.endswith("\ngraded\n"), feedback
            assert result["feedback"] in outs, outs
        print(f"killed after {moment} s: {len(done_before)} were done, all {len(jobs)} ended once")
        assert stop(p) == 0
    for name in ("ready/default", "run", "tmp", "work", "bad"):
        assert not os.listdir(f"{place.spool}/{name}"), f"{name}: {os.listdir(f'{place.spool}/{name}')}"


def stop_case(place):
    """SIGTERM: what runs may end; what does not is given back, and is not held against the job."""
    place.makefile("all:\n\t@sleep 1; echo graded\n")
    p = place.daemon("--slots", "2", "--grace", "20")
    quick = place.submit(2)
    while len(glob.glob(f"{place.spool}/run/*/0*")) < 2:
        time.sleep(0.01)
    assert stop(p) == 0
    assert set(place.results()) == set(quick)
    marker = f"30.{os.getpid()}"  # seconds, that no other test sleeps
    place.makefile(f"all:\n\t@sleep {marker}\n")
    p = place.daemon("--slots", "2", "--grace", "0.2")
    slow = place.submit(1)
    while not with_marker(marker):
        time.sleep(0.01)
    box = box_of(with_marker(marker)[0])
    assert box
    began = time.monotonic()
    assert stop(p) == 0
    print(f"stopped in {time.monotonic() - began:.2f} s")
    (name,) = os.listdir(f"{place.spool}/ready/default")
    assert name.startswith(f"{slow[0]:010}.i.00."), name
    assert not with_marker(marker)
    assert not [path for path, inode in box.items() if is_there(path, inode)], box


def second_daemon(place):
    p = place.daemon()
    second = subprocess.run([f"{BIN}/milongad", "--spool", place.spool, "--volatile"], stderr=subprocess.PIPE, timeout=30)
    print(second.stderr.decode())
    assert second.returncode == 1
    assert second.stderr.count(b"\n") == 1 and b"another milongad runs this spool" in second.stderr
    assert str(p.pid).encode() in second.stderr
    job = place.submit(1)
    place.wait_until_done(job)  # the first goes on
    assert stop(p) == 0


def broken_job(place):
    p = place.daemon()
    place.submit(1)
    for name in ("0000009999.i.00.0.0.01234567.01234567", "notes.txt"):
        with open(f"{place.root}/x", "w", encoding="utf-8") as f:
            f.write("not a job")
        os.rename(f"{place.root}/x", f"{place.spool}/ready/default/{name}")
    jobs = place.submit(3)
    place.wait_until_done(jobs)
    bad = sorted(os.listdir(f"{place.spool}/bad"))
    print(bad)
    assert len(bad) == 4 and sum(b.endswith(".why") for b in bad) == 2, bad
    assert p.poll() is None
    assert stop(p) == 0


def by_hand(place, text):
    """Puts a job record into the spool that no program of ours would write; returns its id."""
    (job,) = place.submit(1)
    (path,) = glob.glob(f"{place.spool}/ready/*/{job:010}.*")
    _, payload = open(path, encoding="utf-8").read().split("\n", 1)
    payload = json.dumps({**json.loads(payload), **text}).encode()
    head = f"milonga-job 1 {len(payload)} {hashlib.sha256(payload).hexdigest()}\n".encode()
    with open(path, "wb") as f:
        f.write(head + payload)
    return job


def bad_option(place):
    """A job whose options are none is the fault of who wrote it, not of the machine: it ends at the first attempt."""
    p = place.daemon()
    assert stop(p) == 0  # the spool is there, and its jobs wait
    jobs = [by_hand(place, {"options": {"memory": "lots"}}), by_hand(place, {"options": {"no-such-option": "1"}}),
            by_hand(place, {"command": ["echo"] + ["x" * 8000] * 3})]
    p = place.daemon()
    place.wait_until_done(jobs, seconds=20)
    for job, text in zip(jobs, ("--memory: 'lots'", "no option 'no-such-option'", "the command is too long")):
        result = place.result(job)
        print(result["reason"])
        assert result["attempt"] == 1 and result["outcome"] == "graded", result
        assert result["report"]["verdict"] == "refused" and text in result["reason"], result
        assert text in open(result["feedback"], encoding="utf-8").read()
    assert stop(p) == 0


def torn_text(place):
    """What autodriver said before it failed goes into the record whatever its bytes are, and wherever it is cut."""
    said = b"x" * 399 + "\u20ac".encode() + b"more \xff\n"
    for n, text in enumerate((said, b"\xff\xfe")):
        program = f"{place.root}/autodriver{n}"
        with open(program, "wb") as f:
            f.write(b"#!/bin/sh\nprintf '%s' '" + text + b"' >&2\nexit 1\n")
        os.chmod(program, 0o755)
        p = place.daemon("--autodriver", program)
        job = place.submit(1)
        place.wait_until_done(job, seconds=60)
        status = json.loads(place.milonga("status", str(job[0]), check=False).stdout)
        print(status["reason"])
        assert status["record_error"] is None and status["reason"], status
        assert status["reason"].endswith("xxx" if n == 0 else r"\xff\xfe"), status["reason"]
        assert stop(p) == 0


@contextlib.contextmanager
def small_disk(place):
    """The spool on an ext4 of its own, 16 MiB; yields its mount point."""
    image, mount = f"{place.root}/disk", f"{place.root}/small"
    os.mkdir(mount)
    subprocess.run(["truncate", "-s", "16M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    place.spool = f"{mount}/spool"
    try:
        yield mount
    finally:
        for p in place.daemons:
            if p.poll() is None:
                p.kill()
                p.wait()
        subprocess.run(["umount", mount], check=True)


def job_that_ends_on_a_full_disk(place, mount):
    """Fills the disk while a job runs whose feedback does not fit; returns the job."""
    place.makefile("all:\n\t@sleep 1; head -c 200000 /dev/urandom | base64; echo graded\n")
    job = place.submit(1)
    while not glob.glob(f"{place.spool}/work/*/*/lock"):
        time.sleep(0.01)
    with open(f"{mount}/ballast", "wb") as f:
        try:
            while True:
                f.write(b"x" * 4096)
                f.flush()
        except OSError:
            pass
    return job


def full_disk(place):
    """A spool on a full disk: submit says so in one line and leaves nothing; what was accepted is graded when there is room."""
    with small_disk(place) as mount:
        p = place.daemon()
        before = place.submit(1)
        place.wait_until_done(before)
        accepted = job_that_ends_on_a_full_disk(place, mount)
        with open(f"{place.lab}/big", "wb") as f:
            f.write(os.urandom(300000))
        refused = place.milonga("submit", place.lab, check=False)
        print(refused.stderr.decode())
        assert refused.returncode != 0 and refused.stderr.count(b"\n") == 1, refused
        assert b"full" in refused.stderr or b"No space" in refused.stderr
        time.sleep(2)  # let the running job end on the full disk
        assert p.poll() is None, "the daemon must go on"
        os.unlink(f"{mount}/ballast")
        place.wait_until_done(accepted)
        result = place.result(accepted[0])
        assert result["outcome"] == "graded", result
        feedback = open(result["feedback"], encoding="utf-8").read()
        assert feedback.endswith("\ngraded\n") and len(feedback) > 200000, feedback[-300:]
        os.unlink(f"{place.lab}/big")
        again = place.submit(1)
        place.wait_until_done(again)
        assert stop(p) == 0


def no_inodes(place):
    """A claim that finds no inode left: the daemon goes on, and so does the job when there is one."""
    with small_disk(place) as mount:
        p = place.daemon()
        place.wait_until_done(place.submit(1))
        place.wait_until_left()  # else its files go, and give room, when the daemon goes on
        p.send_signal(signal.SIGSTOP)
        jobs = place.submit(2)
        os.mkdir(f"{mount}/ballast")
        with contextlib.suppress(OSError):
            for n in range(100_000):
                os.close(os.open(f"{mount}/ballast/{n}", os.O_CREAT | os.O_WRONLY))
        p.send_signal(signal.SIGCONT)
        place.wait_for_log(p, b"the queue is looked at again")
        assert p.poll() is None, "the daemon must go on"
        refused = place.milonga("submit", place.lab, check=False)
        assert refused.returncode != 0 and refused.stderr.count(b"\n") == 1, refused
        shutil.rmtree(f"{mount}/ballast")
        place.wait_until_done(jobs)
        assert [place.result(j)["attempt"] for j in jobs] == [1, 1], "nothing was executed for nothing"
        assert stop(p) == 0


def stop_full_disk(place):
    """SIGTERM ends the daemon also while a job waits for room; the next daemon grades that job."""
    with small_disk(place) as mount:
        p = place.daemon("--grace", "1")
        job = job_that_ends_on_a_full_disk(place, mount)
        place.wait_for_log(p, b"tried again when there may be room")
        assert stop(p) == 0
        assert not place.results()
        os.unlink(f"{mount}/ballast")
        p = place.daemon()
        place.wait_until_done(job)
        assert place.result(job[0])["outcome"] == "graded"
        assert stop(p) == 0


def lost_log(place):
    """A log that cannot be written stops nothing."""
    p = subprocess.Popen([f"{BIN}/milongad", "--spool", place.spool, "--volatile"], stdin=subprocess.DEVNULL,
                         stderr=open("/dev/full", "wb"))
    place.daemons.append(p)
    while not os.path.exists(f"{place.spool}/FORMAT"):
        assert p.poll() is None, f"the daemon ended: {p.returncode}"
        time.sleep(0.01)
    place.wait_until_done(place.submit(2))
    assert stop(p) == 0


def with_marker(marker):
    """Processes whose command line has this text."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            if marker.encode() in open(path, "rb").read():
                found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def words_of(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().decode().split("\0")


def warm(place):
    """The next job of a kind finds a box that was made ahead, once; another kind, or a killed one, does not matter."""
    p = place.daemon("--slots", "1")

    def run(*options):
        job = place.submit(1, *options)
        place.wait_until_done(job)
        result = place.result(job[0])["report"]
        assert result["verdict"] == "ok", result
        return result["box"]["made_ahead"]

    def spares():
        return [child for child in children_of(p.pid) if "--warm" in words_of(child)]

    assert [run() for _ in range(3)] == [False, True, True]
    for _ in range(3):
        (spare,) = spares()
        assert run() and not os.path.exists(f"/proc/{spare}"), "a box was used twice"
    assert [run("--pids", "77") for _ in range(2)] == [False, True]
    (spare,) = spares()
    os.kill(spare, signal.SIGKILL)
    while spare in children_of(p.pid):
        time.sleep(0.01)
    assert run("--pids", "77") is False, "nothing was there"
    (spare,) = spares()
    (core,) = children_of(spare)
    os.kill(core, signal.SIGKILL)
    while spare in children_of(p.pid):
        time.sleep(0.01)
    assert run("--pids", "77") is False
    (spare,) = spares()
    assert stop(p) == 0
    assert not os.path.exists(f"/proc/{spare}"), "a box outlives its daemon's orderly end"
    p = place.daemon("--warm", "1", "--slots", "1")
    place.lab = f"{place.root}/--version"  # a job's name is no option
    os.mkdir(place.lab)
    place.makefile("all:\n\t@pwd\n")
    assert [run() for _ in range(2)] == [False, True]
    place.lab = f"{place.root}/lab"
    assert stop(p) == 0
    p = place.daemon("--warm", "0")
    assert [run() for _ in range(2)] == [False, False]
    assert not children_of(p.pid)
    assert stop(p) == 0


def kill_autodriver(place):
    """kill -9 of autodriver costs an attempt; kill -9 of the daemon ends its boxes before anything is started again."""
    marker = f"86.{os.getpid()}"  # seconds, that no other test sleeps
    place.makefile(f"all:\n\t@sleep {marker}\n")
    p = place.daemon()
    job = place.submit(1)
    while not with_marker(marker):
        time.sleep(0.01)
    (autodriver,) = [child for child in children_of(p.pid) if "--warm" not in words_of(child)]
    os.kill(autodriver, signal.SIGKILL)
    place.wait_for_log(p, b"autodriver was killed by signal 9")
    place.wait_for_log(p, b"attempt=2")
    while len(with_marker(marker)) != 1:  # the first attempt's is gone, the second's is there
        time.sleep(0.01)
    p.kill()
    p.wait()
    began = time.monotonic()
    while with_marker(marker):
        assert time.monotonic() - began < 5, "the box outlives its daemon"
        time.sleep(0.002)
    print(f"the box was gone {(time.monotonic() - began) * 1000:.0f} ms after the daemon")
    p = place.daemon()
    place.milonga("cancel", str(job[0]))
    place.wait_until_done(job)
    result = place.result(job[0])
    assert result["outcome"] == "cancelled", result
    assert stop(p) == 0


def idle(place):
    """An idle daemon does not wake up: no context switch in two seconds."""
    p = place.daemon()
    job = place.submit(1)
    place.wait_until_done(job)
    place.wait_until_left()
    time.sleep(0.5)

    def switches():
        text = open(f"/proc/{p.pid}/status", encoding="utf-8").read()
        return sum(int(l.split()[1]) for l in text.splitlines() if "ctxt_switches" in l)

    before = switches()
    time.sleep(2)
    after = switches()
    rss = [l for l in open(f"/proc/{p.pid}/status", encoding="utf-8") if l.startswith("VmRSS")][0].split()[1]
    print(f"wake-ups in 2 s: {after - before}, resident {int(rss) / 1024:.1f} MiB")
    assert after == before
    assert int(rss) < 15 * 1024
    assert stop(p) == 0


with tempfile.TemporaryDirectory(prefix="milonga-daemon-", dir="/var/tmp") as root:
    cases = {"kill_daemon": kill_daemon, "stop": stop_case, "second_daemon": second_daemon, "broken_job": broken_job,
             "full_disk": full_disk, "no_inodes": no_inodes, "idle": idle,
             "stop_full_disk": stop_full_disk, "lost_log": lost_log, "kill_autodriver": kill_autodriver,
             "bad_option": bad_option, "torn_text": torn_text, "warm": warm}
    scene = Place(root, BIN)
    try:
        cases[CASE](scene)
    finally:  # a daemon that outlives a failed test would hold its output open
        scene.kill_all()
print("ok")
