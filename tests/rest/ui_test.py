#!/usr/bin/env python3
"""The status page, as a client without a browser and as a real headless Chromium sees it.

usage: ui_test.py BIN_DIR CASE [DIR]     DIR: where screenshots are kept
"""
import base64
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser

SHOTS = sys.argv[3] if len(sys.argv) > 3 else None
del sys.argv[3:]

from rest_test import KEY, eventually, expect, make, run_case, stop  # noqa: E402

BASIC = {"Authorization": "Basic " + base64.b64encode(f"op:{KEY}".encode()).decode()}
EVIL = '"><script>document.title="OWNED"</script><img src=x onerror=document.title="OWNED">&amp;\u2028'


class Page(HTMLParser):
    """Tags that are open, text, and what is loaded from where."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.attributes = [], [], set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("src", "href", "data-events", "action"):
                self.links.append(value)


def get(place, path, headers=None):
    status, got, raw = place.request("GET", path, headers=BASIC if headers is None else headers)
    return status, got, raw.decode()


def jobs_of_all_kinds(place):
    """Good, bad, late, waiting and running ones, with names that try to be markup."""
    place.open("cs101-hello")
    place.open("cs102-sort")
    ok = """echo '{"scores": {"hello": 10}}'"""
    for n, (lab, recipe, fields) in enumerate((("cs101-hello", ("echo fine", ok), {}), ("cs101-hello", ("exit 3",), {}),
                                               ("cs102-sort", ("sleep 30",), {"timeout": 1}), ("cs102-sort", ("echo '<b>bold</b>'",), {}))):
        place.upload(f"m{n}", make(recipe), lab)
        expect(place.add({f"m{n}": "Makefile"}, lab, jobName=f"{EVIL} {n}", output_file=f"o{n}", **fields)["statusMsg"], "Job added")
    eventually(lambda: len(place.call("GET", f"/jobs/{KEY}/1/")["jobs"]) == 4, 40)
    place.upload("slow", make(("echo first", "sleep 4", "echo second", "sleep 2")), "cs101-hello")
    ids = [int(place.add({"slow": "Makefile"}, "cs101-hello", output_file=f"s{n}", jobName=f"slow {n}")["jobId"]) for n in range(3)]
    eventually(lambda: place.call("GET", f"/getPartialOutput/{KEY}/{ids[0]}/").get("output") == "first\n")
    return ids


def tables(place):
    """Without a browser and without JavaScript: what is said, what is escaped, who may look."""
    place.daemon("--slots", "1")
    p = place.server()
    for path in ("/ui", "/ui/", "/ui/jobs/1", "/ui/jobs/1/events"):
        for headers in ({}, {"Authorization": "Basic " + base64.b64encode(b"op:wrong").decode()}, {"Authorization": f"Bearer {KEY}"},
                        {"Authorization": "Basic !!!"}, {"Authorization": "Basic "}):
            status, got, html = get(place, path, headers)
            if status != 429:
                expect((status, got["WWW-Authenticate"]), (401, 'Basic realm="Milonga", charset="UTF-8"'))
            assert "waiting" not in html
    for _ in range(10):
        get(place, "/ui/", {"Authorization": "Basic eDp5"})
    expect(get(place, "/ui/")[0], 429)  # who guesses waits, as with any key
    expect(stop(p), 0)
    p = place.server()
    slow = jobs_of_all_kinds(place)
    status, got, html = get(place, "/ui/")
    expect((status, got["Content-Type"], got["Cache-Control"], got["X-Content-Type-Options"]), (200, "text/html; charset=utf-8", "no-store", "nosniff"))
    assert got["Content-Security-Policy"].startswith("default-src 'none'; ") and "unsafe" not in got["Content-Security-Policy"]
    page = Page(html)
    assert "script" not in page.tags and "img" not in page.tags and "style" not in page.attributes, page.tags
    for link in page.links:
        assert link.startswith("/ui/"), f"{link} is not of this server"
    for wanted in ("&lt;script&gt;", "cs101-hello", "cs102-sort", ">ok</span>", ">failed</span>", ">wall_limit</span>", "exit 2", "stopped by",
                   "Jobs finished each minute", "<rect class=\"bar\""):
        assert wanted in html, (wanted, html)
    assert re.search(r"<td>cs101-hello<td class=\"n\">2<td class=\"n\">1<td class=\"n\">", html), html
    assert re.search(r'id="hosts">.*<td>local<td class="n">1<td class="n">1<td class="n">1', html, re.S), html
    assert re.search(r'id="pools">.*<td>autograding_image<td class="n">0<td class="n">1<td class="n">2', html, re.S), html
    done = get(place, "/ui/jobs/4")[2]
    assert "&lt;b&gt;bold&lt;/b&gt;" in done and "<b>bold" not in done and "Autodriver returned normally" in done, done
    expect(Page(done).tags.count("script"), 0)
    running = get(place, f"/ui/jobs/{slow[0]}")[2]
    assert "first\n</pre>" in running and f'data-events="/ui/jobs/{slow[0]}/events"' in running, running
    waiting = get(place, f"/ui/jobs/{slow[2]}")[2]
    assert "Jobs before it" in waiting, waiting
    for path, code in (("/ui/jobs/99999", 404), ("/ui/jobs/x", 404), ("/ui/jobs/", 404), ("/ui/nothing", 404), ("/ui/jobs/%3Cscript%3E", 404),
                       ("/ui/jobs/99999/events", 404)):
        status, _, html = get(place, path)
        expect((path, status, "<script" in html), (path, code, False))
    for path, kind in (("/ui/style.css", "text/css"), ("/ui/app.js", "text/javascript")):
        status, got, _ = get(place, path)
        expect((status, got["Content-Type"]), (200, kind))
    expect(place.request("POST", "/ui/", b"x", BASIC)[0], 405)
    c = http.client.HTTPConnection("127.0.0.1", place.port, timeout=30)
    c.request("GET", f"/ui/jobs/{slow[0]}/events", headers=BASIC)
    stream = c.getresponse().read().decode()
    assert "second" in stream and stream.rstrip().rsplit("event: ", 1)[1].startswith("end"), stream
    c.close()
    scoreboards(place)
    expect(stop(p), 0)


def scoreboards(place):
    """A lab shows one if its staff uploaded scoreboard.json; to whom is written there."""
    board = "/ui/scoreboard/"
    place.open("cs103-fast")
    folder = os.path.basename(os.path.dirname(place.lab_dir("cs103-fast") + "/"))
    expect(get(place, board + "cs103-fast")[0], 404)  # none yet
    settings = {"title": "Fast & small", "scoreboard": [{"hdr": "Ops"}], "nicknames": {"ann@x.edu": "<Fox>"}}
    place.upload("scoreboard.json", json.dumps(settings).encode(), "cs103-fast")
    place.upload("noboard", b"x", "cs102-sort")
    for n, (student, ops) in enumerate((("ann@x.edu", 5), ("bob@x.edu", 7), ("ann@x.edu", 9))):  # the newest of ann's counts
        place.upload(f"m{n}", make(["echo '" + json.dumps({"scores": {"a": 1}, "scoreboard": [ops]}) + "'"]), "cs103-fast")
        name = f"{student}_{n}_cs103-fast_autograde.txt"
        expect(place.add({f"m{n}": "Makefile"}, "cs103-fast", output_file=name)["statusMsg"], "Job added")
        place.feedback(name, "cs103-fast", 40)
    for name in ("cs103-fast", folder):
        status, _, html = get(place, board + name)
        expect(status, 200)
        assert "Fast &amp; small" in html and "@x.edu" not in html and "<Fox>" not in html, html
        expect(re.findall(r'<td class="n">(\d)<td>(.*?)<td class="n">(\d)', html),
               [("1", "&lt;Fox&gt;", "9"), ("2", '<span class="dim">anonymous</span>', "7")])
    for name in ("cs103-fast", folder, "cs102-sort", "nothing"):
        expect((name, get(place, board + name, {})[0]), (name, 401))
    for name in ("../cs103-fast", "..%2fcs103-fast", ".", "a%00b", "", "x" * 300):
        expect((name, get(place, board + name)[0]), (name, 404))
    expect(get(place, board + "cs102-sort")[0], 404)
    place.upload("scoreboard.json", json.dumps({**settings, "open": True}).encode(), "cs103-fast")
    expect(get(place, board + folder, {})[0], 200)
    expect({get(place, board + folder, {})[0] for _ in range(40)}, {200, 429})  # who hammers waits
    expect(get(place, board + folder)[0], 200)
    time.sleep(1.5)
    place.upload("scoreboard.json", b"{]", "cs103-fast")
    expect((get(place, board + folder, {})[0], get(place, board + folder)[0]), (401, 500))


class Chromium:
    """Driven by its own protocol over a pipe of NUL-ended JSON (--remote-debugging-pipe)."""

    def __init__(self, profile):
        to_read, self.to_write = os.pipe()
        self.from_read, to_write = os.pipe()

        def place_pipes():
            os.dup2(to_read, 103)
            os.dup2(to_write, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        program = shutil.which("chromium")
        self.process = subprocess.Popen(
            [program, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}", "--no-first-run", "--disable-gpu",
             "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
             "--proxy-server=direct://", "about:blank"],
            close_fds=False, preexec_fn=place_pipes, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.number, self.rest, self.events, self.session = 0, b"", [], None
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def read(self, seconds=60):
        import select
        until = time.monotonic() + seconds
        while b"\0" not in self.rest:
            readable, _, _ = select.select([self.from_read], [], [], max(0, until - time.monotonic()))
            assert readable, "the browser says nothing"
            some = os.read(self.from_read, 1 << 20)
            assert some, "the browser is gone"
            self.rest += some
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_write, json.dumps(message).encode() + b"\0")
        while True:
            got = self.read()
            if got.get("id") == self.number:
                assert "error" not in got, (method, got)
                return got["result"]
            self.events.append(got)

    def open(self, url):
        self.events = []
        self.call("Page.navigate", url=url)
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self.events.append(self.read())

    def ask(self, expression):
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def shot(self, path, width=1280, height=1100):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=False)["data"])
        with open(path, "wb") as f:
            f.write(data)
        return data

    def close(self):
        self.process.terminate()
        self.process.wait(20)


def browser(place):
    """In a real Chromium: nothing is blocked or loaded from elsewhere, live output grows, names are only names."""
    if not shutil.which("chromium"):
        print("SKIPPED: no chromium (tools/setup --test)")
        sys.exit(77)
    place.daemon("--slots", "1")
    p = place.server()
    slow = jobs_of_all_kinds(place)
    shots = SHOTS or place.root
    b = Chromium(f"{place.root}/profile")
    try:
        b.call("Network.setExtraHTTPHeaders", headers=BASIC)
        base = f"http://127.0.0.1:{place.port}"
        b.open(f"{base}/ui/jobs/{slow[0]}")
        eventually(lambda: "first" in b.ask("document.querySelector('#output').textContent"))
        eventually(lambda: "second" in b.ask("document.querySelector('#output').textContent"), 30)
        b.shot(f"{shots}/job-live.png")
        # At its end it loads itself again, with the verdict.
        eventually(lambda: "Feedback" in (b.ask("document.body.textContent") or ""), 30)
        b.shot(f"{shots}/job-done.png")
        b.open(f"{base}/ui/")
        expect(b.ask("document.title"), "Milonga")
        assert b.ask("document.querySelectorAll('#jobs tr').length") >= 7
        assert b.ask("document.querySelectorAll('svg rect.bar').length") >= 1
        assert b.ask("getComputedStyle(document.querySelector('.facts')).display") == "flex", "the style sheet is not applied"
        assert "<script>" in b.ask("document.querySelector('#jobs').textContent"), "the name is not shown as it is"
        expect(b.ask("document.scripts.length"), 0)
        assert b.ask("document.documentElement.scrollWidth <= innerWidth"), "wider than the window"
        b.shot(f"{shots}/overview.png")
        complaints = [e["params"]["entry"]["text"] for e in b.events if e["method"] == "Log.entryAdded"]
        expect([c for c in complaints if "favicon" not in c and "404" not in c], [])
        asked = [e["params"]["request"]["url"] for e in b.events if e["method"] == "Network.requestWillBeSent"]
        assert asked and all(u.startswith(base) for u in asked), asked
        b.shot(f"{shots}/narrow.png", 420, 1400)
        place.upload("scoreboard.json", b'{"open": true, "nicknames": {"o0": "Tango Fox"}}', "cs101-hello")
        b.open(f"{base}/ui/scoreboard/cs101-hello")
        expect(b.ask("document.querySelector('#scoreboard tr:nth-child(2)').textContent.slice(0, 12)"), "1Tango Fox10")
        b.shot(f"{shots}/scoreboard.png")
        b.open(f"{base}/ui/")
        b.shot(f"{shots}/narrow.png", 420, 1400)
        assert b.ask("document.documentElement.scrollWidth <= 420"), "wider than a telephone"
        # Without JavaScript the tables are the same.
        b.call("Emulation.setScriptExecutionDisabled", value=True)
        b.open(f"{base}/ui/")
        assert len(b.shot(f"{shots}/no-script.png")) > 10_000
        # A script that got into the page would still not run.
        b.call("Emulation.setScriptExecutionDisabled", value=False)
        b.open(f"{base}/ui/jobs/1")
        b.ask("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=document.title=\"OWNED\">')")
        b.ask("(() => { const s = document.createElement('script'); s.textContent = 'document.title=\"OWNED\"'; document.body.append(s); })()")
        time.sleep(0.3)
        expect(b.ask("document.title"), "Job 1")
    finally:
        b.close()
    expect(stop(p), 0)


if __name__ == "__main__":
    sys.exit(run_case({"tables": tables, "browser": browser}, ("tables", "browser"), ignore_cleanup_errors=True))
