# Program: epoll, eventfd, inotify by ctypes, pidfd, memfd, signalfd's kin: what event loops use
# Demand: syscalls
# Expect: ok
# Prints: ^epoll 1, eventfd 5, memfd ok, pidfd 1, inotify 1$
# Needs: python3
import ctypes
import os
import select
import sys

libc = ctypes.CDLL(None, use_errno=True)
counter = libc.eventfd(5, 0)
epoll = select.epoll()
epoll.register(counter, select.EPOLLIN)
ready = len(epoll.poll(1))
value = int.from_bytes(os.read(counter, 8), sys.byteorder)
memory = os.memfd_create("lab")
os.write(memory, b"ok")
pid = os.fork()
if pid == 0:
    os._exit(0)
process = os.pidfd_open(pid)
ended = len(select.select([process], [], [], 5)[0])
os.waitpid(pid, 0)
watch = libc.inotify_init1(0)
libc.inotify_add_watch(watch, b".", 0x100)
with open("new", "w", encoding="ascii"):
    pass
print(f"epoll {ready}, eventfd {value}, memfd {os.pread(memory, 2, 0).decode()}, pidfd {ended}, "
      f"inotify {len(select.select([watch], [], [], 5)[0])}")
