"""The worlds that daemons run in, and what clients do there."""

import contextlib
import os

from steps import Background, Follow, Join, Run, Wait, until_ended, until_log, until_state

SLEEP = "/bin/sleep 1000"

SCRIPTS = {
    # Writes to both channels, then waits.
    "talk": "printf 'hello out\\n'\nprintf 'hello err\\n' >&2\nexec sleep 1000\n",
    "long": "i=0\nwhile [ $i -lt 400 ]; do echo \"line $i\"; i=$((i+1)); done\nexec sleep 1000\n",
    "utf8": "printf 'gr\\303\\274n \\342\\202\\254\\n'\nexec sleep 1000\n",
    "latin": "printf 'gr\\374n\\n'\nexec sleep 1000\n",
    "control": "printf 'a\\033[1mb\\001c\\n'\nexec sleep 1000\n",
    "crlf": "printf 'a\\r\\nb\\r\\n'\nexec sleep 1000\n",
    # Says which signal came.
    "trap": (
        "trap 'echo got HUP' HUP\ntrap 'echo got USR1' USR1\ntrap 'echo got USR2' USR2\n"
        "trap 'echo got INT; exit 0' INT\necho ready\nwhile :; do sleep 1000 & wait $!; done\n"
    ),
    "stubborn": "trap '' TERM\necho ready\nwhile :; do sleep 0.05; done\n",
}


def program(name, command=SLEEP, **keys):
    """A program section. Programs start at once and are tried once, if nothing else is said."""
    if command in SCRIPTS:
        command = "/bin/sh @ROOT@/bin/" + command
    keys = {
        "command": command,
        "startsecs": 0,
        "startretries": 0,
        "stdout_logfile": "@ROOT@/{}.%(process_num)d.out".format(name),
        "stderr_logfile": "@ROOT@/{}.%(process_num)d.err".format(name),
        **keys,
    }
    lines = ["[program:{}]".format(name), *("{}={}".format(k, v) for k, v in keys.items() if v != "")]
    return "\n".join(lines)


def off(name, command=SLEEP, **keys):
    """A program that is not started with the daemon."""
    return program(name, command, autostart="false", **keys)


def several(name, count=2, command=SLEEP, **keys):
    """A program of several processes: a group."""
    number = {"numprocs": count, "process_name": "%(program_name)s_%(process_num)d"}
    return program(name, command, **number, **keys)


def group(name, *programs):
    return "[group:{}]\nprograms={}".format(name, ",".join(programs))


class Scenario:
    """Steps, and the sections that they need.

    With `ignored`, the reason, it is played and may fail; it fails when it does not. One that `differs` fails when it is
    played as there.
    """

    def __init__(
        self, name, *steps, needs=(), prepare=None, lasting=(), client_only=False, daemon_only=False, ignored="", differs=False
    ):
        self.name = name
        self.steps = steps
        self.needs = [needs] if isinstance(needs, str) else list(needs)
        self.prepare = prepare or {}
        self.lasting = lasting
        self.client_only = client_only
        self.daemon_only = daemon_only
        self.ignored = ignored
        self.differs = differs


