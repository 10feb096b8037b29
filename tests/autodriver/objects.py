"""A job that takes as many of the kernel's objects as it is given, of those that no cgroup counts.

Prints one JSON object: how many it got, or the error of the first attempt. Bounded: it stops at twice what is allowed.
"""
import ctypes
import errno
import json
import mmap
import os
import resource
import signal

libc = ctypes.CDLL(None, use_errno=True)


def how_many(most, make):
    """The number of successes before the first failure, or the failure's name if there was none."""
    kept = []
    for count in range(most):
        try:
            kept.append(make(count))
        except OSError as error:
            return count or errno.errorcode[error.errno]
    return most


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def timer(_):
    checked(libc.timer_create(1, None, ctypes.byref(ctypes.c_void_p())))


def message_queue(count):
    checked(libc.mq_open(b"/milonga-test-%d" % count, os.O_CREAT | os.O_RDWR, 0o600, None))


def lock(_):
    area = mmap.mmap(-1, 1 << 20)
    checked(libc.mlock(ctypes.byref(ctypes.c_char.from_buffer(area)), ctypes.c_size_t(1 << 20)))
    return area


def crash(_):
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGABRT)
    status = os.waitpid(pid, 0)[1]
    if not os.WCOREDUMP(status) and not [f for f in os.listdir(".") if f.startswith("core")]:
        raise OSError(errno.EFBIG, "")


print(json.dumps({
    "ptys": how_many(64, lambda _: os.openpty()),
    "timers": how_many(8192, timer),
    "message_queues": how_many(1000, message_queue),
    "locked_mib": how_many(64, lock),
    "keyctl": how_many(1, lambda _: checked(libc.syscall(250, 0, -3, 1, 0, 0))),  # the session's, made if need be
    "add_key": how_many(1, lambda _: checked(libc.syscall(248, b"user", b"x", b"y", 1, -4))),
    "core_files": how_many(1, crash),
    "nicer": how_many(1, lambda _: os.nice(-1)),
    "real_time": how_many(1, lambda _: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
    "higher_core_limit": how_many(1, lambda _: checked(
        libc.setrlimit(resource.RLIMIT_CORE, ctypes.byref((ctypes.c_ulong * 2)(4096, 4096))))),
}))
