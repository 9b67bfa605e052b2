"""Ends what hangs: so many seconds for a world, so many for all of them, and a line for each that took longer."""

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback

# For a scenario, its world, and all of it: they take a third of that, or half on a busy machine.
SCENARIO = 180
WORLD = 600
ALL = 780
# For a world to come to an end when all that it can wait for has been killed.
GRACE = 60
# Set when no further scenario is to be played.
ENDING = threading.Event()

BEGAN = time.monotonic()
HERE = threading.local()
LOCK = threading.Lock()
WATCHES = []
# A line for each that took too long.
HUNG = []


class Hung(RuntimeError):
    """What is being played has taken too long."""


class Watch:
    """What is being played, since when, and what is to be killed if that takes too long."""

    def __init__(self, name, limit=WORLD, each=WORLD):
        self.name = name
        self.limit = limit
        self.each = each
        self.what = self.at = "begins"
        self.began = self.turn = self.since = time.monotonic()
        self.thread = None
        self.daemons = []
        self.clients = []
        # What is known of it, once it took too long.
        self.over = None
        self.over_at = 0
        # Set when its thread did not come back either.
        self.lost = threading.Event()

    def __enter__(self):
        self.thread = threading.get_ident()
        self.began = self.turn = self.since = time.monotonic()
        HERE.watch = self
        with LOCK:
            WATCHES.append(self)
        return self

    def __exit__(self, *_):
        HERE.watch = None
        for process in self.clients:
            end_client(process)
        for one in self.daemons:
            if one.process.returncode is None:
                one.stop()
        with LOCK:
            WATCHES.remove(self)

    def does(self, what):
        """Notes the scenario that begins."""
        self.what, self.at = what, "begins"
        self.turn = self.since = time.monotonic()

    def step(self, line):
        """Notes the step that begins."""
        self.at = line
        self.since = time.monotonic()

    def late(self, now):
        return now - self.began > self.limit or now - self.turn > self.each

    def line(self):
        now = time.monotonic()
        word = "HANGS" if self.late(now) else "still"
        times = [int(now - began) for began in (self.since, self.turn, self.began)]
        since = "the step for {} s, the scenario for {} s, the world for {} s".format(*times)
        return "{} {}: {}: {} ({})".format(word, self.name, self.what, self.at[:200], since)

    def stack(self):
        """Where its thread is, innermost last."""
        frame = sys._current_frames().get(self.thread)
        return [] if frame is None else [
            "{}:{} {}".format(os.path.basename(one.filename), one.lineno, one.name)
            for one in traceback.extract_stack(frame)[-12:]
        ]

    def end(self):
        """Kills all that its thread can wait for. What is known of it is gathered before."""
        rows = [self.line(), "at " + " > ".join(self.stack())]
        rows += ["client " + where(one.pid) for one in self.clients if one.returncode is None]
        for daemon in self.daemons:
            rows += daemon.diagnosis().split("\n")
        HUNG.append(rows[0])
        print("\n    ".join(rows), flush=True)
        self.over_at = time.monotonic()
        self.over = "    " + "\n    ".join(rows[:2])
        for daemon in self.daemons:
            daemon.kill()
        for process in self.clients:
            if process.returncode is None:
                with contextlib.suppress(OSError):
                    os.kill(process.pid, signal.SIGKILL)


def end_client(process):
    """Kills a client that is still there, and lets go of its output."""
    if process.poll() is None:
        process.kill()
        with contextlib.suppress(Exception):
            process.wait(10)
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


def current():
    return getattr(HERE, "watch", None)


def check():
    """To be called in every loop that waits."""
    watch = current()
    if watch and watch.over:
        raise Hung("took too long")


@contextlib.contextmanager
def leaving():
    """For what is to be done even where it took too long."""
    watch, HERE.watch = current(), None
    try:
        yield
    finally:
        HERE.watch = watch


def daemon(one):
    """Has a daemon of this thread killed when it takes too long."""
    watch = current()
    if watch and one not in watch.daemons:
        watch.daemons.append(one)


def does(line):
    """Notes the step that is played."""
    watch = current()
    if watch:
        watch.step(line)


def client(process):
    """Has a client of this thread killed when it takes too long."""
    watch = current()
    if watch:
        watch.clients.append(process)
    return process


def where(pid):
    """A process in a line: its command, state, and what it waits for."""
    try:
        with open("/proc/{}/stat".format(pid)) as file:
            head, _, rest = file.read().rpartition(")")
        with open("/proc/{}/wchan".format(pid)) as file:
            return "{}) {} in {}".format(head, rest.split()[0], file.read() or "?")
    except OSError as error:
        return "{} {}".format(pid, error.strerror)


def family(leader):
    """The numbers of a process, of what is in its session, and of all that they have started."""
    parents, found = {}, {leader}
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, IndexError):
            if name.isdigit():
                with open("/proc/{}/stat".format(name)) as file:
                    fields = file.read().rpartition(")")[2].split()
                parents[int(name)] = int(fields[1])
                if fields[3] == str(leader):
                    found.add(int(name))
    more = found
    while more:
        more = {pid for pid, parent in parents.items() if parent in more} - found
        found |= more
    return sorted(found)


def end_all():
    """Ends all that is being played."""
    ENDING.set()
    with LOCK:
        now = list(WATCHES)
    for one in now:
        if one.over is None:
            one.end()


def look(now):
    if now - BEGAN > ALL and not ENDING.is_set():
        HUNG.append("LATE: it takes more than {} s; what was not played by then counts as failed".format(ALL))
        end_all()
    with LOCK:
        active = list(WATCHES)
    for one in active:
        if one.over is None and one.late(now):
            one.end()
        if one.over and now - one.over_at > GRACE:
            one.lost.set()
    if now - BEGAN > ALL + GRACE:
        last_words(1)


def patrol():
    while True:
        time.sleep(0.5)
        try:
            look(time.monotonic())
        except Exception:
            traceback.print_exc()


def begin():
    """Watches over all that is played from now on."""
    # Should even this not get its turn.
    faulthandler.dump_traceback_later(ALL + GRACE + 30, exit=True)
    threading.Thread(target=patrol, daemon=True).start()


def last_words(status):
    """Says last of all what took too long, and ends, whoever still waits for something."""
    with LOCK:
        HUNG.extend(one.line() for one in WATCHES if one.over is None)
    for text in dict.fromkeys(HUNG):
        print(text)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