class World:
    """Scenarios that share a daemon."""

    def __init__(self, name, scenarios, programs=(), credentials=None):
        self.name = name
        self.scenarios = scenarios
        self.programs = list(programs)
        self.credentials = credentials
        self.chosen = scenarios
        self.lasting = ()
        self.daemon_lines = ""
        self.client_lines = ""
        # A command that runs the daemon.
        self.wrapper = []
        self.files = [("bin/" + name, text, 0o755) for name, text in SCRIPTS.items()]
        self.files += [("bin/plain", "no program\n", 0o644), ("cwd/empty", "", 0o600)]

    def choose(self, only, of):
        """The scenarios whose names hold `only`, by which of the two is compared."""
        self.chosen = [
            scenario
            for scenario in self.scenarios
            if only in scenario.name and not (scenario.client_only if of == "daemon" else scenario.daemon_only)
        ]
        self.lasting = [name for scenario in self.chosen for name in scenario.lasting]
        return self.chosen

    def config(self):
        login = ""
        if self.credentials:
            login = "username={}\npassword={}\n".format(*self.credentials)
        sections = [
            "[unix_http_server]\nfile=@SOCK@\n" + login,
            "[inet_http_server]\nport=127.0.0.1:@PORT@\n" + login,
            "[supervisord]\nlogfile=@ROOT@/main.log\npidfile=@ROOT@/s.pid\nchildlogdir=@ROOT@\n" + self.daemon_lines,
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
            "[supervisorctl]\nserverurl=unix://@SOCK@\n" + login + self.client_lines,
        ]
        needs = [need for scenario in self.chosen for need in scenario.needs]
        # A section that several scenarios need is written once.
        sections.extend(dict.fromkeys([*self.programs, *needs]))
        return "\n\n".join(sections) + "\n"


TALK = program("talk", "talk")
TRIO = several("trio", 3)
MISSING = off("missing", "/nonexistent/program")


def status():
    long_name = "a-program-with-a-name-of-more-than-thirty-characters"
    return [
        Scenario("status", needs=[program("s-one"), TRIO]),
        Scenario("status-name", "status s-one", needs=program("s-one")),
        Scenario("status-two", "status s-two s-one", needs=[program("s-one"), program("s-two")]),
        Scenario("status-twice", "status s-one s-one", needs=program("s-one")),
        Scenario("status-all", "status all", needs=program("s-one")),
        Scenario("status-all-among", "status nope all", needs=program("s-one")),
        Scenario("status-group", "status trio:*", needs=TRIO),
        Scenario("status-group-colon", "status trio:", needs=TRIO),
        Scenario("status-member", "status trio:trio_1", needs=TRIO),
        Scenario("status-group-name", "status trio", needs=TRIO),
        Scenario("status-unknown", "status nope"),
        Scenario("status-unknown-group", "status nope:*"),
        Scenario("status-unknown-member", "status trio:nope", needs=TRIO),
        Scenario("status-mixed", "status s-one nope trio:* nope:*", needs=[program("s-one"), TRIO]),
        Scenario("status-stopped", "status s-off", needs=off("s-off")),
        Scenario("status-stopped-unknown", "status s-off nope", needs=off("s-off")),
        Scenario("status-unknown-stopped", "status nope s-off", needs=off("s-off")),
        Scenario("status-long-name", "status " + long_name, needs=program(long_name)),
        Scenario("status-fatal", "status s-fatal", needs=program("s-fatal", "/bin/false", startsecs=5)),
        Scenario("status-fatal-missing", "status s-gone", needs=program("s-gone", "/nonexistent/x")),
        Scenario(
            "status-exited",
            "start s-exited",
            until_state("s-exited", "EXITED"),
            "status s-exited",
            needs=off("s-exited", "/bin/sleep 3", autorestart="false"),
        ),
        Scenario(
            "status-starting",
            "status s-starting",
            needs=program("s-starting", startsecs=600),
            lasting=["s-starting"],
        ),
        Scenario(
            "status-stopping",
            until_log("s-stopping", "ready"),
            Background("stop s-stopping"),
            until_state("s-stopping", "STOPPING"),
            "status s-stopping",
            Join(),
            needs=program("s-stopping", "stubborn", stopwaitsecs=6),
        ),
        Scenario("status-socket", "-s http://127.0.0.1:@PORT@ status s-one", needs=program("s-one")),
        Scenario("status-spaces", "status   s-one   nope", needs=program("s-one")),
    ]


