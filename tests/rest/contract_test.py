#!/usr/bin/env python3
"""Tango's contract, row by row, against a running server over a real socket.

usage: contract_test.py BIN_DIR SECTION     (2, 3, 6 or 7 of the contract: REST, jobs, Autolab, tango-cli)
       contract_test.py BIN_DIR rows        prints the names of all rows

Each row is one function, named as in the contract; a section starts one server, and a daemon where jobs must run.
"""
import email
import hashlib
import http.server
import json
import os
import re
import sys
import tempfile
import threading
import time
import urllib.parse

from rest_test import CASE, JSON, KEY, KEY_ID, LAB, Place, eventually, expect, make, text

ROWS = {"2": [], "3": [], "6": [], "7": []}
JOB = {"image": "autograding_image", "jobName": "cs101_hello_1_ann@x.edu", "output_file": "out.txt", "timeout": 30,
       "files": [{"localFile": "Makefile", "destFile": "Makefile"}]}
FAILED = -1


def row(name):
    def keep(function):
        ROWS[name[0]].append((name, function))
        return function
    return keep


def add(place, lab=LAB, **fields):
    job = {k: v for k, v in {**JOB, **fields}.items() if v is not ...}
    return place.call("POST", f"/addJob/{KEY}/{lab}/", json.dumps(job))


def jobs(place, dead):
    return {j["id"]: j for j in place.call("GET", f"/jobs/{KEY}/{dead}/")["jobs"]}


def added(place, **fields):
    """A job that waits, as /jobs/ shows it."""
    job = int(add(place, **fields)["jobId"])
    return jobs(place, 0)[job]


def graded(place, name="out.txt", lab=LAB, recipe=("echo graded",), **fields):
    """Submits a job, waits for its feedback and for its place among the dead; its id and the feedback."""
    place.call("GET", f"/open/{KEY}/{lab}/")
    place.upload("Makefile", make(recipe), lab)
    job = int(add(place, lab, output_file=name, **fields)["jobId"])
    feedback = place.feedback(name, lab)
    eventually(lambda: job in jobs(place, 1))
    return job, feedback


# --- 2 REST ---------------------------------------------------------------------------------


@row("2.1 transport: HTTP/1.1, connections are kept")
def _(p):
    got = p.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    expect((got.count(b"HTTP/1.1 200 OK\r\n"), got.count(b"Hello, world!")), (2, 2))


@row("2.1 key: any of several, percent-decoded, equal to the letter")
def _(p):
    for quoted in (KEY, "".join(f"%{ord(c):02X}" for c in KEY)):
        expect(p.call("GET", f"/info/{quoted}/")["statusId"], 0)
    for bad in (KEY.upper(), KEY + "x", KEY[:-1], "%20" + KEY):
        expect(p.call("GET", f"/info/{bad}/"), {"statusId": -1, "statusMsg": "Key not recognized"})


@row("2.1 trailing slash: every route with it, and without")
def _(p):
    for path in (f"/open/{KEY}/s", f"/poll/{KEY}/s/x", f"/info/{KEY}", f"/jobs/{KEY}/0", f"/pool/{KEY}", f"/getPartialOutput/{KEY}/1"):
        with_it, without = p.request("GET", path + "/"), p.request("GET", path)
        expect((with_it[0], without[0]), (200, 200))


@row("2.1 wrong method: 405 and a page")
def _(p):
    for method, path in (("POST", f"/open/{KEY}/l/"), ("GET", f"/upload/{KEY}/l/"), ("GET", f"/addJob/{KEY}/l/"),
                         ("POST", f"/poll/{KEY}/l/o/"), ("POST", f"/info/{KEY}/"), ("POST", f"/jobs/{KEY}/0/"), ("POST", f"/pool/{KEY}/"),
                         ("GET", f"/build/{KEY}/"), ("POST", f"/getPartialOutput/{KEY}/1/"), ("PUT", "/"), ("DELETE", f"/open/{KEY}/l/")):
        status, headers, raw = p.request(method, path)
        expect((status, headers["Content-Type"]), (405, "text/html; charset=UTF-8"))
        assert b"405: Method Not Allowed" in raw, raw


@row("2.1 logical errors: HTTP 200 and a negative statusId")
def _(p):
    for path in (f"/poll/{KEY}/nolab/x/", f"/getPartialOutput/{KEY}/999/", f"/info/bad/"):
        status, headers, raw = p.request("GET", path)
        expect((status, headers["Content-Type"], json.loads(raw)["statusId"]), (200, JSON, FAILED))


@row("2.1 what Tango answers with 500 is an error in Tango's shape here")
def _(p):
    for method, path, body, headers in (("POST", f"/upload/{KEY}/{LAB}/", b"x", {}), ("POST", f"/build/{KEY}/", b"x", {}),
                                        ("GET", f"/jobs/{KEY}/abc/", None, {}), ("POST", f"/prealloc/{KEY}/default/1/", b"{", {})):
        expect(p.call(method, path, body, headers)["statusId"], FAILED)


