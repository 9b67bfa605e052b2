"""Plays steps through an adapter: a program that knows one client library."""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading

import watch
from compare import normalise
from tour import Ask

SECONDS = 60
# What is noted of a step that is none of the client's.
WAIT = Ask("(wait)", [], "^done$", True)
HERE = os.path.dirname(os.path.abspath(__file__))


class Talker:
    """A client library, as an adapter starts it.

    `command` gives, for a daemon and the credentials, the words to start the adapter with. A method that the library
    lacks is left out.
    """

    def __init__(self, name, command, steps, login=None, environment=None):
        self.name = name
        self.command = command
        self.steps = steps
        self.login = login
        self.environment = environment or {}

    def transcript(self, daemon, supervisorctl):
        """What the client says to each step: (step, answer as text)."""
        answers = []
        environment = {name: daemon.fill(value) for name, value in self.environment.items()}
        errors = open(os.path.join(daemon.root, "adapter.err"), "w+")
        adapter = subprocess.Popen(
            self.command(daemon, self.login),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
            start_new_session=True,
        )
        watch.client(adapter)
        try:
            for step in self.steps:
                if callable(step):
                    answers.append((WAIT, waited(step, daemon)))
                    continue
                answer = self.answer(adapter, step, errors)
                if "absent" not in answer:
                    answers.append((step, tidy(answer, step.method, daemon)))
        finally:
            kill(adapter)
            watch.end_client(adapter)
            errors.close()
        return answers

    def answer(self, adapter, step, errors):
        # An adapter that hangs is ended, which ends the wait for its line.
        timer = threading.Timer(SECONDS, kill, [adapter])
        timer.start()
        try:
            adapter.stdin.write(json.dumps({"method": step.method, "args": step.args}) + "\n")
            adapter.stdin.flush()
            line = adapter.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if line:
            return json.loads(line)
        errors.seek(0)
        raise RuntimeError("{} gave no answer to {}: {}".format(self.name, step.method, errors.read()[-500:]))


def kill(adapter):
    """With what it has started, which has its output open too."""
    if adapter.returncode is None:
        with contextlib.suppress(OSError):
            os.killpg(adapter.pid, signal.SIGKILL)


def waited(step, daemon):
    try:
        step(daemon)
        return "done"
    except RuntimeError as error:
        return str(error)


def tidy(answer, method, daemon):
    """The answer as text, without what no two daemons have in common."""
    answer = plain(answer)
    if method.endswith("getPID") and isinstance(answer.get("value"), int):
        answer["value"] = "PID"
    if method.endswith("multicall") and isinstance(answer.get("value"), list):
        answer["value"] = ["PID" if type(item) is int else item for item in answer["value"]]
    text = json.dumps(answer, ensure_ascii=False, sort_keys=True)
    return re.sub(r"pid \d+", "pid N", normalise(text, daemon, ()))


def plain(value):
    """Times and numbers of processes made the same, results that come in the order of completion sorted."""
    if isinstance(value, dict):
        return {name: member(name, item) for name, item in value.items()}
    if isinstance(value, list):
        items = [plain(item) for item in value]
        if items and all(isinstance(item, dict) and "status" in item for item in items):
            items.sort(key=lambda item: (item.get("group", ""), item.get("name", "")))
        return items
    return value


def member(name, value):
    if name == "pid" and isinstance(value, int) and value > 0:
        return "PID"
    if name in ("start", "stop", "now") and isinstance(value, int) and value > 0:
        return "TIME"
    return plain(value)


def python(python, kind):
    """An adapter for what Python brings, or the reference."""

    def command(daemon, login):
        address = {
            "tcp": "127.0.0.1:{}".format(daemon.port),
            "unix": daemon.socket,
            "transport-tcp": "http://127.0.0.1:{}".format(daemon.port),
        }.get(kind, "unix://" + daemon.socket)
        return [python, HERE + "/adapters/python_rpc.py", kind.partition("-")[0], address, *(login or ())]

    return command


def npm(packages, library, unix=False):
    def command(daemon, login):
        address = "unix:" + daemon.socket if unix else "127.0.0.1:{}".format(daemon.port)
        return ["node", HERE + "/adapters/npm.js", packages, library, address, *(login or ())]

    return command


def crate(binary, name):
    return lambda daemon, login: [binary, name, "http://127.0.0.1:{}/RPC2".format(daemon.port), *(login or ())]


def interpreted(interpreter, adapter):
    """An adapter for a library of Debian's for another language."""
    return lambda daemon, login: [
        interpreter, os.path.join(HERE, "adapters", adapter), str(daemon.port), *(login or ())
    ]


def functions(python, module, *arguments):
    """An adapter for a module's functions; `arguments` are its class's, filled in."""
    return lambda daemon, login: [
        python, HERE + "/adapters/functions.py", module, *(daemon.fill(word) for word in arguments)
    ]