def start():
    failing = off("x-dir-missing", directory="/nonexistent/directory", startsecs=5)
    return [
        Scenario("start", "start x-one", needs=off("x-one")),
        Scenario("start-two", "start x-three x-two", needs=[off("x-two"), off("x-three")]),
        Scenario("start-second", "start x-second", needs=off("x-second", startsecs=1)),
        Scenario("start-running", "start talk", needs=TALK),
        Scenario("start-starting", "start x-wait", needs=program("x-wait", startsecs=600), lasting=["x-wait"]),
        Scenario("start-unknown", "start nope"),
        Scenario("start-unknown-member", "start trio:nope", needs=TRIO),
        Scenario("start-unknown-group", "start nope:*"),
        Scenario("start-group-name", "start trio", needs=TRIO),
        Scenario("start-group", "start x-many:*", needs=several("x-many", autostart="false")),
        Scenario("start-group-colon", "start x-more:", needs=several("x-more", autostart="false")),
        Scenario("start-group-running", "start trio:*", needs=TRIO),
        Scenario("start-group-part", "stop trio:trio_1", "start trio:*", needs=TRIO),
        Scenario("start-member", "start x-some:x-some_1", needs=several("x-some", autostart="false")),
        Scenario(
            "start-named-group",
            "start pair:*",
            needs=[off("left"), off("right"), group("pair", "left", "right")],
        ),
        Scenario(
            "start-group-errors",
            "start ill:*",
            needs=[off("well"), off("sick", "/nonexistent/x"), group("ill", "well", "sick")],
        ),
        Scenario("start-missing", "start missing", needs=MISSING),
        Scenario("start-missing-relative", "start x-rel", needs=off("x-rel", "no-such-program-anywhere")),
        Scenario("start-not-executable", "start x-plain", needs=off("x-plain", "@ROOT@/bin/plain")),
        Scenario("start-directory", "start x-folder", needs=off("x-folder", "@ROOT@/bin")),
        Scenario("start-bad-quotes", "start x-quotes", needs=off("x-quotes", "/bin/echo 'a")),
        Scenario("start-empty-command", "start x-empty", needs=off("x-empty", '""')),
        Scenario("start-exits", "start x-exits", needs=off("x-exits", "/bin/false", startsecs=5)),
        Scenario("start-exits-well", "start x-done", needs=off("x-done", "/bin/true", startsecs=5)),
        Scenario("start-no-directory", "start x-dir-missing", needs=failing),
        Scenario("start-again", "start x-fatal", "start x-fatal", needs=off("x-fatal", "/bin/false", startsecs=5)),
        Scenario(
            "start-exited",
            "start x-exited",
            until_state("x-exited", "EXITED"),
            "start x-exited",
            until_state("x-exited", "EXITED"),
            needs=off("x-exited", "/bin/sleep 3", autorestart="false"),
        ),
        Scenario("start-mixed", "start x-four nope missing talk", needs=[off("x-four"), MISSING, TALK]),
        Scenario("start-mixed-last-good", "start nope missing x-five", needs=[off("x-five"), MISSING]),
        Scenario(
            "start-abnormal",
            Background("start x-slow"),
            until_state("x-slow", "STARTING"),
            "stop x-slow",
            Join(),
            needs=off("x-slow", startsecs=600),
        ),
        Scenario("start-usage", "start"),
    ]


def stop():
    return [
        Scenario("stop", "stop t-one", needs=program("t-one")),
        Scenario("stop-two", "stop t-three t-two", needs=[program("t-two"), program("t-three")]),
        Scenario("stop-stopped", "stop t-off", needs=off("t-off")),
        Scenario("stop-fatal", "stop t-fatal", needs=program("t-fatal", "/bin/false", startsecs=5)),
        Scenario("stop-unknown", "stop nope"),
        Scenario("stop-unknown-member", "stop trio:nope", needs=TRIO),
        Scenario("stop-unknown-group", "stop nope:*"),
        Scenario("stop-group-name", "stop trio", needs=TRIO),
        Scenario("stop-group", Run("stop t-many:*", ordered=False), needs=several("t-many", 2)),
        Scenario("stop-group-stopped", "stop t-idle:*", needs=several("t-idle", autostart="false")),
        Scenario("stop-member", "stop t-some:t-some_0", needs=several("t-some")),
        Scenario("stop-mixed", "stop nope t-four t-off", needs=[program("t-four"), off("t-off")]),
        Scenario("stop-starting", "stop t-wait", needs=program("t-wait", startsecs=600), lasting=["t-wait"]),
        Scenario(
            "stop-stubborn",
            until_log("t-stubborn", "ready"),
            "stop t-stubborn",
            needs=program("t-stubborn", "stubborn", stopwaitsecs=1),
        ),
        Scenario(
            "stop-signal",
            until_log("t-int", "ready"),
            "stop t-int",
            "tail t-int",
            needs=program("t-int", "trap", stopsignal="INT"),
        ),
        Scenario("stop-usage", "stop"),
    ]


