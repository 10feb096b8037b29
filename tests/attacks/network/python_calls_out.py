# Attack: what students really try: urllib, a reverse shell, name service
# Learned from: Gradescope findings 2016 to 2023
# Demand: network
# Expect: ok
# Needs: python3
# Prints: ^contained: [0-9]+ attempts
import socket
import urllib.request

attempts = 0


def attempt(what, action):
    global attempts
    attempts += 1
    try:
        action()
    except (OSError, ValueError):
        return
    print("ESCAPED", what)


planted = dict(line.rstrip("\n").split("=", 1) for line in open("planted", encoding="ascii"))
attempt("a page of the host", lambda: urllib.request.urlopen(f"http://127.0.0.1:{planted['port']}/", timeout=2))
attempt("a page of localhost", lambda: urllib.request.urlopen(f"http://localhost:{planted['port']}/", timeout=2))
attempt("a name", lambda: socket.getaddrinfo("example.org", 80))
attempt("a reverse shell", lambda: socket.create_connection(("127.0.0.1", int(planted["port"])), timeout=2))
attempt("IPv6", lambda: socket.create_connection(("::1", int(planted["port"])), timeout=2))
print(f"contained: {attempts} attempts")
