"""Every kind of event: its header and payload, and who is told of it."""

import re

from events_bench import Pool, compare, events, heard, kind, plain, remote, scenario, stage, with_pool
from life import off, script
from looks import Do, Look, ask, begin, reached, read, tell, until
from scenarios import SLEEP, group, program, several

ALL = Pool(
    "all",
    "PROCESS_STATE,PROCESS_COMMUNICATION,PROCESS_LOG,REMOTE_COMMUNICATION,PROCESS_GROUP,SUPERVISOR_STATE_CHANGE",
    buffer_size=1000,
)
SCRIPTS = {
    # A message and more on both channels.
    "message": (
        "import os\n"
        "text = b'<!--XSUPERVISOR:BEGIN-->a message<!--XSUPERVISOR:END-->' + 30 * b'.'\n"
        "os.write(1, text), os.write(2, text)\n"
    ),
}


def about(name, *steps, needs=(), differs=False):
    """What `all` hears of a program or an event while the steps are done."""
    end = "end-" + name
    return scenario(
        name,
        *steps,
        remote(end),
        heard("all", 1, end),
        compare("all", name, relative=False),
        needs=needs,
        differs=differs,
    )


def state(name, *steps, command=SLEEP, **keys):
    """The events of a program's life."""
    return about(name, *steps, needs=off(name, command, **keys))


def life_and(status):
    return "/bin/sh -c 'sleep 0.3; exit {}'".format(status)


def states():
    def ends(name, status, **keys):
        return state(name, begin(name), reached(name, "EXITED"), command=life_and(status), **keys)

    def fails(name, **keys):
        keys = {"startsecs": 5, "command": script("exit", "1"), **keys}
        return state(name, begin(name), reached(name, "FATAL"), **keys)

    def signalled(name, signal):
        return state(name, begin(name), reached(name, "RUNNING"), tell("signalProcess", name, signal), reached(name, "EXITED"))

    again = "/bin/sh -c 'sleep 0.3; exec sh @ROOT@/bin/once e-again 4'"
    return [
        state("e-start", begin("e-start"), reached("e-start", "RUNNING")),
        state("e-startsecs", begin("e-startsecs"), reached("e-startsecs", "RUNNING"), startsecs=1),
        state("e-stop", begin("e-stop"), reached("e-stop", "RUNNING"), tell("stopProcess", "e-stop")),
        state("e-stop-starting", begin("e-stop-starting"), reached("e-stop-starting", "STARTING"),
              tell("stopProcess", "e-stop-starting"), startsecs=600),
        state("e-stop-kill", begin("e-stop-kill"), reached("e-stop-kill", "RUNNING"),
              until("it is deaf", lambda daemon: "ready" in read(daemon, "e-stop-kill.0.out")),
              tell("stopProcess", "e-stop-kill"), command="stubborn", stopwaitsecs=1),
        state("e-stop-status", begin("e-stop-status"), reached("e-stop-status", "RUNNING"),
              until("it is ready", lambda daemon: "ready" in read(daemon, "e-stop-status.0.out")),
              tell("stopProcess", "e-stop-status"), command=script("refuse")),
        ends("e-exit-well", 0),
        ends("e-exit-badly", 3),
        ends("e-exit-listed", 2, exitcodes="0,2"),
        ends("e-exit-not-listed", 0, exitcodes="2"),
        signalled("e-killed", "KILL"),
        signalled("e-terminated", "TERM"),
        fails("e-fatal", startretries=1),
        fails("e-fatal-at-once", startretries=0),
        fails("e-fatal-quick", command=script("exit", "0"), startretries=0),
        about("e-fatal-missing", reached("e-fatal-missing", "FATAL"),
              needs=program("e-fatal-missing", "/no/such/program", startretries=1)),
        fails("e-fatal-directory", directory="/no/such/place", startretries=0),
        state("e-after-fatal", begin("e-after-fatal"), reached("e-after-fatal", "FATAL"), begin("e-after-fatal"),
              until("it failed again", lambda d: read(d, "main.log").count("gave up: e-after-fatal") == 2),
              command=script("exit", "1"), startsecs=5, startretries=0),
        state("e-after-exit", begin("e-after-exit"), reached("e-after-exit", "EXITED"), begin("e-after-exit"),
              until("it ended again", lambda d: read(d, "main.log").count("exited: e-after-exit") == 2),
              reached("e-after-exit", "EXITED"), command=life_and(0)),
        state("e-backoff", begin("e-backoff"), reached("e-backoff", "BACKOFF"), tell("stopProcess", "e-backoff"),
              command=script("exit", "1"), startsecs=5, startretries=9),
        state("e-again", begin("e-again"), until("it ended", lambda d: "exited: e-again" in read(d, "main.log")),
              reached("e-again", "RUNNING"), command=again, autorestart="unexpected"),
        state("e-restart", begin("e-restart"), reached("e-restart", "RUNNING"), "restart e-restart",
              reached("e-restart", "RUNNING")),
    ]


def in_order(name):
    """The events of a group's processes, one process after the other."""

    def found(daemon):
        rows = [plain(record) for record in events(daemon, "all", name)]
        return sorted(rows, key=lambda row: re.search(r"processname:(\S+)|$", row)[0])

    return Look("events of " + name, found)


