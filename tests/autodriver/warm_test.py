"""warm_test.py AUTODRIVER: a box made ahead of its job (`--warm`): the job comes over stdin, the box is used once, and
is gone without a trace when none comes."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile

AUTODRIVER = sys.argv[1]
if os.geteuid() != 0:
    print("SKIPPED: boxes need root, or the installed setuid core")
    sys.exit(77)


def expect(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}")


class Warm:
    def __init__(self, *options):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen([AUTODRIVER, "--stream", "--warm", *options], stdin=theirs,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def give(self, directory, place, message=None):
        """Hands over a job; its output, errors, lock and report are files in `place`."""
        files = [os.open(directory, os.O_RDONLY)]
        files += [os.open(f"{place}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in ("output", "errors", "lock")]
        socket.send_fds(self.ours, [(message or f"{place}/report.json").encode()], files)
        for fd in files:
            os.close(fd)

    def end(self):
        self.ours.close()
        errors = self.process.communicate(timeout=30)[1]
        return self.process.returncode, errors


def wait_for_box(warm):
    """Until the box's init waits for its input: the supervisor's child has a child of its own, in a cgroup of its own."""
    children = f"/proc/{warm.process.pid}/task/{warm.process.pid}/children"
    while True:
        core = open(children, encoding="ascii").read().split()
        inits = core and open(f"/proc/{core[0]}/task/{core[0]}/children", encoding="ascii").read().split()
        if inits:
            return core[0], inits[0]


def cgroups_of(pid):
    """Path and inode of each of its box: the next box of that name has others."""
    found = set()
    for line in open(f"/proc/{pid}/cgroup", encoding="ascii"):
        _, controllers, path = line.rstrip("\n").split(":", 2)
        for top in (controllers.split(",")[0] or "unified", ""):
            directory = f"/sys/fs/cgroup/{top}{path}"
            if "/box-" in path and os.path.isdir(directory):
                found.add((directory, os.stat(directory).st_ino))
    return found


def still_there(cgroups):
    return [path for path, inode in cgroups if os.path.isdir(path) and os.stat(path).st_ino == inode]


def lab(root, name, makefile):
    os.mkdir(f"{root}/{name}")
    with open(f"{root}/{name}/Makefile", "w", encoding="ascii") as file:
        file.write(makefile)
    return f"{root}/{name}"


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def runs_one_job(root):
    warm = Warm("--wall-time=5", "hello")
    _, init = wait_for_box(warm)
    cgroups = cgroups_of(init)
    expect(len(still_there(cgroups)) > 0, "the box stands, with cgroups of its own")
    namespace = os.readlink(f"/proc/{init}/ns/net")
    warm.give(lab(root, "some-other-name", "all:\n\t@pwd; cat /proc/self/limits | grep -c processes\n"), root)
    expect(warm.process.wait(timeout=30) == 0, "the job ran")
    expect(text_of(f"{root}/output").splitlines()[0].endswith("/hello"), "in the directory that was named before")
    report = json.loads(text_of(f"{root}/report.json"))
    expect(report["verdict"] == "ok" and report["box"]["made_ahead"], "the report says that the box was made ahead")
    expect(f"net:[{report['namespaces']['net']}]" == namespace, "it was that box")
    expect(not still_there(cgroups), "and it is gone")


def its_limits_begin_with_the_job(root):
    warm = Warm("--wall-time=1", "lab")
    wait_for_box(warm)
    try:
        warm.process.wait(timeout=1.5)
        expect(False, "it must wait longer than its job may run")
    except subprocess.TimeoutExpired:
        pass
    place = f"{root}/limits"
    os.mkdir(place)
    warm.give(lab(root, "quick", "all:\n\t@sleep 0.5; echo done\n"), place)
    expect(warm.process.wait(timeout=30) == 0, "the wait does not count as the job's time")
    expect(text_of(f"{place}/output") == "done\n", "it had all of its time")


def no_job_no_trace():
    warm = Warm("lab")
    cgroups = cgroups_of(wait_for_box(warm)[1])
    expect(warm.end() == (0, ""), "an owner that goes ends it, without complaint")
    expect(cgroups and not still_there(cgroups), "nothing is left of the box")
    warm = Warm("lab")
    cgroups = cgroups_of(wait_for_box(warm)[1])
    warm.process.send_signal(signal.SIGTERM)
    expect(warm.end() == (0, ""), "so does SIGTERM")
    expect(cgroups and not still_there(cgroups), "nothing is left of that one")


def what_is_no_job(root):
    directory = lab(root, "empty-message", "all:\n")
    for message in ("relative/report.json", " "):
        warm = Warm("lab")
        warm.give(directory, root, message)
        status, errors = warm.end()
        expect(status == 3 and errors.count("\n") == 1 and "--warm" in errors, f"{message!r} is refused in one line")
    warm = Warm("lab")
    socket.send_fds(warm.ours, [b"/tmp/report.json"], [0])
    expect(warm.end()[0] == 3, "so is a message with too few descriptors")
    place = f"{root}/no-makefile"
    os.mkdir(place)
    os.mkdir(f"{place}/lab")
    warm = Warm("lab")
    warm.give(f"{place}/lab", place)
    expect(warm.process.wait(timeout=30) == 1, "a job without a Makefile is bad usage, as ever")
    expect(json.loads(text_of(f"{place}/report.json"))["verdict"] == "refused", "and has its report")
    expect("no Makefile" in text_of(f"{place}/errors"), "and its message, where the job's messages go")


def a_killed_box_takes_no_job(root):
    warm = Warm("lab")
    core, _ = wait_for_box(warm)
    os.kill(int(core), signal.SIGKILL)
    warm.process.wait(timeout=30)
    status, errors = warm.end()
    expect(status == 3 and "gone before its job came" in errors, "it says that the box was gone")
    subprocess.run([AUTODRIVER, "gc"], check=True, timeout=30)


with tempfile.TemporaryDirectory(prefix="milonga-warm.", dir="/var/tmp") as top:
    runs_one_job(top)
    its_limits_begin_with_the_job(top)
    no_job_no_trace()
    what_is_no_job(top)
    a_killed_box_takes_no_job(top)
