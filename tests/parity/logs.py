"""What becomes of output: files, their names and modes, rotation, clearing, reopening."""

import errno
import os

from life import off, script, world
from looks import Do, Look, ask, begin, content, files, info, path, reached, read, rename, reopen, until, until_file
from scenarios import Scenario

SCRIPTS = {
    # Repeat what is written into a pipe of the program's name; it is there when they are ready.
    "echo": "mkfifo @ROOT@/$1.new\nexec <>@ROOT@/$1.new\nmv @ROOT@/$1.new @ROOT@/$1.pipe\n"
    "while read -r line; do echo \"$line\"; done\n",
    "echo-err": "mkfifo @ROOT@/$1.new\nexec <>@ROOT@/$1.new\nmv @ROOT@/$1.new @ROOT@/$1.pipe\n"
    "while read -r line; do echo \"$line\" >&2; done\n",
    "last-words": "echo one\necho two >&2\nprintf three\n",
    "bulk": "i=0; while [ $i -lt 2000 ]; do echo \"line $i of some length to fill a block\"; i=$((i+1)); done\necho end\n",
    "bytes": "printf 'a\\000b\\001\\033[31mred\\377\\r\\n'\nexec sleep 1000\n",
    "ansi": "printf '\\033[1;31mred\\033[0m plain\\033[2Jx\\n'; echo done\nexec sleep 1000\n",
    "both": "echo out; sleep 0.3; echo err >&2; sleep 0.3; echo out again\nexec sleep 1000\n",
    "tokens": (
        "echo before; sleep 0.3\nprintf '<!--XSUPERVISOR:BEGIN-->secret<!--XSUPERVISOR:END-->'; sleep 0.3\n"
        "echo after a while of more than twenty-four characters\nexec sleep 1000\n"
    ),
}


def scenario(name, *steps, needs=(), **more):
    return Scenario(name, *steps, needs=needs, daemon_only=True, **more)


def line(number):
    """Thirty bytes and a line feed."""
    return "{:030d}\n".format(number)


def write(daemon, name, text):
    """Has a program of the scripts above repeat a text."""
    pipe = path(daemon, name + ".pipe")
    found = []

    def opened(_):
        # The pipe of an earlier life has no reader and never will: it is not waited for, but for the one that replaces it.
        try:
            found.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENXIO):
                raise
        return found

    until(name + " reads a pipe", opened).function(daemon)
    with open(found[0], "w") as file:
        file.write(text)


def feed(name, numbers, channel="out"):
    """Lines, one at a time: each is in a log before the next is written."""

    def fed(daemon):
        for number in numbers:
            write(daemon, name, line(number))
            there = "line {} is in a log of {}".format(number, name)
            until(there, lambda d, n=number: line(n) in everything(d, name, channel)).function(daemon)

    return Do("feed " + name, fed)


def log_of(name, channel):
    return "{}.0.{}".format(name, channel)


def everything(daemon, name, channel):
    """All logs of a program together."""
    prefix = "{}.0.{}".format(name, channel)
    names = [file for file in os.listdir(daemon.root) if file.startswith(prefix)]
    return "".join(read(daemon, file) for file in names)


def last(name, number):
    """Waits until the line was thrown away or written: where nothing is kept there is nothing else to see."""
    return Do("write to " + name, lambda daemon: write(daemon, name, line(number)))


