#!/usr/bin/env python3
"""Runs a command with a host to reach by ssh: an sshd of its own on the loopback interface, with its own keys.

usage: ssh_host.py AUTODRIVER COMMAND...     for the command: MILONGA_TEST_EXEC, and what images/drivers/ssh-host wants
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin")
if os.geteuid() != 0:
    print("SKIPPED: boxes need root, or the installed setuid core")
    sys.exit(77)
if SSHD is None:
    print("SKIPPED: no sshd (tools/setup --test installs it)")
    sys.exit(77)


def start(root):
    """The sshd, and the config with which ssh finds it as `host`."""
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{root}/{name}"], check=True)
    shutil.copy(f"{root}/user_key.pub", f"{root}/authorized_keys")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with open(f"{root}/known_hosts", "w", encoding="ascii") as f:
        f.write(f"[127.0.0.1]:{port} " + open(f"{root}/host_key.pub", encoding="ascii").read())
    with open(f"{root}/sshd_config", "w", encoding="ascii") as f:
        f.write(f"ListenAddress 127.0.0.1:{port}\nHostKey {root}/host_key\nAuthorizedKeysFile {root}/authorized_keys\n"
                f"PasswordAuthentication no\nPermitRootLogin prohibit-password\nStrictModes no\nUsePAM no\nPidFile none\n"
                f"MaxStartups 100\n")
    with open(f"{root}/ssh_config", "w", encoding="ascii") as f:
        f.write(f"Host host\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  IdentityFile {root}/user_key\n  IdentitiesOnly yes\n"
                f"  UserKnownHostsFile {root}/known_hosts\n")
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", f"{root}/sshd_config"], stderr=open(f"{root}/sshd.log", "wb"))
    until = time.monotonic() + 20
    while time.monotonic() < until:  # a test may look
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return sshd
        time.sleep(0.05)
    sys.exit(f"sshd does not listen: {open(f'{root}/sshd.log', encoding='utf-8').read()}")


with tempfile.TemporaryDirectory(prefix="milonga-ssh-", dir="/var/tmp") as where:
    os.mkdir(f"{where}/instances")
    server = start(where)
    try:
        os.environ.update(MILONGA_TEST_EXEC=os.path.join(HERE, "../../images/drivers/ssh-host"), SSH_HOST="host",
                          SSH_CONFIG=f"{where}/ssh_config", SSH_DIRECTORY=f"{where}/instances", SSH_AUTODRIVER=sys.argv[1])
        status = subprocess.run(sys.argv[2:], check=False).returncode
        left = os.listdir(f"{where}/instances")
        if status == 0 and left:
            sys.exit(f"left over there: {left}")
    finally:
        server.terminate()
        server.wait(10)
sys.exit(status)
