"""Steps that look at what a daemon made, without a client in between."""

import os
import re
import signal
import socket
import time
import xmlrpc.client

from daemon import full, poll

PATIENCE = 15


class Look:
    """Compares what `function` finds on both sides."""

    def __init__(self, line, function):
        self.line = line
        self.function = function

    def begin(self, side):
        return None

    def end(self, side, process):
        return show(self.function(side.daemon))


class Do(Look):
    """Does something on both sides; nothing is compared."""

    def end(self, side, process):
        self.function(side.daemon)
        return None


def show(value):
    """A value as lines."""
    if isinstance(value, dict):
        return "\n".join("{}: {}".format(key, value[key]) for key in sorted(value))
    if isinstance(value, (list, tuple)):
        return "\n".join(map(str, value))
    return str(value)


def call(daemon, method, *args):
    """A call's value, or its fault as text."""
    try:
        return getattr(daemon.rpc(), method)(*args)
    except xmlrpc.client.Fault as fault:
        return "fault {} {}".format(fault.faultCode, fault.faultString)
    except xmlrpc.client.ProtocolError as error:
        return "HTTP {}".format(error.errcode)
    except TimeoutError:
        # No text: where neither answers they are not alike.
        raise RuntimeError("no answer to {} from {}".format(method, daemon.name)) from None
    except (OSError, xmlrpc.client.Error) as error:
        return type(error).__name__


def ask(method, *args):
    """The value of a call."""
    return Look("{}{}".format(method, args), lambda daemon: call(daemon, method, *args))


def ask_each(method, *args):
    """The values of a call about several processes, whose order is that of completion."""

    def found(daemon):
        known = call(daemon, method, *args)
        return sorted(map(str, known)) if isinstance(known, list) else known

    return Look("{}{}".format(method, args), found)


def tell(method, *args):
    """A call whose value is of no interest."""
    return Do("{}{}".format(method, args), lambda daemon: call(daemon, method, *args))


FIELDS = ("statename", "state", "exitstatus", "spawnerr", "description", "name", "group")


def info(name, *fields):
    """What is known of a process, but times and numbers."""

    def found(daemon):
        known = call(daemon, "getProcessInfo", full(name))
        return {key: known[key] for key in fields or FIELDS} if isinstance(known, dict) else known

    return Look("info of " + name, found)


def states(daemon):
    """Of every process all that must be the same on both sides."""
    known = call(daemon, "getAllProcessInfo")
    if not isinstance(known, list):
        return known
    keys = ("group", "name", "statename", "exitstatus", "spawnerr", "description")
    rows = [" ".join(str(one[key]) for key in keys) for one in known]
    return sorted(re.sub(r"\bpid \d+, uptime \S+$", "pid N, uptime T", row) for row in rows)


def path(daemon, name):
    return os.path.join(daemon.root, name)


def read(daemon, name):
    """The bytes of a file, as text that shows all of them."""
    try:
        with open(path(daemon, name), "rb") as file:
            return file.read().decode("utf-8", "backslashreplace")
    except OSError as error:
        return error.strerror


def content(name):
    return Look("content of " + name, lambda daemon: read(daemon, name))


def files(pattern, *what):
    """Names of files, with size, mode or owner."""

    def found(daemon):
        rows = []
        for name in sorted(os.listdir(daemon.root)):
            if re.search(pattern, name):
                stat = os.stat(path(daemon, name))
                facts = {"size": stat.st_size, "mode": oct(stat.st_mode), "owner": (stat.st_uid, stat.st_gid)}
                rows.append(" ".join([name, *(str(facts[key]) for key in what)]))
        return rows

    return Look("files " + pattern, found)


def until(what, condition):
    """Waits for something that must come."""

    def came(daemon):
        if not poll(PATIENCE, lambda: condition(daemon)):
            raise RuntimeError("waited in vain on {} until {}".format(daemon.name, what))

    return Do("until " + what, came)


def until_file(name, text):
    return until("{} has {!r}".format(name, text), lambda daemon: text in read(daemon, name))


def until_gone(name):
    return until("no " + name, lambda daemon: not os.path.exists(path(daemon, name)))


def activity(name, words="spawned|success|exited|gave up|stopped|killing|spawnerr"):
    """What the activity log says of a program: levels and texts, in order."""
    pattern = r"^\S+ \S+ (\w+) ((?:{}).*\b{}\b.*)$".format(words, re.escape(name))

    def found(daemon):
        rows = re.findall(pattern, read(daemon, "main.log"), re.MULTILINE)
        text = "\n".join(" ".join(row) for row in rows)
        return re.sub(r"with pid \d+|\(\d+\)", "N", text)

    return Look("activity of " + name, found)


def until_activity(text):
    return until("the log says " + text, lambda daemon: re.search(text, read(daemon, "main.log")))


def reached(name, *wanted):
    """Waits for a state."""
    return until("{} is {}".format(name, "/".join(wanted)), lambda daemon: daemon.state(name) in wanted)


def begin(name):
    """Starts a process and does not wait for it."""
    return tell("startProcess", full(name), False)


def write(name, text):
    """Sends a text to a program and waits for nothing."""
    return tell("sendProcessStdin", full(name), text)


def send(daemon, number):
    """A signal for the daemon itself."""
    daemon.process.send_signal(number)


def reopen():
    """Sends USR2 and waits until it was carried out."""

    def done(daemon):
        before = read(daemon, "main.log").count("logreopen")
        send(daemon, signal.SIGUSR2)
        until("the logs are reopened", lambda d: read(d, "main.log").count("logreopen") > before).function(daemon)

    return Do("USR2", done)


def rename(old, new):
    return Do("mv {} {}".format(old, new), lambda daemon: os.rename(path(daemon, old), path(daemon, new)))


def alive(daemon, name):
    """Whether the process runs whose number a program wrote into a file."""
    number = read(daemon, name).strip()
    try:
        with open("/proc/{}/stat".format(int(number))) as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, ValueError):
        return False


def survives(name):
    """Whether a child of a program is there; it is given a moment to go. What is left is ended."""

    def found(daemon):
        gone = poll(1.5, lambda: not alive(daemon, name))
        if not gone:
            os.kill(int(read(daemon, name)), signal.SIGKILL)
        return "gone" if gone else "there"

    return Look("child in " + name, found)


def pause(seconds):
    return Do("wait", lambda daemon: time.sleep(seconds))


def knock(kind, where):
    """Connects to a socket that programs are given."""

    def found(daemon):
        family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
        with socket.socket(family) as client:
            client.settimeout(PATIENCE)
            client.connect(path(daemon, where) if kind == "unix" else where)
            return client.recv(1000).decode(errors="replace")

    return Look("connect to " + str(where), found)
