"""learn_test.py AUTODRIVER: `autodriver learn` finds the refused calls of a command, its threads, children and orphans,
with their counts and the argument that matters; and as root a box gives the very answers that it foretells."""
import json
import os
import subprocess
import sys

# Each prints the errno that it got; outside of a box the socket is of a family that is there or not, which does not matter.
CALLS = """
import ctypes, errno, os, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    libc.syscall(number, *arguments)
    return errno.errorcode.get(ctypes.get_errno(), 0)
first = call(41, 40, 1, 0)                       # socket(AF_VSOCK), then the same in a thread, a child and an orphan
thread = threading.Thread(target=call, args=(41, 40, 1, 0)); thread.start(); thread.join()
if os.fork() == 0:
    call(41, 40, 1, 0)
    if os.fork() == 0:
        os.setsid()
        call(41, 40, 1, 0)
    os._exit(0)
os.wait()
print('answers:', first, call(16, 0, 0x5412, 0), call(272, 0))   # ioctl(TIOCSTI), unshare(0)
"""


def learn(*words, status):
    run = subprocess.run([sys.argv[1], "learn", *words], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    expect(run.returncode == status, f"learn {' '.join(words)[:40]!r} exits with {status}: {run.returncode} {run.stderr}")
    return run.stdout


def expect(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}")


def main():
    python = ["--", sys.executable, "-c", CALLS]
    found = json.loads(learn("--json", *python, status=1))
    refused = {row["call"]: row for row in found["refused"]}
    expect(refused["socket"]["count"] == 4, "a call is counted in the program, its thread, its child and an orphan")
    expect(refused["socket"]["argument"] == {"index": 0, "value": "0x28"}, "with the argument that matters")
    expect(refused["ioctl"]["argument"] == {"index": 1, "value": "0x5412"}, "another with its own")
    expect(refused["unshare"]["argument"] is None and refused["unshare"]["answer"] == "EPERM", "one that is refused by number")
    expect(not any("SYS_clone3" in row for row in found["policy_rows"]), "nothing is proposed for what libc does without")
    expect(any(row.startswith("+ kCallRules") and "calls(SYS_unshare)" in row for row in found["policy_rows"]), "a row to approve")
    expect(found["ended"] == "exit status 0" and found["processes"] >= 4, "how it ended")
    text = learn(*python, status=1)
    expect("4 x socket (argument 1: 0x28)" in text and "types into the terminal" in text, "the same for people")

    expect("refuses none" in learn("--profile=course", "--", "/bin/true", status=0), "nothing is found where there is nothing")
    expect("refuses none" in learn("--", sys.executable, "-c", "import socket; socket.socket(2)", status=0), "course allows a socket")
    strict = json.loads(learn("--json", "--profile", "strict", "--", sys.executable, "-c", "import socket; socket.socket(2)", status=1))
    expect([(row["call"], row["answer"]) for row in strict["refused"]] == [("socket", "EAFNOSUPPORT")], "strict does not")
    expect(strict["profile"] == "strict" and "no sockets" in strict["refused"][0]["rule"], "by its own row and reason")
    stopped = "(sleep 0.2; kill -CONT $$) & kill -STOP $$; kill -9 $$"
    expect("signal 9" in learn("--", "/bin/sh", "-c", stopped, status=0), "a stop and a fatal signal are passed on")
    gained = learn("--json", "--", "/bin/sh", "-c", "grep -q 'NoNewPrivs:.1' /proc/self/status", status=0)
    expect(json.loads(gained)["ended"] == "exit status 0", "the command gains no privilege by exec")
    learn("--", "/no/such/program", status=3)
    for words in ([], ["--"], ["make"], ["--profile", "lax", "--", "true"], ["--jsn", "--", "true"]):
        learn(*words, status=64)

    if os.getuid() == 0:
        box = subprocess.run([sys.argv[1], "--command", "--", "/usr/bin/python3", "-c", CALLS], capture_output=True, text=True, timeout=60)
        foretold = " ".join(refused[call]["answer"] for call in ("socket", "ioctl", "unshare"))
        expect(f"answers: {foretold}" in box.stdout, f"a box answers as foretold: {foretold}\n{box.stdout}")


main()