def restart():
    return [
        Scenario("restart", "restart r-one", needs=program("r-one")),
        Scenario("restart-two", "restart r-two r-one", needs=[program("r-one"), program("r-two")]),
        Scenario("restart-stopped", "restart r-off", needs=off("r-off")),
        Scenario("restart-unknown", "restart nope"),
        Scenario("restart-unknown-group", "restart nope:*"),
        Scenario("restart-group", "restart r-solo:*", needs=several("r-solo", 1)),
        Scenario("restart-member", "restart r-many:r-many_1", needs=several("r-many")),
        Scenario("restart-missing", "restart missing", needs=MISSING),
        Scenario("restart-mixed", "restart nope r-three", needs=program("r-three")),
        Scenario("restart-usage", "restart"),
    ]


def signals():
    trap = program("g-trap", "trap")
    ready = until_log("g-trap", "ready")
    heard = [
        ("signal-name", "USR1", "got USR1"),
        ("signal-signame", "SIGUSR2", "got USR2"),
        ("signal-lower", "hup", "got HUP"),
        ("signal-number", "10", "got USR1"),
    ]
    return [
        *(
            Scenario(name, ready, "signal {} g-trap".format(word), until_log("g-trap", text), needs=trap)
            for name, word, text in heard
        ),
        Scenario("signal-bad-name", "signal FOO talk", needs=TALK),
        Scenario("signal-bad-number", "signal 99 talk", needs=TALK),
        Scenario("signal-zero", "signal 0 talk", needs=TALK),
        Scenario("signal-bad-stopped", "signal FOO g-off", needs=off("g-off")),
        Scenario("signal-stopped", "signal HUP g-off", needs=off("g-off")),
        Scenario("signal-unknown", "signal HUP nope"),
        Scenario("signal-two", "signal WINCH talk nope", needs=TALK),
        Scenario("signal-group", "signal WINCH trio:*", needs=TRIO),
        Scenario("signal-group-stopped", "signal HUP g-idle:*", needs=several("g-idle", autostart="false")),
        Scenario("signal-group-stopped-bad", "signal FOO g-idle:*", needs=several("g-idle", autostart="false")),
        Scenario("signal-group-bad", "signal FOO trio:*", needs=TRIO),
        Scenario("signal-unknown-group", "signal HUP nope:*"),
        Scenario("signal-member", "signal WINCH trio:trio_0", needs=TRIO),
        Scenario(
            "signal-kill",
            "signal KILL g-kill",
            until_state("g-kill", "EXITED"),
            needs=program("g-kill", autorestart="false"),
        ),
        Scenario("signal-none-usage", "signal"),
        Scenario("signal-one-usage", "signal HUP"),
    ]


def pid():
    return [
        Scenario("pid", "pid"),
        Scenario("pid-name", "pid talk", needs=TALK),
        Scenario("pid-two", "pid talk trio:trio_0", needs=[TALK, TRIO]),
        Scenario("pid-all", "pid all", needs=[TALK, TRIO]),
        Scenario("pid-unknown", "pid nope"),
        Scenario("pid-stopped", "pid p-off", needs=off("p-off")),
        Scenario("pid-mixed", "pid talk nope p-off", needs=[TALK, off("p-off")]),
        Scenario("pid-stopped-unknown", "pid p-off nope", needs=off("p-off")),
        Scenario("pid-group", "pid trio:*", needs=TRIO),
        Scenario("pid-group-name", "pid trio", needs=TRIO),
    ]


