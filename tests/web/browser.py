"""browser.py CHROMIUM SCENARIO URL: what a person with a browser sees and does."""

import http.client
import http.server
import os
import sys
import threading
import urllib.parse
import urllib.request
import xmlrpc.client

from chromium import SCENARIOS, Chromium, Trouble, expect, scenario


def elsewhere(page):
    """A site of somebody else: its URL. It serves one page."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return serve(Handler)


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


@scenario
def person(browser, url):
    for width in (1280, 390):
        browser.look(width)
        browser.go(url)
        expect("the title", browser.value("document.title") == "Supervisor Status", browser)
        expect("the process", browser.text("td.name") == "a", browser)
        expect("its state", "running" in browser.text("td.state"), browser)
        wide = browser.value("document.documentElement.scrollWidth")
        expect(f"a page that fits {width} pixels, not {wide}", wide <= width, browser)
        sheet = browser.value("document.styleSheets.length === 1 && document.styleSheets[0].cssRules.length > 10")
        expect("the style sheet", sheet, browser)
        expect("the picture", browser.value("document.images[0].complete && document.images[0].naturalWidth > 0"), browser)
    browser.look(1280)
    button = "button[aria-label='%s a']"
    browser.click(button % "Stop")
    expect("the message", browser.text("[role=status]") == "Process a stopped", browser)
    expect("the new state", "stopped" in browser.text("td.state"), browser)
    browser.click(button % "Start")
    expect("the message", browser.text("[role=status]") == "Process a started", browser)
    browser.click("a.button")
    expect("the message", browser.text("[role=status]").startswith("Page refreshed at "), browser)
    # A link in the reference's form asks, and Cancel does nothing.
    browser.go(url + "index.html?processname=a&action=stop")
    expect("the question", browser.text("h1") == "Stop a?", browser)
    expect("the name of what is asked", browser.text("header .identifier") == "supervisor", browser)
    browser.click("a.button")
    expect("the state after Cancel", "running" in browser.text("td.state"), browser)
    # Another site cannot press the button, with or without a form of its own.
    form = f"<form method=post action='{url}index.html?processname=a&action=stop'><button>win</button></form>"
    browser.go(elsewhere(form))
    browser.click("button")
    expect("the refusal", "Nothing was done" in browser.text(), browser)
    browser.go(elsewhere(f"<iframe src='{url}'></iframe>"))
    browser.wait("a frame that shows nothing", lambda: browser.told("frame-ancestors"))
    browser.go(url)
    expect("the state after the attack", "running" in browser.text("td.state"), browser)
    browser.go(url + "index.html?processname=a&action=stop")
    browser.click("button.main")
    expect("the message", browser.text("[role=status]") == "Process a stopped", browser)


@scenario
def proxied(browser, url):
    """Everything works below a path that the daemon knows nothing of."""
    class Proxy(http.server.BaseHTTPRequestHandler):
        def pass_on(self):
            if not self.path.startswith("/some/where/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            inner = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            inner.request(self.command, self.path.removeprefix("/some/where"), body or None, headers)
            answer = inner.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("date", "server", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            inner.close()

        do_GET = do_POST = pass_on

        def log_message(self, *_):
            pass

    base = serve(Proxy) + "some/where/"
    browser.look(1280)
    browser.go(base)
    expect("the style sheet", browser.value("document.styleSheets[0].cssRules.length > 10"), browser)
    expect("the picture", browser.value("document.images[0].naturalWidth > 0"), browser)
    browser.click("button[aria-label='Stop a']")
    expect("the message", browser.text("[role=status]") == "Process a stopped", browser)
    expect("the same path", browser.value("location.href").startswith(base + "?message="), browser)
    browser.go(base + "index.html?processname=a&action=start")
    browser.click("button.main")
    expect("the message", browser.text("[role=status]") == "Process a started", browser)
    browser.value("document.querySelector('td.name a').removeAttribute('target')")
    browser.click("td.name a")
    expect("the log", browser.text("h1") == "Log of a", browser)
    browser.click("header a")
    expect("the page again", browser.value("location.href") == base, browser)
    browser.click("button[aria-label='Stop a']")
    expect("the message", browser.text("[role=status]") == "Process a stopped", browser)


def follow(browser, url, calls):
    """Logs are shown as they are written, from the first byte on; `empty` has none yet."""
    def shows(*lines):
        last = ""

        def there():
            nonlocal last
            last = browser.text()
            return all(line in last for line in lines)
        browser.wait(f"{lines} in a document that goes on", there)
        if browser.value("document.readyState") == "complete":
            raise Trouble(f"the document has ended: {last!r}")

    def painted():
        return browser.value("performance.getEntriesByType('paint').some(e => e.name === 'first-contentful-paint')")

    browser.open(url + "logtail/empty")
    expect("nothing in an empty log", browser.text() == "", browser)
    # Three bytes are the least that Chromium shows: it looks whether they are a byte order mark.
    for part in ("one", " and a half\n", "2\n", "<b>three</b>\n", "and\nthe end\n"):
        calls.sendProcessStdin("empty", part)
        shows(part.strip())
    browser.wait("something on the screen", painted)
    expect("lines in their order", browser.text().splitlines() == [
        "one and a half", "2", "<b>three</b>", "and", "the end"], browser)
    browser.open(url + "logtail/empty")
    shows("one and a half", "the end")
    browser.open(url + "mainlogtail")
    shows("success: empty entered RUNNING state")
    calls.stopProcess("other")
    shows("stopped: other")


def rpc(url):
    return xmlrpc.client.ServerProxy(url + "RPC2").supervisor


@scenario
def followed(browser, url):
    follow(browser, url, rpc(url))
    # The links of the page lead there.
    browser.go(url)
    browser.value("document.querySelectorAll('td.action a').forEach(a => a.removeAttribute('target'))")
    link = browser.value("document.querySelector('a[aria-label=\"Tail -f Stdout empty\"]').href")
    browser.open(link)
    browser.wait("the log", lambda: "the end" in browser.text())


@scenario
def behind(browser, url):
    """A proxy that the manual sets up, below a path; the address has the name and the password."""
    parts = urllib.parse.urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        browser.open(bare)
    except Trouble as trouble:
        if "AUTH" not in str(trouble):
            raise
    expect("no page without a password", "empty" not in browser.text(), browser)
    browser.login(parts.username, parts.password)
    for width in (1280, 390):
        browser.look(width)
        browser.go(bare)
        expect("the title", browser.value("document.title") == "Supervisor Status", browser)
        expect("the style sheet", browser.value("document.styleSheets[0].cssRules.length > 10"), browser)
        expect("the picture", browser.value("document.images[0].naturalWidth > 0"), browser)
    expect("a password that was asked for", browser.logins > 0, browser)
    browser.look(1280)
    browser.click("button[aria-label='Stop empty']")
    expect("the message", browser.text("[role=status]") == "Process empty stopped", browser)
    expect("the same path", browser.value("location.href").startswith(bare + "?message="), browser)
    browser.click("button[aria-label='Start empty']")
    expect("the message", browser.text("[role=status]") == "Process empty started", browser)
    follow(browser, bare, rpc(url))


@scenario
def hostile(browser, url):
    script = "%3Cscript%3Epwned=1%3C/script%3E%22%27%3E%3Cimg%20src=x%20onerror=pwned=1%3E"
    pages = ["", f"?message={script}", "tail.html?processname=log", f"tail.html?processname={script}",
             f"index.html?action={script}", f"index.html?action=stop&processname={script}",
             "index.html?action=start&processname=%3Cscript%3Epwned%3D1"]
    for page in pages:
        browser.events.clear()
        browser.go(url + page)
        expect(f"no script in {page!r}", browser.value("typeof pwned") == "undefined", browser)
        expect(f"no element of others in {page!r}", browser.value(
            "document.scripts.length === 0 && document.querySelectorAll('iframe, img:not([alt=\"\"])').length === 0"
            " && ![...document.querySelectorAll('*')].some(e => [...e.attributes].some(a => a.name.startsWith('on')))"),
            browser)
        # The policy had nothing to forbid: it is the second wall.
        loud = browser.told("")
        expect(f"silence about {page!r}, not {loud}", not loud, browser)
    browser.go(url)
    names = browser.value("[...document.querySelectorAll('td.name')].map(e => e.innerText)")
    for name in ["<script>pwned=1", "a\"onmouseover=\"pwned=1", "b'><iframe>", "&lt;&#x41;", "log"]:
        expect(f"the name {name}", name in names, browser)
    # The second wall stands: what would be injected by a mistake of ours is forbidden.
    browser.value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned = 1\">')")
    browser.wait("the word of the policy", lambda: browser.told("Content Security Policy"))
    expect("no script at all", browser.value("typeof window.pwned") == "undefined", browser)
    # Logs that are followed are never a page.
    with urllib.request.urlopen(url + "logtail/log", timeout=60) as log:
        kind = log.headers["Content-Type"]
        if not kind.startswith("text/plain") or log.headers["X-Content-Type-Options"] != "nosniff":
            raise Trouble(f"a followed log of the type {kind}")


def main():
    binary, name, url = sys.argv[1:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    with Chromium(binary) as browser:
        SCENARIOS[name](browser, url)


if __name__ == "__main__":
    main()
