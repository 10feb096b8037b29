#!/usr/bin/env python3
"""Callbacks, with a real receiver that fails, hangs, redirects and dies, and a daemon that is killed.

usage: callback_test.py BIN_DIR CASE
"""
import contextlib
import email
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from daemon import Place, stop

BIN, CASE = sys.argv[1:3]
if os.geteuid() != 0:
    print("SKIPPED: boxes need root, or the installed setuid core")
    sys.exit(77)


class Receiver(http.server.ThreadingHTTPServer):
    """Takes what comes, and answers as `script` says: one word per request, the last one for ever."""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, script=("204",), port=0, tls=None, elsewhere=""):
        self.script, self.elsewhere, self.got, self.lock = list(script), elsewhere, [], threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address

    def handle_error(self, *_):
        pass

    def url(self, path="/done"):
        return f"http://127.0.0.1:{self.port}{path}?dave=secret"

    def wait(self, count, seconds=40):
        until = time.monotonic() + seconds
        while len(self.got) < count:
            assert time.monotonic() < until, f"{len(self.got)} of {count} requests after {seconds} s"
            time.sleep(0.02)

    def die(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        with server.lock:
            word = server.script.pop(0) if len(server.script) > 1 else server.script[0]
            server.got.append({"path": self.path, "headers": self.headers, "body": body, "at": time.monotonic(), "word": word})
        if word == "hang":
            threading.Event().wait(60)
        elif word == "die":
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.send_response(int(word))
            if word == "302":
                self.send_header("Location", server.elsewhere)
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_GET = do_POST


def part_of(request):
    """The one part of a multipart request, taken apart by Python's own parser of MIME."""
    whole = b"Content-Type: " + request["headers"]["Content-Type"].encode() + b"\r\n\r\n" + request["body"]
    message = email.message_from_bytes(whole)
    assert message.is_multipart(), request["body"]
    (part,) = message.get_payload()
    return part


def feedback_of(place, job):
    return open(place.result(job)["feedback"], "rb").read()


def callbacks(place):
    return {c["id"]: c for c in json.loads(place.milonga("callbacks", "list").stdout)}


def wait_for(what, seconds=40):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.02)


def allowed(receiver, *options):
    return "--callback-allow", f"127.0.0.1:{receiver.port}", *options


def tango(place):
    """The request is the one that Tango sends: its form, its header, its text without bytes that are not UTF-8."""
    place.makefile("all:\n\t@printf 'a\\377b\\303\\244\\n'; echo '{\"scores\": {\"p\": 1}}'\n")
    receiver = Receiver()
    place.daemon(*allowed(receiver))
    (job,) = place.submit(1, "--callback", receiver.url(), "--publish", f"{place.root}/feedback.txt")
    receiver.wait(1)
    (request,) = receiver.got
    assert request["path"] == "/done?dave=secret", request["path"]
    assert request["headers"]["Filename"] == "feedback.txt", request["headers"]
    part = part_of(request)
    assert part.get_param("name", header="content-disposition") == "file", part
    assert part.get_filename() == "file" and part["Content-Type"] is None, part
    text = request["body"].split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
    assert text == feedback_of(place, job).decode("utf-8", "ignore").encode(), text
    assert text.rstrip().endswith(b'{"scores": {"p": 1}}') and "aбä".encode()[-2:] in text, text
    wait_for(lambda: not callbacks(place))
    out = subprocess.run([f"{BIN}/milonga", "--spool", place.spool, "status", str(job)], stdout=subprocess.PIPE, check=True).stdout
    assert b"delivered: status 204" in out, out
    assert not os.listdir(f"{place.spool}/outbox")


