#!/usr/bin/env python3
"""milonga-rest as its clients see it, over real sockets, with nothing but Python's standard library.

usage: rest_test.py BIN_DIR CASE
"""
import concurrent.futures
import contextlib
import glob
import hashlib
import http.client
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

BIN, CASE = sys.argv[1:3]
LABS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "labs")
KEY, LAB = "s3cret-key", "cs101-hello"
KEY_ID = hashlib.sha256(KEY.encode()).hexdigest()[:8]
JSON = "application/json; charset=UTF-8"
UNPRIVILEGED = 65534  # nobody


class Place:
    """A spool and course labs in a directory of their own."""

    def __init__(self, root):
        self.root, self.spool, self.labs = root, f"{root}/spool", f"{root}/labs"
        os.mkdir(self.labs)
        os.mkdir(self.spool)
        self.processes, self.port = [], None

    def start(self, program, *options, ready, user=None, env=None):
        p = subprocess.Popen([f"{BIN}/{program}", "--spool", self.spool, "--volatile", *options],
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, user=user, group=user,
                             extra_groups=None if user is None else [], env=env)
        self.processes.append(p)
        p.log = b""
        p.lock = threading.Lock()
        until = time.monotonic() + 60
        while ready not in p.log:
            readable, _, _ = select.select([p.stderr], [], [], max(0, until - time.monotonic()))
            assert readable, f"not in the log of {program}: {ready}\n{p.log.decode()}"
            some = os.read(p.stderr.fileno(), 65536)
            assert some, f"{program} ended: {p.wait()}\n{p.log.decode()}"
            p.log += some
        threading.Thread(target=self.keep_log, args=(p,), daemon=True).start()
        return p

    @staticmethod
    def keep_log(p):
        while some := os.read(p.stderr.fileno(), 65536):
            with p.lock:
                p.log += some

    def server(self, *options, user=None):
        env = dict(os.environ, MILONGA_REST_KEY=KEY)  # so that it is not in ps
        p = self.start("milonga-rest", "--courselabs", self.labs, "--listen", "127.0.0.1:0", "--image", "autograding_image=default",
                       *options, ready=b"ready: listening", user=user, env=env)
        self.port = int(re.search(rb"listening on 127\.0\.0\.1:(\d+)", p.log)[1])
        return p

    def daemon(self, *options):
        return self.start("milongad", *options, ready=b"ready: spool")

    def lab_dir(self, lab=LAB, key_id=KEY_ID):
        return f"{self.labs}/{key_id}-{lab}"

    # --- one request each -----------------------------------------------------

    def request(self, method, path, body=None, headers=None, timeout=30):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return r.status, r.headers, r.read()
        finally:
            c.close()

    def call(self, method, path, body=None, headers=None):
        """The JSON of a call; checks what every answer must be."""
        status, got, raw = self.request(method, path, body, headers)
        assert status == 200 and got["Content-Type"] == JSON, (path, status, got["Content-Type"], raw)
        reply = json.loads(raw)
        assert list(reply)[:2] == ["statusId", "statusMsg"] and type(reply["statusId"]) is int, raw
        return reply

    def open(self, lab=LAB):
        return self.call("GET", f"/open/{KEY}/{lab}/")

    def upload(self, name, data, lab=LAB):
        return self.call("POST", f"/upload/{KEY}/{lab}/", data, {"Filename": name})

    def add(self, files=None, lab=LAB, **fields):
        files = files or {"Makefile": "Makefile"}
        job = {"image": "autograding_image", "jobName": "cs101_hello_1_ann@x.edu", "output_file": "out.txt", "timeout": 30,
               "files": [{"localFile": a, "destFile": b} for a, b in files.items()], **fields}
        return self.call("POST", f"/addJob/{KEY}/{lab}/", json.dumps(job))

    def poll(self, name, lab=LAB, slash="/"):
        return self.request("GET", f"/poll/{KEY}/{lab}/{urllib.parse.quote(name)}{slash}")

    def feedback(self, name, lab=LAB, seconds=60, slash="/"):
        until = time.monotonic() + seconds
        while True:
            status, headers, raw = self.poll(name, lab, slash)
            assert status == 200, (status, raw)
            if headers["Content-Type"] != JSON:
                assert headers["Content-Type"] == "application/octet-stream"
                return raw
            assert time.monotonic() < until, f"no feedback {name}: {self.call('GET', f'/jobs/{KEY}/1/')}"
            time.sleep(0.05)  # as Autolab does, who has 3 s

    def unfinished(self):
        """What uploads and jobs left in tmp/ of the course labs."""
        return [p for p in glob.glob(f"{self.labs}/tmp/**", recursive=True)
                if os.path.isfile(p) and os.path.basename(p) not in ("lock", "pools.json")]

    def raw(self, data, timeout=10):
        """Bytes to the server, and all that it answers until it closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as s:
            with contextlib.suppress(ConnectionError):
                s.sendall(data)
            got = b""
            with contextlib.suppress(ConnectionError):
                while some := s.recv(65536):
                    got += some
            return got


def expect(got, wanted):
    assert got == wanted, f"\n   got {got}\nwanted {wanted}"


def text(raw_reply, wanted):
    status, headers, raw = raw_reply
    expect((status, headers["Content-Type"], raw.decode()), (200, JSON, wanted))


def eventually(question, seconds=20):
    until = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < until, "did not come true in time"
        time.sleep(0.02)


def stop(p, sig=signal.SIGTERM, seconds=20):
    p.send_signal(sig)
    return p.wait(seconds)


def make(recipe):
    return ("grade:\n" + "".join(f"\t@{line}\n" for line in recipe)).encode()


# --- cases without a daemon -------------------------------------------------------


def contract(place):
    """Section 2 of the contract: texts, types, content types, codes; byte for byte."""
    p = place.server()
    k = KEY
    status, headers, raw = place.request("GET", "/")
    expect((status, headers["Content-Type"], raw), (200, "text/html; charset=UTF-8", b"Hello, world! RESTful Tango here!\n"))
    for slash in ("", "/"):
        lab = f"lab{len(slash)}"
        text(place.request("GET", f"/open/{k}/{lab}{slash}"), '{"statusId": 0, "statusMsg": "Created directory", "files": {}}')
        text(place.request("GET", f"/open/{k}/{lab}{slash}"), '{"statusId": 0, "statusMsg": "Found directory", "files": {}}')
        up = f"/upload/{k}/{lab}{slash}"
        text(place.request("POST", up, b"abc", {"filename": "a.txt"}), '{"statusId": 0, "statusMsg": "Uploaded file"}')
        text(place.request("POST", up, b"abc", {"Filename": "a.txt"}), '{"statusId": 0, "statusMsg": "File exists"}')
        text(place.request("GET", f"/open/{k}/{lab}{slash}"), '{"statusId": 0, "statusMsg": "Found directory", "files": '
             '{"a.txt": "900150983cd24fb0d6963f7d28e17f72"}}')
        text(place.request("GET", f"/poll/{k}/{lab}/o.txt{slash}"), '{"statusId": -1, "statusMsg": "Output file not found"}')
        text(place.request("GET", f"/jobs/{k}/0{slash}"), '{"statusId": 0, "statusMsg": "Found list of jobs", "jobs": []}')
        text(place.request("GET", f"/jobs/{k}/1{slash}"), '{"statusId": 0, "statusMsg": "Found list of jobs", "jobs": []}')
        text(place.request("GET", f"/jobs/{k}/2{slash}"), '{"statusId": 0, "statusMsg": "Found list of jobs", "jobs": []}')
        text(place.request("GET", f"/getPartialOutput/{k}/77{slash}"),
             '{"statusId": -1, "statusMsg": "getPartialOutput request failed: Invalid job id"}')
        text(place.request("GET", f"/pool/{k}{slash}"), '{"statusId": 0, "statusMsg": "Found all pools", "pools": {}}')
        text(place.request("GET", f"/pool/{k}/x{slash}"), '{"statusId": -1, "statusMsg": "Pool not found", "pools": {}}')
        text(place.request("POST", f"/build/{k}{slash}", b"tar", {"imageName": "x"}), '{"statusId": -1, "statusMsg": "Image build failed"}')
        for path in (f"/open/{k}/a/b{slash}", f"/nothing{slash}", f"/getPartialOutput/{k}/x{slash}", f"/prealloc/{k}//2{slash}"):
            status, headers, raw = place.request("GET", path)
            expect((status, headers["Content-Type"], raw), (404, "text/html; charset=UTF-8",
                   b"<html><title>404: Not Found</title><body>404: Not Found</body></html>"))
        status, _, raw = place.request("GET", f"/addJob/{k}/{lab}{slash}")
        expect((status, raw), (405, b"<html><title>405: Method Not Allowed</title><body>405: Method Not Allowed</body></html>"))
    text(place.request("GET", f"/pool/{k}//"), '{"statusId": 0, "statusMsg": "Found all pools", "pools": {}}')
    # prealloc by POST and GET, with and without a body
    machine = json.dumps({"vmms": "localDocker", "cores": 1, "memory": 512})
    text(place.request("POST", f"/prealloc/{k}/autograding_image/2/", machine), '{"statusId": 0, "statusMsg": "VMs preallocated"}')
    text(place.request("GET", f"/pool/{k}/autograding_image/"), '{"statusId": 0, "statusMsg": "Found pool", "pools": '
         '{"autograding_image": {"total": [1000, 1001], "free": [1000, 1001]}}}')
    text(place.request("GET", f"/pool/{k}/nope/"), '{"statusId": -1, "statusMsg": "Pool not found", "pools": '
         '{"autograding_image": {"total": [1000, 1001], "free": [1000, 1001]}}}')
    text(place.request("GET", f"/prealloc/{k}/default/1/"), '{"statusId": 0, "statusMsg": "VMs preallocated"}')
    text(place.request("POST", f"/prealloc/{k}/no_such/1/", b""), '{"statusId": -1, "statusMsg": "Invalid image name"}')
    text(place.request("POST", f"/prealloc/{k}/default/9001/", b""), '{"statusId": -1, "statusMsg": "Invalid prealloc size"}')
    text(place.request("POST", f"/scale/{k}/1/5/", b""), '{"statusId": 0, "statusMsg": "Scale parameters saved"}')
    text(place.request("POST", f"/scale/{k}/5/1/", b""), '{"statusId": -1, "statusMsg": "Scale parameters failed to save"}')
    text(place.request("POST", f"/cancel/{k}/lab0/o.txt/", b""),
         '{"statusId": -2, "statusMsg": "Job cancellation failed because the job was not found"}')
    assert place.call("GET", f"/pool/{k}/")["max_pool_size"] == 5
    info = place.call("GET", f"/info/{k}/")
    expect(info["statusMsg"], "Found info successfully")
    expect(list(info["info"]), ["elapsed_secs", "job_requests", "job_retries", "waitvm_timeouts", "runjob_timeouts", "copyin_errors",
                                "runjob_errors", "copyout_errors", "num_threads"])
    assert isinstance(info["info"]["elapsed_secs"], float)
    # Etag and If-None-Match, keep-alive over several requests
    c = http.client.HTTPConnection("127.0.0.1", place.port, timeout=10)
    etags = []
    for _ in range(3):
        c.request("GET", f"/jobs/{k}/0/")
        r = c.getresponse()
        etags.append(r.headers["Etag"])
        r.read()
    assert len(set(etags)) == 1, etags
    c.request("GET", f"/jobs/{k}/0/", headers={"If-None-Match": etags[0]})
    r = c.getresponse()
    expect((r.status, r.read()), (304, b""))
    c.request("GET", "/")
    expect(c.getresponse().status, 200)
    c.close()
    add_job_replies(place)
    expect(stop(p), 0)
    assert b"stopped" in p.log and KEY.encode() not in p.log


def add_job_replies(place):
    """2.3: what is rejected, and how; then an accepted one, which waits."""
    place.open()
    place.upload("Makefile", b"all:\n")
    post = lambda body: place.call("POST", f"/addJob/{KEY}/{LAB}/", body)
    for missing in ("jobName", "output_file", "files", "image"):
        job = {"jobName": "n", "output_file": "o", "timeout": 1, "image": "default", "files": []}
        del job[missing]
        expect(post(json.dumps(job)), {"statusId": -1, "statusMsg": f"'{missing}'"})
    for bad in (b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100000, b"nul"):
        reply = post(bad)
        assert reply["statusId"] == -1 and isinstance(reply["statusMsg"], str), reply

    def rejected(*problems, lab=LAB, files=None, **fields):
        reply = place.add(files, lab, **fields)
        expect(reply["statusId"], -1)
        got = [line.split("|") for line in reply["statusMsg"]]
        for date, _ in got:
            time.strptime(date, "%a %b %d %H:%M:%S %Y")
        wanted = [*problems, f"Job rejected: {len(problems)} errors"]
        expect([t for _, t in got], [f"validateJob: {w}" for w in wanted])

    rejected("Missing job.name", jobName="")
    rejected("Missing job.vm.image", image=None)
    rejected("Image not found: rhel", image="rhel")
    rejected("Missing job.outputFile", output_file="")
    rejected("Missing Makefile in input files.", files={"Makefile": "makefile"})
    rejected("Missing inputFile.localFile", "Missing Makefile in input files.", files={"": "x"})
    rejected("Input file not found: nope.c", files={"Makefile": "Makefile", "nope.c": "a.c"})
    bad = f"Bad output path: courselabs/{KEY_ID}-nolab/output/out.txt"
    rejected(bad, bad, lab="nolab")
    rejected("Missing job.name", "Image not found: x", "Missing Makefile in input files.", jobName="", image="x", files={"Makefile": "m"})
    expect(place.add(timeout="10")["statusMsg"], "timeout must be a number")
    expect(place.add(dry_run=True), {"statusId": 0, "statusMsg": "Job would be added"})
    expect(place.call("GET", f"/jobs/{KEY}/0/")["jobs"], [])  # nothing rejected is kept
    url = "https://h/courses/cs101/assessments/hello/autograde_done?dave=ABC&submission_id=7"
    reply = place.add(callback_url=url, max_kb=100, timeout=0, memory=128)
    expect(list(reply.items()), [("statusId", 0), ("statusMsg", "Job added"), ("jobId", "1")])
    (job,) = place.call("GET", f"/jobs/{KEY}/0/")["jobs"]
    trace = job.pop("trace")
    prefix = f"courselabs/{KEY_ID}-{LAB}"
    expect(job, {"retries": 0, "outputFile": f"{prefix}/output/out.txt", "name": "cs101_hello_1_ann@x.edu", "notifyURL": url,
                 "maxOutputFileSize": 102400, "assigned": False, "timeout": 60, "id": 1,
                 "vm": {"network": None, "resume": None, "image": "autograding_image", "memory": 128, "vmms": "local", "cores": 1,
                        "disk": None, "id": None, "name": "autograding_image"},
                 "input": [{"destFile": "Makefile", "localFile": f"{prefix}/Makefile"}]})
    assert len(trace) == 1 and trace[0].endswith("|Added job cs101_hello_1_ann@x.edu:1 to queue"), trace
    assert KEY not in json.dumps(job)
    expect(place.call("GET", f"/getPartialOutput/{KEY}/1/")["statusMsg"], "getPartialOutput request failed: Job 1 is not running yet")
    expect(place.call("GET", f"/info/{KEY}/")["info"]["job_requests"], 1)
    expect(place.call("POST", f"/cancel/{KEY}/{LAB}/out.txt/")["statusMsg"], "Job cancelled")
    expect(place.call("POST", f"/cancel/{KEY}/{LAB}/out.txt/"),
           {"statusId": -3, "statusMsg": "Job cancellation failed because job already completed"})
    (job,) = place.call("GET", f"/jobs/{KEY}/1/")["jobs"]
    assert "|Error: " in job["trace"][-1], job["trace"]
    assert not place.unfinished()


EVIL = ["..", ".", "../x", "../../x", "/etc/passwd", "a/../../x", "a\0b", "a\nb", "a\rb", "\x7f", "x" * 300, "\u2028" * 200, "output/../x"]


def names(place):
    """No name leads out: course lab, Filename, localFile, destFile, output file, image, in every spelling."""
    p = place.server("--max-waiting", "1000")
    place.open()
    place.upload("Makefile", b"all:\n")
    open(f"{place.root}/secret", "w", encoding="utf-8").write("SECRET")
    before = everything(place.root)
    for evil in EVIL:
        once = urllib.parse.quote(evil, safe="")
        for quoted in (once, urllib.parse.quote(once, safe="")):
            for method, path in (("GET", f"/open/{KEY}/{quoted}/"), ("GET", f"/poll/{KEY}/{LAB}/{quoted}/"),
                                 ("GET", f"/poll/{KEY}/{quoted}/x/"), ("POST", f"/upload/{KEY}/{quoted}/"),
                                 ("POST", f"/addJob/{KEY}/{quoted}/"), ("POST", f"/cancel/{KEY}/{LAB}/{quoted}/"),
                                 ("POST", f"/prealloc/{KEY}/{quoted}/2/"), ("GET", f"/pool/{KEY}/{quoted}/")):
                if method == "GET" and "/open/" in path and quoted != once:
                    continue  # decoded once, a harmless name with a '%'
                status, headers, raw = place.request(method, path, b"{}" if method == "POST" else None, {"Filename": "x"})
                assert status == 404 or (status == 200 and json.loads(raw)["statusId"] < 0), (method, path, status, raw)
                assert b"SECRET" not in raw and b"root:" not in raw
        for fields in ({"files": [{"localFile": evil, "destFile": "a"}, {"localFile": "Makefile", "destFile": "Makefile"}]},
                       {"files": [{"localFile": "Makefile", "destFile": evil}, {"localFile": "Makefile", "destFile": "Makefile"}]},
                       {"output_file": evil}, {"image": evil}):
            job = {"image": "default", "jobName": "n", "output_file": "o", "timeout": 1,
                   "files": [{"localFile": "Makefile", "destFile": "Makefile"}], **fields}
            reply = place.call("POST", f"/addJob/{KEY}/{LAB}/", json.dumps(job))
            expect(reply["statusId"], -1)
        if not set(evil) & set("\n\r\0"):  # http.client itself refuses to send those
            header = evil.encode("utf-8").decode("latin-1")
            status, _, raw = place.request("POST", f"/upload/{KEY}/{LAB}/", b"x", {"Filename": header})
            assert status == 400 or json.loads(raw)["statusId"] == -1, (evil, status, raw)
    expect(place.upload("output", b"x")["statusId"], -1)
    expect(everything(place.root), before)
    expect(place.call("POST", f"/upload/{KEY}/{LAB}/", b"x")["statusMsg"], "the header Filename is missing")
    # Names that are only unusual work: as Autolab makes them, with blanks, quotes, '%' and letters of all kinds.
    for name in ("ann@x.edu_3_b\xe4r.c", "a b;$(x)'\".c", "100%.c", "%41.c", "-rf", "\u20ac.c"):
        header = name.encode("utf-8").decode("latin-1")  # the bytes of Ruby and curl
        expect(place.call("POST", f"/upload/{KEY}/{LAB}/", b"y", {"Filename": header})["statusMsg"], "Uploaded file")
        assert os.path.exists(f"{place.lab_dir()}/{name}"), os.listdir(place.lab_dir())
        expect(place.open()["files"][name], hashlib.md5(b"y").hexdigest())
        open(f"{place.lab_dir()}/output/{name}", "wb").write(b"\xff\x00feedback of " + name.encode())
        for times in (1, 2):  # tango-cli quotes once, and Tango unquotes twice
            quoted = name
            for _ in range(times):
                quoted = urllib.parse.quote(quoted, safe="")
            _, headers, raw = place.request("GET", f"/poll/{KEY}/{LAB}/{quoted}")
            if times == 2 or "%" not in name:
                expect(raw, b"\xff\x00feedback of " + name.encode())
    expect(place.call("POST", f"/upload/{KEY}/{LAB}/", b"z", {"Filename": "l\xe4tin.c"})["statusMsg"], "Uploaded file")  # python's requests
    assert os.path.exists(f"{place.lab_dir()}/l\xe4tin.c")
    expect(place.add(output_file="a b.txt", jobName="a/b \u20ac")["statusMsg"], "Job added")
    for extra in ("a\nb", "x" * 256):
        expect(place.add(jobName=extra)["statusId"], -1)
    for url in ("ftp://x", "javascript:1", "http://a\nb", "x" * 3000):
        expect(place.add(callback_url=url)["statusId"], -1)
    assert not place.unfinished()
    expect(stop(p), 0)


def everything(root):
    return sorted(p for p in glob.glob(f"{root}/**", recursive=True, include_hidden=True) if "/blob" not in p and "/id/" not in p)


def keys(place):
    """A wrong key opens nothing, and the right one is shown nowhere."""
    p = place.server(user=None)
    place.open()
    for bad in ("x", KEY[:-1], KEY + "x", KEY.upper(), "%00", "x" * 8000, "%ff", KEY_ID):
        for method, path in (("GET", f"/open/{bad}/l/"), ("POST", f"/upload/{bad}/{LAB}/"), ("POST", f"/addJob/{bad}/{LAB}/"),
                             ("GET", f"/poll/{bad}/{LAB}/x/"), ("GET", f"/info/{bad}/"), ("GET", f"/jobs/{bad}/0/"),
                             ("GET", f"/pool/{bad}/"), ("POST", f"/build/{bad}/"), ("GET", f"/getPartialOutput/{bad}/1/"),
                             ("POST", f"/prealloc/{bad}/default/1/"), ("POST", f"/cancel/{bad}/{LAB}/x/"), ("POST", f"/scale/{bad}/1/2/")):
            reply = place.call(method, path, b"x" if method == "POST" else None)
            expect(reply, {"statusId": -1, "statusMsg": "Key not recognized"})
    quoted = "".join(f"%{ord(c):02x}" for c in KEY)
    expect(place.call("GET", f"/open/{quoted}/{LAB}/")["statusMsg"], "Found directory")
    eventually(lambda: b"hello" in p.log or place.request("GET", "/"))
    assert KEY.encode() not in p.log
    assert KEY not in "".join(everything(place.root))
    expect(stop(p), 0)
    # Named on the command line it is gone from there once it was read.
    p = place.start("milonga-rest", "--courselabs", place.labs, "--listen", "127.0.0.1:0", "--key", KEY, ready=b"ready: listening")
    assert KEY.encode() not in open(f"/proc/{p.pid}/cmdline", "rb").read()
    expect(stop(p), 0)
    # Without a key there is no server; nor with a key file that everybody reads.
    keyfile = f"{place.root}/keys"
    open(keyfile, "w", encoding="utf-8").write(KEY + "\n")
    os.chmod(keyfile, 0o644)
    for options in ([], ["--key-file", keyfile]):
        r = subprocess.run([f"{BIN}/milonga-rest", "--spool", place.spool, "--courselabs", place.labs, *options], timeout=20,
                           stderr=subprocess.PIPE, env={"PATH": "/bin"})
        assert r.returncode == 64 and b"key" in r.stderr, r


def bodies(place):
    """What is no HTTP, or too much of it: one clear answer, and the next client is served."""
    p = place.server()
    place.open()
    place.upload("Makefile", b"all:\n")
    up = f"POST /upload/{KEY}/{LAB}/ HTTP/1.1\r\nHost: x\r\nFilename: half\r\n"
    status = lambda raw: int(raw.split()[1]) if raw.startswith(b"HTTP/1.") else 0
    for bad, wanted in (
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 3 + b"\r\n\r\n", {400}),  # TLS on a plain port
            (b"GET\r\n\r\n", {400}), (b"GET / HTTP/9.9\r\n\r\n", {400, 505}), (b"\0" * 1000, {400}), (b"GET / HTTP/1.1\r\nA B: c\r\n\r\n", {400}),
            (b"GET / HTTP/1.1\r\nA: b\r\n c\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", {400}),
            (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", {400}),
            (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", {400}),
            (up.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", {400}),
            (up.encode() + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\nabc", {400}),
            (b"GET / HTTP/1.1\r\nX: " + b"a" * 20000 + b"\r\n\r\n", {431}),
            (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n", {431}),
            (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10000 + b"\r\n", {431}),
            (f"POST /addJob/{KEY}/{LAB}/ HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n".encode() + b" " * 2000000, {413}),
            (f"POST /addJob/{KEY}/{LAB}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b"100000\r\n" + b" " * 0x100000 + b"\r\n"
             + b"100000\r\n" + b" " * 0x100000 + b"\r\n0\r\n\r\n", {413}),
    ):
        got = place.raw(bad)
        assert status(got) in wanted, (bad[:80], got[:200])
        assert place.request("GET", "/")[0] == 200
    # Pipelined: the good one is answered, the garbage behind it is refused, and nothing behind that is taken.
    got = place.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"garbage\r\n\r\n" + b"GET / HTTP/1.1\r\n\r\n")
    expect((got.count(b"HTTP/1.1 200 OK"), got.count(b"HTTP/1.1 400")), (3, 1))
    # A body that is not there is not a next request.
    got = place.raw(b"POST /addJob/bad/x/ HTTP/1.1\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    expect((got.count(b"Key not recognized"), got.count(b"Hello, world!")), (1, 1))
    # HTTP/1.0, and HEAD
    got = place.raw(b"GET / HTTP/1.0\r\n\r\n")
    assert got.endswith(b"Hello, world! RESTful Tango here!\n"), got
    expect(place.request("HEAD", "/")[0], 405)
    # Half uploads: whatever breaks them off leaves nothing.
    for data in (up.encode() + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1000, up.encode() + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc"):
        for how in ("close", "reset"):
            s = socket.create_connection(("127.0.0.1", place.port), timeout=10)
            s.sendall(data)
            eventually(place.unfinished)
            if how == "reset":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()
            eventually(lambda: not place.unfinished())
    assert not os.path.exists(f"{place.lab_dir()}/half")
    # Expect: 100-continue is answered when the head is right, and only then.
    with socket.create_connection(("127.0.0.1", place.port), timeout=10) as s:
        s.sendall(up.replace("half", "whole").encode() + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        expect(s.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
        s.sendall(b"abc")
        assert b"Uploaded file" in s.recv(1000)
    got = place.raw(up.replace(KEY, "bad").encode() + b"Content-Length: 3000000000\r\nExpect: 100-continue\r\n\r\n")
    assert b"Key not recognized" in got and b"100 Continue" not in got and b"Connection: close" in got, got
    # Who sends on without listening gets the answer, not a reset.
    with socket.create_connection(("127.0.0.1", place.port), timeout=10) as s:  # more is to come than will be read
        s.sendall(up.replace(KEY, "bad").encode() + b"Content-Length: 3000000000\r\n\r\n")
        for _ in range(20):
            s.sendall(b"x" * 1_000_000)  # no reset meanwhile
        assert b"Key not recognized" in s.recv(10000)
    body = b"x" * 3_000_000
    expect(place.call("POST", f"/upload/bad/{LAB}/", body, {"Filename": "x"})["statusMsg"], "Key not recognized")
    expect(stop(p), 0)
    # Too many at once: the last ones are closed, and there is room again when others go.
    p = place.server("--max-connections", "50")
    many = [socket.create_connection(("127.0.0.1", place.port), timeout=10) for _ in range(60)]
    expect([s.recv(1) for s in many[50:]], [b""] * 10)
    many[0].close()
    eventually(lambda: b"Hello" in place.raw(b"GET / HTTP/1.0\r\n\r\n"))
    for s in many:
        s.close()
    # Thousands that have sent half a body, without a key: memory stays as it is.
    expect(stop(p), 0)
    p = place.server()
    before = memory(p)
    head = up.replace(KEY, "bad").encode() + b"Content-Length: 1000000\r\n\r\n" + b"x" * 5000
    many = []
    for _ in range(min(2000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2)):
        many.append(socket.create_connection(("127.0.0.1", place.port), timeout=10))
        many[-1].sendall(head)
    expect(place.request("GET", "/")[0], 200)
    each = (memory(p) - before) / len(many)
    print(f"{len(many)} connections with half a body: {each / 1024:.1f} KiB each")
    assert each < 64 * 1024
    for s in many:
        s.close()
    expect(stop(p), 0)


def junk(place):
    """3000 requests with bytes changed, cut, doubled and swapped, from a fixed seed: none ends the server or holds it."""
    p = place.server()
    place.open()
    place.upload("Makefile", b"all:\n")
    job = json.dumps({"image": "default", "jobName": "n", "output_file": "o", "timeout": 1, "dry_run": True, "max_kb": 1, "vm": {"memory": 1},
                      "files": [{"localFile": "Makefile", "destFile": "Makefile"}]}).encode()
    head = lambda method, path, *more: "\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", *more, "", "")).encode()
    seeds = [head("GET", "/"), head("GET", f"/open/{KEY}/{LAB}/"), head("GET", f"/poll/{KEY}/{LAB}/o%2561/?inprogress=1"),
             head("POST", f"/addJob/{KEY}/{LAB}/", f"Content-Length: {len(job)}") + job,
             head("POST", f"/upload/{KEY}/{LAB}", "Filename: u", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
             head("POST", f"/prealloc/{KEY}/default/2/", "Content-Length: 24", "Expect: 100-continue") + b'{"cores":1,"memory":512}',
             head("GET", f"/jobs/{KEY}/1/", 'If-None-Match: "x"', "Connection: keep-alive")]
    random.seed(20261123)

    def spoilt(data):
        data = bytearray(data)
        for _ in range(random.randrange(1, 6)):
            at, kind = random.randrange(len(data) or 1), random.randrange(6)
            if kind == 0 and data:
                data[at % len(data)] = random.randrange(256)
            elif kind == 1:
                del data[at:]
            elif kind == 2:
                data[at:at] = random.choice((b"\r\n", b"\0", b"%", b"/", b"..", b"\xff" * 3, b"9" * 20, b'"', b"{", b"A" * 5000))
            elif kind == 3:
                data[at:at] = data[at : at + random.randrange(40)]
            elif kind == 4:
                del data[at : at + random.randrange(10)]
            else:
                data += random.choice(seeds)
        return bytes(data)

    def send(data):
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", place.port), timeout=10) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            got = b""
            while some := s.recv(65536):
                got += some
            for code in re.findall(rb"HTTP/1\.1 (\d+)", got):
                assert int(code) < 500 or int(code) == 505, (data, got)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(send, [spoilt(random.choice(seeds)) for _ in range(3000)]))
    expect(place.request("GET", "/")[0], 200)
    assert sorted(os.listdir(place.root)) == ["labs", "spool"]
    assert all(n == "tmp" or n.startswith(KEY_ID + "-") for n in os.listdir(place.labs)), os.listdir(place.labs)
    eventually(lambda: not place.unfinished())
    expect(stop(p), 0)


def memory(p):
    """The most that it ever had, in bytes; 0 with a sanitizer, whose own memory it would be."""
    program = open(f"{BIN}/milonga-rest", "rb").read()
    if b"__asan_init" in program or b"__tsan_init" in program:
        return 0
    return int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{p.pid}/status", encoding="ascii").read())[1]) * 1024


def uploads(place):
    """64 at once, to the same and to different names; files are whole; then the disk of the labs says no."""
    p = place.server()
    place.open()
    data = {f"file{n}": os.urandom(200_000 + n) for n in range(64)}
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        replies = list(pool.map(lambda n: place.upload(n, data[n]), data))
        assert all(r["statusMsg"] == "Uploaded file" for r in replies), replies
        contents = [bytes([n]) * 300_000 for n in range(64)]
        replies = list(pool.map(lambda c: place.upload("same", c), contents))
        assert all(r["statusId"] == 0 for r in replies), replies
    for name, wanted in data.items():
        expect(open(f"{place.lab_dir()}/{name}", "rb").read(), wanted)
    assert open(f"{place.lab_dir()}/same", "rb").read() in contents
    files = place.open()["files"]
    expect({n: files[n] for n in data}, {n: hashlib.md5(d).hexdigest() for n, d in data.items()})
    expect(place.upload("empty", b"")["statusMsg"], "Uploaded file")
    # chunked, as curl sends what it does not know the length of
    c = http.client.HTTPConnection("127.0.0.1", place.port, timeout=30)
    c.request("POST", f"/upload/{KEY}/{LAB}/", body=iter([b"abc"] * 10000), headers={"Filename": "chunked"}, encode_chunked=True)
    assert b"Uploaded file" in c.getresponse().read()
    expect(os.path.getsize(f"{place.lab_dir()}/chunked"), 30000)
    assert not place.unfinished()
    # 64 jobs at once: each its own id
    place.upload("Makefile", b"all:\n")
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        ids = list(pool.map(lambda n: place.add(output_file=f"o{n}")["jobId"], range(64)))
    expect(sorted(map(int, ids)), list(range(1, 65)))
    jobs = place.call("GET", f"/jobs/{KEY}/0/")["jobs"]
    expect({(j["id"], j["outputFile"].rsplit("/", 1)[1]) for j in jobs}, {(int(i), f"o{n}") for n, i in enumerate(ids)})
    # All of the request above, as nobody: no directory of ours is writable for the server.
    expect(stop(p), 0)
    p = place.server("--max-waiting", "64", "--max-upload", "1K")
    expect(place.request("POST", f"/upload/{KEY}/{LAB}/", b"x" * 1025, {"Filename": "big"})[0], 413)
    expect(place.upload("big", b"x" * 1024)["statusMsg"], "Uploaded file")
    reply = place.add()  # queue full: Tango's -1 with a list
    assert reply["statusId"] == -1 and isinstance(reply["statusMsg"], list) and "queue is full" in reply["statusMsg"][0], reply
    expect(stop(p), 0)


def restart(place):
    """As an unprivileged user; killed in the middle of an upload; two servers on one spool."""
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    if user is not None:
        for path in (place.root, place.spool, place.labs):
            os.chown(path, user, user)
    first = place.server(user=user)
    one = place.port
    place.open()
    place.upload("Makefile", b"all:\n")
    s = socket.create_connection(("127.0.0.1", one), timeout=10)
    s.sendall(f"POST /upload/{KEY}/{LAB}/ HTTP/1.1\r\nFilename: half\r\nContent-Length: 1000\r\n\r\nabc".encode())
    eventually(place.unfinished)
    second = place.server(user=user)  # beside the first: removes nothing of it
    two = place.port
    assert place.unfinished()
    place.port = one
    expect(place.add(output_file="one")["jobId"], "1")
    place.port = two
    expect(place.add(output_file="two")["jobId"], "2")
    expect([j["id"] for j in place.call("GET", f"/jobs/{KEY}/0/")["jobs"]], [1, 2])
    first.kill()
    first.wait()
    s.close()
    third = place.server(user=user)
    assert not place.unfinished()
    expect([j["id"] for j in place.call("GET", f"/jobs/{KEY}/0/")["jobs"]], [1, 2])
    expect(place.add(output_file="three")["jobId"], "3")
    expect(place.open()["files"], {"Makefile": hashlib.md5(b"all:\n").hexdigest()})
    # Told to stop with a request half sent: it may end, and nothing new is taken.
    s = socket.create_connection(("127.0.0.1", place.port), timeout=10)
    s.sendall(f"POST /upload/{KEY}/{LAB}/ HTTP/1.1\r\nFilename: late\r\nContent-Length: 6\r\n\r\nabc".encode())
    eventually(place.unfinished)
    idle = socket.create_connection(("127.0.0.1", place.port), timeout=10)
    third.send_signal(signal.SIGTERM)
    expect(idle.recv(10), b"")  # closed at once
    s.sendall(b"def")
    assert b"Uploaded file" in s.recv(1000)
    expect(third.wait(10), 0)
    expect(open(f"{place.lab_dir()}/late", "rb").read(), b"abcdef")
    # and one that never ends is broken off
    place.port = two
    s = socket.create_connection(("127.0.0.1", two), timeout=10)
    s.sendall(f"POST /upload/{KEY}/{LAB}/ HTTP/1.1\r\nFilename: never\r\nContent-Length: 6\r\n\r\nabc".encode())
    eventually(place.unfinished)
    begin = time.monotonic()
    expect(stop(second, seconds=15), 0)
    assert 3 < time.monotonic() - begin < 10
    assert not place.unfinished() and not os.path.exists(f"{place.lab_dir()}/never")
    expect([n for n in os.listdir(f"{place.labs}/tmp")], [])


def many(place):
    """10,000 connections with half a head each: memory stays small, others are served meanwhile, and the next is closed."""
    count = min(9900, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200)
    p = place.server("--max-connections", str(count + 10))
    place.open()
    place.upload("Makefile", b"all:\n")
    before = memory(p)
    held, worst = [], 0.0
    for n in range(count):
        s = socket.create_connection(("127.0.0.1", place.port), timeout=20)
        s.sendall(b"GET / HTTP/1.1\r\nX: ")
        held.append(s)
        if n % 500 == 0:
            begin = time.monotonic()
            expect(place.request("GET", "/")[0], 200)
            worst = max(worst, time.monotonic() - begin)
    expect(place.add()["statusMsg"], "Job added")
    each = (memory(p) - before) / count
    print(f"{count} connections with half a head: {each / 1024:.1f} KiB each; others served within {worst * 1000:.0f} ms")
    assert each < 32 * 1024 and worst < 2
    extra = [socket.create_connection(("127.0.0.1", place.port), timeout=20) for _ in range(20)]
    extra[-1].settimeout(10)
    expect(extra[-1].recv(1), b"")
    for s in held[: count // 2] + extra:
        s.close()
    eventually(lambda: place.request("GET", "/")[0] == 200)
    for s in held:  # those that stay are let go when their time is over; here by us
        s.close()
    expect(stop(p), 0)


def giants(place):
    """1 MiB, metacharacters, '..' and NUL in every string field of every call: a clear refusal or plain text, and nothing else."""
    p = place.server()
    place.open()
    place.upload("Makefile", b"all:\n")
    before = everything(place.root)
    small = memory(p)
    job = {"image": "default", "jobName": "n", "output_file": "o", "timeout": 1, "callback_url": "http://h/x",
           "files": [{"localFile": "Makefile", "destFile": "Makefile"}]}
    evil = ["x" * (1 << 20), "../" * 1000, "a\0b", "$(reboot)`id`;|&<>'\"\\", "\u202e" * 100, "%00%2e%2e%2f", "\ud800", "\n" * 500, "{}" * 5000]
    for text_ in evil:
        for field in ("image", "output_file", "callback_url", "accessKeyId", "instanceType", "stopBefore", "limitingKey", "timeout", "max_kb", "jobName"):
            body = json.dumps({**job, "dry_run": True, field: text_})
            status, headers, raw = place.request("POST", f"/addJob/{KEY}/{LAB}/", body)
            assert status in (200, 413), (field, text_[:20], status)
            assert status == 413 or type(json.loads(raw)["statusId"]) is int, raw[:200]
            assert len(raw) < len(body) + 4096, (field, len(raw))
        for where in ("localFile", "destFile"):
            body = json.dumps({**job, "files": [{"localFile": "Makefile", "destFile": "Makefile"}, {"localFile": "Makefile", "destFile": "x", where: text_}]})
            status, _, raw = place.request("POST", f"/addJob/{KEY}/{LAB}/", body)
            if text_[0] not in "$%" or where == "localFile":  # these are only unusual names
                assert status == 413 or json.loads(raw)["statusId"] == -1, (where, text_[:20], raw[:200])
        quoted = urllib.parse.quote(text_.encode("utf-8", "surrogatepass"), safe="")
        for path in ("/open/{}/l/", f"/open/{KEY}/" + "{}/../x/", f"/poll/{KEY}/{LAB}/" + "{}/", f"/jobs/{KEY}/" + "{}/", "/v1/jobs/{}", "/ui/jobs/{}",
                     f"/getPartialOutput/{KEY}/" + "{}/"):
            status, _, raw = place.request("GET", path.format(quoted))
            assert status in (200, 400, 401, 404, 431) and len(raw) < 9000, (path, text_[:20], status)
            assert status != 200 or json.loads(raw)["statusId"] < 0, (path, text_[:20], raw[:200])
    expect([n for n in everything(place.root) if n not in before and "/ready" not in n and "/id/" not in n], [])
    print(f"memory grew by {(memory(p) - small) >> 20} MiB")
    assert memory(p) - small < 40 << 20
    expect(stop(p), 0)


def slow(place):
    """Clients that hold us with slow heads and bodies are let go, and others are served meanwhile."""
    p = place.server()
    place.open()
    connect = lambda: socket.create_connection(("127.0.0.1", place.port), timeout=90)
    begin = time.monotonic()
    heads = [connect() for _ in range(500)]
    for s in heads:
        s.sendall(b"GET / HTTP/1.1\r\n")
    bodies_of = {connect(): rate for rate in (1, 3000)}  # bytes each second
    for s in bodies_of:
        s.sendall(f"POST /upload/{KEY}/{LAB}/ HTTP/1.1\r\nFilename: slow\r\nContent-Length: 9000000\r\n\r\nabc".encode())
    alive, ended = {**{s: 1 for s in heads}, **bodies_of}, {}
    while alive:
        assert time.monotonic() - begin < 80, f"{len(alive)} still there; bodies ended: {ended}"
        for s, rate in alive.items():
            with contextlib.suppress(ConnectionError):
                s.sendall(b"A" * rate)
        took = time.monotonic()
        expect(place.request("GET", "/", timeout=5)[0], 200)
        assert time.monotonic() - took < 2, "others must not wait"
        readable, _, _ = select.select(list(alive), [], [], 0)
        for s in readable:
            with contextlib.suppress(ConnectionError):
                s.recv(1000)
            ended[bodies_of.get(s, "head")] = time.monotonic() - begin
            del alive[s]
            s.close()
        time.sleep(1)
    print("500 slow heads, bodies at 1 and 3000 bytes/s: the last ended after " + ", ".join(f"{n}: {t:.0f} s" for n, t in ended.items()))
    assert ended["head"] < 40 and ended[1] < 45 and ended[3000] < 50, ended
    eventually(lambda: not place.unfinished())
    print(f"most memory: {memory(p) >> 20} MiB")
    assert memory(p) < 50 << 20
    expect(stop(p), 0)


def large(place):
    """An upload much larger than memory may be: 1 GiB here, of zeros; the server stays below 50 MiB."""
    size = int(os.environ.get("REST_TEST_UPLOAD", 1 << 30))
    if shutil.disk_usage(place.root).free < 2 * size + (1 << 30):
        size = 256 << 20
    p = place.server()
    place.open()
    begin = time.monotonic()
    zeros = bytes(1 << 20)
    c = http.client.HTTPConnection("127.0.0.1", place.port, timeout=300)
    c.request("POST", f"/upload/{KEY}/{LAB}/", body=(zeros for _ in range(size >> 20)), headers={"Filename": "big", "Content-Length": str(size)})
    assert b"Uploaded file" in c.getresponse().read()
    took = time.monotonic() - begin
    expect(os.path.getsize(f"{place.lab_dir()}/big"), size)
    print(f"{size >> 20} MiB in {took:.1f} s ({size / took / 1e6:.0f} MB/s), most memory {memory(p) >> 20} MiB")
    assert memory(p) < 50 << 20
    begin = time.monotonic()
    files = place.open()["files"]
    expect(len(files["big"]), 32)
    assert time.monotonic() - begin < 5, "its hash is known from the upload"
    # A job that takes it: into the content store, again piece by piece.
    place.upload("Makefile", b"all:\n")
    begin = time.monotonic()
    reply = json.loads(place.request("POST", f"/addJob/{KEY}/{LAB}/", json.dumps({
        "image": "default", "jobName": "n", "output_file": "o", "timeout": 1,
        "files": [{"localFile": "big", "destFile": "big"}, {"localFile": "Makefile", "destFile": "Makefile"}]}), timeout=400)[2])
    expect(reply["statusMsg"], "Job added")
    sizes = [os.path.getsize(f) for f in glob.glob(f"{place.spool}/blob/*/*")]
    expect(sorted(sizes), [5, size])
    print(f"a job of it in {time.monotonic() - begin:.1f} s, most memory {memory(p) >> 20} MiB")
    assert memory(p) < 50 << 20
    expect(stop(p), 0)


def large_10g(place):
    """The same with what Tango takes at most: 10 GiB."""
    free = shutil.disk_usage(place.root).free
    if free < 24 << 30:
        print(f"SKIPPED: needs 24 GiB of disk, there are {free >> 30}")
        sys.exit(77)
    os.environ["REST_TEST_UPLOAD"] = str((10 << 30) - (1 << 20))  # with the Makefile the job has less than 10 GiB
    large(place)


# --- with a daemon: real boxes ------------------------------------------------------


def autolab(place):
    """What Autolab does for a submission (contract 6), and what it reads."""
    place.daemon("--slots", "2")
    place.server()
    course_lab, email, version = "cs101-hello", "ann@x.edu", 3
    handin = f"{email}_{version}_hello.c"
    files = {handin: ("hello.c", b"int main(void) { return 0; }\n"),
             "autograde-Makefile": ("Makefile", make(["echo begin", "printf 'b\\344d \\377\\n'", "sleep 1.5", "cat autograde.tar",
                                                      """echo '{"scores": {"hello": 10}, "scoreboard": [10]}'"""])),
             "autograde.tar": ("autograde.tar", b"the tests, first edition\n")}

    def submit(expected_uploads, **more):
        existing = place.call("GET", f"/open/{KEY}/{course_lab}/")["files"]
        assert isinstance(existing, dict)
        sent = []
        for remote, (_, data) in files.items():
            if existing.get(remote) != hashlib.md5(data).hexdigest():
                expect(place.call("POST", f"/upload/{KEY}/{course_lab}/", data, {"filename": remote})["statusMsg"], "Uploaded file")
                sent.append(remote)
        expect(sorted(sent), sorted(expected_uploads))
        job = {"image": "autograding_image", "files": [{"localFile": r, "destFile": d} for r, (d, _) in files.items()],
               "output_file": f"{email}_{version}_hello_autograde.txt", "timeout": 180, "jobName": f"cs101_hello_{version}_{email}",
               "callback_url": f"https://h/courses/cs101/assessments/hello/autograde_done?dave=AB&submission_id={version}",
               "disable_network": True, **more}
        reply = place.call("POST", f"/addJob/{KEY}/{course_lab}/", json.dumps(job), {"Content-Type": "application/x-www-form-urlencoded"})
        expect((reply["statusMsg"], type(reply["jobId"])), ("Job added", str))
        return int(reply["jobId"])

    job = submit(files)
    # Replaced while it waits or runs: this job keeps what it was submitted with.
    files["autograde.tar"] = ("autograde.tar", b"second edition\n")
    place.call("POST", f"/upload/{KEY}/{course_lab}/", files["autograde.tar"][1], {"filename": "autograde.tar"})
    # the partial feedback page: jobs(0), then getPartialOutput while it is assigned
    seen = []
    until = time.monotonic() + 30
    while time.monotonic() < until:
        live = [j for j in place.call("GET", f"/jobs/{KEY}/0/")["jobs"] if j["id"] == job]
        if live and live[0]["assigned"]:
            assert "Added job" not in live[0]["trace"][-1], live
            reply = place.call("GET", f"/getPartialOutput/{KEY}/{job}/")
            expect(reply["statusMsg"], "Partial output obtained")
            seen.append(reply["output"])
            if seen[-1].endswith("\ufffd\n"):
                _, _, raw = place.request("GET", f"/poll/{KEY}/{course_lab}/{email}_{version}_hello_autograde.txt?inprogress=1")
                assert raw.startswith(b"begin\n"), raw
                break
        time.sleep(0.02)
    expect(seen[-1], "begin\nb\ufffdd \ufffd\n")
    feedback = place.feedback(f"{email}_{version}_hello_autograde.txt", course_lab, slash="")  # Autolab leaves the slash out
    date = rb"\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\]"
    wanted = (rb"Autograder " + date + rb": Received job cs101_hello_3_ann@x\.edu:%d\n" % job +
              rb"Autograder " + date + rb": Success: Autodriver returned normally\n" +
              rb"Autograder " + date + rb": Here is the output from the autograder:\n---\n" +
              rb"Autodriver: Job exited with status 0\nbegin\nb\xe4d \xff\nthe tests, first edition\n" +
              rb'\{"scores": \{"hello": 10\}, "scoreboard": \[10\]\}\n')
    assert re.fullmatch(wanted, feedback), feedback
    expect(json.loads(feedback.splitlines()[-1])["scores"], {"hello": 10})
    reply = place.call("GET", f"/getPartialOutput/{KEY}/{job}/")  # at any time: the final text
    assert reply["output"].endswith('"scoreboard": [10]}\n') and "\ufffd" in reply["output"], reply
    eventually(lambda: [j for j in place.call("GET", f"/jobs/{KEY}/1/")["jobs"] if j["id"] == job])
    (dead,) = [j for j in place.call("GET", f"/jobs/{KEY}/1/")["jobs"] if j["id"] == job]
    nine = ["Added job", "Dispatched job", "Assigned job", "waiting for VM", "ready for job", "Input copied", "executed [status=0]",
            "Output copied", "Success: Autodriver returned normally"]
    expect(len(dead["trace"]), len(nine))
    for line, part in zip(dead["trace"], nine):
        stamp, words = line.split("|")
        time.strptime(stamp, "%a %b %d %H:%M:%S %Y")
        assert part in words, (part, words)
    expect((dead["assigned"], dead["retries"], dead["notifyURL"].split("/")[4]), (False, 0, "cs101"))
    # Regrade with the same output name: the old result is gone before the new one is there; nothing is sent again.
    job = submit([], max_kb=1)
    _, headers, _ = place.poll(f"{email}_{version}_hello_autograde.txt", course_lab)
    expect(headers["Content-Type"], JSON)
    assert b"second edition" in place.feedback(f"{email}_{version}_hello_autograde.txt", course_lab)
    info = place.call("GET", f"/info/{KEY}/")["info"]
    expect((info["job_requests"], info["job_retries"], info["runjob_errors"]), (2, 0, 0))


def tango_cli(place):
    """tango-cli.py's calls in its order: --runJob, then poll, info, jobs, pool, prealloc, getPartialOutput."""
    place.daemon("--slots", "2")
    place.server()
    expect(place.request("GET", "/")[0], 200)  # it asks before each command
    lab = "test"
    for i in (1, 2):
        place.call("GET", f"/open/{KEY}/{lab}/")
        for name, data in (("autograde-Makefile", make(["bash hello.sh"])), ("hello.sh", b"echo Hello from `hostname`:`pwd`; ls -l\n"),
                           ("x-handin.tgz", bytes(range(256)))):
            place.call("POST", f"/upload/{KEY}/{lab}/", data, {"Filename": name})
        job = {"image": "autograding_image", "files": [{"localFile": "autograde-Makefile", "destFile": "Makefile"},
                                                       {"localFile": "hello.sh", "destFile": "hello.sh"},
                                                       {"localFile": "x-handin.tgz", "destFile": "handin.tgz"}],
               "timeout": 0, "max_kb": 0, "output_file": f"result.out-{i}", "jobName": f"test_job-{i}", "accessKeyId": "", "accessKey": "",
               "disable_network": False, "notifyURL": "http://localhost:8888/autograde_done?id=1"}
        expect(place.call("POST", f"/addJob/{KEY}/{lab}/", json.dumps(job)), {"statusId": 0, "statusMsg": "Job added", "jobId": str(i)})
    for i in (1, 2):
        feedback = place.feedback(f"result.out-{i}", lab).decode()
        assert f"Received job test_job-{i}:{i}\n" in feedback and "\nHello from " in feedback, feedback
        assert ":/home/autograde/autolab\n" in feedback and "handin.tgz" in feedback, feedback
    rows = {j["id"]: j for j in place.call("GET", f"/jobs/{KEY}/1/")["jobs"]}
    expect((rows[1]["timeout"], rows[1]["maxOutputFileSize"], rows[1]["notifyURL"]), (60, 1024000, "http://localhost:8888/autograde_done?id=1"))
    expect(rows[2]["input"][2], {"destFile": "hello.sh", "localFile": f"courselabs/{KEY_ID}-test/hello.sh"})
    machine = json.dumps({"vmms": "localDocker", "cores": 1, "memory": 64})
    place.call("POST", f"/prealloc/{KEY}/autograding_image/2/", machine)
    # ... whose memory holds for its jobs
    place.call("POST", f"/upload/{KEY}/{lab}/", make(["head -c 100M /dev/zero | tail >/dev/null"]), {"Filename": "hog"})
    place.add({"hog": "Makefile"}, lab, output_file="hog.txt")
    feedback = place.feedback("hog.txt", lab).decode()
    assert "memory" in feedback.splitlines()[1].lower() and ": Error: " in feedback.splitlines()[1], feedback
    # output is cut as Tango cuts it: max_kb
    place.call("POST", f"/upload/{KEY}/{lab}/", make(["seq 100000", "echo last"]), {"Filename": "long"})
    place.add({"long": "Makefile"}, lab, output_file="long.txt", max_kb=10, memory=256)
    feedback = place.feedback("long.txt", lab)
    assert b"\n...[excess bytes elided]...\n" in feedback and feedback.endswith(b"\nlast\n"), feedback[-200:]
    expect(len(feedback.split(b"---\n", 1)[1]), len(b"Autodriver: Job exited with status 0\n") + 10240 + 29)
    # a time limit
    place.call("POST", f"/upload/{KEY}/{lab}/", make(["sleep 30"]), {"Filename": "sleep"})
    place.add({"sleep": "Makefile"}, lab, output_file="sleep.txt", timeout=1)
    feedback = place.feedback("sleep.txt", lab).decode()
    assert "Error: " in feedback.splitlines()[1] and "Autodriver: Job timed out after 1 seconds" in feedback, feedback
    expect(place.call("GET", f"/info/{KEY}/")["info"]["runjob_timeouts"], 1)


