"""What a scenario does, one step at a time, on one side."""

import os
import re
import select
import signal
import subprocess
import time

import watch

SECONDS = 60


class Side:
    """A daemon and a client: one of the two that are compared."""

    def __init__(self, daemon, client):
        self.daemon = daemon
        self.client = client
        self.background = []

    def popen(self, line, bare=False):
        """Starts the client. A bare one stands beside the configuration and finds it, others do not see it."""
        words = self.daemon.fill(line).split()
        environment = dict(os.environ, PYTHONUNBUFFERED="1", LC_ALL="C.UTF-8")
        if not (bare or "-c" in words or "-s" in words):
            words = ["-c", self.daemon.config, *words]
        process = subprocess.Popen(
            [*self.client, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.daemon.root if bare else os.path.join(self.daemon.root, "cwd"),
            env=environment,
        )
        return watch.client(process)


def finish(process):
    """Exit status and output, as text: `rc=STATUS`, then standard output."""
    try:
        out, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        # No two are alike in this: it is a difference even where both do not end.
        there = watch.where(process.pid)
        process.kill()
        try:
            out, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            # Somebody else has its output open.
            out = b""
        return "did not end: {}\n".format(there) + out.decode(errors="replace")
    return "rc={}\n{}".format(process.returncode, out.decode(errors="replace"))


def wait_idle(pid):
    """Waits until a process sleeps and goes on sleeping: Python mistakes an interrupt that comes while it works."""
    before, still = None, 0
    deadline = time.monotonic() + 5
    while still < 15 and time.monotonic() < deadline:
        try:
            with open("/proc/{}/stat".format(pid)) as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            return
        # State, user and system time.
        now = (fields[0], fields[11], fields[12])
        still = still + 1 if now == before and now[0] == "S" else 0
        before = now
        time.sleep(0.01)


class Run:
    """Runs the client to its end. A plain string in a scenario's steps is this.

    `lines` keeps only the lines that this pattern is found in; `ordered` is false where the order is that of completion. For
    `bare` see Side.popen.
    """

    def __init__(self, line, lines=None, ordered=True, bare=False):
        self.line = line
        self.bare = bare
        self.lines = lines
        self.ordered = ordered

    def begin(self, side):
        return side.popen(self.line, self.bare)

    def end(self, side, process):
        text = finish(process)
        if self.lines:
            # Of the activity log only what is about one program is the same everywhere.
            rows = text.split("\n")
            text = "\n".join([rows[0], *[row for row in rows[1:] if re.search(self.lines, row)]])
        if not self.ordered:
            rows = text.split("\n")
            text = "\n".join([rows[0], *sorted(rows[1:])])
        return text


class Background(Run):
    """Starts the client and leaves it running until Join."""

    def begin(self, side):
        side.background.append(side.popen(self.line))

    def end(self, side, process):
        return None


class Join:
    """Waits for the client that Background started."""

    line = "(background)"

    def begin(self, side):
        return side.background.pop(0)

    def end(self, side, process):
        return finish(process)


class Follow(Run):
    """Runs a client that follows a log, until `until` was shown; then interrupts it.

    `then` is a signal for the program `name`, sent once the stream has begun.
    """

    def __init__(self, line, until, begins="==>", poke=None):
        super().__init__(line)
        self.until = until
        self.begins = begins
        self.poke = poke

    def end(self, side, process):
        shown = b""
        poked = self.poke is None
        deadline = time.monotonic() + 20
        while self.until.encode() not in shown and time.monotonic() < deadline:
            watch.check()
            if not poked and self.begins.encode() in shown:
                side.daemon.rpc().signalProcess(*self.poke)
                poked = True
            if select.select([process.stdout], [], [], 0.05)[0]:
                part = os.read(process.stdout.fileno(), 65536)
                if not part:
                    break
                shown += part
        wait_idle(process.pid)
        process.send_signal(signal.SIGINT)
        text = finish(process)
        status, _, rest = text.partition("\n")
        return "{}\n{}{}".format(status, shown.decode(errors="replace"), rest)


class Wait:
    """Waits for a condition on the daemon; nothing is compared."""

    def __init__(self, what, condition):
        self.line = "(until {})".format(what)
        self.condition = condition

    def begin(self, side):
        return None

    def end(self, side, process):
        deadline = time.monotonic() + 20
        while not self.condition(side.daemon):
            watch.check()
            if time.monotonic() > deadline:
                # Not a text: where both wait in vain they are not alike.
                raise RuntimeError("waited in vain on {} {}".format(side.daemon.name, self.line))
            time.sleep(0.02)
        return None


def until_state(name, *states):
    return Wait("{} is {}".format(name, states), lambda daemon: daemon.state(name) in states)


def until_log(name, text, channel="stdout"):
    return Wait(
        "{} wrote {}".format(name, text), lambda daemon: text in daemon.log(name, channel)
    )


def until_ended():
    return Wait("the daemon has ended", lambda daemon: daemon.ended(20))
