"""What must be true of the host, whatever a job did. Each check is one function that yields problems; each is seen to
fail by `run.py --self-check`, which plants the fault that it looks for (selfcheck.py).
"""
import fcntl
import hashlib
import os
import re
import socket
import time
from contextlib import contextmanager
from pathlib import Path

from case import evidence_problems

BOX_UIDS = range(60600, 61000)  # the default range of autodriver-core
MARKER = b"\n...[excess bytes elided]...\n"
EXIT_OF = {"wall_limit": 2, "cancelled": 3, "refused": 3, "internal_error": 3}  # all others: 0 (autodriver(1))
WEAK_IS_FINE = ("inodes", "file_size", "open_files", "output", "swap")  # autodriver(1), --require
CLOCK_TICK = os.sysconf("SC_CLK_TCK")
HOST_SETTINGS = ("/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/sys/kernel/core_pattern",
                 "/proc/swaps")


# ---- of the result

def the_report_is_there(run):
    if run.report is None:
        yield f"there is no report; autodriver ended with {run.status}: {run.errors[-300:]}"


def the_verdict_is_allowed(run):
    if run.report["verdict"] not in run.case.verdicts:
        yield f"the verdict is {run.report['verdict']}, not {' or '.join(run.case.verdicts)} ({run.report['error']})"
    if run.status != EXIT_OF.get(run.report["verdict"], 0):
        yield f"autodriver ended with {run.status} at verdict {run.report['verdict']}"


def the_evidence_is_right(run):
    yield from evidence_problems(run.case, run.report, run.place.slack)


def every_demand_is_met(run):
    for name, row in run.report["demands"].items():
        if name not in WEAK_IS_FINE and row["rung"] not in ("exact", "strong"):
            yield f"demand {name} is met as {row['rung']} only ({row['mechanism']})"
        if row["requested"] is not None and row["effective"] is not None and row["effective"] > row["requested"]:
            yield f"demand {name}: {row['requested']} was asked for, {row['effective']} is in force"
    if run.report["demands"]["kill"]["read_back"] not in (0, None):
        yield f"processes left: {run.report['demands']['kill']['read_back']}"


def the_job_had_no_privilege(run):
    privilege = run.report["privilege"]
    held = [key for key, mask in privilege.items() if key.startswith("cap_") and mask != "0x0"]
    if held or privilege["no_new_privs"] != 1 or privilege["seccomp_mode"] != 2:
        yield f"the job's privilege: {privilege}"


def the_cpu_time_is_the_jobs_own(run):
    """Each process of the job prints what CLOCK_PROCESS_CPUTIME_ID says at its very end; the report's sum must be that,
    and at most `Accounts:` seconds more: exits, and what the kernel did for processes before they began."""
    if "Accounts" in run.case.head and run.report["cpu_s"] is not None:
        printed = [float(one) for one in re.findall(r"^cpu: ([0-9.]+)$", run.text, re.M)]
        more = run.report["cpu_s"] - sum(printed)
        # Emulated, execve alone takes 50 ms and more: there it is only judged that nothing is missing.
        most = float(run.case.head["Accounts"]) * (1 if run.place.slack == 1 else 100)
        if not printed or not -0.001 <= more <= most:
            yield (f"the report has {run.report['cpu_s']:.6f} s of CPU, {more * 1000:+.3f} ms from what"
                   f" {len(printed)} processes counted")


def honest_jobs_meet_no_limit(run):
    if run.case.honest:
        hit = [name for name, row in run.report["demands"].items() if row["hit"]]
        if hit or run.report["forks_refused"] or run.report["oom_kills"]:
            yield f"an honest job met a limit: {hit}, {run.report['forks_refused']} forks refused"


# ---- of the output

def nothing_escaped(run):
    for line in sorted(set(re.findall(r"^ESCAPED.*$", run.text, re.M))):
        yield line


def no_secret_is_in_the_output(run):
    if run.planted.token.encode() in run.output:
        yield "a secret of the host is in the output"


def what_must_be_printed_is(run):
    for pattern in run.case.prints:
        if not re.search(pattern, run.text, re.M):
            yield f"it did not print /{pattern}/; its end: {run.text[-300:]!r}"
    for pattern in filter(None, run.case.head.get("Never", "").split("\n")):
        if re.search(pattern, run.text, re.M):
            yield f"it printed /{pattern}/"


def the_output_is_our_headline_and_the_jobs_bytes(run):
    """Autolab takes the last line for the score: nothing of ours may follow, nothing of the job's may be missing."""
    headline, _, rest = run.output.partition(b"\n")
    if not headline.startswith(b"Autodriver: Job "):
        yield f"the first line is not ours: {headline[:80]!r}"
    kept, written = run.report["output_kept_bytes"], run.report["output_bytes"]
    expected = kept + (len(MARKER) if kept < written else 0)
    if len(rest) != expected:
        yield f"after the headline come {len(rest)} bytes; the report says {expected}"


# ---- of the host