@row("2.1 JSON content type, also for the errors of poll and getPartialOutput")
def _(p):
    for path in (f"/poll/{KEY}/{LAB}/none/", f"/getPartialOutput/{KEY}/999/", f"/jobs/{KEY}/0/"):
        expect(p.request("GET", path)[1]["Content-Type"], "application/json; charset=UTF-8")


@row("2.1 JSON key order: statusId, statusMsg, then the extra key")
def _(p):
    for path, extra in ((f"/open/{KEY}/{LAB}/", "files"), (f"/info/{KEY}/", "info"), (f"/jobs/{KEY}/0/", "jobs"), (f"/pool/{KEY}/", "pools")):
        expect(list(json.loads(p.request("GET", path)[2])), ["statusId", "statusMsg", extra])


@row("2.1 routes: a slash only as %2F, num and jobId of digits, else 404")
def _(p):
    expect(p.request("GET", f"/open/{KEY}/a/b/")[0], 404)
    expect(p.call("GET", f"/open/{KEY}/a%2Fb/")["statusMsg"], "Bad courselab: it has a '/'")
    for path in (f"/getPartialOutput/{KEY}/x/", f"/getPartialOutput/{KEY}/-1/", f"/prealloc/{KEY}/default/x/", "/nothing/", "/open/"):
        expect(p.request("GET", path)[0], 404)


@row("2.1 response headers: Server, Date, Etag, Content-Length; If-None-Match works")
def _(p):
    _, headers, raw = p.request("GET", f"/jobs/{KEY}/1/")
    for name in ("Server", "Date", "Etag", "Content-Length"):
        assert headers[name], (name, headers)
    expect(int(headers["Content-Length"]), len(raw))
    expect(p.request("GET", f"/jobs/{KEY}/1/", headers={"If-None-Match": headers["Etag"]})[0], 304)
    expect(p.request("GET", f"/jobs/{KEY}/1/", headers={"If-None-Match": '"other"'})[0], 200)


@row("2.1 request content type: ignored everywhere")
def _(p):
    for kind in ("application/x-www-form-urlencoded", "text/plain", "", "x" * 300):
        reply = p.call("POST", f"/addJob/{KEY}/{LAB}/", json.dumps({**JOB, "dry_run": True}), {"Content-Type": kind})
        expect(reply["statusId"], 0)


@row("2.1 concurrency: no client waits for a slow one")
def _(p):
    import socket
    with socket.create_connection(("127.0.0.1", p.port), timeout=10) as s:
        s.sendall(f"POST /upload/{KEY}/{LAB}/ HTTP/1.1\r\nFilename: slow\r\nContent-Length: 10\r\n\r\n123".encode())
        begin = time.monotonic()
        expect(p.call("GET", f"/info/{KEY}/")["statusId"], 0)
        assert time.monotonic() - begin < 5
        s.sendall(b"4567890")
        assert b"Uploaded file" in s.recv(1000)


@row("2.1 body limit: 10 GiB for a file; a longer one is refused before it is sent")
def _(p):
    got = p.raw(f"POST /upload/{KEY}/{LAB}/ HTTP/1.1\r\nFilename: x\r\nExpect: 100-continue\r\nContent-Length: {(10 << 30) + 1}\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 413 "), got


@row("2.2 GET /")
def _(p):
    status, headers, raw = p.request("GET", "/")
    expect((status, headers["Content-Type"], raw), (200, "text/html; charset=UTF-8", b"Hello, world! RESTful Tango here!\n"))


@row("2.2 open: Created directory, then Found directory; files is an object")
def _(p):
    text(p.request("GET", f"/open/{KEY}/new/"), '{"statusId": 0, "statusMsg": "Created directory", "files": {}}')
    text(p.request("GET", f"/open/{KEY}/new/"), '{"statusId": 0, "statusMsg": "Found directory", "files": {}}')


@row("2.2 upload: Uploaded file, File exists, Courselab not found, Key not recognized, a bad name")
def _(p):
    up = lambda name, data, lab="new", key=KEY: p.call("POST", f"/upload/{key}/{lab}/", data, {"fIlEnAmE": name})
    expect(up("a", b"1")["statusMsg"], "Uploaded file")
    expect(up("a", b"1")["statusMsg"], "File exists")
    expect(up("a", b"2")["statusMsg"], "Uploaded file")
    expect(up("a", b"1", lab="nolab"), {"statusId": -1, "statusMsg": "Courselab not found"})
    expect(up("a", b"1", key="bad"), {"statusId": -1, "statusMsg": "Key not recognized"})
    expect(up("no/dir.txt", b"1")["statusId"], FAILED)
    expect(p.call("GET", f"/open/{KEY}/new/")["files"], {"a": hashlib.md5(b"2").hexdigest()})


@row("2.2 addJob: Job added, jobId is a string")
def _(p):
    reply = add(p)
    expect((reply["statusMsg"], type(reply["jobId"]), list(reply)), ("Job added", str, ["statusId", "statusMsg", "jobId"]))


