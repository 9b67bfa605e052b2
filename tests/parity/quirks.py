"""What surprises at first sight, and is relied on: each quirk that no other scenario meets."""

import os
import re

from daemon import poll
from life import off, script, world
from looks import Do, Look, activity, ask, begin, content, files, info, path, reached, read, send, tell, until
from looks import until_activity, until_file
from scenarios import Scenario, group, program, several

SCRIPTS = {
    # Obeys so many seconds late.
    "late": "trap '(sleep $1; kill -9 $$) &' TERM\necho ready\nwhile :; do sleep 0.05; done\n",
    # Ends so many times, then stays.
    "often": "n=0; [ -e $1 ] && read n < $1\necho $((n+1)) > $1\n[ $n -ge $2 ] && exec sleep 1000\nexit 1\n",
}
# Logs that get names of their own.
AUTO = {"stdout_logfile": "AUTO", "stderr_logfile": "AUTO"}


def scenario(name, *steps, needs=(), **more):
    return Scenario("quirk-" + name, *steps, needs=needs, daemon_only=True, **more)


def nobody_there():
    """Groups without processes."""
    needs = [several("q-empty", 0), several("q-minus", -3), "[group:q-none]\nprograms="]
    lines = [action + " q-empty:*" for action in ("status", "start", "stop", "signal HUP", "clear")]
    found = [scenario("no-process", *lines, "start q-empty", "update", needs=needs)]
    for name in ("q-empty", "q-minus", "q-none"):
        methods = ("startProcessGroup", "stopProcessGroup", "removeProcessGroup", "addProcessGroup", "reloadConfig")
        steps = [ask(method, *([name] if "Group" in method else [])) for method in methods]
        steps.append(ask("signalProcessGroup", name, "HUP"))
        found.append(scenario("no-process-rpc-" + name[2:], *steps, needs=needs))
    return found


def commands():
    """Which file a command is."""

    def copy(where):
        def make(daemon):
            daemon.write(where, "#!/bin/sh\necho from {}\nexec sleep 1000\n".format(where), 0o755)

        return Do("make " + where, make)

    here, there = copy("bin/q-here"), copy("cwd/q-there")
    both = [copy("bin/q-both"), copy("cwd/bin/q-both")]
    tries = {"startsecs": 5, "startretries": 0}
    return [
        scenario(
            "relative-command",
            here,
            begin("q-here"),
            until_file("q-here.0.out", "from"),
            content("q-here.0.out"),
            needs=off("q-here", "bin/q-here"),
        ),
        scenario(
            "relative-command-not-in-its-directory",
            copy("bin/q-away"),
            ask("startProcess", "q-away"),
            reached("q-away", "FATAL"),
            content("q-away.0.err"),
            info("q-away"),
            activity("q-away"),
            needs=off("q-away", "bin/q-away", directory="/usr", **tries),
        ),
        scenario(
            "relative-command-only-in-its-directory",
            there,
            ask("startProcess", "q-there"),
            info("q-there"),
            needs=off("q-there", "./q-there", directory="@ROOT@/cwd", **tries),
        ),
        scenario(
            "relative-command-in-both",
            *both,
            begin("q-both"),
            until_file("q-both.0.out", "from"),
            content("q-both.0.out"),
            needs=off("q-both", "bin/q-both", directory="@ROOT@/cwd"),
        ),
        scenario(
            "path-of-the-program",
            copy("bin/q-path"),
            begin("q-path"),
            until_file("q-path.0.out", "from"),
            needs=off("q-path", "q-path", environment='PATH="@ROOT@/bin:/usr/bin:/bin"'),
        ),
    ]


