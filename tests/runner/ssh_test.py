#!/usr/bin/env python3
"""milongad with Docker Engines on two hosts, reached by ssh: a host that dies takes no job with it.

usage: ssh_test.py BIN_DIR [CASE...]
"""
import glob
import os
import signal
import subprocess
import sys
import tempfile
import time

from container_place import Place, report_of, run_cases, stop
from hosts import two_hosts

BIN = sys.argv[1]
CASES = []
if os.geteuid() != 0:
    print("SKIPPED: needs root, to make network namespaces and start Docker Engines in them")
    sys.exit(77)


def case(function):
    CASES.append(function)
    return function


def host_of(place, container):
    """The number of the host that has it."""
    return next(n for n, one in enumerate(place.engines) if container in one.docker("ps", "-aq")[1].split())


def ssh_of(daemon):
    """The processes of its ssh."""
    return [int(pid) for pid in subprocess.run(["pgrep", "-P", str(daemon.pid)], stdout=subprocess.PIPE, check=False).stdout.split()]


@case
def in_turn(place):
    """By weight: of six jobs one after the other the first host gets four."""
    sockets = set(glob.glob("/tmp/milonga-ssh-*"))
    p = place.daemon("--slots", "1", *place.hosts(["=2", ""]))
    for _ in range(6):
        assert report_of(place.result(place.submit("echo graded")))["verdict"] == "ok"
    place.wait_for_log(p, b"job=6 attempt=1 done")
    places = [line.rsplit(b" ", 1)[1].decode() for line in p.log.split(b"\n") if b" is on " in line]
    assert [place.specs.index(spec.split("=")[0]) for spec in places] == [0, 1, 0, 0, 1, 0], places
    assert not place.containers()
    assert set(glob.glob("/tmp/milonga-ssh-*")) != sockets, "where are the sockets?"
    assert stop(p) == 0
    assert set(glob.glob("/tmp/milonga-ssh-*")) == sockets, "a directory of sockets is left"


@case
def host_killed(place):
    """sshd and dockerd of a host die: its job goes to the other, and no later one fails."""
    p = place.daemon("--slots", "1")
    job = place.submit("echo started; sleep 3; echo end")
    dead = host_of(place, place.wait_until_started(job))
    HOSTS[dead].stop_sshd()
    HOSTS[dead].engine.kill()
    try:
        record = place.result(job)
        assert report_of(record)["verdict"] == "ok" and record["attempt"] == 2, record
        for _ in range(3):
            record = place.result(place.submit("echo graded"))
            assert report_of(record)["verdict"] == "ok" and record["attempt"] == 1, record
        place.wait_for_log(p, b"cannot be used")
    finally:
        HOSTS[dead].engine.start()
        HOSTS[dead].start_sshd()
    place.wait_for_log(p, b"can be used again")
    place.wait_until_no_container()


@case
def network_cut(place):
    """Not a word any more from a host: noticed by ssh within 15 s; its container is removed when it is back."""
    p = place.daemon("--slots", "1")
    job = place.submit("echo started; sleep 5; echo end")
    dead = host_of(place, place.wait_until_started(job))
    HOSTS[dead].cut()
    try:
        began = time.monotonic()
        place.wait_for_log(p, b"the ssh to it has ended")
        assert time.monotonic() - began < 17, time.monotonic() - began
        record = place.result(job)
        assert report_of(record)["verdict"] == "ok" and record["attempt"] == 2, record
    finally:
        HOSTS[dead].join()
    place.wait_until_no_container(seconds=60)


@case
def ssh_killed(place):
    """SIGKILL of ssh: the job is run again, over a new one."""
    p = place.daemon("--slots", "1")
    job = place.submit("echo started; sleep 2; echo end")
    place.wait_until_started(job)
    before = ssh_of(p)
    assert len(before) == 2, before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    record = place.result(job)
    assert report_of(record)["verdict"] == "ok" and record["attempt"] == 2, record
    place.wait_until_no_container()


@case
def runner_killed(place):
    """SIGKILL of milongad: its ssh go with it, and the next one removes the containers."""
    p = place.daemon()
    job = place.submit("echo started; sleep 2; echo end")
    place.wait_until_started(job)
    left = ssh_of(p)
    stop(p, signal.SIGKILL)
    until = time.monotonic() + 5
    while any(os.path.exists(f"/proc/{pid}") for pid in left):
        assert time.monotonic() < until, left
        time.sleep(0.02)
    place.daemon()
    record = place.result(job)
    assert report_of(record)["verdict"] == "ok" and record["attempt"] == 2, record
    assert not place.containers()


@case
def unknown_key(place):
    """A host with another key than the known one is not spoken to; the other one takes its jobs."""
    with open(KNOWN, encoding="utf-8") as f:
        lines = f.readlines()
    with open(f"{place.spool}.known", "w", encoding="utf-8") as f:  # the first host's address with the other's key
        f.writelines([lines[0].split()[0] + " " + lines[1].split(" ", 1)[1], lines[1]])
    p = place.daemon("--slots", "1", "--ssh-known-hosts", f"{place.spool}.known")
    for _ in range(2):
        record = place.result(place.submit("echo graded"))
        assert report_of(record)["verdict"] == "ok" and record["attempt"] == 1, record
    place.wait_for_log(p, b"Host key verification failed")
    assert f" is on {place.specs[0]}".encode() not in p.log, p.log.decode()


@case
def all_gone(place):
    """With no host left jobs wait, and no attempt is counted."""
    p = place.daemon("--slots", "1")
    for host in HOSTS:
        host.stop_sshd()
    try:
        job = place.submit("echo graded")
        place.wait_for_log(p, b"no Docker Engine can be used")
        time.sleep(1)
        assert not glob.glob(f"{place.spool}/done/*/{job}.res")
    finally:
        for host in HOSTS:
            host.start_sshd()
    record = place.result(job)
    assert report_of(record)["verdict"] == "ok" and record["attempt"] == 1, record


class SshPlace(Place):
    specs = []

    @classmethod
    def hosts(cls, suffixes):
        return [word for spec, suffix in zip(cls.specs, suffixes) for word in ("--ssh-host", spec + suffix)]

    def daemon(self, *options):
        return super().daemon(*([] if "--ssh-host" in options else self.hosts(["", ""])), *([] if "--ssh-known-hosts" in options else ["--ssh-known-hosts", KNOWN]), *options)


with tempfile.TemporaryDirectory(prefix="mlgd-", dir="/var/tmp") as base, two_hosts(base) as (HOSTS, KEY, KNOWN):
    SshPlace.specs = [host.spec for host in HOSTS]
    status = run_cases(CASES, lambda name: SshPlace(f"{base}/{name}", BIN, [h.engine for h in HOSTS],
                                                    ["--driver", "ssh", "--ssh-identity", KEY]), sys.argv[2:])
sys.exit(status)