def tail():
    ready = until_log("talk", "hello")
    return [
        Scenario("tail", ready, "tail talk", needs=TALK),
        Scenario("tail-stdout", ready, "tail talk stdout", needs=TALK),
        Scenario("tail-stderr", until_log("talk", "hello", "stderr"), "tail talk stderr", needs=TALK),
        Scenario("tail-upper", until_log("talk", "hello", "stderr"), "tail talk STDERR", needs=TALK),
        Scenario("tail-bytes", ready, "tail -4 talk", needs=TALK),
        Scenario("tail-whole", ready, "tail -0 talk", needs=TALK),
        Scenario("tail-offset", ready, "tail --6 talk", needs=TALK),
        Scenario("tail-more-than-there-is", ready, "tail -99999 talk", needs=TALK),
        Scenario("tail-long", until_log("d-long", "line 399"), "tail d-long", needs=program("d-long", "long")),
        Scenario("tail-empty", "tail d-silent", needs=program("d-silent")),
        Scenario("tail-member", "tail trio:trio_0", needs=TRIO),
        Scenario("tail-group", "tail trio:*", needs=TRIO),
        Scenario("tail-unknown", "tail nope"),
        Scenario("tail-unknown-stderr", "tail nope stderr"),
        Scenario("tail-bad-channel", "tail talk foo", needs=TALK),
        Scenario("tail-bad-argument", "tail -x talk", needs=TALK),
        Scenario("tail-dash", "tail - talk", needs=TALK),
        Scenario("tail-none", "tail d-none", needs=program("d-none", "talk", stdout_logfile="NONE")),
        Scenario(
            "tail-redirected",
            until_log("d-both", "hello err"),
            "tail d-both stderr",
            needs=program("d-both", "talk", redirect_stderr="true", stderr_logfile=""),
        ),
        Scenario("tail-never-started", "tail d-off", needs=off("d-off")),
        Scenario(
            "tail-auto-never-started",
            "tail d-auto-off",
            needs=off("d-auto-off", stdout_logfile="AUTO", stderr_logfile="AUTO"),
        ),
        Scenario(
            "tail-auto",
            until_log("d-auto", "hello"),
            "tail d-auto",
            needs=program("d-auto", "talk", stdout_logfile="AUTO", stderr_logfile="AUTO"),
        ),
        Scenario(
            "tail-stopped",
            until_log("d-stopped", "hello"),
            "stop d-stopped",
            "tail d-stopped",
            needs=program("d-stopped", "talk"),
        ),
        Scenario("tail-utf8", until_log("d-utf8", "gr"), "tail d-utf8", needs=program("d-utf8", "utf8")),
        Scenario("tail-cut-utf8", until_log("d-utf8", "gr"), "tail -3 d-utf8", needs=program("d-utf8", "utf8")),
        Scenario("tail-crlf", until_log("d-crlf", "b"), "tail d-crlf", needs=program("d-crlf", "crlf")),
        Scenario("tail-not-utf8", written("d-latin"), "tail d-latin", needs=program("d-latin", "latin")),
        Scenario("tail-control", written("d-control"), "tail d-control", needs=program("d-control", "control")),
        Scenario("tail-usage", "tail"),
        Scenario("tail-many-usage", "tail -1 talk stdout more", needs=TALK),
        Scenario("tail-only-follow", "tail -f"),
    ]


def written(name):
    """A log that cannot be read by calls."""
    def there(daemon):
        path = os.path.join(daemon.root, name + ".0.out")
        return os.path.exists(path) and os.path.getsize(path) > 0

    return Wait(name + " wrote something", there)