def retries():
    return [
        scenario(
            "spawn-error-goes-on",
            ask("startProcess", "q-goes-on"),
            reached("q-goes-on", "FATAL"),
            activity("q-goes-on"),
            info("q-goes-on"),
            needs=off("q-goes-on", script("exit", "1"), startsecs=5, startretries=2),
        ),
        scenario(
            "restarts-without-end",
            begin("q-again"),
            until("it has been started often enough", lambda daemon: spawned(daemon, "q-again") == 7),
            reached("q-again", "RUNNING"),
            info("q-again", "statename", "exitstatus", "spawnerr"),
            Look("failed", lambda daemon: "gave up: q-again" in read(daemon, "main.log")),
            needs=off("q-again", script("often", "@ROOT@/q-again", "6"), autorestart="true"),
        ),
    ]


def spawned(daemon, name):
    return read(daemon, "main.log").count("spawned: '{}'".format(name))


def lines_of(daemon, pattern):
    """The levels and texts of the activity log that a pattern is found in."""
    rows = re.findall(r"^\S+ \S+ (\w+ .*)$", read(daemon, "main.log"), re.MULTILINE)
    rows = [re.sub(r"\(?\bpid \d+\)?|\(\d+\)", "N", row) for row in rows]
    return [row for row in rows if re.search(pattern, row)]


def throttled(daemon):
    """What is said of a wait: how often, one more or less counts as the same."""
    rows = lines_of(daemon, "waiting for q-slow to stop")
    return sorted(set(rows)), 2 <= len(rows) <= 4


def waits():
    """Lines about what is being waited for, and the order of stops."""
    slow = off("q-slow", script("late", "5"), stopwaitsecs=60)
    found = [
        scenario(
            "waiting-to-stop",
            begin("q-slow"),
            until_file("q-slow.0.out", "ready"),
            ask("stopProcess", "q-slow"),
            Look("what is said of it", throttled),
            needs=slow,
        ),
        scenario(
            "killing-lines",
            begin("q-killed"),
            until_file("q-killed.0.out", "ready"),
            ask("signalProcess", "q-killed", "WINCH"),
            ask("stopProcess", "q-killed"),
            Look("lines", lambda daemon: lines_of(daemon, r"(kill|signal).*\bq-killed\b")),
            needs=off("q-killed", "stubborn", stopwaitsecs=1, stopasgroup="true"),
        ),
    ]
    return world("quirk-waits", found, daemon="loglevel=debug\n")


def order_of_stops():
    """`stop all` goes up by priority, signals first and waits later."""
    programs = [program("s-{}".format(n), priority=n) for n in (300, 1, 20)]
    programs.append(program("s-minus", priority=-1))
    told = Look("told", lambda daemon: lines_of(daemon, r"killing s-\S+ .*with signal"))
    made = world("quirk-stop-all", [scenario("stop-all-order", tell("stopAllProcesses"), told)], programs)
    made.daemon_lines = "loglevel=debug\n"
    return made


def waiting_to_die():
    programs = [program("d-" + name, script("late", "2"), stopwaitsecs=60, priority=number)
                for number, name in enumerate(("one", "two"))]
    steps = [
        until_file("d-one.0.out", "ready"),
        until_file("d-two.0.out", "ready"),
        Do("TERM", lambda daemon: send(daemon, 15)),
        until_activity("indicating exit request"),
        Do("HUP", lambda daemon: send(daemon, 1)),
        Do("it ends", lambda daemon: daemon.ended(30)),
        Look("said", lambda daemon: sorted(set(lines_of(daemon, "d-one, d-two to die|exit request|SIGHUP")))),
        Look("pidfile", lambda daemon: os.path.exists(path(daemon, "s.pid"))),
        Look("socket", lambda daemon: os.path.exists(daemon.socket)),
    ]
    return world("quirk-to-die", [scenario("waiting-to-die", *steps)], programs)