def labs(place):
    """The example labs, handed in by REST: each gets the verdict that it has everywhere."""
    place.daemon("--slots", "2")
    place.server()
    jobs = {}
    for lab in sorted(os.listdir(LABS)):
        folder = os.path.join(LABS, lab)
        if not os.path.isdir(folder):
            continue
        names_there = [n for n in os.listdir(folder) if os.path.isfile(os.path.join(folder, n))]
        options = dict(re.findall(r"--([a-z-]+)=(\w+)", open(os.path.join(folder, "lab.options"), encoding="utf-8").read()))
        if any(os.path.isdir(os.path.join(folder, n)) for n in os.listdir(folder)) or "pids" in options:
            continue  # Tango's jobs are flat, and have no limit of processes of their own
        place.open(lab)
        for name in names_there:
            place.upload(name, open(os.path.join(folder, name), "rb").read(), lab)
        memory = {"G": 1024, "M": 1}
        fields = {"memory": int(options["memory"][:-1]) * memory[options["memory"][-1]]} if "memory" in options else {}
        reply = place.add({n: n for n in names_there}, lab, output_file=f"{lab}.txt", timeout=int(options["wall-time"]), **fields)
        jobs[lab] = (int(reply["jobId"]), open(os.path.join(folder, "expected"), encoding="utf-8").read().strip())
    assert len(jobs) >= 4, jobs
    for lab, (job, expected) in jobs.items():
        feedback = place.feedback(f"{lab}.txt", lab).decode()
        status = subprocess.run([f"{BIN}/milonga", "--spool", place.spool, "--json", "status", str(job)], stdout=subprocess.PIPE, timeout=30)
        verdict = json.dumps(json.loads(status.stdout))
        assert f'"{expected}"' in verdict, (lab, expected, verdict)
        reason = feedback.splitlines()[1].split("]: ", 1)[1]
        expect(reason.startswith("Success: Autodriver returned normally"), expected in ("ok", "failed", "signaled"))
        print(f"{lab}: {expected}: {reason}; last line: {feedback.splitlines()[-1]}")