@row("2.2 poll: the raw file, also if it is not UTF-8; name percent-decoded twice; JSON while it is not there")
def _(p):
    body = b"a\xff\xfe\x00b\n"
    with open(f"{p.lab_dir()}/output/a b%.txt", "wb") as f:
        f.write(body)
    for quoted in ("a%20b%25.txt", "a%2520b%2525.txt"):
        status, headers, raw = p.request("GET", f"/poll/{KEY}/{LAB}/{quoted}/")
        expect((status, headers["Content-Type"], raw), (200, "application/octet-stream", body))
    text(p.request("GET", f"/poll/{KEY}/{LAB}/none/"), '{"statusId": -1, "statusMsg": "Output file not found"}')
    expect(p.call("GET", f"/poll/bad/{LAB}/a/")["statusMsg"], "Key not recognized")


@row("2.2 getPartialOutput: Invalid job id, not running yet")
def _(p):
    said = lambda n: p.call("GET", f"/getPartialOutput/{KEY}/{n}/")["statusMsg"]
    expect(said(999999), "getPartialOutput request failed: Invalid job id")
    job = add(p)["jobId"]
    expect(said(job), f"getPartialOutput request failed: Job {job} is not running yet")


@row("2.2 info: Found info successfully")
def _(p):
    expect(p.call("GET", f"/info/{KEY}/")["statusMsg"], "Found info successfully")
    expect(p.call("GET", "/info/bad/"), {"statusId": -1, "statusMsg": "Key not recognized"})


@row("2.2 jobs: 0 live, 1 dead, another number an empty list")
def _(p):
    assert jobs(p, 0) and not jobs(p, 1) and not jobs(p, 2)
    expect(p.call("GET", "/jobs/bad/0/")["statusMsg"], "Key not recognized")


@row("2.2 pool: Found all pools, Found pool, Pool not found with all pools; an empty image is all")
def _(p):
    p.call("POST", f"/prealloc/{KEY}/autograding_image/2/", json.dumps({"vmms": "localDocker", "cores": 1, "memory": 512}))
    all_pools = {"autograding_image": {"total": [1000, 1001], "free": [1000, 1001]}}
    expect(p.call("GET", f"/pool/{KEY}/"), {"statusId": 0, "statusMsg": "Found all pools", "pools": all_pools})
    expect(p.call("GET", f"/pool/{KEY}//")["statusMsg"], "Found all pools")
    expect(p.call("GET", f"/pool/{KEY}/autograding_image/"), {"statusId": 0, "statusMsg": "Found pool", "pools": all_pools})
    expect(p.call("GET", f"/pool/{KEY}/none/"), {"statusId": -1, "statusMsg": "Pool not found", "pools": all_pools})


@row("2.2 prealloc: VMs preallocated by POST and GET, bodies absent; Invalid image name, Invalid prealloc size")
def _(p):
    for method, body in (("POST", b'{"vmms": "localDocker", "cores": 1, "memory": 512}'), ("POST", b""), ("GET", None)):
        expect(p.call(method, f"/prealloc/{KEY}/default/1/", body)["statusMsg"], "VMs preallocated")
    expect(p.call("POST", f"/prealloc/{KEY}/none/1/", b"")["statusMsg"], "Invalid image name")
    expect(p.call("POST", f"/prealloc/{KEY}/default/99999/", b"")["statusMsg"], "Invalid prealloc size")
    expect(p.request("POST", f"/prealloc/{KEY}//1/", b"")[0], 404)


@row("2.2 build: Image build failed where there is no Docker; Key not recognized")
def _(p):
    expect(p.call("POST", f"/build/{KEY}/", b"tar", {"imageName": "x"})["statusMsg"], "Image build failed")
    expect(p.call("POST", "/build/bad/", b"tar", {"imageName": "x"})["statusMsg"], "Key not recognized")


@row("2.2 cancel and scale of the 15-411 fork: 0, -2, -3; saved, failed")
def _(p):
    add(p, output_file="c.txt")
    said = lambda name: p.call("POST", f"/cancel/{KEY}/{LAB}/{name}/")
    expect(said("c.txt"), {"statusId": 0, "statusMsg": "Job cancelled"})
    expect(said("c.txt"), {"statusId": -3, "statusMsg": "Job cancellation failed because job already completed"})
    expect(said("none"), {"statusId": -2, "statusMsg": "Job cancellation failed because the job was not found"})
    expect(p.call("POST", f"/scale/{KEY}/1/5/")["statusMsg"], "Scale parameters saved")
    expect(p.call("POST", f"/scale/{KEY}/5/1/"), {"statusId": -1, "statusMsg": "Scale parameters failed to save"})
    pools = p.call("GET", f"/pool/{KEY}/")
    expect((pools["low_water_mark"], pools["max_pool_size"]), (1, 5))


@row("2.3 image: must be there, and known")
def _(p):
    expect(add(p, image=...)["statusMsg"], "'image'")
    problems(p, "Missing job.vm.image", image="")
    problems(p, "Image not found: none", image="none")


def problems(p, *wanted, **fields):
    """Validation failed: the statusMsg is a list, the job's trace."""
    reply = add(p, **fields)
    expect((reply["statusId"], type(reply["statusMsg"])), (FAILED, list))
    for line in reply["statusMsg"]:
        time.strptime(line.split("|")[0], "%a %b %d %H:%M:%S %Y")
    expect([line.split("|")[1] for line in reply["statusMsg"]],
           [f"validateJob: {w}" for w in (*wanted, f"Job rejected: {len(wanted)} errors")])


