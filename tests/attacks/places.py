"""Where a corpus runs: each place knows how autodriver is called there, and whether it can be."""
import atexit
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
LONELY = 59777  # a user that nobody else is: what is left of its boxes is left of ours


@dataclass
class Place:
    name: str
    autodriver: Path
    caller: int  # uid and gid
    slack: float = 1.0  # how much longer things may take
    state: str = "/run/milonga"  # where the core has its slots
    groups: tuple = ()  # cgroups that were delegated to the caller

    def popen(self, arguments, environment, stdout, stderr):
        if self.groups:
            return subprocess.Popen(["sh", "-c", JOIN, " ".join(self.groups), self.autodriver, *map(str, arguments)],
                                    stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment, cwd="/")
        ids = {} if self.caller == 0 else {"user": self.caller, "group": self.caller, "extra_groups": []}
        return subprocess.Popen([self.autodriver, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=stdout,
                                stderr=stderr, env=environment, cwd="/", **ids)

    def unavailable(self):
        """None, or why no box can be had here."""
        with tempfile.TemporaryFile() as errors:
            process = self.popen(["--stream", "--command", "--", "true"], {}, subprocess.DEVNULL, errors)
            status = process.wait(timeout=60)
            errors.seek(0)
            return None if status == 0 else errors.read().decode(errors="replace").strip().splitlines()[-1]


def installed(build, work):
    """As a package installs it: only the core is setuid."""
    prefix = work / "usr"
    subprocess.run(["cmake", "--install", str(build), "--prefix", str(prefix)], check=True, stdout=subprocess.DEVNULL)
    return prefix / "bin/autodriver"


def copied(build, work):
    """Without the setuid bit."""
    directory = work / "bin"
    directory.mkdir()
    for name in ("autodriver", "autodriver-core"):
        shutil.copy(build / "bin" / name, directory / name)
        (directory / name).chmod(0o755)
    return directory / "autodriver"


# Root puts the caller into its groups, as a login manager does, and gives up root.
JOIN = f"""for group in $0; do echo 0 >"$group/cgroup.procs" || exit 3; done
exec /usr/bin/setpriv --reuid {LONELY} --regid {LONELY} --clear-groups -- "$@\""""


def delegated_groups():
    """One in each hierarchy, the caller's; removed when we end."""
    tops = [f"/sys/fs/cgroup/{name}" for name in ("memory", "pids", "cpuacct", "unified")]
    groups = [f"{top}/milonga-corpus-{os.getpid()}" for top in tops if os.path.exists(f"{top}/cgroup.procs")]
    for group in groups:
        os.mkdir(group)
        for name in ("", "/cgroup.procs", "/tasks", "/cgroup.subtree_control"):
            if os.path.exists(group + name):
                os.chown(group + name, LONELY, LONELY)
    atexit.register(remove_groups, groups)
    return tuple(groups)


def remove_groups(groups):
    for group in groups:
        for directory, _, _ in os.walk(group, topdown=False):
            os.rmdir(directory)


def place(name, build, work):
    slack = float(os.environ.get("MILONGA_TEST_SLACK", "1"))
    if name == "root":
        return Place(name, build / "bin/autodriver", 0, slack)
    if name == "setuid":
        return Place(name, installed(build, work), NOBODY, slack)
    return Place(name, copied(build, work), LONELY, slack, f"/tmp/milonga-{LONELY}", delegated_groups())  # rootless


PLACES = {"root": "this host, called by root", "setuid": "this host, called by a user: the core is setuid root",
          "rootless": "this host, called by a user with delegated cgroups, nothing setuid", "vm": "a guest with cgroup v2, called by root"}
