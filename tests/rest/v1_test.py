#!/usr/bin/env python3
"""Our own API under /v1/, over real sockets, held against its own description.

usage: v1_test.py BIN_DIR CASE
"""
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time

from rest_test import BIN, KEY, KEY_ID, eventually, expect, make, run_case, stop

LAB = "cs101-hello"
BEARER = {"Authorization": f"Bearer {KEY}"}


class Api:
    """Requests, each held against rest/openapi.json as the server serves it."""

    def __init__(self, place, headers=None):
        self.place, self.headers = place, BEARER if headers is None else headers
        self.seen = set()
        status, got, raw = place.request("GET", "/v1/openapi.json")
        expect((status, got["Content-Type"]), (200, "application/json"))
        self.api = json.loads(raw)

    def route_of(self, path):
        for pattern in self.api["paths"]:
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path.split("?")[0]):
                return pattern
        raise AssertionError(f"not in the description: {path}")

    def __call__(self, method, path, body=None, headers=None, wanted=200):
        if isinstance(body, dict):
            body = json.dumps(body)
        status, got, raw = self.place.request(method, path, body, {**self.headers, **(headers or {})})
        expect((method, path, status), (method, path, wanted))
        described = self.api["paths"][self.route_of(path)][method.lower()]["responses"]
        assert str(status) in described, f"{method} {path}: {status} is not in the description"
        self.seen.add((method, self.route_of(path), status))
        content = described[str(status)].get("content")
        if not content or not raw:
            return raw
        (kind, schema), = content.items()
        expect(got["Content-Type"].split(";")[0], kind)
        if "json" not in kind:
            return raw
        value = json.loads(raw)
        self.hold(value, schema["schema"], f"{method} {path}")
        return value

    def hold(self, value, schema, where):
        """The part of JSON Schema that the description uses."""
        if "$ref" in schema:
            return self.hold(value, self.api["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], where)
        if value is None and schema.get("nullable"):
            return None
        kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
        if "type" in schema:
            assert isinstance(value, kinds[schema["type"]]), (where, value, schema)
        if "enum" in schema:
            assert value in schema["enum"], (where, value)
        if isinstance(value, dict):
            for name in schema.get("required", ()):
                assert name in value, (where, name)
            for name, part in schema.get("properties", {}).items():
                if name in value:
                    self.hold(value[name], part, f"{where} {name}")
            if "properties" in schema:
                assert set(value) <= set(schema["properties"]), (where, set(value) - set(schema["properties"]))
        for n, item in enumerate(value if isinstance(value, list) else ()):
            self.hold(item, schema.get("items", {}), f"{where} [{n}]")
        return None


def new_job(output="out.txt", **fields):
    return {"jobName": "cs101_hello_1_ann@x.edu", "image": "default", "output_file": output, "timeout": 30,
            "files": [{"localFile": "Makefile", "destFile": "Makefile"}], **fields}


def events_of(place, path, headers=None, until=b"event: end", seconds=30):
    """The stream until that event, as (event, data, id); each with the second in which it came."""
    c = http.client.HTTPConnection("127.0.0.1", place.port, timeout=seconds)
    c.request("GET", path, headers={**BEARER, **(headers or {})})
    r = c.getresponse()
    expect((r.status, r.headers["Content-Type"], r.headers["Cache-Control"]), (200, "text/event-stream", "no-store"))
    found, fields = [], {}
    for line in r:
        line = line.decode().rstrip("\n")
        if line.startswith(":"):
            continue
        if not line and fields:
            found.append((fields.get("event"), json.loads(fields["data"]), fields.get("id"), time.monotonic()))
            fields = {}
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
    c.close()
    return found


def api(place):
    """Each path and method of the description, with the codes that can be had without a daemon."""
    place.server()
    v1 = Api(place)
    expect(v1("GET", "/v1/health", headers={"Authorization": ""}), {"status": "ok", "waiting": 0, "running": 0})
    v1("GET", f"/v1/labs/{LAB}/files", wanted=404)
    v1("PUT", f"/v1/labs/{LAB}/files/Makefile", b"all:\n", wanted=201)
    v1("PUT", f"/v1/labs/{LAB}/files/Makefile", b"all:\n", wanted=200)
    v1("PUT", f"/v1/labs/{LAB}/files/output", b"x", wanted=400)
    expect([f["name"] for f in v1("GET", f"/v1/labs/{LAB}/files")["files"]], ["Makefile"])
    jobs = f"/v1/labs/{LAB}/jobs"
    v1("POST", jobs, b"{", wanted=400)
    refused = v1("POST", jobs, new_job(image="none", jobName=""), wanted=422)
    assert "Missing job.name" in refused["detail"] and "Image not found: none" in refused["detail"], refused
    v1("POST", jobs, new_job(dry_run=True), wanted=200)
    ids = [v1("POST", jobs, new_job(f"o{n}"), wanted=201)["id"] for n in range(7)]
    job = v1("GET", f"/v1/jobs/{ids[0]}")
    expect((job["lab"], job["state"], job["position"], job["output_file"]), (LAB, "waiting", 0, "o0"))
    # pages: all jobs once, newest first, while others come
    seen, cursor = [], ""
    while cursor is not None:
        page = v1("GET", f"/v1/jobs?limit=3{'&cursor=' + cursor if cursor else ''}")
        seen += [j["id"] for j in page["jobs"]]
        if len(seen) == 3:
            v1("POST", jobs, new_job("late"), wanted=201)
        cursor = page["next_cursor"]
    expect(seen, ids[::-1])
    expect(len(v1("GET", "/v1/jobs?state=waiting&lab=cs101-hello")["jobs"]), 8)
    expect(v1("GET", "/v1/jobs?lab=other")["jobs"], [])
    for bad in ("limit=0", "limit=x", "limit=201", "cursor=-1", "cursor=x", "state=x"):
        v1("GET", f"/v1/jobs?{bad}", wanted=400)
    v1("DELETE", f"/v1/jobs/{ids[1]}", wanted=200)
    v1("DELETE", f"/v1/jobs/{ids[1]}", wanted=409)
    done = v1("GET", f"/v1/jobs/{ids[1]}")
    expect((done["state"], done["outcome"], done["verdict"], done["scores"]), ("done", "cancelled", None, None))
    expect(v1("GET", f"/v1/jobs/{ids[0]}/output"), b"")
    for path in ("", "/output", "/events", "/report"):
        for unknown in ("999999", "x", "99999999999999999999"):
            v1("GET", f"/v1/jobs/{unknown}{path}", wanted=404)
    v1("DELETE", "/v1/jobs/999999", wanted=404)
    v1("GET", f"/v1/jobs/{ids[0]}/report", wanted=404)
    (end,) = events_of(place, f"/v1/jobs/{ids[1]}/events")
    expect((end[0], end[1]["outcome"]), ("end", "cancelled"))
    expect(v1("GET", "/v1/hosts")["hosts"], [])
    expect([(p["waiting"], p["running"], p["size"]) for p in v1("GET", "/v1/pools")["pools"]], [(7, 0, 0)])
    metrics = v1("GET", "/v1/metrics").decode()
    assert "\nmilonga_jobs_waiting 7\n" in metrics and "# TYPE milonga_jobs_waiting gauge\n" in metrics, metrics
    # what is none of these
    status, headers, raw = place.request("GET", "/v1/nothing", headers=BEARER)
    expect((status, headers["Content-Type"], json.loads(raw)["title"]), (404, "application/problem+json", "Not Found"))
    status, headers, _ = place.request("POST", "/v1/health", headers=BEARER)
    expect((status, headers["Allow"]), (405, "GET"))
    # every path and method of the description was called
    described = {(method.upper(), path) for path, methods in v1.api["paths"].items() for method in methods}
    called = {(method, path) for method, path, _ in v1.seen} | {("GET", "/v1/openapi.json"), ("GET", "/v1/jobs/{id}/events")}
    expect(described - called, set())


def keys(place):
    """Bearer tokens: hashed in the file, for some labs only, replaced by SIGHUP; wrong keys are slowed down."""
    made = subprocess.run([f"{BIN}/milonga-rest", "--new-key", "ann"], stdout=subprocess.PIPE, check=True, timeout=20).stdout.decode()
    ann, line = re.search(r"client: (\w+)", made)[1], re.search(r"file: +(.*)", made)[1]
    assert ann not in line
    path = f"{place.root}/keys"

    def write(*lines):
        with open(path, "w", encoding="utf-8", opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
            f.write("".join(f"{text}\n" for text in lines))

    write(f"{line} labs=cs101-*,demo", "bob bobs-key")
    p = place.start("milonga-rest", "--courselabs", place.labs, "--listen", "127.0.0.1:0", "--key-file", path, "--rate", "1000",
                    ready=b"ready: listening")
    place.port = int(re.search(rb"listening on 127\.0\.0\.1:(\d+)", p.log)[1])
    as_ann, as_bob = (Api(place, {"Authorization": f"Bearer {key}"}) for key in (ann, "bobs-key"))
    as_ann("PUT", "/v1/labs/cs101-hello/files/Makefile", b"all:\n", wanted=201)
    as_ann("PUT", "/v1/labs/cs102-hello/files/Makefile", b"all:\n", wanted=403)
    as_ann("GET", "/v1/labs/cs102-hello/files", wanted=403)
    as_ann("POST", "/v1/labs/cs102-hello/jobs", new_job(), wanted=403)
    as_bob("PUT", "/v1/labs/cs102-hello/files/Makefile", b"all:\n", wanted=201)
    his = as_bob("POST", "/v1/labs/cs102-hello/jobs", new_job(), wanted=201)["id"]
    hers = as_ann("POST", "/v1/labs/cs101-hello/jobs", new_job(), wanted=201)["id"]
    for method, path_of in (("GET", ""), ("GET", "/output"), ("GET", "/events"), ("GET", "/report"), ("DELETE", "")):
        as_ann(method, f"/v1/jobs/{his}{path_of}", wanted=404)
    expect([j["id"] for j in as_ann("GET", "/v1/jobs")["jobs"]], [hers])
    expect([j["id"] for j in as_bob("GET", "/v1/jobs")["jobs"]], [hers, his])
    # The same in Tango's API.
    tango = lambda key, path, method="GET": json.loads(place.request(method, path.replace("KEY", key))[2])
    expect([j["id"] for j in tango(ann, "/jobs/KEY/0/")["jobs"]], [hers])
    expect(tango(ann, f"/getPartialOutput/KEY/{his}/")["statusMsg"], "getPartialOutput request failed: Invalid job id")
    for method, refused in (("GET", "/open/KEY/cs102-hello/"), ("POST", "/prealloc/KEY/default/1/"), ("POST", "/scale/KEY/1/2/"),
                            ("GET", "/poll/KEY/cs102-hello/out.txt/")):
        expect(tango(ann, refused, method)["statusMsg"], "Key not recognized")
    expect(tango(ann, "/open/KEY/cs101-hello/")["statusMsg"], "Found directory")
    # Rotation: both keys for a time, then the new one alone; the directories stay.
    write(f"{line} labs=cs101-*", "ann second-key labs=cs101-*", "bob bobs-key")
    p.send_signal(1)
    eventually(lambda: place.request("GET", "/v1/jobs", headers={"Authorization": "Bearer second-key"})[0] == 200)
    expect([f["name"] for f in as_ann("GET", "/v1/labs/cs101-hello/files")["files"]], ["Makefile"])
    write("ann second-key labs=cs101-*", "bob bobs-key")
    p.send_signal(1)
    eventually(lambda: place.request("GET", "/v1/jobs", headers={"Authorization": f"Bearer {ann}"})[0] == 401)
    second = Api(place, {"Authorization": "Bearer second-key"})
    expect([f["name"] for f in second("GET", "/v1/labs/cs101-hello/files")["files"]], ["Makefile"])
    # A key file that cannot be used changes nothing.
    write("ann sha256:12")
    p.send_signal(1)
    eventually(lambda: b"64 hex digits" in p.log)
    second("GET", "/v1/jobs")
    # Guessing: after some wrong keys this address is told to wait, whatever it sends then.
    codes = [place.request("GET", "/v1/jobs", headers={"Authorization": f"Bearer guess{n}"})[0] for n in range(40)]
    assert set(codes) == {401, 429} and codes[0] == 401 and codes[-1] == 429, codes
    expect(place.request("GET", "/v1/jobs", headers={"Authorization": "Bearer second-key"})[0], 429)
    expect(place.request("GET", "/v1/health")[0], 200)
    for key in (ann, "second-key", "bobs-key"):
        assert key.encode() not in p.log
    expect(stop(p), 0)
    # Too often with the right key.
    p = place.server("--rate", "5")
    replies = [place.request("GET", "/v1/health" if n % 2 else "/v1/jobs", headers=BEARER) for n in range(80)]
    limited = [h["Retry-After"] for status, h, _ in replies if status == 429]
    assert limited and all(limited), [r[0] for r in replies]
    expect({r[0] for r in replies[1::2]}, {200})  # what needs no key is not counted
    expect(stop(p), 0)


def doors(place):
    """A unix socket for owner and group, and TLS; both beside a plain port, at once."""
    path = f"{place.root}/rest.sock"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{place.root}/key.pem",
                    "-out", f"{place.root}/cert.pem"], check=True, timeout=30, stderr=subprocess.DEVNULL)
    options = ("--listen", f"unix:{path}", "--listen", "tls:127.0.0.1:0", "--tls-certificate", f"{place.root}/cert.pem",
               "--tls-key", f"{place.root}/key.pem")
    p = place.server(*options)
    tls_port = int(re.search(rb"tls:127\.0\.0\.1:(\d+)", p.log)[1])
    expect(oct(os.stat(path).st_mode & 0o777), "0o660")

    class Unix(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(20)
            self.sock.connect(path)

    trust = ssl.create_default_context(cafile=f"{place.root}/cert.pem")

    class Tls(http.client.HTTPSConnection):
        def connect(self):
            self.sock = trust.wrap_socket(socket.create_connection(("127.0.0.1", tls_port), timeout=20), server_hostname="localhost")

    body = os.urandom(3_000_000)
    for connection in (Unix("localhost"), Tls("localhost"), http.client.HTTPConnection("127.0.0.1", place.port, timeout=20)):
        name = type(connection).__name__
        for method, target, data, wanted in (("GET", "/v1/health", None, 200), ("PUT", f"/v1/labs/l/files/{name}", body, 201),
                                             ("GET", f"/open/{KEY}/l/", None, 200), ("PUT", f"/v1/labs/l/files/{name}", body, 200)):
            connection.request(method, target, body=data, headers=BEARER)
            r = connection.getresponse()
            raw = r.read()
            expect((name, target, r.status), (name, target, wanted))
        connection.close()
        with open(f"{place.labs}/{KEY_ID}-l/{name}", "rb") as f:
            assert f.read() == body
    log = lambda: p.log.decode()
    eventually(lambda: " unix v1 GET /v1/health 200" in log())
    # No TLS where it is expected, old TLS, and a handshake that never ends: others are served.
    with socket.create_connection(("127.0.0.1", tls_port), timeout=20) as s:
        s.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"Hello" not in s.recv(1000)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        old.wrap_socket(socket.create_connection(("127.0.0.1", tls_port), timeout=20))
        raise AssertionError("TLS 1.1 was taken")
    except (ssl.SSLError, ConnectionError):
        pass
    held = socket.create_connection(("127.0.0.1", tls_port), timeout=20)
    expect(place.request("GET", "/")[0], 200)
    held.close()
    # A second server on the same name is refused; after a kill the name is free.
    r = subprocess.run([f"{BIN}/milonga-rest", "--spool", place.spool, "--volatile", "--courselabs", place.labs, "--key", "k", "--listen",
                        f"unix:{path}"], timeout=20, stderr=subprocess.PIPE)
    assert r.returncode == 1 and b"somebody listens on" in r.stderr, r
    p.kill()
    p.wait()
    assert os.path.exists(path)
    p = place.server(*options)
    Unix("localhost").request("GET", "/v1/health")
    expect(stop(p), 0)
    assert not os.path.exists(path)
    # A name that is no socket is left alone.
    with open(path, "w", encoding="utf-8") as f:
        f.write("mine")
    r = subprocess.run([f"{BIN}/milonga-rest", "--spool", place.spool, "--volatile", "--courselabs", place.labs, "--key", "k", "--listen",
                        f"unix:{path}"], timeout=20, stderr=subprocess.PIPE)
    assert r.returncode == 1 and b"is no socket" in r.stderr, r


def live(place):
    """With a daemon: events as they happen, results with scores, evidence and report."""
    daemon = place.daemon("--slots", "1")
    p = place.server()
    v1 = Api(place)
    recipe = make(("echo one", "sleep 0.7", "printf 'tw\\377o\\n'", "sleep 0.7", "head -c 200000 /dev/zero | tr '\\0' x", "echo",
                   """echo '{scores: {a: 3, b: 4.5}, scoreboard: [7.5, "x"]}'"""))
    v1("PUT", f"/v1/labs/{LAB}/files/Makefile", recipe, wanted=201)
    job = v1("POST", f"/v1/labs/{LAB}/jobs", new_job(), wanted=201)["id"]
    found = events_of(place, f"/v1/jobs/{job}/events")
    kinds = [kind for kind, *_ in found]
    expect((kinds[0], kinds[-1], kinds.count("end")), ("state", "end", 1))
    text = "".join(data["text"] for kind, data, *_ in found if kind == "output")
    assert text.startswith("one\ntw\ufffdo\nxxx") and text.endswith('"x"]}\n'), (text[:50], text[-50:], kinds)
    offsets = [data["at"] for kind, data, *_ in found if kind == "output"]
    expect(offsets, sorted(offsets))
    first = next(at for kind, data, _, at in found if kind == "output" and "one" in data["text"])
    assert found[-1][3] - first > 1, "the output came only with the end"
    end = found[-1][1]
    expect((end["state"], end["verdict"], end["scores"], end["scoreboard"]), ("done", "ok", {"a": 3, "b": 4.5}, [7.5, "x"]))
    v1.hold(end, {"$ref": "#/components/schemas/Job"}, "event end")
    assert end["evidence"]["exit_code"] == 0 and end["evidence"]["wall_s"] > 1, end
    expect(v1("GET", f"/v1/jobs/{job}"), end)
    output = v1("GET", f"/v1/jobs/{job}/output")
    assert output.startswith(b"Autograder [") and b"\none\ntw\xffo\n" in output, output[:300]
    expect(v1("GET", f"/v1/jobs/{job}/report")["verdict"], "ok")
    # Reading on: what came before the id is not sent again.
    v1("PUT", f"/v1/labs/{LAB}/files/Makefile", make(("echo AAAA", "sleep 2", "echo BBBB")), wanted=201)
    job = v1("POST", f"/v1/labs/{LAB}/jobs", new_job(), wanted=201)["id"]
    eventually(lambda: v1("GET", f"/v1/jobs/{job}/output") == b"AAAA\n")
    found = events_of(place, f"/v1/jobs/{job}/events", {"Last-Event-ID": "1.5"})
    expect("".join(data["text"] for kind, data, *_ in found if kind == "output"), "BBBB\n")
    # Several readers, one that goes away in the middle, and a job that is cancelled while it is read.
    v1("PUT", f"/v1/labs/{LAB}/files/Makefile", make(("echo up", "sleep 60")), wanted=201)
    job = v1("POST", f"/v1/labs/{LAB}/jobs", new_job(), wanted=201)["id"]
    eventually(lambda: v1("GET", f"/v1/jobs/{job}/output") == b"up\n")
    gone = socket.create_connection(("127.0.0.1", place.port), timeout=20)
    gone.sendall(f"GET /v1/jobs/{job}/events HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
    assert b"up" in gone.recv(65536) + gone.recv(65536)
    gone.close()
    import threading
    ends = []
    readers = [threading.Thread(target=lambda: ends.append(events_of(place, f"/v1/jobs/{job}/events")[-1][1]["outcome"])) for _ in range(5)]
    for r in readers:
        r.start()
    eventually(lambda: b"milonga_event_streams 6\n" in v1("GET", "/v1/metrics") or b"milonga_event_streams 5\n" in v1("GET", "/v1/metrics"))
    v1("DELETE", f"/v1/jobs/{job}", wanted=202)
    for r in readers:
        r.join(30)
    expect(ends, ["cancelled"] * 5)
    # The server ends though somebody reads.
    job = v1("POST", f"/v1/labs/{LAB}/jobs", new_job(), wanted=201)["id"]
    s = socket.create_connection(("127.0.0.1", place.port), timeout=20)
    s.sendall(f"GET /v1/jobs/{job}/events HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
    s.recv(65536)
    begin = time.monotonic()
    expect(stop(p), 0)
    assert time.monotonic() - begin < 5, "it waited for the reader"
    s.close()
    expect(stop(daemon), 0)


CASES = {f.__name__: f for f in (api, keys, doors, live)}


if __name__ == "__main__":
    sys.exit(run_case(CASES, ("live",)))
