"""A listener that writes down what it hears and answers by a plan, and steps that look at what it wrote."""

import json
import os
import re

from daemon import full, poll
from life import world
from looks import Do, Look, call, path, read, until
from scenarios import Scenario

# Arguments: the root, the pool, the process. Each of its lives has a plan of its own; what it has to say are byte strings,
# written one by one, and acts. A record is one line of POOL.heard.
LISTENER = r'''
import ast, codecs, json, os, signal, sys, time

root, pool, name = sys.argv[1:4]
where = os.path.join(root, pool + ".heard")


def note(**fields):
    file = os.open(where, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, (json.dumps({"by": name, **fields}) + "\n").encode())
    os.close(file)


def lives():
    try:
        with open(where) as file:
            records = [json.loads(line) for line in file]
    except OSError:
        return 0
    return sum(record["by"] == name and "life" in record for record in records)


def perform(acts):
    for act in acts:
        if isinstance(act, bytes):
            os.write(1, act)
            continue
        word, value = act
        if word == "sleep":
            time.sleep(value)
        elif word == "wait":
            while not os.path.exists(os.path.join(root, value)):
                time.sleep(0.01)
        elif word == "close":
            os.close(value)
        elif word == "error":
            os.write(2, value)
        elif word == "env":
            note(env={key: text for key, text in os.environ.items() if key.startswith("SUPERVISOR_")})
        elif word == "exit":
            os._exit(value)
        elif word == "stay":
            while True:
                time.sleep(1000)


def take(count, decoder=codecs.getincrementaldecoder("utf-8")):
    """So many characters."""
    decode, text, size = decoder("backslashreplace").decode, "", 0
    while len(text) < count:
        part = os.read(0, count - len(text))
        if not part:
            sys.exit(0)
        size += len(part)
        text += decode(part)
    return text, size


def header():
    line = ""
    while not line.endswith("\n"):
        line += take(1)[0]
    return line[:-1]


life = lives()
with open(os.path.join(root, pool + ".plan")) as file:
    plans = ast.literal_eval(file.read())
plan = plans.get(name, plans.get("all", []))
plan = plan[life] if life < len(plan) else {}
note(life=life)
answers = list(plan.get("answers", []))
perform(plan.get("begin", [b"READY\n"]))
while True:
    line = header()
    payload, size = take(int(line.rpartition("len:")[2]))
    note(header=line, payload=payload, bytes=size, at=time.time())
    perform(answers.pop(0) if answers else plan.get("always", [b"RESULT 2\nOK", b"READY\n"]))
'''

OK = b"RESULT 2\nOK"
FAIL = b"RESULT 4\nFAIL"
READY = b"READY\n"
STAY = ("stay", 0)
INCLUDE = "[include]\nfiles=@ROOT@/conf.d/*.conf"


class Pool:
    """An event listener section and what its listeners are to do.

    `lives` is the plan of each, life by life; with a dictionary each process has its own.
    """

    def __init__(self, name, events="REMOTE_COMMUNICATION", lives=(), count=1, **keys):
        self.name = name
        self.lives = lives if isinstance(lives, dict) else {"all": list(lives)}
        self.count = count
        process = name if count == 1 else name + "_%(process_num)d"
        self.keys = {
            "command": "/usr/bin/python3 -S -E @ROOT@/bin/listen @ROOT@ {} {}".format(name, process),
            "events": events,
            "startsecs": 0,
            "stdout_logfile": "@ROOT@/{}.out".format(process),
            "stderr_logfile": "@ROOT@/{}.err".format(process),
            **keys,
        }
        if count > 1:
            self.keys.update({"numprocs": count, "process_name": "%(program_name)s_%(process_num)d"})

    def section(self):
        lines = ["[eventlistener:{}]".format(self.name)]
        return "\n".join([*lines, *("{}={}".format(k, v) for k, v in self.keys.items())])

    def processes(self):
        if self.count == 1:
            return [self.name]
        return ["{}:{}_{}".format(self.name, self.name, number) for number in range(self.count)]

    def files(self):
        return [(self.name + ".plan", repr(self.lives), 0o644)]

    def join(self, running=True):
        """Adds the pool to a daemon that runs."""

        def joined(daemon):
            for name, text, mode in self.files():
                daemon.write(name, text, mode)
            daemon.write("conf.d/{}.conf".format(self.name), self.section() + "\n", 0o644)
            call(daemon, "reloadConfig")
            if call(daemon, "addProcessGroup", self.name) is not True:
                raise RuntimeError("{} cannot be added on {}".format(self.name, daemon.name))
            if running and not poll(15, lambda: self.run(daemon)):
                raise RuntimeError("{} does not run on {}".format(self.name, daemon.name))

        return Do("add " + self.name, joined)

    def run(self, daemon):
        states = daemon.states()
        begun = {record["by"] for record in records(daemon, self.name) if "life" in record}
        running = all(states.get(full(name)) == "RUNNING" for name in self.processes())
        return running and len(begun) == self.count

    def leave(self):
        def left(daemon):
            # Not waited for in the call: a daemon of the reference that nobody asks notices an end late.
            call(daemon, "stopProcessGroup", self.name, False)
            if not poll(15, lambda: call(daemon, "removeProcessGroup", self.name) is True):
                raise RuntimeError("{} cannot be removed on {}".format(self.name, daemon.name))
            os.remove(path(daemon, "conf.d/{}.conf".format(self.name)))

        return Do("remove " + self.name, left)


