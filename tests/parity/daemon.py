"""A daemon under test: its files, its process, and a line to it that is not under test."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import xmlrpc.client

import watch

START_SECONDS = 30
STOP_SECONDS = 30
# States that a process is only passing through.
PASSING = {"STARTING", "BACKOFF", "STOPPING"}


def poll(seconds, condition):
    """The first true value of `condition` within so many seconds, else None."""
    deadline = time.monotonic() + seconds
    while True:
        watch.check()
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            return None
        time.sleep(0.02)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path, credentials):
        headers = []
        if credentials:
            import base64

            word = base64.b64encode(":".join(credentials).encode()).decode()
            headers.append(("Authorization", "Basic " + word))
        super().__init__(headers=headers)
        self.path = path

    def make_connection(self, host):
        return UnixConnection(self.path)


class Daemon:
    """One supervisord on a configuration of its own.

    `world` gives the sections; `@ROOT@`, `@SOCK@` and `@PORT@` in them are replaced.
    """

    def __init__(self, command, world):
        self.name = command[0]
        self.command = [*world.wrapper, *command]
        self.root = os.path.realpath(tempfile.mkdtemp(prefix="parity-"))
        # Programs of other users look for their scripts here.
        os.chmod(self.root, 0o755)
        self.socket = os.path.join(self.root, "s.sock")
        self.port = free_port()
        self.config = os.path.join(self.root, "supervisord.conf")
        self.credentials = world.credentials
        self.process = None
        self.pids = []
        for name, text, mode in world.files:
            self.write(name, text, mode)
        self.write("supervisord.conf", world.config(), 0o600)
        self.start(self.command)

    def write(self, name, text, mode):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.fill(text))
        os.chmod(path, mode)

    def fill(self, text):
        text = text.replace("@ROOT@", self.root).replace("@SOCK@", self.socket)
        return text.replace("@PORT@", str(self.port))

    def start(self, command):
        self.output = open(os.path.join(self.root, "daemon.out"), "wb")
        self.process = subprocess.Popen(
            [*command, "-n", "-c", self.config],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            cwd=self.root,
            start_new_session=True,
        )
        watch.daemon(self)
        if not poll(START_SECONDS, lambda: self.process.poll() is not None or self.answers()):
            text = self.diagnosis()
            self.stop()
            raise RuntimeError("no answer from {}\n{}".format(" ".join(command), text))
        if self.process.poll() is not None:
            with open(self.output.name, errors="replace") as file:
                text = file.read()
            shutil.rmtree(self.root, ignore_errors=True)
            raise RuntimeError("{} ended: {}".format(" ".join(command), text[-2000:]))

    def rpc(self):
        transport = UnixTransport(self.socket, self.credentials)
        return xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor

    def answers(self):
        try:
            return self.rpc().getState()["statename"] == "RUNNING"
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def states(self):
        infos = self.rpc().getAllProcessInfo()
        self.pids = [info["pid"] for info in infos if info["pid"]]
        return {"{group}:{name}".format(**info): info["statename"] for info in infos}

    def state(self, name):
        return self.states().get(full(name))

    def settle(self, lasting=()):
        """Waits until no process is on its way to another state, those in `lasting` apart."""
        names = {full(name) for name in lasting}

        def settled():
            states = self.states()
            return not [n for n, s in states.items() if s in PASSING and n not in names]

        try:
            if not poll(20, settled):
                moving = {n: s for n, s in self.states().items() if s in PASSING}
                raise RuntimeError("processes do not settle: {}".format(moving))
        except TimeoutError:
            raise RuntimeError("{} does not answer".format(self.name)) from None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            # A daemon that is gone or going down is settled.
            pass

    def bring(self, name, state):
        """Makes a process RUNNING or STOPPED."""
        rpc = self.rpc()
        now = self.state(name)
        if now == state:
            return
        # The faults tell of states that the final check catches.
        with contextlib.suppress(xmlrpc.client.Fault):
            rpc.startProcess(name) if state == "RUNNING" else rpc.stopProcess(name)
        if not poll(20, lambda: self.state(name) == state):
            raise RuntimeError("{} does not become {}: {}".format(name, state, self.state(name)))

    def log(self, name, channel):
        rpc = self.rpc()
        read = rpc.readProcessStdoutLog if channel == "stdout" else rpc.readProcessStderrLog
        try:
            return read(name, 0, 0)
        except xmlrpc.client.Error:
            return ""

    def ended(self, seconds=STOP_SECONDS):
        return poll(seconds, lambda: self.process.poll() is not None)

    def stop(self):
        """Ends the daemon and what it started: by TERM, else by KILL. Gives what is known of one that did not obey."""
        hung = None
        with watch.leaving():
            if self.process.poll() is None:
                with contextlib.suppress(OSError, http.client.HTTPException, xmlrpc.client.Error):
                    self.states()
                self.process.send_signal(signal.SIGTERM)
                if not self.ended(3):
                    # Programs that do not obey, and had their say.
                    self.kill_programs()
                if not self.ended():
                    hung = self.diagnosis()
                    self.kill()
                    self.ended(10)
        self.output.close()
        shutil.rmtree(self.root, ignore_errors=True)
        return hung

    def diagnosis(self):
        """What a daemon that hangs is doing: its processes, and what it said last."""
        rows = ["daemon {}, {}".format(self.name, "ended" if self.process.returncode is not None else "there")]
        if self.process.returncode is None:
            rows += ["process " + watch.where(pid) for pid in watch.family(self.process.pid)]
        for name in ("main.log", "daemon.out"):
            with contextlib.suppress(OSError), open(os.path.join(self.root, name), errors="replace") as file:
                rows += [row for row in file.read().splitlines()[-8:] if row not in rows]
        return "\n".join(rows)

    def kill(self):
        """Kills all of a daemon that does not obey: what it has started, and what it said that it started."""
        # The number of one that was waited for may be somebody else's by now.
        if self.process.returncode is None:
            for pid in watch.family(self.process.pid):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        self.kill_programs()

    def kill_programs(self):
        """Kills what the daemon started, and nothing that has taken over one of the numbers since."""
        for pid in self.pids:
            with contextlib.suppress(OSError):
                with open("/proc/{}/environ".format(pid), "rb") as file:
                    ours = self.socket.encode() in file.read()
                if ours:
                    os.kill(pid, signal.SIGKILL)


def full(name):
    return name if ":" in name else "{0}:{0}".format(name)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
