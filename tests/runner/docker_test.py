#!/usr/bin/env python3
"""milongad with containers of a real Docker Engine, and what goes wrong around them: each job ends once, with the truth.

usage: docker_test.py BIN_DIR [CASE...]
"""
import glob
import os
import signal
import sys
import tempfile
import time

from container_place import Place, report_of, run_cases, stop
from engine import engine

BIN = sys.argv[1]
CASES = []
if os.geteuid() != 0:
    print("SKIPPED: needs root, to start a Docker Engine of its own")
    sys.exit(77)


def case(function):
    CASES.append(function)
    return function


@case
def graded(place):
    """A job is graded, its report has the container, and nothing is left."""
    p = place.daemon("--docker-cpus", "0.5")
    record = place.result(place.submit("echo graded; id -u", "--memory", "100M"))
    report = report_of(record)
    assert report["verdict"] == "ok" and "\ngraded\n19" in record["feedback_text"], record
    container = report["container"]
    assert container["memory_bytes"] > 100 << 20 and container["swap_bytes"] == 0 and container["cpus"] == 0.5, container
    assert container["network"] == "none" and "no-new-privileges:true" in container["security"], container
    assert not place.containers()
    assert stop(p) == 0


@case
def container_killed(place):
    """SIGKILL of the container: the fault is ours, and the job is run again."""
    p = place.daemon()
    job = place.submit("test -e /tmp/x; echo started; sleep 2; echo end")
    place.docker.docker("kill", place.wait_until_started(job))
    record = place.result(job)
    assert report_of(record)["verdict"] == "ok" and record["attempt"] == 2, record
    assert record["feedback_text"].count("started\n") == 1 and record["feedback_text"].endswith("end\n"), record
    place.wait_for_log(p, b"killed from outside")
    assert not place.containers()


@case
def container_out_of_memory(place):
    """The kernel kills autodriver itself for want of memory: the job's own doing, said once, with the Engine's word for it."""
    place.daemon()
    job = place.submit("echo started; sleep 20")
    container = place.wait_until_started(job)
    place.docker.docker("update", "--memory", "6m", "--memory-swap", "6m", container, check=False)
    # What is there does not go: autodriver, the biggest, is what the kernel takes when a little more is asked for.
    place.docker.docker("exec", container, "sh", "-c", "head -c 20000000 /dev/zero > /dev/shm/x", check=False)
    record = place.result(job)
    report = report_of(record)
    assert report["verdict"] == "memory_limit" and record["attempt"] == 1, record
    assert report["container"]["oom_killed"] is True and report["demands"]["memory"]["hit"] is True, report
    assert "memory limit" in record["feedback_text"], record["feedback_text"]
    assert not place.containers()


@case
def runner_killed(place):
    """SIGKILL of milongad: the next one removes the container, and the job has one result."""
    p = place.daemon()
    job = place.submit("echo started; sleep 3; echo end")
    place.wait_until_started(job)
    stop(p, signal.SIGKILL)
    assert len(place.containers()) == 1
    p = place.daemon()
    place.wait_for_log(p, b"which nobody needs any more")
    record = place.result(job)
    assert report_of(record)["verdict"] == "ok" and record["attempt"] == 2, record
    assert not place.containers()


@case
def engine_killed(place):
    """SIGKILL of dockerd: jobs wait, at no cost of attempts, until it is there again; what it left is removed."""
    p = place.daemon("--slots", "2")
    running = place.submit("echo started; sleep 3; echo end")
    place.wait_until_started(running)
    place.docker.kill()
    waiting = place.submit("echo later")
    place.wait_for_log(p, b"no Docker Engine can be used")
    time.sleep(1)
    assert not glob.glob(f"{place.spool}/done/*/{waiting}.res")
    place.docker.start()
    for job in (running, waiting):
        record = place.result(job)
        assert report_of(record)["verdict"] == "ok", record
        assert record["attempt"] == (2 if job == running else 1), record
    place.wait_until_no_container()


@case
def engine_hangs(place):
    """dockerd stops answering: the daemon stays alive, and the job is graded when it goes on."""
    p = place.daemon()
    job = place.submit("echo started; sleep 1; echo end")
    place.wait_until_started(job)
    place.docker.daemon.send_signal(signal.SIGSTOP)
    try:
        time.sleep(2)
        assert place.milonga("status", str(job))["state"] == "running"
        assert p.poll() is None
    finally:
        place.docker.daemon.send_signal(signal.SIGCONT)
    record = place.result(job)
    assert report_of(record)["verdict"] == "ok" and record["attempt"] == 1, record


@case
def image_missing(place):
    """A refusal at once, which names the image: no other attempt would go better."""
    place.daemon()
    record = place.result(place.submit("echo never", "--image", "no/such:1"), seconds=10)
    assert record["attempt"] == 1 and "no/such:1" in record["feedback_text"], record
    assert report_of(record)["verdict"] == "refused", record


@case
def cancelled(place):
    """A cancel of a running job ends its container."""
    place.daemon()
    job = place.submit("echo started; sleep 60")
    place.wait_until_started(job)
    place.milonga("cancel", str(job))
    assert place.result(job, seconds=15)["outcome"] == "cancelled"
    assert not place.containers()


@case
def stopped(place):
    """A daemon that is stopped leaves no container, and its job to the next."""
    p = place.daemon("--grace", "0")
    job = place.submit("test -e /tmp/x; echo started; sleep 2")
    place.wait_until_started(job)
    assert stop(p) == 0
    assert not place.containers() and not glob.glob(f"{place.spool}/done/*/{job}.res")
    place.daemon()
    record = place.result(job)
    assert report_of(record)["verdict"] == "ok" and record["attempt"] == 1, record


with tempfile.TemporaryDirectory(prefix="mlgd-", dir="/var/tmp") as base, engine(base) as docker:
    status = run_cases(CASES, lambda name: Place(f"{base}/{name}", BIN, [docker], ["--driver", "docker", "--docker-socket", docker.path]), sys.argv[2:])
sys.exit(status)