def groups():
    """Groups that come and go, and the processes of groups."""

    def rewrite(name, text):
        return Do("write " + name, lambda daemon: daemon.write("conf.d/{}.conf".format(name), text + "\n", 0o644))

    started = several("e-many", 2, autostart="false")
    member = [off("e-left"), off("e-right"), group("e-pair", "e-left", "e-right")]
    end = [remote("end-e-many"), heard("all", 1, "end-e-many"), in_order("e-many")]
    return [
        scenario("e-many", tell("startProcessGroup", "e-many"), reached("e-many:e-many_1", "RUNNING"), *end, needs=started),
        about("e-pair", tell("startProcess", "e-pair:e-left"), reached("e-pair:e-left", "RUNNING"),
              tell("stopProcess", "e-pair:e-left"), needs=member),
        about("e-group", tell("removeProcessGroup", "e-group"), tell("addProcessGroup", "e-group"), needs=off("e-group")),
        about("e-group-twice", tell("addProcessGroup", "e-group-twice"), needs=off("e-group-twice")),
        about("e-group-runs", begin("e-group-runs"), reached("e-group-runs", "RUNNING"),
              tell("removeProcessGroup", "e-group-runs"), needs=off("e-group-runs")),
        about("e-updated", rewrite("u", program("e-updated")), "update e-updated", reached("e-updated", "RUNNING"),
              rewrite("u", ""), "update e-updated"),
    ]


def remotes():
    """sendRemoteCommEvent: the text is sent as it is."""
    table = {
        "e-text": "a text",
        "e-empty": "",
        "e-lines": "one\ntwo\n\n",
        "e-unicode": "d\u00e4t\u00e4 \u20ac \U0001f600 \u0627",
        "e-colons": "a:b c:d ver:3.0 len:7\n",
        "e-percent": "100 %s %(x)s {} \\n",
        "e-spaces": "  a\t ",
        "e-number": 2,
        "e-long": "0123456789" * 15000,
        "e-long-unicode": "\u20ac" * 50000,
        "e-token": "<!--XSUPERVISOR:BEGIN-->x<!--XSUPERVISOR:END-->",
    }
    found = [about(name, remote(name, data)) for name, data in table.items()]
    numbers = with_pool("e-numbers", remote(1, 2), remote(-7, 0), heard("e-numbers", 2), compare("e-numbers"))
    types = with_pool(
        "e-types", remote("a b:c", "d"), remote("", "empty"), remote("t\u00fcp", "x"), remote("two\nlines", "x"),
        heard("e-types", 4), compare("e-types"),
    )
    refused = about("e-refused", ask("sendRemoteCommEvent", "e-refused"), ask("sendRemoteCommEvent", "e-refused", "x", "y"),
                    ask("sendRemoteCommEvent", "e-refused", "kept"))
    return [*found, numbers, types, refused]


def tree():
    """A subscription to a parent is one to all that is below."""
    nodes = {
        "t-event": "EVENT",
        "t-state": "PROCESS_STATE",
        "t-running": "PROCESS_STATE_RUNNING,PROCESS_STATE_STOPPED",
        "t-starting": "PROCESS_STATE_STARTING",
        "t-log": "PROCESS_LOG",
        "t-stderr": "PROCESS_LOG_STDERR",
        "t-comm": "PROCESS_COMMUNICATION",
        "t-stdout": "PROCESS_COMMUNICATION_STDOUT",
        "t-group": "PROCESS_GROUP",
        "t-added": "PROCESS_GROUP_ADDED",
        "t-change": "SUPERVISOR_STATE_CHANGE",
        "t-several": "PROCESS_STATE_EXITED,PROCESS_GROUP_REMOVED , remote_communication",
    }
    pools = [Pool(name, names + ",REMOTE_COMMUNICATION" * ("remote" not in names and names != "EVENT"), buffer_size=100)
             for name, names in nodes.items()]
    talk = "/usr/bin/python3 -S @ROOT@/bin/message"
    keys = {
        "stdout_events_enabled": "true", "stderr_events_enabled": "true",
        "stdout_capture_maxbytes": "1MB", "stderr_capture_maxbytes": "1MB",
    }
    return pools, off("t-program", talk, **keys)


TREE_POOLS, TREE_PROGRAM = tree()


def trees():
    """One run of a program and what each subscription gets of it."""

    def names(pool):
        def found(daemon):
            return sorted(kind(record) for record in events(daemon, pool) if ours(record))

        return Look("kinds for " + pool, found)

    def ours(record):
        # What is captured is said twice by the reference, which has a scenario of its own.
        if "PROCESS_LOG" in record["header"] and record["payload"].endswith("a message"):
            return False
        return "t-program" in record["payload"] or "t-end" in record["payload"] or "SUPERVISOR" in record["header"]

    first = [
        begin("t-program"),
        reached("t-program", "EXITED"),
        tell("removeProcessGroup", "t-program"),
        tell("addProcessGroup", "t-program"),
        remote("t-end"),
    ]
    found = []
    for pool in TREE_POOLS:
        last = heard(pool.name, 1, "t-end")
        found.append(scenario(pool.name, *first, last, names(pool.name)))
        first = []
    return found


def worlds():
    return [
        stage("event-states", states(), [ALL]),
        stage("event-groups", [*groups(), *remotes()], [ALL]),
        stage("event-tree", trees(), TREE_POOLS, [TREE_PROGRAM], scripts=SCRIPTS),
    ]