@row("2.3 files: localFile and destFile; one is Makefile; each is there, and inside")
def _(p):
    expect(add(p, files=...)["statusMsg"], "'files'")
    one = {"localFile": "Makefile", "destFile": "Makefile"}
    problems(p, "Missing Makefile in input files.", files=[{"localFile": "Makefile", "destFile": "makefile"}])
    problems(p, "Missing inputFile.localFile", files=[one, {"localFile": "", "destFile": "x"}])
    problems(p, "Input file not found: none.c", files=[one, {"localFile": "none.c", "destFile": "x"}])
    for evil in ("../x", "/etc/passwd", ".."):
        expect(add(p, files=[one, {"localFile": evil, "destFile": "x"}])["statusId"], FAILED)
        expect(add(p, files=[one, {"localFile": "Makefile", "destFile": evil}])["statusId"], FAILED)


@row("2.3 jobName: must be there, and not empty")
def _(p):
    expect(add(p, jobName=...)["statusMsg"], "'jobName'")
    problems(p, "Missing job.name", jobName="")


@row("2.3 output_file: must be there, and inside")
def _(p):
    expect(add(p, output_file=...)["statusMsg"], "'output_file'")
    problems(p, "Missing job.outputFile", output_file="")
    expect(add(p, output_file="../../x")["statusId"], FAILED)


@row("2.3 timeout: null, 0, negative and absent are the default, a string is an error")
def _(p):
    for value, shown in ((None, 60), (0, 60), (-5, 60), (..., 60), (17, 17)):
        expect(added(p, timeout=value)["timeout"], shown)
    expect(add(p, timeout="10")["statusId"], FAILED)


@row("2.3 max_kb: honoured, below the site's cap")
def _(p):
    for value, shown in ((100, 102400), (0, 1024000), (..., 1024000), (10**9, 1024000)):
        expect(added(p, max_kb=value)["maxOutputFileSize"], shown)


@row("2.3 callback_url: absent or empty is none; notifyURL is taken where only that is given")
def _(p):
    for fields, shown in (({}, None), ({"callback_url": ""}, None), ({"callback_url": "http://h/a?b=c"}, "http://h/a?b=c"),
                          ({"notifyURL": "http://h/n"}, "http://h/n")):
        expect(added(p, **fields)["notifyURL"], shown)


@row("2.3 accessKeyId, accessKey, instanceType, stopBefore, ec2Vmms, vm, limitingKey: taken; the secret is not kept")
def _(p):
    job = int(add(p, accessKeyId="AKID", accessKey="s3cret-of-ec2", instanceType="t2.micro", stopBefore="", ec2Vmms=True,
                  vm={"cores": 1}, limitingKey="x")["jobId"])
    assert "s3cret-of-ec2" not in json.dumps(jobs(p, 0)[job])
    found = subprocess_grep("s3cret-of-ec2", p.root)
    expect(found, [])


def subprocess_grep(what, root):
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                if what.encode() in f.read():
                    found.append(os.path.join(folder, name))
    return found


@row("2.3 disable_network: only a JSON boolean counts; allowed_outgoing_ips does not break a job")
def _(p):
    for value in (True, False, "yes", 1, None):
        expect(add(p, disable_network=value)["statusId"], 0)
    expect(add(p, allowed_outgoing_ips=["10.0.0.1", "10.0.0.0/8"])["statusId"], 0)


@row("2.3 failures: a missing key is quoted, bad JSON is a sentence, several problems are all listed")
def _(p):
    for bad in (b"", b"{", b"[1]", b"\xff", b"nul"):
        reply = p.call("POST", f"/addJob/{KEY}/{LAB}/", bad)
        assert reply["statusId"] == FAILED and isinstance(reply["statusMsg"], str) and reply["statusMsg"], reply
    problems(p, "Missing job.name", "Image not found: x", jobName="", image="x")


@row("2.4 info object: nine keys of their types, and true numbers")
def _(p):
    before = p.call("GET", f"/info/{KEY}/")["info"]
    expect({k: type(v) for k, v in before.items()},
           {"elapsed_secs": float, **{k: int for k in ("job_requests", "job_retries", "waitvm_timeouts", "runjob_timeouts", "copyin_errors",
                                                       "runjob_errors", "copyout_errors", "num_threads")}})
    add(p)
    add(p, jobName="")  # rejected: not counted
    expect(p.call("GET", f"/info/{KEY}/")["info"]["job_requests"], before["job_requests"] + 1)


@row("2.6 layout: ID-LAB/ with the files and output/, tmp/ of mode 0700, uploads by rename")
def _(p):
    expect(oct(os.stat(f"{p.labs}/tmp").st_mode & 0o777), "0o700")
    assert os.path.isdir(f"{p.labs}/{KEY_ID}-{LAB}/output")
    p.upload("inode", b"1")
    first = os.stat(f"{p.lab_dir()}/inode").st_ino
    p.upload("inode", b"2")
    assert os.stat(f"{p.lab_dir()}/inode").st_ino != first
    expect(p.unfinished(), [])