def follow():
    trap = program("f-trap", "trap")
    ready = until_log("f-trap", "ready")
    return [
        Scenario("follow", until_log("talk", "hello"), Follow("tail -f talk", "hello out"), needs=TALK),
        Scenario(
            "follow-stderr",
            until_log("talk", "hello", "stderr"),
            Follow("tail -f talk stderr", "hello err"),
            needs=TALK,
        ),
        Scenario(
            "follow-long",
            until_log("d-long", "line 399"),
            Follow("tail -f d-long", "line 399\n"),
            needs=program("d-long", "long"),
        ),
        Scenario(
            "follow-growing",
            ready,
            Follow("tail -f f-trap", "got USR1", begins="ready", poke=("f-trap", "USR1")),
            needs=trap,
        ),
        Scenario("follow-member", Follow("tail -f trio:trio_0", "==> Press Ctrl-C to exit <==\n"), needs=TRIO),
        Scenario("follow-unknown", "tail -f nope"),
        Scenario("follow-no-log", "tail -f d-none", needs=program("d-none", "talk", stdout_logfile="NONE")),
        Scenario("follow-bad-channel", "tail -f talk foo", needs=TALK),
        Scenario("follow-many-usage", "tail -f talk stdout more", needs=TALK),
    ]


def clear():
    ready = until_log("c-one", "hello")
    one = program("c-one", "talk")
    return [
        Scenario("clear", ready, "clear c-one", "tail c-one", "tail c-one stderr", needs=one),
        Scenario("clear-two", "clear c-one talk", needs=[one, TALK]),
        Scenario("clear-unknown", "clear nope"),
        Scenario("clear-mixed", "clear nope c-one", needs=one),
        Scenario("clear-member", "clear trio:trio_0", needs=TRIO),
        Scenario("clear-group", "clear trio:*", needs=TRIO),
        Scenario("clear-group-name", "clear trio", needs=TRIO),
        Scenario("clear-none", "clear c-none", needs=program("c-none", stdout_logfile="NONE", stderr_logfile="NONE")),
        Scenario("clear-stopped", "clear c-off", needs=off("c-off")),
        Scenario(
            "clear-grows-again",
            until_log("c-trap", "ready"),
            "clear c-trap",
            "signal USR1 c-trap",
            until_log("c-trap", "got USR1"),
            "tail c-trap",
            needs=program("c-trap", "trap"),
        ),
        Scenario("clear-usage", "clear"),
    ]


def main_log():
    # Whether a stop is waited for long enough to be told of is a matter of the machine.
    about = "(spawned|success|stopped): '?m-one"
    return [
        Scenario("maintail", "restart m-one", Run("maintail", lines=about), needs=program("m-one")),
        Scenario("maintail-bytes", "restart m-one", Run("maintail -90", lines="success: m-one"), needs=program("m-one")),
        Scenario(
            "maintail-unexpected",
            "start m-false",
            Run("maintail", lines="(spawned|exited|gave up): '?m-false"),
            needs=off("m-false", "/bin/false", startsecs=5),
        ),
        Scenario("maintail-bad-argument", "maintail -x"),
        Scenario("maintail-word", "maintail x"),
        Scenario("maintail-usage", "maintail -1 -2"),
        Scenario(
            "maintail-follow",
            "restart m-two",
            Run("maintail -4000", lines="stopped: m-two"),
            needs=program("m-two"),
        ),
        Scenario("version", "version"),
        Scenario("version-usage", "version x"),
        Scenario("unknown-action", "nonsense"),
        Scenario("unknown-action-arguments", "nonsense a b"),
        Scenario("unknown-bang", "!x"),
        Scenario("shutdown-usage", "shutdown now"),
        Scenario("action-separator", "status;"),
    ]


