# Program: Unix sockets: stream, datagram, abstract, credentials and a descriptor passed along
# Demand: network
# Expect: ok
# Prints: ^stream datagram abstract, file says secret of the lab$
# Needs: python3
import array
import os
import socket
import threading

said = []
for kind, address in ((socket.SOCK_STREAM, "stream"), (socket.SOCK_STREAM, "\0abstract")):
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(address)
        server.listen()

        def call(to=address):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(to)
                client.sendall(to.strip("\0").encode())

        threading.Thread(target=call).start()
        said.append(server.accept()[0].recv(100).decode())
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind("datagram")
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"datagram", "datagram")
said.insert(1, receiver.recv(100).decode())
one, two = socket.socketpair()
with open("secret", "w+", encoding="ascii") as file:
    file.write("secret of the lab")
    file.flush()
    one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()]))])
_, ancillary, _, _ = two.recvmsg(1, 100)
received = array.array("i", ancillary[0][2])[0]
os.lseek(received, 0, os.SEEK_SET)
print(f"{' '.join(said)}, file says {os.read(received, 100).decode()}")
