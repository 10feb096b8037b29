#!/usr/bin/env python3
"""Two hosts for a test, each a network namespace with a Docker Engine and an sshd of its own.

usage: hosts.py COMMAND...   runs it beside them; MILONGA_TEST_SSH_HOSTS (with commas between), _KEY and _KNOWN_HOSTS say how to
                             get there
"""
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from engine import Engine


def run(*argv, check=True):
    return subprocess.run(argv, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Host:
    def __init__(self, root, number):
        self.root, self.space = root, f"mlgd-{os.getpid()}-{number}"
        self.outside, self.inside = f"mlgd{os.getpid() % 100000}{number}o", f"mlgd{os.getpid() % 100000}{number}i"
        net = f"10.{200 + number}.{os.getpid() % 250}"
        self.near, self.address = f"{net}.1", f"{net}.2"
        self.sshd = None
        os.mkdir(root)
        self.engine = Engine(root, ["nsenter", f"--net=/run/netns/{self.space}"])

    @property
    def spec(self):
        return f"root@{self.address}{self.engine.path}"

    def start(self, key):
        run("ip", "netns", "add", self.space)
        run("ip", "link", "add", self.outside, "type", "veth", "peer", "name", self.inside, "netns", self.space)
        run("ip", "addr", "add", f"{self.near}/30", "dev", self.outside)
        run("ip", "link", "set", self.outside, "up")
        for command in (["addr", "add", f"{self.address}/30", "dev", self.inside], ["link", "set", self.inside, "up"], ["link", "set", "lo", "up"]):
            run("ip", "-n", self.space, *command)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.root}/host_key")
        with open(f"{self.root}/sshd_config", "w", encoding="utf-8") as f:
            f.write(f"ListenAddress {self.address}\nHostKey {self.root}/host_key\nAuthorizedKeysFile {key}.pub\nStrictModes no\n"
                    "UsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\nLogLevel VERBOSE\n")
        self.start_sshd()
        self.engine.start()
        self.engine.import_image()

    def start_sshd(self):
        with open(f"{self.root}/sshd.log", "ab") as log:
            self.sshd = subprocess.Popen(["nsenter", f"--net=/run/netns/{self.space}", "/usr/sbin/sshd", "-D", "-e", "-f", f"{self.root}/sshd_config"],
                                         stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.address, 22), timeout=1):
                return
            assert time.monotonic() < until and self.sshd.poll() is None, open(f"{self.root}/sshd.log", encoding="utf-8").read()
            time.sleep(0.05)

    def known(self):
        with open(f"{self.root}/host_key.pub", encoding="utf-8") as f:
            return f"{self.address} {f.read()}"

    def cut(self):
        """The network goes, without a word to anybody."""
        run("ip", "link", "set", self.outside, "down")

    def join(self):
        run("ip", "link", "set", self.outside, "up")

    def stop_sshd(self):
        """With its connections, and those that come meanwhile."""
        self.sshd.send_signal(signal.SIGSTOP)
        children = run("pgrep", "-P", str(self.sshd.pid), check=False).stdout.split()
        self.sshd.kill()
        self.sshd.wait()
        for child in children:
            run("kill", "-9", child.decode(), check=False)

    def stop(self):
        if self.sshd is not None and self.sshd.poll() is None:
            self.stop_sshd()
        if self.engine.daemon is not None or os.path.exists(f"{self.root}/pid"):
            self.engine.stop()
        run("ip", "link", "del", self.outside, check=False)
        run("ip", "netns", "del", self.space, check=False)


@contextlib.contextmanager
def two_hosts(root):
    made = not os.path.exists("/run/sshd")  # sshd's empty directory
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    key = f"{root}/key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    hosts = [Host(f"{root}/host{n}", n) for n in range(2)]
    try:
        for host in hosts:
            if host is not hosts[0]:
                os.link(f"{hosts[0].root}/image.tar", f"{host.root}/image.tar")
            host.start(key)
        with open(f"{root}/known_hosts", "w", encoding="utf-8") as f:
            f.writelines(host.known() for host in hosts)
        yield hosts, key, f"{root}/known_hosts"
    finally:
        for host in hosts:
            host.stop()
        if made:
            os.rmdir("/run/sshd")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIPPED: needs root, to make network namespaces and start Docker Engines in them")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="mlgd-", dir="/var/tmp") as base, two_hosts(base) as (all_hosts, private, known):
        environment = {**os.environ, "MILONGA_TEST_SSH_HOSTS": ",".join(h.spec for h in all_hosts), "MILONGA_TEST_SSH_KEY": private,
                       "MILONGA_TEST_SSH_KNOWN_HOSTS": known}
        sys.exit(subprocess.run(sys.argv[1:], env=environment, check=False).returncode)