def from_start_to_end():
    """The whole activity log of a short life."""

    def said(daemon):
        rows = [re.sub(r"with pid \d+", "with pid N", row) for row in lines_of(daemon, "") if "to die" not in row]
        # Timers are exact here, and starts wait for their logs: the order is another.
        return sorted("\n".join(rows).replace(daemon.root, "ROOT").split("\n"))

    programs = [
        program("w-one", user="root"),
        program("w-gone", "/nonexistent/x"),
        program("w-deprecated", stdout_logfile="syslog"),
        program("w-both", redirect_stderr="true"),
        program("w-auto", stdout_logfile="AUTO", stdout_logfile_maxbytes="0"),
        "[include]\nfiles=none/*.conf cwd/*.conf",
    ]
    steps = [
        *(reached("w-" + name, "RUNNING") for name in ("one", "deprecated", "both", "auto")),
        reached("w-gone", "FATAL"),
        Do("TERM", lambda daemon: send(daemon, 15)),
        Do("it ends", lambda daemon: daemon.ended(30)),
        Look("the activity log", said),
    ]
    made = world("quirk-life", [scenario("life-in-the-log", *steps)], programs)
    made.files.append(("cwd/more.conf", "[program:w-more]\ncommand=/bin/sleep 1000\nautostart=false\n", 0o600))
    return made


def automatic(daemon):
    """The automatic logs, without what is random of their names."""
    names = [name for name in os.listdir(daemon.root) if "---" in name]
    return sorted(re.sub(r"-\w{8}[.]log$", "-SUFFIX.log", name) for name in names)


def begin_again(daemon):
    """Starts the daemon that has ended once more."""
    daemon.output.close()
    daemon.start(daemon.command)


def automatic_logs():
    """They are there until the next start; only those of this identifier go then."""
    plant = [
        "x-stdout---supervisor-abcdefgh.log", "x-stdout---supervisor-abcdefgh.log.1",
        "x-stdout---supervisor-abcdefgh.log.12", "x-stdout---other-abcdefgh.log", "---supervisor-abcdefgh.log",
        "x---supervisor-.log", "x---supervisors-a.log", "plain.log",
        "x--supervisor-a.log", "y---supervisor-a---b.log.",
    ]

    def planted(daemon):
        for name in plant:
            daemon.write(name, "", 0o600)

    def left(daemon):
        return [name for name in plant if os.path.exists(path(daemon, name))]

    def steps():
        return [
            until("it has a log", lambda daemon: automatic(daemon)),
            Do("TERM", lambda daemon: (send(daemon, 15), daemon.ended(30))),
            Look("automatic logs after the end", automatic),
            Do("plant", planted),
            Do("start", begin_again),
            reached("a-one", "RUNNING"),
            Look("planted ones that are left", left),
        ]

    def reloaded():
        return [
            until("it has a log", lambda daemon: automatic(daemon)),
            Do("plant", planted),
            Do("HUP", lambda daemon: send(daemon, 1)),
            until_activity("indicating restart request"),
            until("it is started again", lambda daemon: spawned(daemon, "a-one") == 2),
            Look("planted ones that are left", left),
            Look("automatic logs", automatic),
        ]

    one = [program("a-one", "talk", **AUTO)]
    return [
        world("quirk-auto", [scenario("auto-logs-until-the-next-start", *steps())], one),
        world("quirk-auto-keep", [scenario("auto-logs-nocleanup", *steps())], one, daemon="nocleanup=true\n"),
        world("quirk-auto-reload", [scenario("auto-logs-until-the-reload", *reloaded())], one),
    ]


def in_the_foreground():
    """Keys that only a daemon in the background follows, and where the activity log goes."""
    facts = off("q-facts", "/bin/sh @ROOT@/bin/tell 'umask; pwd'")
    ignored = scenario(
        "foreground-ignores-umask-and-directory",
        begin("q-facts"),
        until_file("q-facts.0.out", "done"),
        content("q-facts.0.out"),
        files("^(main.log|q-facts.0.out)$", "mode"),
        Look("directory", lambda daemon: os.readlink("/proc/{}/cwd".format(daemon.process.pid)) == daemon.root),
        needs=facts,
    )
    out = scenario(
        "activity-log-on-standard-output",
        reached("q-out", "RUNNING"),
        Look("lines", lambda daemon: sorted(set(re.findall(r"INFO (?:spawned|success): '?q-out", read(daemon, "daemon.out"))))),
        needs=program("q-out"),
    )
    silent = scenario(
        "silent", Look("standard output", lambda daemon: read(daemon, "daemon.out")), needs=program("q-silent")
    )
    return [
        world("quirk-foreground", [ignored], daemon="umask=077\ndirectory=/usr\n"),
        world("quirk-stdout", [out], daemon="logfile=/dev/stdout\nlogfile_maxbytes=0\n"),
        world("quirk-silent", [silent], daemon="silent=true\nuser=root\n"),
    ]


