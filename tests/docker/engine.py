#!/usr/bin/env python3
"""A Docker Engine for a test: on a socket of its own, with the test image, leaving the machine's network alone.

usage: engine.py COMMAND...   runs it beside such an Engine: MILONGA_TEST_DOCKER is the socket's path, _PID its process
"""
import contextlib
import os
import subprocess
import sys
import tempfile
import time

DOCKER = "/usr/bin/docker"
IMAGE = "milonga-test"
HERE = os.path.dirname(os.path.abspath(__file__))


class Engine:
    def __init__(self, root, prefix=()):
        self.root, self.prefix, self.path = root, list(prefix), f"{root}/docker.sock"
        self.daemon = None

    def start(self):
        with open(f"{self.root}/log", "ab") as log:
            self.daemon = subprocess.Popen(
                [*self.prefix, "/usr/sbin/dockerd", "--host", f"unix://{self.path}", "--data-root", f"{self.root}/data",
                 "--exec-root", f"{self.root}/exec", "--pidfile", f"{self.root}/pid", "--iptables=false", "--bridge=none"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while self.docker("version", check=False)[0] != 0:
            assert self.daemon.poll() is None and time.monotonic() < until, "\n".join([l for l in self.log().split("\n") if "level=info" not in l][-20:])
            time.sleep(0.05)

    def log(self):
        with open(f"{self.root}/log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def kill(self):
        """SIGKILL: its containers go on."""
        self.daemon.kill()
        self.daemon.wait()
        self.daemon = None
        self.forget_pid()

    def forget_pid(self):
        """Of a dockerd that was killed, and its containerd with it. The numbers may be other processes' by now, or of ones that
        nobody has reaped, and the next dockerd would not start, or wait for a containerd that there is not."""
        for path in (f"{self.root}/pid", f"{self.root}/exec/containerd/containerd.pid"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)

    def stop(self):
        if self.daemon is None:  # only a dockerd ends what a killed one has left
            self.forget_pid()
            self.start()
        self.daemon.terminate()
        self.daemon.wait(timeout=60)
        subprocess.run(f"umount {self.root}/data/overlay2/*/merged {self.root}/exec/netns/* {self.root}/data 2>/dev/null", shell=True, check=False)

    def docker(self, *args, check=True, timeout=120):
        r = subprocess.run([DOCKER, "--host", f"unix://{self.path}", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           timeout=timeout, check=False)
        if check:
            assert r.returncode == 0, f"docker {args}: {r.returncode}: {r.stdout.decode()}{r.stderr.decode()}"
        return r.returncode, r.stdout.decode(), r.stderr.decode()

    def import_image(self):
        tar = f"{self.root}/image.tar"
        if not os.path.exists(tar):
            subprocess.run([f"{HERE}/image", tar], check=True)
        self.docker("import", tar, IMAGE)


@contextlib.contextmanager
def engine(root):
    one = Engine(root)
    try:
        one.start()
        one.import_image()
        yield one
    finally:
        one.stop()


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIPPED: needs root, to start a Docker Engine of its own")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="mlgd-", dir="/var/tmp") as base, engine(base) as started:
        sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, "MILONGA_TEST_DOCKER": started.path, "MILONGA_TEST_DOCKER_PID": str(started.daemon.pid)}, check=False).returncode)
