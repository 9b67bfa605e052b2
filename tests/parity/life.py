"""The life of processes: how they are started, what they find, how they end."""

import os
import re
import shutil

import scenarios
from looks import Do, Look, activity, ask, ask_each, begin, call, content, info, path, pause, reached, read, send
from looks import survives, tell, until_activity, until_file
from scenarios import SLEEP, Scenario, World, group, program, several

SH = "/bin/sh @ROOT@/bin/"
SCRIPTS = {
    # Ends with the status that is its argument.
    "exit": "exit $1\n",
    # Ends so the first time, and stays the second.
    "once": "[ -e @ROOT@/$1.again ] && exec sleep 1000\n: > @ROOT@/$1.again\nexit $2\n",
    # Says which signal came, and ends well.
    "which": (
        "for s in HUP INT QUIT USR1 USR2 TERM ALRM WINCH; do trap \"echo got $s; exit 0\" $s; done\n"
        "echo ready\nwhile :; do sleep 0.02; done\n"
    ),
    "refuse": "trap 'exit 3' TERM\necho ready\nwhile :; do sleep 0.02; done\n",
    # Leaves the number of a child of its own in a file.
    "parent": "sleep 1000 &\necho $! > @ROOT@/$1.new\nmv @ROOT@/$1.new @ROOT@/$1.child\nwait\n",
    "parent-stubborn": (
        "trap '' TERM\n(trap '' TERM; while :; do sleep 0.1; done) &\necho $! > @ROOT@/$1.new\n"
        "mv @ROOT@/$1.new @ROOT@/$1.child\nwhile :; do sleep 0.1; done\n"
    ),
    "env": "env | sort | grep -v -e ^_= -e ^PWD= -e ^SHLVL= -e ^OLDPWD=\necho done\nexec sleep 1000\n",
    "tell": "eval \"$1\"\necho done\nexec sleep 1000\n",
    "quick": "echo out; echo err >&2\n",
}
BINARIES = {
    "bad-interpreter": "#!/no/such/interpreter\n",
    "no-format": "\x7fneither this nor that\n",
}


def off(name, command=SLEEP, **keys):
    """A program that is not started with the daemon, nor again when it ends."""
    return scenarios.off(name, command, **{"autorestart": "false", **keys})


def script(name, *arguments):
    return " ".join([SH + name, *arguments])


def waits(name):
    return until_file(name + ".0.out", "ready")


def scenario(name, *steps, needs=(), **more):
    return Scenario(name, *steps, needs=needs, daemon_only=True, **more)


def ends():
    """Exit statuses, restarts and retries."""
    found = []
    table = {
        # exitcodes, autorestart, status
        "well": ("0", "false", 0),
        "badly": ("0", "false", 3),
        "listed": ("0,2", "false", 2),
        "not-listed": ("0,2", "false", 1),
        "well-not-listed": ("2", "false", 0),
        "none-listed": ("", "false", 0),
        "unexpected-well": ("0", "unexpected", 0),
        "unexpected-listed": ("0,7", "unexpected", 7),
        "high": ("255", "false", 255),
    }
    for name, (codes, again, status) in table.items():
        name = "life-exit-" + name
        keys = {"exitcodes": codes} if codes else {"exitcodes": " "}
        needs = off(name, "/bin/sh -c 'sleep 0.4; exit {}'".format(status), autorestart=again, **keys)
        found.append(
            scenario(name, begin(name), reached(name, "EXITED"), info(name), activity(name), needs=needs)
        )
    for again, status in (("true", 0), ("true", 4), ("unexpected", 4)):
        name = "life-again-{}-{}".format(again, status)
        command = "/bin/sh -c 'sleep 0.3; exec sh @ROOT@/bin/once {} {}'".format(name, status)
        found.append(
            scenario(
                name,
                begin(name),
                until_activity("exited: {} ".format(name)),
                reached(name, "RUNNING"),
                activity(name),
                info(name, "statename", "exitstatus", "spawnerr"),
                needs=off(name, command, autorestart=again),
            )
        )
    for signo in ("KILL", "TERM", "USR1", "HUP"):
        name = "life-killed-" + signo.lower()
        found.append(
            scenario(
                name,
                begin(name),
                reached(name, "RUNNING"),
                tell("signalProcess", name, signo),
                reached(name, "EXITED"),
                info(name),
                activity(name),
                needs=off(name, autorestart="false"),
            )
        )
    for retries in (0, 1, -1):
        name = "life-retries-{}".format(retries).replace("--", "-minus-")
        found.append(
            scenario(
                name,
                begin(name),
                reached(name, "FATAL"),
                activity(name),
                info(name),
                needs=off(name, script("exit", "1"), startsecs=5, startretries=retries),
            )
        )
    found += [
        scenario(
            "life-quick-clean-exit",
            begin("life-quick"),
            reached("life-quick", "FATAL"),
            activity("life-quick"),
            needs=off("life-quick", script("exit", "0"), startsecs=5),
        ),
        scenario(
            "life-backoff",
            begin("life-backoff"),
            reached("life-backoff", "BACKOFF"),
            info("life-backoff"),
            ask("stopProcess", "life-backoff"),
            info("life-backoff"),
            needs=off("life-backoff", script("exit", "1"), startsecs=5, startretries=9),
        ),
        scenario(
            "life-backoff-missing",
            reached("life-gone", "FATAL"),
            activity("life-gone"),
            Look("tries", lambda daemon: read(daemon, "main.log").count("spawnerr: can't find command '/no/such/thing'")),
            needs=program("life-gone", "/no/such/thing", startretries=1),
        ),
        scenario(
            "life-success-line",
            begin("life-stays"),
            reached("life-stays", "RUNNING"),
            activity("life-stays"),
            needs=off("life-stays", startsecs=1),
        ),
        scenario(
            "life-startsecs-negative",
            begin("life-negative"),
            reached("life-negative", "RUNNING"),
            activity("life-negative"),
            needs=off("life-negative", startsecs=-5),
        ),
        scenario(
            "life-starting-description",
            begin("life-long"),
            info("life-long"),
            ask("startProcess", "life-long"),
            ask("stopProcess", "life-long"),
            info("life-long", "statename"),
            needs=off("life-long", startsecs=600),
        ),
    ]
    return found