def daemon_down(place):
    """Submitting needs no daemon; and one that is killed and comes back loses nothing."""
    place.server()
    place.open()
    place.upload("Makefile", make(["sleep 0.3", "echo done"]))
    for n in range(6):
        expect(place.add(output_file=f"o{n}")["statusMsg"], "Job added")
    expect(len(place.call("GET", f"/jobs/{KEY}/0/")["jobs"]), 6)
    daemon = place.daemon("--slots", "2")
    eventually(lambda: any(j["assigned"] for j in place.call("GET", f"/jobs/{KEY}/0/")["jobs"]))
    pools = place.call("GET", f"/pool/{KEY}/autograding_image/")["pools"]["autograding_image"]
    assert 1 <= len(pools["total"]) <= 2 and pools["free"] == [], pools
    daemon.kill()
    daemon.wait()
    for n in range(6, 8):
        expect(place.add(output_file=f"o{n}")["statusMsg"], "Job added")
    place.daemon("--slots", "2")
    for n in range(8):
        assert place.feedback(f"o{n}").endswith(b"\ndone\n")
    expect(place.call("GET", f"/jobs/{KEY}/0/")["jobs"], [])


def regrade(place):
    """"Regrade all" of 600 in one loop, and students of another lab meanwhile, who do not wait for them."""
    place.server()
    count = 600
    students = [f"student{n}" for n in range(5)]
    for lab in ("big", "small"):
        place.open(lab)
        place.upload("Makefile", make(["echo graded"]), lab)
    begin = time.monotonic()
    for n in range(count):
        expect(place.open("big")["statusId"], 0)
        expect(place.add(lab="big", output_file=f"s{n}@x.edu_1_big_autograde.txt", jobName=f"c_big_1_s{n}@x.edu")["statusMsg"], "Job added")
    submitted = time.monotonic()
    place.daemon("--slots", "2")  # only now: however fast it is, the students find the batch waiting
    for name in students:
        place.add(lab="small", output_file=name)
        place.feedback(name, "small", 20)
    served = time.monotonic() - submitted
    waiting = len(place.call("GET", f"/jobs/{KEY}/0/")["jobs"])
    for n in range(count):
        assert place.feedback(f"s{n}@x.edu_1_big_autograde.txt", "big", 150).endswith(b"\ngraded\n")
    graded = time.monotonic() - submitted
    print(f"{count} submitted in {submitted - begin:.1f} s, all graded {graded:.1f} s later; {len(students)} students of another "
          f"lab, one after the other, had their feedback {served:.2f} s after the start, with {waiting} still waiting")
    assert waiting > count / 2, f"the students waited for the batch: {waiting} of {count} are left"
    eventually(lambda: len(place.call("GET", f"/jobs/{KEY}/1/")["jobs"]) == count + len(students))
    expect(place.call("GET", f"/info/{KEY}/")["info"]["job_requests"], count + len(students))