def rotations():
    found = []
    table = {
        # limit, backups, lines
        "three": ("100", "3", 18),
        "one": ("100", "1", 12),
        "ten": ("62", "10", 9),
        "exact": ("31", "2", 4),
        "never": ("0", "3", 6),
        "kilobytes": ("1KB", "2", 40),
        "big-enough": ("50MB", "10", 3),
    }
    for channel, what in (("out", "echo"), ("err", "echo-err")):
        for name, (limit, backups, count) in table.items():
            if channel == "err" and name not in ("three", "never"):
                continue
            name = "logs-rotate-{}-{}".format(name, channel)
            log = "std{}_logfile".format(channel)
            keys = {log + "_maxbytes": limit, log + "_backups": backups}
            found.append(
                scenario(
                    name,
                    begin(name),
                    reached(name, "RUNNING"),
                    feed(name, range(count), channel),
                    until("the log is there again", lambda d, n=name, c=channel: os.path.exists(path(d, log_of(n, c)))),
                    files("^{}[.]0[.]{}".format(name, channel), "size"),
                    Look("logs", lambda daemon, n=name, c=channel: everything_in_order(daemon, n, c)),
                    ask("tailProcessStdoutLog" if channel == "out" else "tailProcessStderrLog", name, 0, 40),
                    needs=off(name, script(what, name), **keys),
                )
            )
    found += [
        scenario(
            "logs-rotate-big-write",
            begin("logs-big"),
            reached("logs-big", "RUNNING"),
            Do("write", lambda daemon: write(daemon, "logs-big", "x" * 250 + "\n")),
            until_file("logs-big.0.out.1", "x\n"),
            files("^logs-big", "size"),
            needs=off("logs-big", script("echo", "logs-big"), stdout_logfile_maxbytes="100", stdout_logfile_backups="2"),
        ),
        scenario(
            "logs-rotate-nothing-kept",
            begin("logs-none-kept"),
            reached("logs-none-kept", "RUNNING"),
            feed("logs-none-kept", range(3)),
            last("logs-none-kept", 3),
            until("it is empty", lambda daemon: read(daemon, "logs-none-kept.0.out") == ""),
            feed("logs-none-kept", range(4, 6)),
            files("^logs-none-kept", "size"),
            needs=off("logs-none-kept", script("echo", "logs-none-kept"), stdout_logfile_maxbytes="100", stdout_logfile_backups="0"),
        ),
        scenario(
            "logs-rotate-on-restart",
            begin("logs-goes-on"),
            reached("logs-goes-on", "RUNNING"),
            feed("logs-goes-on", range(2)),
            ask("stopProcess", "logs-goes-on"),
            begin("logs-goes-on"),
            reached("logs-goes-on", "RUNNING"),
            feed("logs-goes-on", range(2, 6)),
            files("^logs-goes-on", "size"),
            needs=off("logs-goes-on", script("echo", "logs-goes-on"), stdout_logfile_maxbytes="100", stdout_logfile_backups="2"),
        ),
    ]
    return found


def everything_in_order(daemon, name, channel):
    prefix = "{}.0.{}".format(name, channel)
    names = sorted(file for file in os.listdir(daemon.root) if file.startswith(prefix))
    return "".join("{}:\n{}".format(file, read(daemon, file)) for file in names)


def talking(name, what, *steps, **keys):
    """A program that is started, and the steps after it."""
    return scenario(name, begin(name), reached(name, "RUNNING", "EXITED"), *steps, needs=off(name, script(what), **keys))


