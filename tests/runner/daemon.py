"""A spool, a lab and their daemons, for tests of milongad as a process."""
import glob
import json
import os
import select
import signal
import subprocess
import time


class Place:
    """A spool and a lab in a directory of their own."""

    options = ()  # of every daemon

    def __init__(self, root, programs):
        self.programs = programs
        self.root, self.spool, self.lab = root, f"{root}/spool", f"{root}/lab"
        os.mkdir(self.lab)
        self.daemons = []
        self.makefile("all:\n\t@echo graded\n")

    def makefile(self, text):
        with open(f"{self.lab}/Makefile", "w", encoding="utf-8") as f:
            f.write(text)

    def daemon(self, *options):
        p = subprocess.Popen([f"{self.programs}/milongad", "--spool", self.spool, "--volatile", *self.options, *options],
                             stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
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

    def milonga(self, *args, check=True):
        r = subprocess.run([f"{self.programs}/milonga", "--spool", self.spool, "--json", *args], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=100)
        if check:
            assert r.returncode == 0, f"milonga {args}: exit {r.returncode}: {r.stderr.decode()}"
        return r

    def submit(self, count=1, *options):
        return [json.loads(self.milonga("submit", self.lab, *options).stdout)["id"] for _ in range(count)]

    def results(self):
        """id -> list of result files (there must never be two)."""
        found = {}
        for path in glob.glob(f"{self.spool}/done/*/*.res"):
            found.setdefault(int(os.path.basename(path).split(".")[0]), []).append(path)
        return found

    def result(self, job):
        (path,) = self.results()[job]
        return json.loads(open(path, encoding="utf-8").read().split("\n", 1)[1])

    def wait_until_done(self, jobs, seconds=120):
        until = time.monotonic() + seconds
        while not set(jobs) <= set(self.results()):
            assert time.monotonic() < until, f"still missing: {sorted(set(jobs) - set(self.results()))}"
            time.sleep(0.02)  # a test may look; the daemon must not

    def kill_all(self):
        for daemon in self.daemons:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait()

    def wait_until_left(self, seconds=30):
        """Until run/ holds no job any more: a result is seen a moment before its job leaves."""
        until = time.monotonic() + seconds
        while [f for f in glob.glob(f"{self.spool}/run/*/*") if not f.endswith("/lock")]:
            assert time.monotonic() < until, glob.glob(f"{self.spool}/run/*/*")
            time.sleep(0.02)


def stop(p, sig=signal.SIGTERM, seconds=30):
    p.send_signal(sig)
    return p.wait(seconds)
