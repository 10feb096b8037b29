# Program: drives a program in a pseudo terminal, as graders of interactive programs do
# Demand: syscalls
# Expect: ok
# Prints: ^a terminal of 80 columns said: hello$
# Needs: python3
import fcntl
import os
import pty
import struct
import termios

pid, terminal = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", "read line; test -t 0 && echo said: $line on $(stty size | cut -d' ' -f2)"])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
os.write(terminal, b"hello\n")
text = b""
while True:
    try:
        block = os.read(terminal, 1000)
    except OSError:
        break
    if not block:
        break
    text += block
os.waitpid(pid, 0)
said = text.decode().split("said: ")[1].split()
print(f"a terminal of {said[2]} columns said: {said[0]}")
