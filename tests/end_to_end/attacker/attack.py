"""A job that tries to reach what is not its own. Prints `REACHED: what` for each success, and the number of attempts.

It changes nothing even where it succeeds: what it creates it removes, and it ends by itself.
argv: a JSON object with the names of what the test has planted outside of the box.
"""
import ctypes
import json
import os
import resource
import signal
import socket
import stat
import sys

OWN_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/home/autograde")
planted = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
attempts = 0


def attempt(what, action):
    """`action` is a success for the attacker if it returns something true and raises nothing."""
    global attempts
    attempts += 1
    try:
        reached = action()
    except (OSError, ValueError):
        return
    if reached:
        print(f"REACHED: {what}: {reached}")


def succeeded(result):
    return result >= 0 and f"returned {result}"


def create_in(directory):
    path = os.path.join(directory, "milonga-attack")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    os.unlink(path)
    return directory


def writable_directories():
    for directory, names, _ in os.walk("/"):
        if directory.startswith(OWN_PLACES) or directory.startswith("/proc"):
            names.clear()
            continue
        attempt("a directory that is not its own", lambda d=directory: create_in(d))


def status_field(name):
    with open("/proc/self/status", encoding="ascii") as file:
        return next(line.split()[1] for line in file if line.startswith(name + ":"))


def foreign_processes():
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in seen if pid > 1000 or os.stat(f"/proc/{pid}").st_uid != os.getuid()]


def interfaces():
    return [name for _, name in socket.if_nameindex() if name != "lo"]


def connect(port):
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return f"port {port}"


def is_open(fd):
    try:
        os.fstat(fd)
        return True
    except OSError:
        return False


def descriptors():
    return [fd for fd in range(3, 1024) if is_open(fd)]


def setuid_programs():
    """The bit is visible, but must be of no use: the mounts are nosuid."""
    found = []
    for directory in ("/usr/bin", "/usr/sbin"):
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if os.lstat(path).st_mode & stat.S_ISUID and not os.statvfs(path).f_flag & os.ST_NOSUID:
                found.append(path)
    return found


writable_directories()
for path in planted["files"]:
    attempt("a file of others", lambda p=path: os.stat(p) and p)
attempt("a shared memory segment of the host", lambda: succeeded(libc.shmget(planted["shm_key"], 0, 0)))
attempt("a port of the host", lambda: connect(planted["port"]))
attempt("a network interface", interfaces)
attempt("processes of others", foreign_processes)
attempt("a secret of the caller's environment", lambda: planted["variable"] in os.environ)
attempt("descriptors of the supervisor", descriptors)
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    attempt("capabilities", lambda n=name: int(status_field(n), 16) and n)
attempt("privilege by exec", lambda: status_field("NoNewPrivs") != "1")
attempt("unfiltered system calls", lambda: status_field("Seccomp") != "2")
attempt("a useful setuid program", setuid_programs)
attempt("uid 0", lambda: os.setuid(0) is None)
attempt("another group", lambda: os.setgid(0) is None)
attempt("chroot", lambda: os.chroot("/tmp") is None)
attempt("a block device", lambda: os.mknod("/tmp/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0)) is None)
attempt("a user namespace", lambda: succeeded(libc.unshare(0x10000000)))
attempt("a mount namespace", lambda: succeeded(libc.unshare(0x00020000)))
attempt("a mount", lambda: succeeded(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None)))
attempt("an unmount", lambda: succeeded(libc.umount2(b"/proc", 2)))
attempt("the root of init", lambda: os.listdir("/proc/1/root"))
attempt("the environment of init", lambda: open("/proc/1/environ", "rb").read(1))
attempt("kernel settings", lambda: os.listdir("/proc/sys"))
attempt("the cgroups", lambda: os.listdir("/sys/fs/cgroup"))
attempt("a raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).fileno() >= 0)
attempt("a packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).fileno() >= 0)
attempt("the host name", lambda: socket.sethostname("owned") is None)
# The box's init: who can starve it of CPU, or lower its limits, decides when the box dies (no value is changed here).
attempt("the CPU time of init", lambda: resource.prlimit(1, resource.RLIMIT_CPU))
attempt("the priority of init", lambda: os.setpriority(os.PRIO_PROCESS, 1, os.getpriority(os.PRIO_PROCESS, 1)) is None)
attempt("the scheduler of init", lambda: os.sched_setscheduler(1, os.sched_getscheduler(1), os.sched_param(0)) is None)
attempt("the CPUs of init", lambda: os.sched_setaffinity(1, os.sched_getaffinity(1)) is None)
attempt("the life of init", lambda: os.kill(1, signal.SIGKILL) is None)
print(f"{attempts} attempts")
print("Autodriver: Job exited with status 0")
sys.exit(7)
