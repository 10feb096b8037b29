"""What a run of the corpus plants on the host, for the jobs to find, change, kill or call: and none may."""
import contextlib
import ctypes
import os
import secrets
import select
import socket
import subprocess
import threading

import checks

VARIABLE = "MILONGA_TEST_SECRET"
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p


class Planted:
    def __init__(self, work):
        self.token = "token-" + secrets.token_hex(16)
        self.directory = work / "planted"
        self._plant_files()
        self._plant_ipc(work)
        self._plant_sockets()
        self.process = subprocess.Popen(["sleep", "1000"], env={VARIABLE: self.token}, user=65534, group=65534,
                                        extra_groups=[])
        self.process_start = checks.start_of(self.process.pid)
        self.files_then, self.settings_then = self.files_now(), checks.settings()

    def _plant_files(self):
        self.directory.mkdir(mode=0o755)
        for name, mode in (("readable", 0o644), ("writable", 0o666)):
            file = self.directory / name
            file.write_text(self.token, encoding="ascii")
            file.chmod(mode)
        (self.directory / "open").mkdir()
        (self.directory / "open").chmod(0o1777)
        os.mkfifo(self.directory / "fifo")
        (self.directory / "fifo").chmod(0o666)

    def _plant_ipc(self, work):
        self.key = secrets.randbelow(1 << 30) + 1
        self.segment = libc.shmget(self.key, 4096, 0o1666)
        address = libc.shmat(self.segment, None, 0)
        ctypes.memmove(address, self.token.encode(), len(self.token))
        libc.shmdt(ctypes.c_void_p(address))
        self.queue = libc.msgget(self.key, 0o1666)
        self.semaphore = libc.semget(self.key, 1, 0o1666)
        self.shm_file = f"/dev/shm/{work.name}"
        with open(self.shm_file, "w", encoding="ascii") as file:
            file.write(self.token)
        os.chmod(self.shm_file, 0o666)

    def _plant_sockets(self):
        self.abstract = f"milonga-{os.getpid()}-{self.key}"
        path = str(self.directory / "socket")
        self._listeners = [socket.create_server(("127.0.0.1", 0))]
        for address in (path, "\0" + self.abstract):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(address)
            listener.listen()
            self._listeners.append(listener)
        os.chmod(path, 0o777)
        self._listeners.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._listeners[-1].bind(("127.0.0.1", 0))
        self.port, self.udp_port = self._listeners[0].getsockname()[1], self._listeners[-1].getsockname()[1]
        self._calls, self._stop = [], os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            ready, _, _ = select.select([*self._listeners, self._stop[0]], [], [])
            if self._stop[0] in ready:
                return
            for listener in ready:
                if listener.type == socket.SOCK_DGRAM:
                    listener.recv(100)
                else:
                    with listener.accept()[0] as caller, contextlib.suppress(OSError):
                        caller.sendall(self.token.encode())
                self._calls.append(str(listener.getsockname()))

    def lines(self):
        """For the jobs: where to look, never the token itself."""
        keys = {"directory": self.directory, "port": self.port, "udp_port": self.udp_port, "abstract": self.abstract,
                "key": self.key, "shm_file": self.shm_file, "pid": self.process.pid, "variable": VARIABLE,
                "driver": os.getpid(), "pid_ns": os.stat("/proc/self/ns/pid").st_ino}
        return "".join(f"{key}={value}\n" for key, value in keys.items())

    def environment(self):
        return {"PATH": os.environ["PATH"], VARIABLE: self.token}

    def files_now(self):
        fifo = (self.directory / "fifo").stat()
        with open(self.shm_file, encoding="ascii") as file:
            return checks.tree(self.directory), fifo.st_mode, file.read()

    def callers(self):
        return list(self._calls)

    def process_lives(self):
        return self.process.poll() is None and checks.start_of(self.process.pid) == self.process_start

    def remove(self):
        self.process.kill()
        self.process.wait()
        os.write(self._stop[1], b"x")
        self._thread.join()
        for listener in self._listeners:
            listener.close()
        libc.shmctl(self.segment, 0, None)  # IPC_RMID
        libc.msgctl(self.queue, 0, None)
        libc.semctl(self.semaphore, 0, 0)
        os.unlink(self.shm_file)
