# Program: a web server of the standard library and a client of it
# Demand: network
# Expect: ok
# Prints: ^200 the page$
# Needs: python3
import http.server
import threading
import urllib.request


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the page")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
with urllib.request.urlopen(f"http://localhost:{server.server_port}/") as answer:
    print(answer.status, answer.read().decode())