def until_2xx(place):
    """500, a redirect, a death in the middle and silence: it is sent again each time, and no secret is in the log."""
    trap = Receiver()
    receiver = Receiver(["500", "302", "die", "hang", "404", "200"], elsewhere=trap.url())
    p = place.daemon(*allowed(receiver, "--callback-allow", f"127.0.0.1:{trap.port}", "--callback-timeout", "1"))
    (job,) = place.submit(1, "--callback", receiver.url())
    receiver.wait(3)
    state = callbacks(place)[job]
    assert state["state"] == "owed" and state["tries"] >= 2 and "dave" not in json.dumps(state), state
    receiver.wait(4)
    place.milonga("callbacks", "retry", str(job))  # does not wait for the pause that has grown meanwhile
    receiver.wait(5)
    place.milonga("callbacks", "retry", str(job))
    receiver.wait(6)
    wait_for(lambda: not callbacks(place))
    assert not trap.got, "a redirect was followed"
    assert len({r["body"].split(b"\r\n\r\n", 1)[1].split(b"\r\n--")[0] for r in receiver.got}) == 1
    times = [r["at"] for r in receiver.got]
    assert times[1] - times[0] > 0.9 and times[2] - times[1] > 1.8, f"pauses do not grow: {times}"
    assert stop(p) == 0
    p.log += p.stderr.read()
    assert b"redirects are not followed" in p.log and b"secret" not in p.log, p.log.decode()
    print("".join(f"{line}\n" for line in p.log.decode().split("\n") if "callback" in line))


def killed(place):
    """SIGKILL before the first try, between request and answer, and in a pause: none is lost, tries are remembered."""
    refuse = Receiver()
    port = refuse.port
    refuse.die()
    url = f"http://127.0.0.1:{port}/x"
    options = ("--callback-allow", "127.0.0.1")
    p = place.daemon(*options)
    jobs = place.submit(6, "--callback", url)
    place.wait_until_done(jobs)  # some callbacks were tried by now, some were not
    p.kill()
    p.wait()
    assert set(callbacks(place)) | set(place.results()) >= set(jobs)
    p = place.daemon(*options)
    place.wait_until_left()
    wait_for(lambda: sum(c["tries"] for c in callbacks(place).values()) >= 3)
    before = {job: c["tries"] for job, c in callbacks(place).items()}
    assert set(before) == set(jobs), before
    p.kill()
    p.wait()
    receiver = Receiver(["hang"], port=port)
    p = place.daemon(*options)
    after = {job: c["tries"] for job, c in callbacks(place).items()}
    assert all(after[job] >= before[job] for job in jobs), (before, after)
    receiver.wait(1)
    p.kill()  # between request and answer
    p.wait()
    assert set(callbacks(place)) == set(jobs), "none was answered, all are owed"
    receiver.script = ["204"]
    first = len(receiver.got)
    place.daemon(*options)
    wait_for(lambda: not callbacks(place))
    said = [r["body"] for r in receiver.got[first:]]
    for job in jobs:
        assert sum(f":{job}\n".encode() in body for body in said) == 1, f"job {job} was not told of once"


def many_kills(place):
    """Twelve times SIGKILL at any moment between submit and answer; in the end each job was told of, with its own result."""
    receiver = Receiver(["204"])
    jobs, rounds = [], 12
    for n in range(rounds):
        p = place.daemon("--slots", "2", *allowed(receiver))
        jobs += place.submit(3, "--callback", receiver.url())
        time.sleep(0.03 * n)
        p.kill()
        p.wait()
    place.daemon("--slots", "4", *allowed(receiver))
    place.wait_until_done(jobs)
    place.wait_until_left()
    wait_for(lambda: not callbacks(place))
    told = {job: [r["body"] for r in receiver.got if f":{job}\n".encode() in r["body"]] for job in jobs}
    assert all(told.values()), f"not told of: {[j for j, t in told.items() if not t]}"
    for job in jobs:
        assert all(feedback_of(place, job) in body for body in told[job]), f"job {job} was told of with another result"
    twice = sum(len(t) - 1 for t in told.values())
    assert twice <= 2 * rounds, f"{twice} repeated, more than {rounds} crashes can explain"
    print(f"{len(jobs)} callbacks over {rounds} kills: none lost, {twice} repeated")


