#!/usr/bin/env python3
"""/metrics and /healthz of a daemon that grades; its clients are good, silent, rude and many.

usage: status_test.py BIN_DIR
"""
import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from daemon import Place, stop
from prometheus_client.parser import text_string_to_metric_families

BIN = sys.argv[1]
if os.geteuid() != 0:
    print("SKIPPED: boxes need root, or the installed setuid core")
    sys.exit(77)


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def port_of(p):
    return int(re.search(rb"metrics at 127\.0\.0\.1:(\d+)", p.log)[1])


def get(port, path, method="GET"):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request(method, path)
    r = c.getresponse()
    return r.status, r.getheader("Content-Type"), r.read().decode()


def numbers(text):
    """Every sample by name and labels, as Prometheus' own parser reads them."""
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in text_string_to_metric_families(text) for s in family.samples}


def say_and_hear(port, data):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(data)
        heard = b""
        try:
            while piece := s.recv(65536):
                heard += piece
        except ConnectionResetError:  # it has not read all that we sent
            pass
    return heard


def counts_what_was_done(place):
    p = place.daemon("--slots", "1", "--metrics-listen", "127.0.0.1:0")
    port = port_of(p)
    assert get(port, "/healthz") == (200, "text/plain; charset=utf-8", "ok\n")
    jobs = place.submit(2)
    place.makefile("all:\n\t@false\n")
    jobs += place.submit(1)
    place.wait_until_done(jobs)
    place.wait_until_left()
    place.makefile("all:\n\t@sleep 30\n")
    running, waiting = place.submit(2)
    until = time.monotonic() + 20
    while (n := numbers(get(port, "/metrics")[2]))[("milonga_jobs_waiting", ())] != 1:
        assert time.monotonic() < until, n
        time.sleep(0.02)
    assert n[("milonga_attempts_total", (("result", "ok"),))] == 2, n
    assert n[("milonga_attempts_total", (("result", "failed"),))] == 1, n
    assert n[("milonga_jobs_running", ())] == 1 and n[("milonga_slots", ())] == 1, n
    assert n[("milonga_stage_seconds_count", (("stage", "run"),))] == 3, n
    assert n[("milonga_attempt_seconds_bucket", (("le", "+Inf"),))] == 3, n
    assert 0 < n[("milonga_attempt_seconds_sum", ())] < 60, n
    buckets = [n[key] for key in n if key[0] == "milonga_attempt_seconds_bucket"]
    assert buckets == sorted(buckets) and len(buckets) == 15, buckets
    assert 1e6 < n[("process_resident_memory_bytes", ())] < 64 * 2**20, n
    assert abs(n[("process_start_time_seconds", ())] - time.time()) < 60, n
    for job in (waiting, running):
        place.milonga("cancel", str(job))
    place.wait_until_done([running])
    place.wait_until_left()
    n = numbers(get(port, "/metrics")[2])
    assert n[("milonga_attempts_total", (("result", "cancelled"),))] == 1 and n[("milonga_jobs_waiting", ())] == 0, n
    assert "lab" not in get(port, "/metrics")[2]
    return p, port


def takes_no_nonsense(port):
    status, kind, text = get(port, "/metrics", "HEAD")
    assert (status, text) == (200, "") and "version=0.0.4" in kind, (status, kind, text)
    assert get(port, "/")[0] == 404 and get(port, "/healthz?x=1")[0] == 200
    assert get(port, "/metrics", "DELETE")[0] == 405
    for rude in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /metrics\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"y" * 9000 + b"\r\n\r\n",
                 b"GET /\0 HTTP/1.1\r\n\r\n"):
        heard = say_and_hear(port, rude)
        assert heard.startswith(b"HTTP/1.1 400 ") or heard == b"", heard
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:  # a byte at a time
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":
            s.send(bytes([byte]))
            time.sleep(0.001)
        assert s.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def silent_clients_hold_up_nobody(place, port):
    silent = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(60)]
    place.makefile("all:\n\t@echo graded\n")
    began = time.monotonic()
    place.wait_until_done(place.submit(1))
    assert time.monotonic() - began < 4, "grading waits for clients"
    assert get(port, "/healthz")[0] == 200  # in its turn: the silent ones are sent away after 5 s
    assert time.monotonic() - began < 14, "silent clients stay too long"
    for s in silent:
        s.close()


def idle_is_idle(p):
    def switches():
        text = open(f"/proc/{p.pid}/status", encoding="ascii").read()
        return sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)

    time.sleep(1.5)
    before = switches()
    time.sleep(2)
    assert switches() == before, "it wakes up with nobody there"


def on_a_socket(place):
    path = f"{place.root}/metrics.sock"
    p = place.daemon("--metrics-listen", path)
    assert os.stat(path).st_mode & 0o777 == 0o660, oct(os.stat(path).st_mode)
    p.kill()
    p.wait()
    p = place.daemon("--metrics-listen", path)  # what the dead one left is replaced
    c = UnixConnection(path)
    c.request("GET", "/healthz")
    assert c.getresponse().read() == b"ok\n"
    other = subprocess.run([f"{BIN}/milongad", "--spool", f"{place.root}/other", "--volatile", "--metrics-listen", path],
                           stderr=subprocess.PIPE, timeout=20)
    assert other.returncode == 1 and b"another process listens at" in other.stderr, other
    assert stop(p) == 0 and not os.path.exists(path)
    for where in ("0.0.0.0:9187", "10.0.0.1:9187", "[::]:9187", "example.org:80", "127.0.0.1", "127.0.0.1:x", "metrics.sock",
                  f"{place.root}/lab/Makefile", "/" + "x" * 200):
        bad = subprocess.run([f"{BIN}/milongad", "--spool", f"{place.root}/other", "--volatile", "--metrics-listen", where],
                             stderr=subprocess.PIPE, timeout=20)
        assert bad.returncode == 1 and len(bad.stderr.splitlines()[-1]) > 20, (where, bad)
    assert os.path.getsize(f"{place.root}/lab/Makefile") > 0


def tells_its_service_manager(place):
    """READY=1 once it takes jobs, signs of life in time, STOPPING=1; none from a daemon that is stuck."""
    for address in (f"{place.root}/notify", "\0milonga-status-test-" + str(os.getpid())):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(10)
            os.environ.update(NOTIFY_SOCKET=address.replace("\0", "@"), WATCHDOG_USEC="200000")
            place.makefile("all:\n\t@env\n")
            p = place.daemon()
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
            assert manager.recv(100) == b"READY=1"
            began = time.monotonic()
            assert [manager.recv(100) for _ in range(6)] == [b"WATCHDOG=1"] * 6
            assert 0.4 < time.monotonic() - began < 1.5, time.monotonic() - began
            p.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            manager.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                while manager.recv(100) == b"WATCHDOG=1":
                    assert time.monotonic() - began < 3, "a stopped daemon gives signs of life"
            p.send_signal(signal.SIGCONT)
            manager.settimeout(10)
            p.send_signal(signal.SIGTERM)
            while (said := manager.recv(100)) == b"WATCHDOG=1":
                pass
            assert said == b"STOPPING=1" and p.wait(30) == 0, said


with tempfile.TemporaryDirectory(prefix="milonga-status-", dir="/var/tmp") as root:
    scene = Place(root, BIN)
    try:
        daemon, at = counts_what_was_done(scene)
        takes_no_nonsense(at)
        silent_clients_hold_up_nobody(scene, at)
        idle_is_idle(daemon)
        assert stop(daemon) == 0
        on_a_socket(scene)
        tells_its_service_manager(scene)
    finally:
        scene.kill_all()
print("ok")