# --- 3 jobs ---------------------------------------------------------------------------------


@row("3.1 a job as shown: eleven fields of their types")
def _(p):
    url = "https://h/courses/cs101/assessments/hello/autograde_done?dave=AB&submission_id=7"
    job, _ = graded(p, callback_url=url)
    got = jobs(p, 1)[job]
    expect({k: type(v) for k, v in got.items()},
           {"id": int, "name": str, "assigned": bool, "retries": int, "outputFile": str, "maxOutputFileSize": int, "timeout": int,
            "notifyURL": str, "trace": list, "input": list, "vm": dict})
    prefix = f"courselabs/{KEY_ID}-{LAB}"
    expect((got["outputFile"], got["notifyURL"], got["input"]),
           (f"{prefix}/output/out.txt", url, [{"destFile": "Makefile", "localFile": f"{prefix}/Makefile"}]))
    expect(set(got["vm"]), {"network", "resume", "image", "memory", "vmms", "cores", "disk", "id", "name"})
    expect((got["vm"]["image"], got["vm"]["name"]), ("autograding_image", "autograding_image"))


@row("3.2 states: waiting, running, dead")
def _(p):
    p.upload("Makefile", make(("echo here", "sleep 1")))
    held = [int(add(p, output_file=f"s{n}")["jobId"]) for n in range(3)]  # two slots
    eventually(lambda: sum(j["assigned"] for j in jobs(p, 0).values()) == 2)
    now = jobs(p, 0)
    waiting = [j for j in now.values() if not j["assigned"]]
    assert waiting and waiting[0]["vm"]["id"] is None, now
    eventually(lambda: all(n in jobs(p, 1) for n in held))
    assert not any(jobs(p, 1)[n]["assigned"] for n in held)


@row("3.3 trace: nine lines in order, with UTC times")
def _(p):
    job, _ = graded(p)
    trace = jobs(p, 1)[job]["trace"]
    name = re.escape(f"{JOB['jobName']}:{job}")
    vm = r"\S+-\d+-\S+"
    wanted = (rf"Added job {name} to queue", rf"Dispatched job {name} \[try 0\]", rf"Assigned job {name} new VM {vm}",
              rf"Job {name} waiting for VM {vm}", rf"VM {vm} ready for job {name}", rf"Input copied for job {name} \[status=0\]",
              rf"Job {name} executed \[status=0\]", rf"Output copied for job {name} \[status=0\]", r"Success: Autodriver returned normally")
    expect(len(trace), len(wanted))
    for line, pattern in zip(trace, wanted):
        stamp, words = line.split("|")
        assert re.fullmatch(pattern, words), (pattern, words)
        assert abs(time.mktime(time.strptime(stamp)) - time.mktime(time.gmtime())) < 120, (stamp, "is not UTC now")


@row("3.4 ids: integers that only rise, never used again")
def _(p):
    ids = [int(add(p, output_file="ids")["jobId"]) for _ in range(5)]
    expect(ids, list(range(ids[0], ids[0] + 5)))


@row("3.7 output file: four header lines, then autodriver's output to the job's own last line")
def _(p):
    job, feedback = graded(p, recipe=("echo out", "echo err >&2", "printf last"))
    lines = feedback.split(b"\n", 4)
    date = rb"\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\]"
    for line, pattern in zip(lines, (rb"Autograder " + date + rb": Received job cs101_hello_1_ann@x\.edu:%d" % job,
                                     rb"Autograder " + date + rb": Success: Autodriver returned normally",
                                     rb"Autograder " + date + rb": Here is the output from the autograder:", rb"---")):
        assert re.fullmatch(pattern, line), (pattern, line)
    expect(lines[4], b"Autodriver: Job exited with status 0\nout\nerr\nlast")


@row("3.7 output file: a job that ran out of time is an error, with autodriver's line")
def _(p):
    job, feedback = graded(p, recipe=("sleep 30",), timeout=1)
    assert b"]: Error: Job timed out after 1 seconds\n" in feedback, feedback
    assert b"---\nAutodriver: Job timed out after 1 seconds\n" in feedback, feedback
    expect(jobs(p, 1)[job]["trace"][-1].split("|")[1], "Error: Job timed out after 1 seconds")


@row("3.8 partial output: from the start each time, without header, bytes that are no UTF-8 replaced; also after the end")
def _(p):
    p.upload("Makefile", make(("echo begin", "printf 'b\\377d\\n'", "sleep 1.5", "echo end")))
    job = int(add(p, output_file="partial")["jobId"])
    said = lambda: p.call("GET", f"/getPartialOutput/{KEY}/{job}/").get("output", "")
    eventually(lambda: said() == "begin\nb\ufffdd\n")
    p.feedback("partial")
    eventually(lambda: said().endswith("b\ufffdd\nend\n"))


# --- 6 Autolab ------------------------------------------------------------------------------
# The rules of lib/tango_client.rb and jobs_controller.rb, in Python.


