"""A server for http_client_test: python3's own, on a unix socket or a port of the kernel's choice.

usage: http_server.py [SOCKET]      prints the port, or the socket, when it listens
"""
import http.server
import os
import socketserver
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "peer"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def answer(self, status, body, **headers):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/never":
            threading.Event().wait(20)
        elif self.path == "/elsewhere":
            self.answer(302, b"", Location="/hello")
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"short")
            self.close_connection = True
        elif self.path.startswith("/bytes/"):
            self.answer(200, b"x" * int(self.path[7:]))
        else:
            self.answer(200 if self.path == "/hello" else 404, f"{self.command} {self.path}".encode())

    do_DELETE = do_HEAD = do_GET

    def do_POST(self):
        self.answer(201, f"{self.headers.get('X-Mark')} ".encode() + self.body())

    do_PUT = do_POST


class Quiet(socketserver.ThreadingMixIn):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):  # clients that break off are what some tests are about
        pass


class Server(Quiet, http.server.HTTPServer):

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # HTTPServer's asks the name service


class UnixServer(Quiet, socketserver.UnixStreamServer):
    def get_request(self):
        connection, _ = super().get_request()
        return connection, ("peer", 0)


if len(sys.argv) > 1:
    server = UnixServer(sys.argv[1], Handler)
    print(sys.argv[1], flush=True)
else:
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()  # with its parent
server.serve_forever()