def output():
    """Where the reference loses output, or says that it did what it did not."""
    def emptied(name):
        return [
            begin(name),
            until_file(name + ".0.out", "hello"),
            tell("stopProcess", name),
            ask("clearProcessLogs", name),
            content(name + ".0.out"),
        ]

    captured = {"stdout_capture_maxbytes": "1MB", "autorestart": "false"}
    return [
        scenario("clear-of-a-stopped-program", *emptied("q-clear"), needs=off("q-clear", "talk"), differs=True),
        scenario(
            "capture-of-a-short-output",
            begin("q-short"),
            reached("q-short", "EXITED"),
            content("q-short.0.out"),
            needs=off("q-short", "/bin/echo short", **captured),
            differs=True,
        ),
        scenario(
            "stop-in-backoff-forgets",
            begin("q-forgets"),
            until("two tries failed", lambda daemon: spawned(daemon, "q-forgets") >= 2),
            reached("q-forgets", "BACKOFF"),
            ask("stopProcess", "q-forgets"),
            begin("q-forgets"),
            reached("q-forgets", "FATAL"),
            Look("tries", lambda daemon: spawned(daemon, "q-forgets")),
            needs=off("q-forgets", script("exit", "1"), startsecs=5, startretries=2),
            differs=True,
        ),
    ]


def sockets():
    unix = "[fcgi-program:q-f]\ncommand=/bin/sleep 1000\nsocket=unix://@ROOT@/f.sock\nstartsecs=0\nautostart=false"
    return [
        scenario(
            "fcgi-socket-at-the-end",
            begin("q-f"),
            reached("q-f", "RUNNING"),
            tell("stopProcess", "q-f"),
            Look("socket", lambda daemon: not poll(1.5, lambda: not os.path.exists(path(daemon, "f.sock")))),
            needs=unix,
            differs=True,
        ),
        scenario(
            "fcgi-socket-of-a-named-group",
            begin("q-g:q-gf"),
            reached("q-g:q-gf", "RUNNING"),
            Look("socket", lambda daemon: os.path.exists(path(daemon, "g.sock"))),
            needs=[unix.replace("q-f", "q-gf").replace("f.sock", "g.sock"), group("q-g", "q-gf")],
            differs=True,
        ),
    ]


def alone():
    """What ends in other states than there needs a daemon of its own."""

    def search(daemon):
        daemon.write("cwd/q-search", "no program\n", 0o644)
        daemon.write("bin/q-search", "#!/bin/sh\nexec sleep 1000\n", 0o755)

    variable = 'PATH="@ROOT@/cwd:@ROOT@/bin:/usr/bin:/bin"'
    steps = [Do("make both", search), ask("startProcess", "q-search"), info("q-search", "statename", "spawnerr")]
    needs = off("q-search", "q-search", environment=variable)
    return world("quirk-search", [scenario("path-goes-on", *steps, needs=needs, differs=True)])


def worlds():
    made = [
        world("quirk-nobody", nobody_there()),
        world("quirk-spawn", [*commands(), *retries(), *output(), *sockets()]),
        alone(),
        waits(),
        order_of_stops(),
        waiting_to_die(),
        from_start_to_end(),
        *automatic_logs(),
        *in_the_foreground(),
    ]
    for one in made:
        one.files += [("bin/" + key, text, 0o755) for key, text in SCRIPTS.items()]
    return made