def autolab_call(p, method, path, body=None, headers=None):
    """6.1: error tests 1 and 2, then what the library makes of the body."""
    status, got, raw = p.request(method, path, body, headers)
    content_type = got["Content-Type"].split(";")[0]
    if content_type == "application/json":
        reply = json.loads(raw)
        assert not reply["statusId"] < 0, f"Tango returned negative status code: {reply['statusMsg']}"
    assert status == 200, f"Tango returned HTTP code {status}"
    return json.loads(raw) if content_type == "application/json" else raw


def autolab_state(job):
    """6.4: the last trace line says it."""
    last = job["trace"][-1].split("|")[1]
    if job["dead"]:
        return "Succeeded" if "Autodriver returned normally" in last else "Failed" if "Error" in last else "Unknown State"
    return "Waiting" if "Added job" in last else "Running"


def autolab_row(job):
    """6.4: the other demands on a row of /jobs/."""
    assert type(job["id"]) is int and type(job["assigned"]) is bool and type(job["retries"]) is int, job
    assert job["notifyURL"] is None or urllib.parse.urlparse(job["notifyURL"]).scheme, job
    assert job["trace"], job
    for line in job["trace"]:
        expect(line.count("|"), 1)
        time.strptime(line.split("|")[0], "%a %b %d %H:%M:%S %Y")
    redacted = re.sub(r"courselabs/.*?-", "", job["outputFile"])
    assert KEY not in redacted and KEY_ID not in redacted, redacted
    return job


def autolab_scores(feedback):
    """6.3, steps 1 to 5: the last line that is not blank, unquoted keys and all."""
    shown = feedback.decode("utf-8", "backslashreplace")
    last = shown.rstrip().rsplit("\n", 1)[-1]
    scores = json.loads(re.sub(r'"?([a-zA-Z0-9]+)"?:', r'"\1":', last))["scores"]
    assert scores
    return scores


def submit_as_autolab(p, email, version=1, score=10, lab="cs101-hello", recipe=None, **more):
    """6.2: open, uploads unless the MD5 is equal, addJob; the id and which files were sent."""
    files = {f"{email}_{version}_hello.c": ("hello.c", f"/* {email} */\n".encode()),
             "autograde-Makefile": ("Makefile", make(recipe or (f"echo '{{scores: {{hello: {score}}}, scoreboard: [{score}]}}'",))),
             "autograde.tar": ("autograde.tar", b"tests\n")}
    there = autolab_call(p, "GET", f"/open/{KEY}/{lab}/")["files"]
    assert isinstance(there, dict)
    sent = [n for n, (_, data) in files.items() if there.get(n) != hashlib.md5(data).hexdigest()]
    for name in sent:
        autolab_call(p, "POST", f"/upload/{KEY}/{lab}/", files[name][1], {"filename": name, "Content-Type": "application/x-www-form-urlencoded"})
    job = {"image": "autograding_image", "files": [{"localFile": n, "destFile": d} for n, (d, _) in files.items()],
           "output_file": f"{email}_{version}_hello_autograde.txt", "timeout": 180, "jobName": f"cs101_hello_{version}_{email}",
           "callback_url": f"https://h/courses/cs101/assessments/hello/autograde_done?dave=AB&submission_id={version}",
           "disable_network": True, **more}
    reply = autolab_call(p, "POST", f"/addJob/{KEY}/{lab}/", json.dumps(job), {"Content-Type": "application/x-www-form-urlencoded"})
    return int(reply["jobId"]), sent


@row("6.1 addJob refused: a negative status with a list, which Autolab prints")
def _(p):
    try:
        submit_as_autolab(p, "a@x", image="none")
    except AssertionError as e:
        assert "negative status code" in str(e) and "Image not found: none" in str(e), e
        return
    raise AssertionError("an unknown image was taken")


@row("6.1 poll without the last slash; JSON means not yet")
def _(p):
    status, headers, _ = p.request("GET", f"/poll/{KEY}/cs101-hello/none")
    expect((status, headers["Content-Type"]), (200, JSON))


@row("6.1 info: the five numbers that are read")
def _(p):
    info = autolab_call(p, "GET", f"/info/{KEY}/")["info"]
    assert all(type(info[k]) is int for k in ("job_requests", "job_retries", "runjob_errors", "copyout_errors", "num_threads")), info


@row("6.1 pool: each has total and free lists")
def _(p):
    autolab_call(p, "GET", f"/prealloc/{KEY}/autograding_image/2/")
    for pool in autolab_call(p, "GET", f"/pool/{KEY}/")["pools"].values():
        assert isinstance(pool["total"], list) and isinstance(pool["free"], list)


@row("6.2 one submission: three files the first time, only the new hand-in after that")
def _(p):
    _, sent = submit_as_autolab(p, "ann@x.edu", 1, lab="cs101-fresh")
    expect(len(sent), 3)
    _, sent = submit_as_autolab(p, "ann@x.edu", 2, lab="cs101-fresh")
    expect(sent, ["ann@x.edu_2_hello.c"])
    _, sent = submit_as_autolab(p, "ann@x.edu", 2, lab="cs101-fresh")
    expect(sent, [])


@row("6.3 feedback: unquoted keys parse, the last line is the job's, nothing follows it")
def _(p):
    submit_as_autolab(p, "bob@x.edu", score=7)
    expect(autolab_scores(p.feedback("bob@x.edu_1_hello_autograde.txt", "cs101-hello")), {"hello": 7})