def records(daemon, pool):
    """What the listeners of a pool have written down so far."""
    try:
        with open(path(daemon, pool + ".heard")) as file:
            lines = file.read().split("\n")[:-1]
    except OSError:
        return []
    return [json.loads(line) for line in lines]


def events(daemon, pool, about=None):
    """The events that a pool heard, those about a name alone if one is given."""
    found = [record for record in records(daemon, pool) if "header" in record]
    if about is None:
        return found
    word = re.compile(r"(?<![\w-]){}(_\d+)?(?![\w-])".format(re.escape(about)))
    return [record for record in found if word.search(record["payload"])]


def number(record, field):
    return int(re.search(r"\b{}:(\d+)".format(field), record["header"])[1])


def kind(record):
    return re.search(r"eventname:(\S+)", record["header"])[1]


def plain(record, first=None):
    """A record without what chance decides. With `first`, serials are counted from this one on, else none is shown."""
    if first is None:
        header = re.sub(r"serial:\d+", "serial:N", record["header"])
    else:
        serial = "serial:+{}".format(number(record, "serial") - first)
        header = re.sub(r"\bserial:\d+", serial, record["header"])
    payload = re.sub(r"\bpid:[1-9]\d*", "pid:N", record["payload"])
    payload = re.sub(r"\bwhen:\d+", "when:W", payload)
    if payload != record["payload"]:
        # The length tells how many digits there are.
        right = int(header.rpartition(":")[2]) == len(record["payload"])
        header = re.sub(r"len:\d+", "len:right" if right else "len:WRONG", header)
    if len(payload) > 400:
        payload = "{} ... {} characters, {} bytes".format(payload[:60], len(payload), record["bytes"])
    return "{} {}\n    {!r}".format(record["by"], header, payload)


def heard(pool, count, about=None):
    """Waits until a pool has heard so many events."""
    return until("{} heard {} events".format(pool, count), lambda daemon: len(events(daemon, pool, about)) >= count)


def compare(pool, about=None, relative=True):
    """Compares what a pool has heard."""

    def found(daemon):
        heard_here = events(daemon, pool, about)
        first = number(heard_here[0], "serial") if heard_here and relative else None
        return [plain(record, first) for record in heard_here]

    return Look("events of " + pool, found)


def who(pool):
    """Which listener got which event: words of payloads, by serial."""

    def found(daemon):
        rows = sorted(events(daemon, pool), key=lambda record: number(record, "serial"))
        return ["{} {!r}".format(record["by"], record["payload"]) for record in rows]

    return Look("listeners of " + pool, found)


def remote(kind_of, data="x"):
    return Do("event {} {!r}".format(kind_of, data), lambda daemon: call(daemon, "sendRemoteCommEvent", kind_of, data))


def go(name):
    """Makes the file that a plan waits for."""
    return Do("go " + name, lambda daemon: daemon.write(name, "", 0o644))


# What is buffered again, and how often, is chance where more than one event waits.
WORDS = r"(?<!rebuffering )event|->|UNKNOWN|overflow|bad result|epipe"


def said(daemon, name, words=WORDS, first=None):
    """What the activity log says of a listener or pool, the numbers of events counted from the first on."""
    rows = re.findall(r"^\S+ \S+ (\w+ .*)$", read(daemon, "main.log"), re.MULTILINE)
    wanted = re.compile(r"(?<![\w-]){}(?![\w-])".format(re.escape(name)))
    rows = [row for row in rows if wanted.search(row) and re.search(words, row) and "output:" not in row]

    def offset(match):
        return "event +{}".format(int(match[1]) - first) if first is not None else "event N"

    return [re.sub(r"\bevent (\d+)", offset, row) for row in rows]


def activity(pool, name=None, words=WORDS, once=False):
    """Compares what the activity log says. With `once` each line counts once, wherever it is."""

    def found(daemon):
        here = events(daemon, pool)
        first = number(here[0], "serial") if here else None
        rows = said(daemon, name or pool, words, first)
        return sorted(set(rows)) if once else rows

    return Look("activity of " + (name or pool), found)


def until_said(name, text):
    """Waits for a line of the activity log about a listener or pool."""
    return until(
        "the log says {} of {}".format(text, name),
        lambda daemon: any(text in row for row in said(daemon, name, ".")),
    )


def scenario(name, *steps, needs=(), **more):
    return Scenario("events-" + name, *steps, needs=needs, daemon_only=True, **more)


def with_pool(name, *steps, pool=None, differs=False, needs=(), **keys):
    """A scenario that has a pool of its own for as long as it lasts. Pool and process have the name `name`."""
    pool = pool or Pool(name, **keys)
    return scenario(name, pool.join(), *steps, pool.leave(), differs=differs, needs=needs)


def stage(name, scenarios, pools=(), programs=(), lines="", scripts=None):
    """A world that pools can join."""
    made = world(name, scenarios, [INCLUDE, *programs, *(pool.section() for pool in pools)])
    made.daemon_lines = "loglevel=debug\n" + lines
    made.files += [("bin/listen", LISTENER, 0o755), ("conf.d/.keep", "", 0o644)]
    made.files += [("bin/" + key, text, 0o755) for key, text in (scripts or {}).items()]
    for pool in pools:
        made.files += pool.files()
    return made

