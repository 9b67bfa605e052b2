"""Chromium without a driver: the DevTools protocol over two pipes, with nothing but Python's own library."""

import base64
import json
import os
import select
import signal
import subprocess
import tempfile
import time

# On a slow machine the first start alone takes half a minute.
PATIENCE = 180


class Trouble(Exception):
    pass


class Chromium:
    """A browser with one page."""

    def __init__(self, binary, options=()):
        self.home = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        to_browser, self.into = os.pipe()
        self.out, from_browser = os.pipe()
        self.complaints = open(os.path.join(self.home.name, "stderr"), "wb+")
        self.buffer = b""
        self.number = 0
        self.session = None
        self.events = []
        self.credentials = None
        self.logins = 0
        self.process = subprocess.Popen(
            # The shell puts the pipes where the browser looks for them.
            ["/bin/sh", "-c", 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"', "sh", str(to_browser), str(from_browser),
             binary, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-extensions", "--hide-scrollbars", "--mute-audio",
             "--user-data-dir=" + os.path.join(self.home.name, "profile"), *options, "about:blank"],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL, stdout=self.complaints, stderr=self.complaints,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.home.name, "LANG": "C.UTF-8"},
            start_new_session=True)
        os.close(to_browser)
        os.close(from_browser)

    def __enter__(self):
        try:
            target = self.ask("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.ask(domain + ".enable")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        # The browser and its helpers are a session of their own.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.into)
        os.close(self.out)
        self.complaints.close()
        self.home.cleanup()

    def trouble(self, what):
        self.complaints.flush()
        self.complaints.seek(0)
        said = self.complaints.read().decode("utf-8", "replace")[-2000:]
        return Trouble(f"{what}; Chromium said:\n{said}")

    def message(self, end):
        """The next message of the browser."""
        while b"\0" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.out], [], [], left)[0]:
                raise self.trouble("no answer in time")
            piece = os.read(self.out, 1 << 20)
            if not piece:
                raise self.trouble("the browser has ended")
            self.buffer += piece
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def ask(self, method, **params):
        """A command; what is told in the meantime goes to `events`."""
        self.number += 1
        number = self.number
        call = {"id": number, "method": method, "params": params}
        if self.session:
            call["sessionId"] = self.session
        self.send(call)
        end = time.monotonic() + PATIENCE
        while True:
            message = self.message(end)
            if message.get("id") == number:
                if "error" in message:
                    raise Trouble(f"{method}: {message['error']}")
                return message["result"]
            self.note(message)

    def tell(self, method, **params):
        """A command whose answer nobody waits for."""
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params, "sessionId": self.session})

    def send(self, call):
        data = json.dumps(call).encode() + b"\0"
        while data:
            data = data[os.write(self.into, data):]

    def note(self, message):
        if "method" in message:
            self.events.append((message["method"], message.get("params", {})))
        if message.get("method") == "Fetch.requestPaused":
            self.tell("Fetch.continueRequest", requestId=message["params"]["requestId"])
        if message.get("method") == "Fetch.authRequired":
            self.logins += 1
            self.tell("Fetch.continueWithAuth", requestId=message["params"]["requestId"],
                      authChallengeResponse={"response": "ProvideCredentials", **self.credentials})
        if message.get("method") == "Page.javascriptDialogOpening":
            raise Trouble(f"a script opened a dialog: {message['params']}")

    def wait(self, what, so):
        end = time.monotonic() + PATIENCE
        while True:
            answer = so()
            if answer:
                return answer
            if time.monotonic() > end:
                raise self.trouble(f"{what} did not come about; the page is {self.value('document.body?.innerText')!r}")
            time.sleep(0.05)

    def value(self, expression):
        """What a JavaScript expression is in the page. The page's own policy does not bind it."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise Trouble(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def login(self, user, password):
        """What the person types when the browser asks for a password, from now on."""
        self.credentials = {"username": user, "password": password}
        self.ask("Fetch.enable", handleAuthRequests=True)

    def open(self, url):
        """Goes to a document that may never be whole."""
        self.value("window.left = true")
        error = self.ask("Page.navigate", url=url).get("errorText")
        if error:
            raise Trouble(f"{url}: {error}")
        self.wait("another document", lambda: self.value("!window.left"))

    def go(self, url):
        self.value("window.left = true")
        error = self.ask("Page.navigate", url=url).get("errorText")
        if error:
            raise Trouble(f"{url}: {error}")
        self.arrive()

    def arrive(self):
        """Waits until another document is there, whole."""
        def there():
            try:
                return self.value("!window.left && document.readyState === 'complete'")
            except Trouble as trouble:
                # Between two documents there is nothing to ask.
                if "context" in str(trouble).lower():
                    return False
                raise
        self.wait("another page", there)

    def click(self, selector):
        """A real click into the middle of an element, and the page that it leads to."""
        quoted = json.dumps(selector)
        self.wait(f"an element {selector}", lambda: self.value(f"!!document.querySelector({quoted})"))
        box = self.value(
            f"(() => {{ const e = document.querySelector({quoted}); e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()")
        self.value("window.left = true")
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)
        self.arrive()

    def told(self, word):
        """What the browser's log has with this word in it."""
        # What was logged before is told before this answer.
        self.value("1")
        entries = [text["entry"] for name, text in self.events if name == "Log.entryAdded"]
        # That an answer is a refusal is no news.
        return [entry["text"] for entry in entries if entry["source"] != "network" and word in entry["text"]]

    def text(self, selector="body"):
        return self.value(f"(document.querySelector({json.dumps(selector)}) || {{}}).innerText || ''")

    def look(self, width, dark=False):
        """How wide the window is, and what the person likes."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path):
        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))


# Of a browser.py, by name.
SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def expect(what, condition, browser):
    if not condition:
        raise Trouble(f"{what}; the page is:\n{browser.value('document.documentElement.outerHTML')}")