def stops():
    """Stop signals, waits and groups."""
    found = []
    for signo in ("HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "ALRM", "SIGINT", "winch", "10"):
        name = "life-stop-" + signo.lower()
        found.append(
            scenario(
                name,
                begin(name),
                waits(name),
                ask("stopProcess", name),
                content(name + ".0.out"),
                info(name, "statename", "exitstatus"),
                activity(name),
                needs=off(name, script("which"), stopsignal=signo),
            )
        )
    found += [
        scenario(
            "life-stop-kill",
            begin("life-stop-kill"),
            reached("life-stop-kill", "RUNNING"),
            ask("stopProcess", "life-stop-kill"),
            activity("life-stop-kill"),
            needs=off("life-stop-kill", stopsignal="KILL"),
        ),
        scenario(
            "life-stop-status",
            begin("life-stop-status"),
            waits("life-stop-status"),
            ask("stopProcess", "life-stop-status"),
            info("life-stop-status", "statename", "exitstatus"),
            activity("life-stop-status"),
            needs=off("life-stop-status", script("refuse")),
        ),
        scenario(
            "life-stop-status-listed",
            begin("life-stop-listed"),
            waits("life-stop-listed"),
            ask("stopProcess", "life-stop-listed"),
            activity("life-stop-listed"),
            needs=off("life-stop-listed", script("refuse"), exitcodes="0,3"),
        ),
        scenario(
            "life-stop-wait",
            begin("life-stop-wait"),
            waits("life-stop-wait"),
            ask("stopProcess", "life-stop-wait"),
            info("life-stop-wait", "statename", "exitstatus"),
            activity("life-stop-wait"),
            needs=off("life-stop-wait", "stubborn", stopwaitsecs=1),
        ),
        scenario(
            "life-stop-autorestart",
            begin("life-stop-again"),
            reached("life-stop-again", "RUNNING"),
            ask("stopProcess", "life-stop-again"),
            pause(1),
            info("life-stop-again", "statename"),
            needs=off("life-stop-again", autorestart="true"),
        ),
    ]
    trees = {
        "alone": ("parent", {}),
        "as-group": ("parent", {"stopasgroup": "true"}),
        "kill-as-group": ("parent-stubborn", {"stopwaitsecs": 1, "killasgroup": "true"}),
        "kill-alone": ("parent-stubborn", {"stopwaitsecs": 1}),
        "kill-stop-as-group": ("parent-stubborn", {"stopwaitsecs": 1, "stopasgroup": "true"}),
    }
    for name, (what, keys) in trees.items():
        name = "life-tree-" + name
        found.append(
            scenario(
                name,
                begin(name),
                until_file(name + ".child", "\n"),
                ask("stopProcess", name),
                survives(name + ".child"),
                needs=off(name, script(what, name), **keys),
            )
        )
    return found


def surroundings():
    """What a process finds: directory, mask, user, descriptors, variables."""
    found = []
    asks = {
        "umask-inherited": ("umask", {}),
        "umask-022": ("umask", {"umask": "022"}),
        "umask-077": ("umask", {"umask": "077"}),
        "umask-0": ("umask", {"umask": "0"}),
        "directory": ("pwd", {"directory": "/usr"}),
        "directory-none": ("pwd", {}),
        "directory-relative": ("pwd", {"directory": "bin"}),
        "user": ("id -u; id -g", {"user": "nobody", "directory": "/"}),
        "user-number": ("id -u; id -g", {"user": "65534", "directory": "/"}),
        "user-home": ("echo $HOME $USER $LOGNAME", {"user": "nobody", "directory": "/"}),
        "user-same": ("id -u; id -G", {"user": "root"}),
        "descriptors": ("ls /proc/self/fd | wc -l", {}),
        "descriptor-kinds": ("for n in 0 1 2; do readlink /proc/$$/fd/$n | cut -d: -f1; done", {}),
        "process-group": ("ps -o pgid= -p $$ | grep -qw $$ && echo its own", {}),
        "no-terminal": ("ps -o tty= -p $$", {}),
        "limit": ("ulimit -Sn", {}),
        "core-limit": ("ulimit -c", {}),
        "nice": ("nice", {}),
        "mask-of-signals": ("grep -e SigBlk -e SigCgt /proc/self/status", {}),
        "arguments": ('echo "$0" "$#"', {}),
    }
    for name, (what, keys) in asks.items():
        name = "life-finds-" + name
        command = "{} '{}'".format(SH + "tell", what.replace("%", "%%"))
        needs = off(name, command, **keys)
        found.append(
            scenario(name, begin(name), until_file(name + ".0.out", "done"), content(name + ".0.out"), needs=needs)
        )
    variables = {
        "plain": {},
        "own": {"environment": 'A="1",B="two words",C="with,comma"'},
        "own-over-daemon": {"environment": "GLOBAL=own"},
        "path": {"environment": "PATH=/usr/bin:/bin:/opt"},
        "supervisor": {"environment": "SUPERVISOR_ENABLED=no,SUPERVISOR_PROCESS_NAME=x,SUPERVISOR_GROUP_NAME=y"},
        "server-url": {"serverurl": "http://localhost:1"},
        "server-url-over": {"serverurl": "http://localhost:1", "environment": "SUPERVISOR_SERVER_URL=z"},
        "server-url-auto": {"serverurl": " Auto "},
        "user": {"user": "nobody", "directory": "/"},
        "empty": {"environment": 'HOME="",EMPTY=""'},
        "number": {"environment": 'N="%(process_num)d",G="%(group_name)s"'},
        "not-ascii": {"environment": 'A="gr\u00fcn \u20ac"'},
    }
    for name, keys in variables.items():
        name = "life-env-" + name
        found.append(
            scenario(
                name,
                begin(name),
                until_file(name + ".0.out", "done"),
                content(name + ".0.out"),
                needs=off(name, script("env"), **keys),
            )
        )
    return found


def failures():
    """Starts that fail in the child, with what it leaves in its log."""
    commands = {
        "bad-interpreter": ("@ROOT@/bin/bad-interpreter", {}),
        "no-format": ("@ROOT@/bin/no-format", {}),
        "no-directory": (SLEEP, {"directory": "/no/such"}),
        "directory-is-a-file": (SLEEP, {"directory": "/etc/passwd"}),
        "directory-not-allowed": (SLEEP, {"directory": "/root", "user": "nobody"}),
    }
    found = []
    for name, (command, keys) in commands.items():
        name = "life-fails-" + name
        keys = {"startsecs": 5, **keys}
        found.append(
            scenario(
                name,
                begin(name),
                reached(name, "FATAL"),
                content(name + ".0.err"),
                info(name),
                activity(name),
                needs=off(name, command, **keys),
            )
        )
    texts = {
        "unclosed-quote": "/bin/echo 'a",
        "nothing": " ",
        "empty": '""',
        "not-there": "/no/such/file",
        "not-in-path": "no-such-program-anywhere",
        "directory": "@ROOT@/bin",
        "not-executable": "@ROOT@/bin/plain",
    }
    for name, command in texts.items():
        name = "life-spawnerr-" + name
        found.append(
            scenario(
                name,
                ask("startProcess", name),
                info(name),
                activity(name),
                Look("spawnerr lines", lambda daemon: read(daemon, "main.log").count("spawnerr: ") > 0),
                needs=off(name, command),
            )
        )
    return found


def talks():
    """Standard input, groups and numbers."""
    cat = off("life-cat", "/bin/cat")
    ready = [begin("life-cat"), reached("life-cat", "RUNNING")]
    return [
        scenario(
            "life-stdin",
            *ready,
            ask("sendProcessStdin", "life-cat", "hello\n"),
            until_file("life-cat.0.out", "hello"),
            content("life-cat.0.out"),
            needs=cat,
        ),
        scenario(
            "life-stdin-not-ascii",
            *ready,
            ask("sendProcessStdin", "life-cat", "gr\u00fcn \u20ac\n"),
            until_file("life-cat.0.out", "\u20ac\n"),
            content("life-cat.0.out"),
            needs=cat,
        ),
        scenario(
            "life-stdin-stopped",
            ask("sendProcessStdin", "life-nocat", "x"),
            needs=off("life-nocat", "/bin/cat"),
        ),
        scenario("life-stdin-unknown", ask("sendProcessStdin", "nope", "x")),
        scenario(
            "life-stdin-closed",
            begin("life-shut"),
            until_file("life-shut.0.out", "closed"),
            pause(0.2),
            ask("sendProcessStdin", "life-shut", "x\n"),
            needs=off("life-shut", "/bin/sh -c 'exec <&-; echo closed; exec sleep 1000'"),
        ),
        scenario(
            "life-group-order",
            ask_each("startProcessGroup", "life-order"),
            Look("states", lambda daemon: sorted(n for n in daemon.states() if "life-order" in n)),
            needs=several("life-order", 3, autostart="false", numprocs_start=5),
        ),
        scenario(
            "life-numbers",
            ask_each("startProcessGroup", "life-number"),
            *(content("life-number.{}.out".format(n)) for n in (7, 8)),
            until_file("life-number.8.out", "number 8 of 2"),
            needs=several(
                "life-number",
                2,
                "/bin/sh -c 'echo number %(process_num)d of %(numprocs)d; exec sleep 1000'",
                numprocs_start=7,
                autostart="false",
                startsecs=1,
            ),
        ),
        scenario(
            "life-deleted-command",
            Do("copy", copy_of_sleep),
            begin("life-deleted"),
            reached("life-deleted", "RUNNING"),
            Do("remove", lambda daemon: os.remove(path(daemon, "bin/mine"))),
            ask("startProcess", "life-deleted"),
            info("life-deleted", "statename"),
            needs=off("life-deleted", "@ROOT@/bin/mine 1000"),
        ),
        scenario("life-unknown", ask("startProcess", "nope"), ask("stopProcess", "nope:*"), ask("getProcessInfo", "a:b")),
        scenario(
            "life-names",
            ask("startProcess", "life-pair:life-left"),
            ask("startProcess", "life-left"),
            ask("stopProcess", "life-pair:life-left"),
            ask("startProcess", "life-pair:*", True),
            ask("stopProcess", "life-pair:life-right"),
            needs=[off("life-left"), off("life-right"), group("life-pair", "life-left", "life-right")],
        ),
    ]


def copy_of_sleep(daemon):
    shutil.copy("/bin/sleep", path(daemon, "bin/mine"))


def started(daemon):
    """Programs in the order in which they were started: each number is greater than the one before."""
    known = call(daemon, "getAllProcessInfo")
    return [one["name"] for one in sorted(known, key=lambda one: one["pid"]) if one["pid"]]


def stopped(daemon):
    return re.findall(r"stopped: (\S+) ", read(daemon, "main.log"))


def orders():
    """Worlds of their own: what is started and stopped first."""

    def unlogged(name, priority):
        # A start waits for its logs, though not for long: without them nothing but the order counts.
        return program(name, priority=priority, stdout_logfile="NONE", stderr_logfile="NONE")

    programs = [
        unlogged("o-late", 900),
        unlogged("o-early", 5),
        unlogged("o-b", 50),
        unlogged("o-a", 50),
        unlogged("o-second", 1),
        unlogged("o-first", 800),
        group("o-group", "o-first", "o-second") + "\npriority=20",
        unlogged("o-minus", -1),
        off("o-never", priority=1),
    ]
    # Groups of one priority stop side by side here, so each has its own.
    stops = [program("p-{}".format(n), priority=n) for n in (3, 1, 2)]
    end = Do("TERM", lambda daemon: (send(daemon, 15), daemon.ended(20)))
    return [
        World("order", [scenario("life-order-of-starts", Look("started", started))], programs),
        World("order-stop", [scenario("life-order-of-shutdown", end, Look("stopped", stopped))], stops),
    ]


def world(name, scenarios, programs=(), daemon=""):
    made = World(name, scenarios, programs)
    made.daemon_lines = daemon
    made.files += [("bin/" + key, text, 0o755) for key, text in {**SCRIPTS, **BINARIES}.items()]
    return made


def worlds():
    return [
        world("ends", ends()),
        world("stops", stops()),
        world("surroundings", surroundings(), daemon='environment=GLOBAL="daemon",TWO=2\n'),
        world("failures", [*failures(), *talks()]),
        *orders(),
    ]