@row("6.3 feedback: _presentation and scoreboard come through to the letter")
def _(p):
    stages = '{"_presentation": "semantic", "stages": ["a"], "a": {"t1": {"passed": true, "hint": "x: y"}}}'
    submit_as_autolab(p, "eve@x.edu", recipe=(f"echo '{stages}'", """echo '{"scores": {"hello": 3}, "scoreboard": [3, "a:b"]}'"""))
    lines = p.feedback("eve@x.edu_1_hello_autograde.txt", "cs101-hello").decode().rstrip().split("\n")
    expect((lines[-2], json.loads(lines[-1])["scoreboard"]), (stages, [3, "a:b"]))


class Autolab(http.server.ThreadingHTTPServer):
    """autograde_done: keeps each request, and answers 204, as Autolab does whatever comes."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(handler):
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                self.got.append((handler.path, handler.headers, body))
                handler.send_response(204)
                handler.end_headers()

            def log_message(handler, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.got = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, submission):
        return f"http://127.0.0.1:{self.server_port}/courses/cs101/assessments/hello/autograde_done?dave=ABC&submission_id={submission}"


def uploaded_file(headers, body):
    """params[:file].read: the one part of the form, which must be an uploaded file."""
    message = email.message_from_bytes(b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body)
    (part,) = message.get_payload()
    expect((message.get_content_type(), part.get_param("name", header="content-disposition"), part.get_filename()),
           ("multipart/form-data", "file", "file"))
    return part.get_payload(decode=True)


@row("6.3 callback: one POST of the feedback as a file part, after the job is dead, with Filename; parsed by its rules")
def _(p):
    autolab = Autolab()
    jobs_of = {}
    for n, recipe in ((71, ("printf 'b\\344d\\n'", "echo '{scores: {hello: 9}}'")), (72, ("echo '{\"scores\": {\"hello\": 4.5}}'",))):
        jobs_of[n], _ = submit_as_autolab(p, f"cb{n}@x.edu", n, lab="cs101-callback", recipe=recipe, callback_url=autolab.url(n))
    eventually(lambda: len(autolab.got) == 2, 40)
    assert all(job in jobs(p, 1) for job in jobs_of.values()), "told before it was dead"
    for path, headers, body in autolab.got:
        query = urllib.parse.parse_qs(urllib.parse.urlparse(path).query)
        n = int(query["submission_id"][0])
        name = f"cb{n}@x.edu_{n}_hello_autograde.txt"
        expect((query["dave"], headers["Filename"]), (["ABC"], name))
        feedback = uploaded_file(headers, body)
        expect(feedback, p.feedback(name, "cs101-callback").decode("utf-8", "ignore").encode())  # bytes that are no UTF-8 dropped
        expect(autolab_scores(feedback), {71: {"hello": 9}, 72: {"hello": 4.5}}[n])
    autolab.shutdown()


@row("6.3 callback: regrade all of 40, each told exactly once, while a student of another lab submits")
def _(p):
    autolab = Autolab()
    for n in range(40):
        submit_as_autolab(p, f"r{n}@x.edu", lab="cs101-regrade", recipe=("sleep 0.5",), callback_url=autolab.url(n))
    submit_as_autolab(p, "now@x.edu", lab="cs102-now", callback_url=autolab.url(1000))
    said = lambda: [int(urllib.parse.parse_qs(urllib.parse.urlparse(path).query)["submission_id"][0]) for path, _, _ in autolab.got]
    eventually(lambda: 1000 in said(), 40)
    assert len(said()) < 41, "the batch was over before the student came: this says nothing"
    eventually(lambda: len(said()) >= 41, 60)
    expect(sorted(said()), [*range(40), 1000])
    autolab.shutdown()


@row("6.4 jobs page: Waiting, Running, Succeeded and Failed by the last trace line")
def _(p):
    slow, _ = submit_as_autolab(p, "slow@x.edu", recipe=("echo 0", "sleep 2"))
    other = [submit_as_autolab(p, f"w{n}@x.edu", recipe=("sleep 1",))[0] for n in range(3)]
    bad, _ = submit_as_autolab(p, "bad@x.edu", recipe=("sleep 60",), timeout=1)
    seen = set()

    def all_dead():
        for dead in (0, 1):
            for job in jobs(p, dead).values():
                if job["id"] in (slow, *other, bad):
                    seen.add((job["id"], autolab_state({**autolab_row(job), "dead": dead})))
        return all(n in jobs(p, 1) for n in (slow, *other, bad))
    eventually(all_dead)
    all_dead()
    assert {(slow, "Running"), (slow, "Succeeded"), (bad, "Waiting"), (bad, "Failed")} <= seen, seen
    assert not any(state == "Unknown State" for _, state in seen), seen


@row("6.4 name: ends with _<email>, so that the student sees it")
def _(p):
    job, _ = submit_as_autolab(p, "cyd@x.edu")
    eventually(lambda: job in jobs(p, 1))
    assert jobs(p, 1)[job]["name"].endswith("_cyd@x.edu")


@row("6.4 partial feedback page: jobs(0), then getPartialOutput each second while it runs")
def _(p):
    job, _ = submit_as_autolab(p, "dan@x.edu", recipe=("echo one", "sleep 1.2", "echo two", "sleep 1.2", "echo three"))
    texts = []
    for _ in range(60):
        live = jobs(p, 0).get(job)
        if live and live["assigned"]:
            texts.append(autolab_call(p, "GET", f"/getPartialOutput/{KEY}/{job}/")["output"])
        if job in jobs(p, 1):
            break
        time.sleep(0.5)
    assert len(set(texts)) >= 2, texts
    for shorter, longer in zip(texts, texts[1:]):
        assert longer.startswith(shorter) or longer.startswith("Autograder"), (shorter, longer)


# --- 7 tango-cli ----------------------------------------------------------------------------


@row("7 any: GET / first")
def _(p):
    expect(p.request("GET", "/")[0] // 100, 2)


@row("7 -o, -u, -a: open, upload with Filename, addJob with all that the CLI sends")
def _(p):
    expect(p.call("GET", f"/open/{KEY}/cli/")["statusId"], 0)
    expect(p.call("POST", f"/upload/{KEY}/cli/", make(("echo hi",)), {"Filename": "Makefile"})["statusMsg"], "Uploaded file")
    reply = p.call("POST", f"/addJob/{KEY}/cli/", json.dumps(
        {"image": "default", "files": [{"localFile": "Makefile", "destFile": "Makefile"}], "timeout": 0, "max_kb": 0,
         "output_file": "result.out", "jobName": "test_job", "accessKeyId": "", "accessKey": "", "disable_network": "",
         "notifyURL": "http://localhost:8888/done"}))
    expect(reply["statusMsg"], "Job added")


@row("7 -p: poll with a slash, the name quoted once by the CLI and once by the library")
def _(p):
    assert p.feedback("result.out", "cli").endswith(b"\nhi\n")
    expect(p.request("GET", f"/poll/{KEY}/cli/{urllib.parse.quote('result.out')}/")[0], 200)


@row("7 -i, -j, --pool: info, jobs live and dead, pool with and without an image")
def _(p):
    for path in (f"/info/{KEY}/", f"/jobs/{KEY}/0/", f"/jobs/{KEY}/1/", f"/pool/{KEY}//"):
        expect(p.call("GET", path)["statusId"], 0)


@row("7 --prealloc: POST with JSON; without an image 404")
def _(p):
    body = json.dumps({"vmms": "localDocker", "cores": 1, "memory": 512})
    expect(p.call("POST", f"/prealloc/{KEY}/default/2/", body)["statusMsg"], "VMs preallocated")
    expect(p.request("POST", f"/prealloc/{KEY}//2/", body)[0], 404)


@row("7 --getPartialOutput, --build")
def _(p):
    expect(p.call("GET", f"/getPartialOutput/{KEY}/1/")["statusId"], 0)
    expect(p.call("POST", f"/build/{KEY}/", b"tar", {"imageName": "img"})["statusId"], FAILED)


@row("7 --runJob: N jobs, names mapped, all graded")
def _(p):
    for n in (1, 2):
        p.call("GET", f"/open/{KEY}/cli/")
        for name, data in (("autograde-Makefile", make(("sh hello.sh",))), ("hello.sh", b"echo Hello; ls\n"), ("x-handin.tgz", b"\x1f\x8b")):
            p.call("POST", f"/upload/{KEY}/cli/", data, {"Filename": name})
        files = [("autograde-Makefile", "Makefile"), ("hello.sh", "hello.sh"), ("x-handin.tgz", "handin.tgz")]
        reply = add(p, "cli", image="default", jobName=f"test_job-{n}", output_file=f"result.out-{n}",
                    files=[{"localFile": a, "destFile": b} for a, b in files])
        expect(reply["statusMsg"], "Job added")
    for n in (1, 2):
        assert b"\nHello\n" in p.feedback(f"result.out-{n}", "cli")


# --- the run --------------------------------------------------------------------------------


def main():
    if CASE == "rows":
        for name in (name for rows in ROWS.values() for name, _ in rows):
            print(name)
        return 0
    with_boxes = CASE != "2"
    if with_boxes and os.geteuid() != 0:
        print("SKIPPED: boxes need root, or the installed setuid core")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory(prefix="milonga-contract.") as root:
        place = Place(root)
        try:
            if with_boxes:
                place.daemon("--slots", "2", "--callback-allow", "127.0.0.1")
            place.server()
            place.open()
            place.upload("Makefile", b"all:\n\t@echo graded\n")
            for name, function in ROWS[CASE]:
                try:
                    function(place)
                    print(f"ok      {name}")
                except Exception as e:  # the other rows are still worth knowing
                    failed += 1
                    print(f"FAILED  {name}: {type(e).__name__}: {e}")
        finally:
            for process in place.processes:
                process.terminate()
            for process in place.processes:
                process.wait(30)
    print(f"section {CASE}: {len(ROWS[CASE])} rows, {failed} failed")
    return 1 if failed or not ROWS[CASE] else 0


if __name__ == "__main__":
    sys.exit(main())