def start_of(pid):
    """Seconds since boot, or None if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[19]) / CLOCK_TICK


def pid_namespace(pid):
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return None


@contextmanager
def slot_of(run):
    """True if no box has the slot of this run's any more, and none can take it while we look: we hold its lock."""
    try:
        lock = os.open(f"{run.place.state}/slots/{run.slot}", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False  # what is there is the next box's, which has removed what it found
    finally:
        os.close(lock)


def no_process_is_left(run):
    """One with the box's uid, in the box's pid namespace or in ours."""
    with slot_of(run) as free:
        if free:
            yield from processes_left(run)


def processes_left(run):
    spaces = (run.report["namespaces"]["pid"], pid_namespace("self"), None)
    if run.box_uid == run.place.caller:  # rootless: autodriver itself has that uid, and lives in our namespace
        spaces = spaces[:1]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            uid = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            continue
        if uid != run.box_uid or pid_namespace(pid) not in spaces:
            continue
        if start_of(pid) is not None:
            yield f"process {pid} of uid {uid} is left"


def no_cgroup_is_left(run):
    with slot_of(run) as free:
        if free:
            yield from cgroups_left(run)


def cgroups_left(run):
    leaf = f"milonga/box-{run.slot}"
    tops = run.place.groups or ["/sys/fs/cgroup"] + [entry.path for entry in os.scandir("/sys/fs/cgroup") if entry.is_dir()]
    for top in tops:
        if os.path.isdir(f"{top}/{leaf}"):
            yield f"cgroup {top}/{leaf} is left"


def no_mount_is_left(_run):
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        if " /run/milonga/" in line or " /tmp/milonga-" in line or " milonga-box " in line:
            yield f"a mount is left: {line}"


def no_ipc_object_is_left(run):
    for kind, column in (("shm", 7), ("sem", 4), ("msg", 7)):
        for line in Path(f"/proc/sysvipc/{kind}").read_text(encoding="ascii").splitlines()[1:]:
            if int(line.split()[column]) == run.box_uid:
                yield f"a System V {kind} of the box is left: {line.split()[:2]}"


def no_key_is_left(run):
    """Keys outlive processes; the kernel forgets them lazily, so it gets a moment."""
    pattern = re.compile(rf"^ *{run.box_uid}: +\d+ \d+/[1-9]", re.M)
    deadline = time.monotonic() + 2
    while pattern.search(Path("/proc/key-users").read_text(encoding="ascii")):
        if time.monotonic() > deadline:
            yield f"keys of uid {run.box_uid} are left"
            return
        time.sleep(0.05)


def no_file_is_left(run):
    for directory in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/dev/mqueue"):
        try:
            entries = list(os.scandir(directory))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.stat(follow_symlinks=False).st_uid == run.box_uid and entry.path != run.place.state:
                    yield f"a file of the box is left: {entry.path}"
            except OSError:
                pass


def the_canary_files_are_as_they_were(run):
    if run.planted.files_now() != run.planted.files_then:
        yield "a canary file has changed"


def the_canary_process_lives(run):
    if not run.planted.process_lives():
        yield "the canary process is dead"


def nobody_has_called(run):
    if run.planted.callers():
        yield f"the job has reached the host's socket: {run.planted.callers()}"


def the_lab_is_as_it_was(run):
    if tree(run.lab) != run.lab_then:
        yield "the caller's directory has changed"


def the_host_is_set_as_it_was(run):
    if settings() != run.planted.settings_then:
        yield f"the host's settings have changed: {settings()} from {run.planted.settings_then}"


OF_THE_RESULT = (the_verdict_is_allowed, the_evidence_is_right, every_demand_is_met, the_job_had_no_privilege,
                 the_cpu_time_is_the_jobs_own, honest_jobs_meet_no_limit, the_output_is_our_headline_and_the_jobs_bytes)
OF_THE_OUTPUT = (nothing_escaped, no_secret_is_in_the_output, what_must_be_printed_is)
OF_THE_HOST = (no_process_is_left, no_cgroup_is_left, no_mount_is_left, no_ipc_object_is_left, no_key_is_left,
               no_file_is_left, the_canary_files_are_as_they_were, the_canary_process_lives, nobody_has_called,
               the_lab_is_as_it_was, the_host_is_set_as_it_was)


def problems_of(run):
    found = [f"{the_report_is_there.__name__}: {p}" for p in the_report_is_there(run)]
    checks = OF_THE_OUTPUT + (OF_THE_HOST + OF_THE_RESULT if not found else ())
    for check in checks:
        found += [f"{check.__name__}: {problem}" for problem in check(run)]
    return found


def settings():
    values = [socket.gethostname(), sorted(name for _, name in socket.if_nameindex() if not name.startswith("veth"))]
    return values + [Path(file).read_text(encoding="utf-8", errors="replace") for file in HOST_SETTINGS]


def tree(directory):
    """All that a job could have changed in a directory; not the times of access."""
    found = []
    for path in sorted([directory, *directory.rglob("*")]):
        st = path.lstat()
        small = path.is_file() and st.st_size < 1 << 16
        content = hashlib.sha256(path.read_bytes()).hexdigest() if small else st.st_size
        found.append((str(path), st.st_mode, st.st_uid, st.st_ino, st.st_nlink, st.st_mtime_ns, content))
    return found
