"""Are the attackers and the checks worth anything? Three questions, each answered by doing:

1. Outside of a box (as nobody, or as root of a user namespace) an attacker must escape: its `Outside:` says how.
2. Each check must see the fault that it looks for, planted after a run in which there was none.
3. Outside of a box the leak hunt must find what was hidden.
"""
import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import case as cases
import checks
import leaks
import places
import run as runs

AS_NOBODY = {"user": places.NOBODY, "group": places.NOBODY, "extra_groups": []}
USER_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--ipc", "--net",
                  "--uts", "--mount-proc"]
SPARE_UID = checks.BOX_UIDS[-1]  # of a slot that is never reached
FOUND_OUTSIDE = ("files", "system_v_ipc", "message_queue", "abstract_socket", "loopback_port", "process_name",
                 "terminal", "flock", "record_lock", "opened_file", "futex")  # by any user on any host
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
libc = ctypes.CDLL(None, use_errno=True)


# ---- 1. attackers without a box

def escapes_outside(case, planted, build, work):
    """None, or what it printed instead of an escape."""
    directory = Path(tempfile.mkdtemp(prefix="outside.", dir=work))
    lab = runs.prepare_lab(case, build, planted, directory)
    for path in (directory, lab):
        path.chmod(0o777)
    how = USER_NAMESPACE if case.head["Outside"] == "userns" else []
    command = [work / "hostile" if word == "./hostile" else word for word in case.command()]
    done = subprocess.run([*how, *command], cwd=lab, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=100,
                          stderr=subprocess.STDOUT, env=planted.environment(), check=False, **AS_NOBODY)
    shutil.rmtree(directory)
    return None if b"\nESCAPED " in b"\n" + done.stdout else done.stdout.decode(errors="replace")[-300:]


def attackers_escape(planted, build, work):
    todo = [case for case in cases.load_all() if "Outside" in case.head]
    shutil.copy(build / "bin/hostile", work / "hostile")  # one for all: a file that is being written cannot be executed
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda case: escapes_outside(case, planted, build, work), todo))
    for case, instead in zip(todo, answers):
        print(f"{'escapes' if instead is None else 'BLIND':12} {case.name} without a box")
        if instead is not None:
            yield f"{case.name}: without a box it did not escape, but printed {instead!r}"
    if len(todo) < 30:
        yield f"only {len(todo)} attackers have a line `Outside:`"


# ---- 2. checks and their faults

