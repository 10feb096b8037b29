# Program: flock, POSIX locks and lock files between processes
# Demand: filesystem
# Expect: ok
# Prints: ^200 increments$
# Needs: python3
import fcntl
import os

with open("counter", "w", encoding="ascii") as file:
    file.write("0")
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        for _ in range(50):
            with open("counter", "r+", encoding="ascii") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                fcntl.lockf(file, fcntl.LOCK_EX)
                number = int(file.read()) + 1
                file.seek(0)
                file.write(str(number))
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
with open("counter", encoding="ascii") as file:
    print(file.read(), "increments")