def kinds():
    """Where output goes."""

    def auto(pattern):
        def found(daemon):
            rows = []
            for name in sorted(os.listdir(daemon.root)):
                if name.startswith(pattern) and "---" in name:
                    head, _, tail = name.partition("---")
                    mode = oct(os.stat(path(daemon, name)).st_mode)
                    rows.append("{}---{}{} {}".format(head, tail[: tail.rindex("-") + 1], len(tail), mode))
            return rows

        return Look("AUTO logs of " + pattern, found)

    automatic = {"stdout_logfile": "AUTO", "stderr_logfile": "AUTO"}
    return [
        talking("logs-last-words", "last-words", until_file("logs-last-words.0.out", "three"),
                content("logs-last-words.0.out"), content("logs-last-words.0.err"), autorestart="false"),
        talking("logs-bulk", "bulk", until_file("logs-bulk.0.out", "end"), content("logs-bulk.0.out"), autorestart="false"),
        talking("logs-bytes", "bytes", until_file("logs-bytes.0.out", "red"), content("logs-bytes.0.out")),
        talking("logs-redirected", "both", until_file("logs-redirected.0.out", "again"), content("logs-redirected.0.out"),
                content("logs-redirected.0.err"), redirect_stderr="true"),
        talking("logs-one-file", "both", until_file("logs-one.log", "again"), content("logs-one.log"),
                stdout_logfile="@ROOT@/logs-one.log", stderr_logfile="@ROOT@/logs-one.log",
                stdout_logfile_maxbytes="0", stderr_logfile_maxbytes="0"),
        talking("logs-none", "both", files("^logs-none[.]"), ask("readProcessStdoutLog", "logs-none", 0, 0),
                ask("tailProcessStderrLog", "logs-none", 0, 10), info("logs-none", "statename"),
                stdout_logfile="NONE", stderr_logfile="off"),
        talking("logs-mode", "both", until_file("logs-mode.0.out", "again"), files("^logs-mode", "mode", "owner")),
        talking("logs-owner", "both", until_file("logs-owner.0.out", "again"), files("^logs-owner", "mode", "owner"),
                user="nobody", directory="/"),
        talking("logs-relative", "both", until_file("logs-relative.txt", "again"), content("logs-relative.txt"),
                stdout_logfile="logs-relative.txt"),
        talking("logs-auto", "both", auto("logs-auto-std"), **automatic),
        scenario("logs-auto-never-started", auto("logs-auton"), needs=off("logs-auton", script("both"), **automatic),
                 differs=True),
        talking("logs-auto-redirected", "both", auto("logs-autor"), redirect_stderr="true", **automatic),
        talking("logs-expanded", "both", until_file("logs-expanded-5.x", "again"), files("^logs-expanded"),
                stdout_logfile="@ROOT@/%(program_name)s-%(process_num)d.x", numprocs_start=5),
        scenario("logs-directory", ask("startProcess", "logs-directory"), info("logs-directory"),
                 needs=off("logs-directory", script("both"), stdout_logfile="@ROOT@/bin")),
        talking("logs-standard-output", "both", until_file("daemon.out", "out again"), stdout_logfile="/dev/stdout",
                stdout_logfile_maxbytes="0"),
        talking("logs-null", "both", info("logs-null", "statename", "stdout_logfile"), stdout_logfile="/dev/null",
                stdout_logfile_maxbytes="0", stderr_logfile="/dev/null", stderr_logfile_maxbytes="0"),
        talking("logs-append", "last-words", until_file("logs-append.0.out", "three"), ask("startProcess", "logs-append"),
                until_file("logs-append.0.out", "threeone"), content("logs-append.0.out"), autorestart="false"),
        talking("logs-capture", "tokens", until_file("logs-capture.0.out", "twenty-four"), content("logs-capture.0.out"),
                stdout_capture_maxbytes="1MB"),
        talking("logs-syslog", "both", info("logs-syslog", "statename", "stdout_logfile"), files("^logs-syslog"),
                stdout_syslog="true"),
        talking("logs-syslog-magic", "both", info("logs-syslog-magic", "statename", "stdout_logfile"),
                files("^logs-syslog-magic"), stdout_logfile="syslog"),
    ]


def reading():
    """Reading and tailing through the daemon."""
    found = []
    calls = {
        "whole": ("readProcessStdoutLog", 0, 0),
        "from": ("readProcessStdoutLog", 4, 0),
        "part": ("readProcessStdoutLog", 2, 5),
        "from-end": ("readProcessStdoutLog", -6, 0),
        "from-end-length": ("readProcessStdoutLog", -6, 3),
        "negative-length": ("readProcessStdoutLog", 0, -1),
        "beyond": ("readProcessStdoutLog", 5000, 10),
        "tail": ("tailProcessStdoutLog", 0, 5),
        "tail-all": ("tailProcessStdoutLog", 0, 5000),
        "tail-beyond": ("tailProcessStdoutLog", 5000, 10),
        "tail-nothing": ("tailProcessStdoutLog", 0, 0),
        "errors": ("readProcessStderrLog", 0, 0),
        "old-name": ("readProcessLog", 0, 0),
        "old-tail": ("tailProcessLog", 0, 4),
    }
    needs = off("logs-words", "/bin/sh -c 'printf \"one two three\\n\"; printf \"no\\n\" >&2; exec sleep 1000'")
    for name, (method, *numbers) in calls.items():
        found.append(
            scenario(
                "logs-read-" + name,
                begin("logs-words"),
                until_file("logs-words.0.err", "no"),
                until_file("logs-words.0.out", "three"),
                ask(method, "logs-words", *numbers),
                needs=needs,
            )
        )
    return found


