"""selftest_test.py BUILD: `autodriver selftest` of an installation of its own, as a user: all holds with the setuid core;
it does not without; reports name the certificate only while kernel and programs are those it was made with; and each
attempt, let loose without a box, says that it escaped."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

NOBODY = 65534
DEMANDS = ("wall cpu memory processes disk inodes file_size open_files output kill network filesystem visibility "
           "privilege syscalls").split()


def run(home, *words, **more):
    # In a group of its own, so that what an attempt without a box leaves can be ended.
    process = subprocess.Popen(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *map(str, words)],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                               env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, **more)
    try:
        output = process.stdout.readline() if more.get("cwd") else process.communicate(timeout=120)[0]
        if more.get("cwd"):
            process.wait(timeout=60)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.stdout.close()
    return process.returncode, output


def expect(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}")


def main():
    if os.getuid() != 0:
        print("SKIPPED: only root can install a setuid program")
        return 77
    top = Path(tempfile.mkdtemp(prefix="milonga-selftest-test.", dir="/var/tmp"))
    try:
        top.chmod(0o755)
        check(Path(sys.argv[1]), top)
    finally:
        shutil.rmtree(top)
    return 0


def check(build, top):
    subprocess.run(["cmake", "--install", build, "--prefix", top / "usr"], check=True, stdout=subprocess.DEVNULL)
    autodriver, core = top / "usr/bin/autodriver", top / "usr/libexec/milonga/autodriver-core"
    home = top / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)

    def mark():
        report = home / "r.json"
        run(home, autodriver, "--report", report, "--command", "--", "/bin/true")
        return json.loads(report.read_text())["selftest"]

    expect(mark() is None, "a report names no certificate where there is none")
    status, output = run(home, autodriver, "selftest")
    expect(status == 0 and output.count(" held ") == len(DEMANDS), f"all holds with the setuid core\n{output}")
    file = home / ".local/state/milonga/selftest.json"
    certificate = json.loads(file.read_text())
    expect(certificate["passed"] is True and list(certificate["demands"]) == DEMANDS, "the certificate says so")
    digest = subprocess.run(["sha256sum", core], check=True, capture_output=True, text=True).stdout.split()[0]
    expect(certificate["sha256"]["autodriver_core"] == digest, "and of which program")
    expect(mark() == {"date": certificate["date"], "passed": True}, "a report names it")

    for what, change in (("kernel", lambda c: c["host"].update(kernel="1.0")), ("kind of box", lambda c: c.update(box="container")),
                         ("schema", lambda c: c.update(schema=2)), ("program", lambda c: c["host"]["autodriver"].update(bytes=1))):
        other = json.loads(file.read_text())
        change(other)
        file.write_text(json.dumps(other))
        expect(mark() is None, f"not if it was made for another {what}")
        file.write_text(json.dumps(certificate))
    file.write_text("{")
    expect(mark() is None, "nor if it is damaged")
    file.write_text(json.dumps(certificate))
    file.chmod(0o666)
    expect(mark() is None, "nor if others can write it")
    file.chmod(0o644)
    expect(mark() is not None, "(it was that)")
    core.chmod(0o4755)  # the same mode again is a change
    expect(mark() is None, "nor after any change of the core")

    mine = home / "mine.json"
    core.chmod(0o755)
    status, output = run(home, autodriver, "selftest", "--json", "--certificate", mine)
    expect(status == 1, "without the setuid bit not all holds")
    certificate = json.loads(mine.read_text())
    expect(json.loads(output) == certificate, "--json prints the certificate")
    failed = [name for name, row in certificate["demands"].items() if not row["passed"]]
    expect(certificate["passed"] is False and "memory" in failed and "wall" not in failed, f"and it is said what: {failed}")
    for words in (["--certificat", "x"], ["--require", "memory>=best"], ["--certificate"], ["dir"]):
        expect(run(home, autodriver, "selftest", *words)[0] == 64, f"wrong usage: {words}")
    escapes(autodriver, home)


def escapes(autodriver, home):
    """Each that ends by itself; the others (wall, cpu, kill, disk, inodes, output) are seen by verdict, counts and from outside."""
    words = [home / "secret", "mlgouter", 1, "none", 1]
    (home / "secret").write_text("x")
    for name in ("memory", "processes", "file_size", "open_files", "network", "filesystem", "privilege", "syscalls"):
        output = run(home, autodriver, "selftest", "--attempt", name, *words, cwd=home)[1]
        expect(output.startswith("ESCAPED "), f"without a box {name} escapes: {output.strip()}")


sys.exit(main())