@contextmanager
def as_box_user(*command):
    """A program with the uid of a spare slot, for as long as we look."""
    with subprocess.Popen(command, user=SPARE_UID, group=SPARE_UID, extra_groups=[], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def spare_slot(run):
    run.box_uid = SPARE_UID
    run.slot = SPARE_UID - checks.BOX_UIDS.start


@contextmanager
def process_left(run):
    spare_slot(run)
    with as_box_user("sh", "-c", "echo up; exec sleep 20"):
        yield


@contextmanager
def cgroup_left(run):
    spare_slot(run)
    tops = ["/sys/fs/cgroup", *(entry.path for entry in os.scandir("/sys/fs/cgroup") if entry.is_dir())]
    top = next(top for top in tops if os.path.exists(f"{top}/cgroup.procs"))
    leaf = f"{top}/milonga/box-{SPARE_UID - checks.BOX_UIDS.start}"
    os.makedirs(leaf)
    try:
        yield
    finally:
        os.rmdir(leaf)


@contextmanager
def ipc_left(run):
    spare_slot(run)
    made = subprocess.run(["ipcmk", "-M", "4096"], user=SPARE_UID, group=SPARE_UID, extra_groups=[], check=True,
                          capture_output=True, text=True).stdout.split()[-1]
    try:
        yield
    finally:
        subprocess.run(["ipcrm", "-m", made], check=True)


@contextmanager
def key_left(run):
    spare_slot(run)
    add_key = ("import ctypes; ctypes.CDLL(None).syscall(248, b'user', b'left', b'x', 1, -4);"
               "print('up', flush=True); input()")
    with subprocess.Popen(["python3", "-c", add_key], user=SPARE_UID, group=SPARE_UID, extra_groups=[],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


@contextmanager
def file_left(run):
    spare_slot(run)
    path = Path("/var/tmp/milonga-selfcheck-left")
    path.touch()
    os.chown(path, SPARE_UID, SPARE_UID)
    try:
        yield
    finally:
        path.unlink()


@contextmanager
def canary_file_changed(run):
    file = run.planted.directory / "writable"
    before, stat = file.read_text(encoding="ascii"), file.stat()
    file.write_text(before.upper(), encoding="ascii")
    try:
        yield
    finally:
        file.write_text(before, encoding="ascii")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@contextmanager
def canary_process_dead(run):
    planted, real = run.planted, run.planted.process
    planted.process = subprocess.Popen(["true"])
    planted.process.wait()
    try:
        yield
    finally:
        planted.process = real


@contextmanager
def host_called(run):
    socket.create_connection(("127.0.0.1", run.planted.port)).close()
    time.sleep(0.1)  # until it is counted
    yield


@contextmanager
def settings_changed(run):
    real = run.planted.settings_then
    run.planted.settings_then = ["another host", *real[1:]]
    try:
        yield
    finally:
        run.planted.settings_then = real


@contextmanager
def lab_changed(run):
    (run.lab / "planted").write_text("x", encoding="ascii")
    yield


def changed(change):
    """A fault in the result itself."""
    @contextmanager
    def seed(run):
        change(run)
        yield
    return seed


def an_honest_case(run):
    run.case = cases.Case(cases.HONEST / "sample.sh", dict(run.case.head))
    run.report["demands"]["memory"]["hit"] = True


FAULTS = {
    checks.the_report_is_there: [changed(lambda run: setattr(run, "report", None))],
    checks.the_verdict_is_allowed: [changed(lambda run: run.report.update(verdict="memory_limit")),
                                    changed(lambda run: run.report.update(verdict="internal_error")),
                                    changed(lambda run: setattr(run, "status", 1))],
    checks.the_evidence_is_right: [
        changed(lambda run, evidence=evidence: run.case.head.update(Evidence=evidence))
        for evidence in ("exit_code == 5", "wall_s >= 100", "wall_s <= 0", "demands.memory.mechanism ~ magic",
                         "no.such.key == 1", "memory_peak_bytes != 0; cpu_s >= 9")],
    checks.every_demand_is_met: [changed(lambda run: run.report["demands"]["memory"].update(rung="bounded")),
                                 changed(lambda run: run.report["demands"]["processes"].update(effective=10 ** 6)),
                                 changed(lambda run: run.report["demands"]["kill"].update(read_back=1))],
    checks.the_job_had_no_privilege: [changed(lambda run: run.report["privilege"].update(cap_effective="0x1")),
                                      changed(lambda run: run.report["privilege"].update(no_new_privs=0)),
                                      changed(lambda run: run.report["privilege"].update(seccomp_mode=0))],
    checks.the_cpu_time_is_the_jobs_own: [changed(lambda run: run.report.update(cpu_s=run.report["cpu_s"] + 0.01)),
                                          changed(lambda run: run.report.update(cpu_s=run.report["cpu_s"] - 0.01))],
    checks.honest_jobs_meet_no_limit: [changed(an_honest_case)],
    checks.the_output_is_our_headline_and_the_jobs_bytes: [
        changed(lambda run: setattr(run, "output", run.output + b"a line after the score\n")),
        changed(lambda run: setattr(run, "output", run.output[:-1])),
        changed(lambda run: setattr(run, "output", b"x" + run.output))],
    checks.nothing_escaped: [changed(lambda run: setattr(run, "output", run.output + b"ESCAPED x\n"))],
    checks.no_secret_is_in_the_output: [
        changed(lambda run: setattr(run, "output", run.output + run.planted.token.encode()))],
    checks.what_must_be_printed_is: [changed(lambda run: setattr(run, "output", b"Autodriver: Job exited\n")),
                                     changed(lambda run: run.case.head.update(Never="^cpu"))],
    checks.no_process_is_left: [process_left],
    checks.no_cgroup_is_left: [cgroup_left],
    checks.no_ipc_object_is_left: [ipc_left],
    checks.no_key_is_left: [key_left],
    checks.no_file_is_left: [file_left],
    checks.the_canary_files_are_as_they_were: [canary_file_changed],
    checks.the_canary_process_lives: [canary_process_dead],
    checks.the_lab_is_as_it_was: [lab_changed],
    checks.the_host_is_set_as_it_was: [settings_changed],
    checks.nobody_has_called: [host_called],  # last: the calls stay counted
}
IN_A_MOUNT_NAMESPACE = {checks.no_mount_is_left}  # the_mount_check_sees_one


def sample(planted, build, work):
    """A run in which all is well."""
    place = places.place("root", build, work)
    scratch = Path(tempfile.mkdtemp(prefix="sample.", dir=work))
    one = next(case for case in cases.load_all("accounting.plain") if case.path.stem == "plain")
    run = runs.Run(one, place, planted, runs.prepare_lab(one, build, planted, scratch))
    run.perform(scratch)
    return run


def copy_of(run):
    twin = runs.Run(cases.Case(run.case.path, dict(run.case.head)), run.place, run.planted, run.lab)
    for name in ("output", "errors", "status", "box_uid", "lab_then"):
        setattr(twin, name, getattr(run, name))
    twin.report = deepcopy(run.report)
    return twin


def the_mount_check_sees_one(run):
    """In a child with a mount namespace of its own: nobody else sees the mount."""
    pid = os.fork()
    if pid == 0:
        seen = 2
        if libc.unshare(CLONE_NEWNS) == 0 and libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0:
            os.makedirs("/run/milonga/box", exist_ok=True)
            if libc.mount(b"tmpfs", b"/run/milonga/box", b"tmpfs", 0, None) == 0:
                seen = 0 if list(checks.no_mount_is_left(run)) else 1
        os._exit(seen)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def checks_see_their_faults(planted, build, work):
    good = sample(planted, build, work)
    yield from (f"a run without a fault: {problem}" for problem in checks.problems_of(good))
    everything = {checks.the_report_is_there, *checks.OF_THE_OUTPUT, *checks.OF_THE_HOST, *checks.OF_THE_RESULT}
    for check in sorted(everything - set(FAULTS) - IN_A_MOUNT_NAMESPACE, key=lambda c: c.__name__):
        yield f"no fault is planted for the check {check.__name__}"
    for check, seeds in FAULTS.items():
        for number, seed in enumerate(seeds):
            run = copy_of(good)
            with seed(run):
                seen = list(check(run))
            print(f"{'seen' if seen else 'BLIND':12} {check.__name__}: {seen[0] if seen else 'fault ' + str(number)}")
            if not seen:
                yield f"the check {check.__name__} does not see its fault number {number}"
    seen = the_mount_check_sees_one(good)
    print(f"{'seen' if seen else 'BLIND':12} no_mount_is_left")
    if not seen:
        yield "the check no_mount_is_left does not see a mount"


# ---- 3. the leak hunt

def the_hunt_finds_what_is_hidden(build, work):
    lab = Path(tempfile.mkdtemp(prefix="hunt.", dir=work))
    lab.chmod(0o777)
    shutil.copy(build / "bin/hostile", lab / "hostile")
    (lab / "token").write_text(f"{int.from_bytes(os.urandom(8), 'big'):016x}\n", encoding="ascii")

    def hostile(what):
        return subprocess.Popen(["./hostile", what], cwd=lab, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                text=True, start_new_session=True, **AS_NOBODY)

    holder = hostile("leak_hold")
    try:
        holder.stdout.readline()
        time.sleep(0.1)
        found = leaks.outcomes(hostile("leak_seek").communicate(timeout=60)[0])
    finally:
        os.killpg(holder.pid, 9)
        holder.communicate()
        hostile("leak_forget").communicate(timeout=60)
    for name in leaks.CHANNELS:
        print(f"{found[name]:12} leaks.{name} without a box")
        if name in FOUND_OUTSIDE and found[name] != "leaked":
            yield f"the leak hunt does not find {name} without a box: {found[name]}"


def main(build):
    if os.geteuid() != 0:
        print("SKIPPED: what is looked at on the host needs root")
        return 77
    with runs.workplace() as (work, planted):
        problems = [*checks_see_their_faults(planted, build, work), *the_hunt_finds_what_is_hidden(build, work),
                    *attackers_escape(planted, build, work)]
    print("\n".join([""] + problems) if problems else "\nall escape without a box, and each fault is seen")
    return 1 if problems else 0