def client():
    """What needs no daemon, or only a way to miss it."""
    lines = {
        "client-missing-socket": "-s unix:///nonexistent/socket {}",
        "client-refused": "-s http://127.0.0.1:1 {}",
    }
    actions = {
        "status": "status",
        "status-name": "status talk",
        "start": "start talk",
        "stop": "stop talk",
        "restart": "restart talk",
        "signal": "signal HUP talk",
        "pid": "pid",
        "tail": "tail talk",
        "maintail": "maintail",
        "clear": "clear talk",
        "version": "version",
        "shutdown": "shutdown",
    }
    away = [
        Scenario("{}-{}".format(name, action), line.format(words), client_only=True)
        for name, line in lines.items()
        for action, words in actions.items()
    ]
    odd = {
        "client-bad-scheme": "-s ftp://127.0.0.1 status",
        "client-bad-port": "-s http://127.0.0.1:abc status",
        "client-port-range": "-s http://127.0.0.1:99999 status",
        "client-no-url": "-s foo status",
        "client-no-host": "-s http://name.invalid:1 status",
        "client-long-path": "-s unix:///" + "x" * 200 + " status",
        "client-not-a-socket": "-s unix://@ROOT@/s.pid status",
        "client-under-a-file": "-s unix://@ROOT@/s.pid/x status",
        "client-option-unknown": "-x status",
        "client-option-long-unknown": "--nonsense status",
        "client-option-twice": "-u a -u b status",
        "client-option-twice-both-ways": "-u a --username=b status",
        "client-option-no-argument": "--username",
        "client-option-flag-argument": "--interactive=1 status",
        "client-option-prefix": "--server=unix://@SOCK@ status",
        "client-option-ambiguous": "--s= status",
        "client-option-history": "-c @ROOT@/supervisord.conf -r @ROOT@/history version",
        "client-option-interactive": "-c @ROOT@/supervisord.conf -i version",
        "client-config-missing": "-c @ROOT@/nope.conf version",
        "client-config-directory": "-c @ROOT@ version",
        "client-config-long": "--configuration=@ROOT@/supervisord.conf version",
        "client-config-no-section": "-c @ROOT@/bare.conf version",
        "client-credentials-unasked": "-c @ROOT@/supervisord.conf -u a -p b version",
        "client-config-relative": "-c named.conf version",
        "client-config-relative-socket": "-c relative.conf version",
        "client-config-expansion": "-c @ROOT@/here.conf version",
        "client-config-include": "-c @ROOT@/include.conf version",
        "client-config-bad-expansion": "-c @ROOT@/expansion.conf version",
        "help-list": "help",
        "help-question": "?",
        "help-topic-usage": "help start",
        "help-unknown": "help nonsense",
        "help-help-usage": "help help",
    }
    found = {
        "client-config-found": "version",
        "client-config-found-url": "-s http://127.0.0.1:@PORT@ version",
    }
    return [
        *away,
        *(Scenario(name, line, client_only=True) for name, line in odd.items()),
        *(Scenario(name, Run(line, bare=True), client_only=True) for name, line in found.items()),
    ]


def client_world():
    world = World("client", client(), [TALK])
    section = "[supervisorctl]\nserverurl="
    world.files += [
        ("bare.conf", "[supervisord]\n", 0o600),
        ("cwd/named.conf", section + "unix://@SOCK@\n", 0o600),
        ("cwd/relative.conf", section + "unix://../s.sock\n", 0o600),
        ("here.conf", section + "unix://%(here)s/s.sock ; where it is\n", 0o600),
        ("include.conf", "[include]\nfiles=other.conf\n" + section + "unix://@SOCK@\n", 0o600),
        ("other.conf", section + "unix:///nonexistent/socket\n", 0o600),
        ("expansion.conf", section + "unix://%(nowhere)s/s.sock\n", 0o600),
    ]
    return world