def cancel(place):
    """The 15-411 fork's cancel, of a waiting and a running job."""
    place.daemon("--slots", "1")
    place.server()
    place.open()
    place.upload("Makefile", make(["echo started", "sleep 60"]))
    place.add(output_file="running")
    place.add(output_file="waiting")
    eventually(lambda: "started" in str(place.call("GET", f"/getPartialOutput/{KEY}/1/").get("output")))
    for name in ("waiting", "running"):
        expect(place.call("POST", f"/cancel/{KEY}/{LAB}/{name}/"), {"statusId": 0, "statusMsg": "Job cancelled"})
    assert b"Error: " in place.feedback("running")
    eventually(lambda: len(place.call("GET", f"/jobs/{KEY}/1/")["jobs"]) == 2)
    for job in place.call("GET", f"/jobs/{KEY}/1/")["jobs"]:
        assert "Error: " in job["trace"][-1] and "cancelled" in job["trace"][-1], job
    expect(place.call("GET", f"/getPartialOutput/{KEY}/2/")["statusId"], 0)
    for name, status in (("running", -3), ("nothing", -2)):
        expect(place.call("POST", f"/cancel/{KEY}/{LAB}/{name}/")["statusId"], status)


CASES = {f.__name__: f for f in (contract, names, keys, bodies, junk, uploads, restart, many, giants, slow, large, large_10g, autolab, tango_cli, labs, daemon_down, regrade, cancel)}
WITH_BOXES = ("autolab", "tango_cli", "labs", "daemon_down", "regrade", "cancel")


def run_case(cases, with_boxes, **temporary):
    """The case of the command line in a place of its own. The exit status."""
    if CASE in with_boxes and os.geteuid() != 0:
        print("SKIPPED: boxes need root, or the installed setuid core")
        return 77
    with tempfile.TemporaryDirectory(prefix="milonga-rest-test.", **temporary) as root:
        place = Place(root)
        try:
            cases[CASE](place)
        except BaseException:
            for p in place.processes:
                with p.lock:
                    print(f"--- log of {os.path.basename(p.args[0])}:\n{p.log[-4000:].decode(errors='replace')}", file=sys.stderr)
            raise
        finally:
            for p in place.processes:
                if p.poll() is None:
                    p.send_signal(signal.SIGTERM)
            for p in place.processes:
                try:
                    p.wait(30)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
                    raise
    print(f"{CASE}: ok")
    return 0


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
    return run_case(CASES, WITH_BOXES)


if __name__ == "__main__":
    sys.exit(main())
