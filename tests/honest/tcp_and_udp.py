# Program: TCP and UDP on loopback, IPv4 and IPv6, select, options, a port refused
# Demand: network
# Expect: ok
# Prints: ^tcp4 udp4 tcp6 refused$
# Needs: python3
import select
import socket

seen = []
for family, address, name in ((socket.AF_INET, "127.0.0.1", "tcp4"), (socket.AF_INET6, "::1", "tcp6")):
    with socket.create_server((address, 0), family=family) as server, \
            socket.create_connection(server.getsockname()[:2]) as client:
        connection, _ = server.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(name.encode())
        select.select([connection], [], [], 5)
        seen.append(connection.recv(100).decode())
    if name == "tcp4":
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind(("127.0.0.1", 0))
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"udp4", receiver.getsockname())
        seen.append(receiver.recv(100).decode())
try:
    socket.create_connection(("127.0.0.1", 1), timeout=2)
except ConnectionRefusedError:
    seen.append("refused")
print(*seen)
