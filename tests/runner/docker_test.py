#!/usr/bin/env python3
"""milongad with containers of a real Docker Engine, and what goes wrong around them: each job ends once, with the truth.

usage: docker_test.py BIN_DIR [CASE...]
"""
import contextlib
import glob
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f"{HERE}/../docker")
from engine import IMAGE, engine  # noqa: E402  (its folder had to be named first)

BIN = sys.argv[1]
CASES = []
if os.geteuid() != 0:
    print("SKIPPED: needs root, to start a Docker Engine of its own")
    sys.exit(77)


def case(function):
    CASES.append(function)
    return function


class Place:
    """A spool, a lab, and a daemon on the Engine."""

    def __init__(self, root, docker):
        self.spool, self.lab, self.docker, self.daemons = f"{root}/spool", f"{root}/lab", docker, []
        os.mkdir(self.lab)

    def daemon(self, *options):
        p = subprocess.Popen([f"{BIN}/milongad", "--spool", self.spool, "--volatile", "--driver", "docker", "--docker-socket",
                              self.docker.path, "--docker-image", IMAGE, *options], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.daemons.append(p)
        p.log = b""
        self.wait_for_log(p, b"ready: spool")
        return p

    @staticmethod
    def wait_for_log(p, text, seconds=60):
        until = time.monotonic() + seconds
        while text not in p.log:
            ready, _, _ = select.select([p.stderr], [], [], max(0, until - time.monotonic()))
            assert ready, f"not in the log after {seconds} s: {text}\n{p.log.decode()}"
            some = os.read(p.stderr.fileno(), 65536)
            assert some, f"the daemon ended: {p.wait()}\n{p.log.decode()}"
            p.log += some

    def milonga(self, *args):
        r = subprocess.run([f"{BIN}/milonga", "--spool", self.spool, "--json", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           timeout=100, check=False)
        assert r.returncode == 0, f"milonga {args}: exit {r.returncode}: {r.stderr.decode()}"
        return json.loads(r.stdout)

    def submit(self, script, *options):
        with open(f"{self.lab}/Makefile", "w", encoding="utf-8") as f:
            f.write("all:\n\t@" + script + "\n")
        return self.milonga("submit", self.lab, *options)["id"]

    def result(self, job, seconds=60):
        """The one result, and its feedback."""
        until = time.monotonic() + seconds
        while not glob.glob(f"{self.spool}/done/*/{job}.res"):
            assert time.monotonic() < until, f"job {job} has no result"
            time.sleep(0.05)  # a test may look; the daemon must not
        (path,) = glob.glob(f"{self.spool}/done/*/{job}.res")
        with open(path, encoding="utf-8") as f:
            record = json.loads(f.read().split("\n", 1)[1])
        feedback = glob.glob(f"{self.spool}/done/*/{job}.*.out")
        assert len(feedback) <= 1, feedback
        record["feedback_text"] = open(feedback[0], encoding="utf-8").read() if feedback else ""
        return record

    def containers(self):
        return self.docker.docker("ps", "-aq", "--no-trunc")[1].split()

    def running_container(self, job, seconds=30):
        until = time.monotonic() + seconds
        while True:
            found = self.docker.docker("ps", "-q", "--filter", f"label=milonga.job={job}")[1].split()
            if found:
                return found[0]
            assert time.monotonic() < until, f"job {job} has no container"
            time.sleep(0.05)

    def wait_until_started(self, job, seconds=30):
        """Until the job itself has written something."""
        container = self.running_container(job, seconds)
        until = time.monotonic() + seconds
        while not any(os.path.getsize(f) for f in glob.glob(f"{self.spool}/work/*/{job}.*/output")):
            assert time.monotonic() < until, f"job {job} writes nothing"
            time.sleep(0.02)
        return container

    def wait_until_no_container(self, seconds=30):
        until = time.monotonic() + seconds
        while self.containers():
            assert time.monotonic() < until, self.containers()
            time.sleep(0.1)


def report_of(record):
    report = record["report"]
    return json.loads(report) if isinstance(report, str) else report


def stop(p, sig=signal.SIGTERM):
    p.send_signal(sig)
    return p.wait(30)


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
    job = place.submit("test -e /tmp/x; echo started; sleep 4; echo end")
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
    time.sleep(6)  # a first try again, against nothing
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


def main():
    failed = 0
    with tempfile.TemporaryDirectory(prefix="mlgd-", dir="/var/tmp") as base, engine(base) as docker:
        for number, one in enumerate(CASES):
            if len(sys.argv) > 2 and one.__name__ not in sys.argv[2:]:
                continue
            began = time.monotonic()
            root = f"{base}/case{number}"
            os.mkdir(root)
            place = Place(root, docker)
            try:
                one(place)
                print(f"{one.__name__}: ok ({time.monotonic() - began:.1f} s)", flush=True)
            except AssertionError as e:
                failed += 1
                print(f"{one.__name__}: FAILED: {str(e)[:3000]}", flush=True)
            finally:
                for p in place.daemons:
                    with contextlib.suppress(Exception):
                        p.terminate()
                        _, rest = p.communicate(timeout=30)
                        if failed:
                            print((p.log + rest).decode(), flush=True)
    return 1 if failed else 0


sys.exit(main())
