#!/usr/bin/env python3
"""A daemon that is killed leaves nothing of its exec driver's verbs, and the next one destroys the instance and tries again.

usage: exec_daemon_test.py BIN_DIR
"""
import os
import subprocess
import sys
import tempfile
import time

from daemon import Place, stop

BIN = sys.argv[1]
RUN = """#!/bin/sh
trap '' TERM HUP
(setsid sh -c 'trap "" TERM HUP; echo up >DIR/up; while :; do sleep 1; done' DIR/verb &)
while :; do sleep 1; done
"""


def alive(marker):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace")
        except OSError:
            continue
        if marker in line and "milongad" not in line and int(pid) != os.getpid():
            found.append(line)
    return found


with tempfile.TemporaryDirectory(prefix="milonga-exec-daemon-", dir="/var/tmp") as root:
    driver = f"{root}/driver"
    os.mkdir(driver)
    verbs = {"initialize": f"#!/bin/sh\necho $MILONGA_INSTANCE >>{root}/instances\n", "copy-in": "#!/bin/sh\ntest -e $MILONGA_INPUT/Makefile\n",
             "run": RUN.replace("DIR", driver), "list": f"#!/bin/sh\ncat {root}/instances 2>/dev/null || true\n",
             "destroy": f"#!/bin/sh\nsed -i \"/^$MILONGA_INSTANCE$/d\" {root}/instances\n"}
    for verb, script in verbs.items():
        with open(f"{driver}/{verb}", "w", encoding="utf-8") as f:
            f.write(script)
        os.chmod(f"{driver}/{verb}", 0o755)
    place = Place(root, BIN)
    try:
        options = ("--driver", "exec", "--exec-directory", driver, "--slots", "1", "--grace", "1")
        p = place.daemon(*options)
        (job,) = place.submit()
        until = time.monotonic() + 30
        while not os.path.exists(f"{driver}/up"):
            assert time.monotonic() < until, "the job was not run"
            time.sleep(0.02)
        first = open(f"{root}/instances", encoding="ascii").read()
        assert len(alive(f"{driver}/verb")) == 1 and first.startswith("milonga-"), first
        p.kill()
        p.wait()
        began = time.monotonic()
        while left := alive(driver):
            assert time.monotonic() - began < 15, f"outlives its daemon: {left}"
            time.sleep(0.05)
        print(f"all was gone {time.monotonic() - began:.1f} s after the daemon")
        os.remove(f"{driver}/up")
        p = place.daemon(*options)
        place.wait_for_log(p, b"is of an earlier daemon: destroyed")
        place.wait_for_log(p, b"Dispatched job lab:%d [try 1]" % job)
        until = time.monotonic() + 30
        while not os.path.exists(f"{driver}/up"):
            assert time.monotonic() < until, "the job was not run again"
            time.sleep(0.02)
        assert first not in open(f"{root}/instances", encoding="ascii").read()
        began = time.monotonic()
        place.milonga("cancel", str(job))
        place.wait_until_done([job])
        place.wait_until_left()
        assert place.result(job)["outcome"] == "cancelled" and time.monotonic() - began < 10
        assert open(f"{root}/instances", encoding="ascii").read() == "" and not alive(f"{driver}/verb")
        assert stop(p) == 0
    finally:
        place.kill_all()
    bad = subprocess.run([f"{BIN}/milongad", "--spool", f"{root}/spool", "--volatile", "--driver", "exec"], stderr=subprocess.PIPE, timeout=20)
    assert bad.returncode == 1 and b"--exec-directory" in bad.stderr, bad
print("ok")