def not_public(place):
    """Loopback only where it is allowed; what expired is kept, and can be sent again."""
    receiver = Receiver()
    p = place.daemon("--callback-expiry", "0")
    urls = [receiver.url(), f"http://localhost:{receiver.port}/", f"http://[::ffff:127.0.0.1]:{receiver.port}/",
            f"http://0x7f.1:{receiver.port}/"]
    jobs = [place.submit(1, "--callback", url)[0] for url in urls]
    wait_for(lambda: [c["state"] for c in callbacks(place).values()] == ["given_up"] * 4)
    for state in callbacks(place).values():
        assert "not public, and not allowed (callbacks.allow)" in state["last"] and state["tries"] == 1, state
    assert stop(p) == 0 and not receiver.got
    place.daemon(*allowed(receiver, "--callback-allow", f"localhost:{receiver.port}"))
    time.sleep(0.3)
    assert not receiver.got, "what was given up is not sent by itself"
    place.milonga("callbacks", "retry", "--all")
    receiver.wait(4)  # 127.0.0.1 as an address, however it is written; localhost as a name
    wait_for(lambda: not callbacks(place))
    for words, status in ((("retry", "999"), 4), (("retry",), 64), (("lsit",), 64), (("list", "1"), 64)):
        assert place.milonga("callbacks", *words, check=False).returncode == status, words
    (without,) = place.submit()
    place.wait_until_done([without])
    r = place.milonga("callbacks", "retry", str(without), check=False)
    assert r.returncode == 64 and b"has no callback" in r.stderr, r
    assert len(jobs) == 4


def tls(place):
    """A certificate that nobody vouches for is refused, but for hosts that the operator named."""
    pem = f"{place.root}/server.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", pem,
                    "-out", f"{pem}.crt"], check=True, stderr=subprocess.DEVNULL)
    with open(pem, "ab") as f:
        f.write(open(f"{pem}.crt", "rb").read())
    receiver = Receiver(tls=pem)
    url = f"https://localhost:{receiver.port}/done"
    p = place.daemon("--callback-allow", "localhost", "--callback-expiry", "0")
    (job,) = place.submit(1, "--callback", url)
    wait_for(lambda: callbacks(place).get(job, {}).get("state") == "given_up")
    assert "certificate" in callbacks(place)[job]["last"], callbacks(place)
    assert stop(p) == 0 and not receiver.got
    place.daemon("--callback-allow", "localhost", "--callback-insecure", "localhost")
    place.milonga("callbacks", "retry", str(job))
    receiver.wait(1)


def isolation(place):
    """A receiver that hangs holds up nobody else's callbacks; and a job that never ran has its callback too."""
    slow, good = Receiver(["hang"]), Receiver()
    p = place.daemon("--slots", "4", "--grace", "1", *allowed(slow, *allowed(good)))
    place.submit(20, "--callback", slow.url())
    slow.wait(1)
    began = time.monotonic()
    (job,) = place.submit(1, "--callback", good.url())
    good.wait(1)
    print(f"told after {time.monotonic() - began:.2f} s")
    assert time.monotonic() - began < 20 and len(slow.got) <= 2, len(slow.got)
    assert stop(p, seconds=60) == 0
    (waiting,) = place.submit(1, "--callback", good.url())
    place.milonga("cancel", str(waiting))
    place.daemon(*allowed(good))
    good.wait(2)
    text = good.got[1]["body"].decode()
    assert f"Received job lab:{waiting}\n" in text and "cancelled by" in text and job != waiting, text


def stopped(place):
    """SIGTERM waits for an answer that is on its way: nobody is told twice."""
    receiver = Receiver(["hang"])
    p = place.daemon(*allowed(receiver, "--grace", "1"))
    (job,) = place.submit(1, "--callback", receiver.url())
    receiver.wait(1)
    began = time.monotonic()
    assert stop(p) == 0
    assert 0.8 < time.monotonic() - began < 10, "it neither waited nor went on"
    state = callbacks(place)[job]
    assert state["tries"] == 1 and state["state"] == "owed", state


CASES = {f.__name__: f for f in (tango, until_2xx, killed, many_kills, not_public, tls, isolation, stopped)}
root = tempfile.mkdtemp(prefix="milonga-callback-", dir="/var/tmp")
with contextlib.ExitStack() as stack:
    stack.callback(subprocess.run, ["rm", "-rf", root], check=False)
    here = Place(root, BIN)
    stack.callback(here.kill_all)
    CASES[CASE](here)
    print(f"PASS {CASE}")
