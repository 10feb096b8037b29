"""What the tests of milongad with containers share: a spool with its daemons, and how cases are run."""
import contextlib
import glob
import json
import os
import sys
import time

import daemon
from daemon import stop  # noqa: F401  (for the tests)

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../docker")
from engine import IMAGE  # noqa: E402  (its folder had to be named first)


class Place(daemon.Place):
    """A spool, a lab, and a daemon that gives each job a container of one of these Engines."""

    def __init__(self, root, bin_dir, engines, options):
        os.makedirs(root, exist_ok=True)
        super().__init__(root, bin_dir)
        self.engines, self.options = engines, ("--docker-image", IMAGE, *options)

    @property
    def docker(self):
        return self.engines[0]

    def milonga(self, *args):
        return json.loads(super().milonga(*args).stdout)

    def submit(self, script, *options):
        self.makefile("all:\n\t@" + script + "\n")
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
        return [c for one in self.engines for c in one.docker("ps", "-aq", "--no-trunc")[1].split()]

    def running_container(self, job, seconds=30):
        until = time.monotonic() + seconds
        while True:
            found = [c for one in self.engines for c in one.docker("ps", "-q", "--filter", f"label=milonga.job={job}")[1].split()]
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


def run_cases(cases, place_of, wanted):
    """Each of them, or the wanted ones, in a place of its own. The exit status."""
    failed = 0
    for one in cases:
        if wanted and one.__name__ not in wanted:
            continue
        began, place = time.monotonic(), place_of(one.__name__)
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
