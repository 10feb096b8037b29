#!/usr/bin/env python3
"""Many clients at once, mixing all routes: no error, no lost job; prints p99 of each route and addJob/s.

usage: load_test.py BIN_DIR CLIENTS SECONDS

Clients are processes, each with as many connections kept as its share, so that Python is not what is measured.
"""
import hashlib
import http.client
import json
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time

CLIENTS, SECONDS = int(sys.argv[2]), float(sys.argv[3])
sys.argv[2:] = ["load"]
import tempfile  # noqa: E402

from rest_test import BIN, KEY, JSON, Place, expect, stop  # noqa: E402

PROCESSES = 4
PRODUCERS = 8
MOST_MEMORY = 128 * 1024  # KiB of the server at its peak
AUTH = {"Authorization": f"Bearer {KEY}"}
MAKEFILE = b"all:\n\t@echo graded\n"


def job(name):
    return json.dumps({"image": "default", "jobName": name, "output_file": name, "timeout": 30,
                       "files": [{"localFile": "Makefile", "destFile": "Makefile"}]})


def client(port, seed, until, took, ids, errors):
    """One connection: a random route after the other, each answer checked."""
    rng = random.Random(seed)
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    lab = f"lab{seed % 8}"
    mine = []

    def one(route, method, path, body=None, headers=None, good=lambda status, headers, raw: status == 200):
        begin = time.monotonic()
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        raw = r.read()
        took.append((route, time.monotonic() - begin))
        if not good(r.status, r.headers, raw):
            errors.append((route, r.status, raw[:200].decode(errors="replace")))
        return raw

    fine = lambda status, headers, raw: status == 200 and headers["Content-Type"] == JSON and json.loads(raw)["statusId"] == 0
    number = 0
    try:
        while time.monotonic() < until:
            number += 1
            kind = rng.random()
            if kind < 0.25:
                raw = one("addJob", "POST", f"/addJob/{KEY}/{lab}/", job(f"j{seed}-{number}"), good=fine)
                mine.append(int(json.loads(raw).get("jobId", 0)))
                ids.append(mine[-1])
            elif kind < 0.40:
                one("upload", "POST", f"/upload/{KEY}/{lab}/", os.urandom(2000), {"Filename": f"f{seed}"}, fine)
            elif kind < 0.55:
                one("open", "GET", f"/open/{KEY}/{lab}/", good=fine)
            elif kind < 0.70:
                one("poll", "GET", f"/poll/{KEY}/{lab}/ready/", good=lambda status, headers, raw: raw == b"feedback\n")
            elif kind < 0.80 and mine:
                one("getPartialOutput", "GET", f"/getPartialOutput/{KEY}/{rng.choice(mine)}/")
            elif kind < 0.84:
                one("info", "GET", f"/info/{KEY}/", good=fine)
            elif kind < 0.87:
                one("pool", "GET", f"/pool/{KEY}/", good=fine)
            elif kind < 0.90 and mine:
                one("v1 job", "GET", f"/v1/jobs/{rng.choice(mine)}", headers=AUTH)
            elif kind < 0.905:
                one("jobs", "GET", f"/jobs/{KEY}/0/", good=fine)
            else:
                one("hello", "GET", "/")
    except Exception as e:
        errors.append(("client", type(e).__name__, str(e)))
    c.close()


def add_until(port, seed, until, results):
    c, count = http.client.HTTPConnection("127.0.0.1", port, timeout=60), 0
    while time.monotonic() < until:
        c.request("POST", f"/addJob/{KEY}/lab{seed % 8}/", body=job(f"only{seed}-{count}"))
        assert json.loads(c.getresponse().read())["statusId"] == 0
        count += 1
    results.put(count)


def adds(place, clients, seconds):
    """addJob after addJob, of some processes with a connection each: jobs a second, and how many."""
    results, begin = multiprocessing.Queue(), time.monotonic()
    runs = [multiprocessing.Process(target=add_until, args=(place.port, n, begin + seconds, results)) for n in range(clients)]
    for r in runs:
        r.start()
    count = sum(results.get(timeout=seconds + 60) for _ in runs)
    elapsed = time.monotonic() - begin
    for r in runs:
        r.join(30)
    return count / elapsed, count


def process(port, seeds, until, results):
    took, ids, errors = [], [], []
    threads = [threading.Thread(target=client, args=(port, s, until, took, ids, errors)) for s in seeds]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    results.put((took, ids, errors))


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def main():
    with tempfile.TemporaryDirectory(prefix="milonga-load.") as root:
        place = Place(root)
        p = place.server("--rate", "1000000")
        for n in range(8):
            place.open(f"lab{n}")
            place.upload("Makefile", MAKEFILE, f"lab{n}")
            with open(f"{place.lab_dir(f'lab{n}')}/output/ready", "wb") as f:
                f.write(b"feedback\n")
        one_rate, alone = adds(place, 1, 1)
        few_rate, added = adds(place, PRODUCERS, 3)
        alone += added
        floor = float(subprocess.run([f"{BIN}/submit_rate", f"{root}/floor", place.lab_dir("lab0"), str(PRODUCERS), "3"],
                                     stdout=subprocess.PIPE, check=True, timeout=60).stdout)
        results = multiprocessing.Queue()
        begin = time.monotonic()
        runs = [multiprocessing.Process(target=process, args=(place.port, range(n, CLIENTS, PROCESSES), begin + SECONDS, results))
                for n in range(PROCESSES)]
        for r in runs:
            r.start()
        got = [results.get(timeout=SECONDS + 120) for _ in runs]
        elapsed = time.monotonic() - begin
        for r in runs:
            r.join(30)
        took, ids, errors = ([x for part in got for x in part[i]] for i in range(3))
        print(f"{CLIENTS} clients, {elapsed:.0f} s: {len(took)} requests, {len(took) / elapsed:.0f}/s, {len(errors)} errors")
        for route in sorted({r for r, _ in took}):
            times = [t for r, t in took if r == route]
            print(f"  {route:17} {len(times):7}  p50 {1000 * percentile(times, 0.5):7.1f} ms  p99 {1000 * percentile(times, 0.99):7.1f} ms")
        print(f"  all: p99 {1000 * percentile([t for _, t in took], 0.99):.1f} ms; addJob/s {len(ids) / elapsed:.0f} "
              f"(a client alone: {one_rate:.0f}/s)")
        print(f"  {PRODUCERS} clients that only add: {few_rate:.0f} addJob/s; the queue itself takes {floor:.0f} durable jobs/s "
              f"of {PRODUCERS} producers: {few_rate / floor:.2f} of it (aim: 0.5)")
        assert not errors, errors[:10]
        expect(len(set(ids)), len(ids))
        # None is lost, none is twice: each id that was answered waits in the spool.
        names = [n for _, _, files in os.walk(f"{place.spool}/ready") for n in files]
        expect(len(names), len(ids) + alone)
        assert len(ids) > CLIENTS / 4, "too few jobs: this says nothing"
        for n in range(8):
            files = place.open(f"lab{n}")["files"]
            assert files["Makefile"] == hashlib.md5(MAKEFILE).hexdigest()
        expect(place.unfinished(), [])
        with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
            peak = next(line for line in f if line.startswith("VmHWM"))
        print("  most memory:", peak.split(":")[1].strip())
        assert int(peak.split()[1]) < MOST_MEMORY, peak
        expect(stop(p), 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