def clearing():
    """Clearing and reopening."""

    def grown(name):
        return [begin(name), reached(name, "RUNNING"), feed(name, range(4))]

    def program(name, **keys):
        return off(name, script("echo", name), **keys)

    rotated = {"stdout_logfile_maxbytes": "100", "stdout_logfile_backups": "2"}
    return [
        scenario(
            "logs-clear",
            *grown("logs-clear"),
            ask("clearProcessLogs", "logs-clear"),
            files("^logs-clear[.]", "size", "mode"),
            feed("logs-clear", range(4, 6)),
            content("logs-clear.0.out"),
            needs=program("logs-clear"),
        ),
        scenario(
            "logs-clear-rotated",
            *grown("logs-cut"),
            ask("clearProcessLog", "logs-cut"),
            files("^logs-cut", "size"),
            needs=program("logs-cut", **rotated),
        ),
        scenario("logs-clear-unknown", ask("clearProcessLogs", "nope")),
        scenario("logs-clear-none", ask("clearProcessLogs", "logs-nothing"), needs=program("logs-nothing", stdout_logfile="NONE")),
        scenario(
            "logs-clear-never-started", ask("clearProcessLogs", "logs-idle"), files("^logs-idle"), needs=program("logs-idle")
        ),
        scenario(
            "logs-reopen",
            *grown("logs-moved"),
            rename("logs-moved.0.out", "logs-old.0.out"),
            reopen(),
            feed("logs-moved", range(10, 12)),
            content("logs-old.0.out"),
            content("logs-moved.0.out"),
            needs=program("logs-moved"),
        ),
        scenario(
            "logs-reopen-still-there",
            *grown("logs-stays"),
            reopen(),
            feed("logs-stays", range(10, 12)),
            content("logs-stays.0.out"),
            needs=program("logs-stays"),
        ),
        scenario(
            "logs-removed",
            *grown("logs-removed"),
            Do("rm", lambda daemon: os.remove(path(daemon, "logs-removed.0.out"))),
            reopen(),
            feed("logs-removed", range(10, 12)),
            content("logs-removed.0.out"),
            needs=program("logs-removed"),
        ),
        scenario(
            "logs-main-reopen",
            rename("main.log", "main.old"),
            Do("USR2", lambda daemon: daemon.process.send_signal(12)),
            until_file("main.old", "received SIGUSR2 indicating log reopen request"),
            until("there is a log", lambda daemon: os.path.exists(path(daemon, "main.log"))),
            content("main.log"),
        ),
        scenario(
            "logs-main-clear",
            ask("clearLog"),
            Look("size", lambda d: len(read(d, "main.log")) < 200),
        ),
        scenario("logs-main-read", ask("readLog", 0, -1), ask("readLog", -5, 5)),
    ]


def stripped():
    return [talking("logs-ansi", "ansi", until_file("logs-ansi.0.out", "done"), content("logs-ansi.0.out"))]


def worlds():
    made = [
        world("rotations", rotations()),
        world("logs", [*kinds(), *reading()]),
        world("clearing", clearing()),
        world("stripped", stripped(), daemon="strip_ansi=true\n"),
    ]
    for one in made:
        one.files += [("bin/" + key, text, 0o755) for key, text in SCRIPTS.items()]
    return made