def all_of_them():
    """Actions on all programs; each begins from the same states."""
    names = ["one", "two", "off", "trio:trio_0", "trio:trio_1"]
    programs = [
        program("one", priority=1),
        program("two", "talk", priority=2),
        off("off", priority=3),
        off("gone", "/nonexistent/x", priority=4),
        several("trio", 2, priority=5),
    ]
    states = {name: "STOPPED" if name == "off" else "RUNNING" for name in names}
    lines = {
        "all-start": "start all",
        "all-start-among": "start nope all",
        "all-stop": "stop all",
        "all-restart": "restart all",
        "all-signal": "signal WINCH all",
        "all-signal-bad": "signal FOO all",
        "all-clear": "clear all",
        "all-pid": "pid all",
        "all-status": "status all",
    }
    scenarios = [
        Scenario(name, Run(line, ordered=name not in ("all-stop", "all-restart")), prepare=states)
        for name, line in lines.items()
    ]
    stopped = {name: "STOPPED" for name in names}
    scenarios += [
        Scenario("all-stop-stopped", "stop all", prepare=stopped),
        Scenario("all-signal-stopped", "signal FOO all", prepare=stopped),
        Scenario("all-pid-stopped", "pid all", prepare=stopped),
    ]
    return World("all", scenarios, programs)


def authentication():
    url = "-s http://127.0.0.1:@PORT@ "
    lines = {
        "auth-from-config": "-c @ROOT@/supervisord.conf status",
        "auth-right": "-s unix://@SOCK@ -u user -p secret:word status",
        "auth-wrong-password": "-s unix://@SOCK@ -u user -p wrong status",
        "auth-wrong-name": "-s unix://@SOCK@ -u other -p secret:word status",
        "auth-no-password": "-s unix://@SOCK@ -u user status",
        "auth-none": "-s unix://@SOCK@ status",
        "auth-inet-right": url + "-u user -p secret:word status",
        "auth-inet-wrong": url + "-u user -p wrong pid",
        "auth-inet-none": url + "version",
        "auth-in-url": "-s http://user:secret:word@127.0.0.1:@PORT@ version",
        "auth-shutdown": "-s unix://@SOCK@ shutdown",
        "auth-start": "-s unix://@SOCK@ start talk",
        "auth-tail": "-s unix://@SOCK@ tail talk",
    }
    scenarios = [Scenario(name, line) for name, line in lines.items()]
    scenarios.append(
        Scenario(
            "auth-follow",
            until_log("talk", "hello"),
            Follow("-s unix://@SOCK@ -u user -p secret:word tail -f talk", "hello out"),
        )
    )
    return World("auth", scenarios, [TALK], credentials=("user", "secret:word"))


def going_down():
    """Each ends its daemon."""
    stubborn = program("z-stubborn", "stubborn", stopwaitsecs=60)
    begin = [until_log("z-stubborn", "ready"), "shutdown"]
    down = {
        "again": "shutdown",
        "status": "status",
        "start": "start talk",
        "pid": "pid",
        "tail": "tail talk",
        "version": "version",
    }
    worlds = [
        World(
            "down",
            [Scenario("shutdown-then-" + name, line) for name, line in down.items()],
            [stubborn, TALK],
        )
    ]
    worlds[0].scenarios[0].steps = (*begin, *worlds[0].scenarios[0].steps)
    gone = Scenario(
        "shutdown-gone",
        "shutdown",
        until_ended(),
        "pid",
        "shutdown",
        "-s http://127.0.0.1:@PORT@ status",
        "-s http://127.0.0.1:@PORT@ shutdown",
    )
    return [*worlds, World("gone", [gone], [TALK])]


def without_log():
    def remove(daemon):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(daemon.root, "main.log"))

    scenarios = [
        Scenario("maintail-no-log", remove, "maintail"),
        Scenario("follow-main-no-log", remove, "maintail -f"),
    ]
    return World("nolog", scenarios)


def worlds():
    """All worlds, afresh."""
    import reread

    # Each action has a daemon of its own, so that they are played side by side.
    actions = (status, start, stop, restart, signals, pid, tail, follow, clear, main_log)
    return [
        *(World(action.__name__, action()) for action in actions),
        all_of_them(),
        authentication(),
        without_log(),
        client_world(),
        *going_down(),
        *reread.worlds(),
    ]
