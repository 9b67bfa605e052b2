"""What programs write: PROCESS_LOG, and PROCESS_COMMUNICATION between tags."""

import re

from events_bench import Pool, activity, events, heard, kind, plain, remote, scenario, stage
from life import off
from looks import Do, Look, begin, content, reached

SCRIPTS = {
    # Writes its words one by one, each when the one before was taken, if that happens soon. Then it ends.
    "speak": (
        "import array, ast, fcntl, os, sys, termios, time\n"
        "def left(file):\n"
        "    count = array.array('i', [0])\n"
        "    fcntl.ioctl(file, termios.FIONREAD, count)\n"
        "    return count[0]\n"
        "with open('@ROOT@/' + sys.argv[1] + '.words') as file:\n"
        "    words = ast.literal_eval(file.read())\n"
        "for file, word in words:\n"
        "    os.write(file, word)\n"
        "    end = time.monotonic() + 0.05\n"
        "    while left(file) and time.monotonic() < end:\n"
        "        time.sleep(0.002)\n"
    ),
}
ALL = Pool("all", "PROCESS_LOG,PROCESS_COMMUNICATION,PROCESS_STATE_EXITED,REMOTE_COMMUNICATION", buffer_size=1000)
BEGIN, END = b"<!--XSUPERVISOR:BEGIN-->", b"<!--XSUPERVISOR:END-->"
# What the reference does not log at an exit is less than this.
REST = b"." * 60 + b"\n"
EVENTS = {"stdout_events_enabled": "true", "stderr_events_enabled": "true"}
CAPTURE = {"stdout_capture_maxbytes": "1MB", "stderr_capture_maxbytes": "1MB"}


def message(text):
    return BEGIN + text + END


def of_program(name, look=None):
    """The events that `all` heard of a program."""

    def found(daemon):
        rows = [record for record in events(daemon, "all", name) if "REMOTE" not in record["header"]]
        return [plain(record) for record in (look(rows) if look else rows)]

    return Look("events of " + name, found)


def spoken(name, words, *looks, differs=False, **keys):
    """A program that writes so, and what is to be looked at when all of it was heard."""
    end = "end-" + name
    return scenario(
        name,
        Do("words of " + name, lambda daemon: daemon.write(name + ".words", repr(words), 0o644)),
        begin(name),
        reached(name, "EXITED"),
        remote(end),
        heard("all", 1, end),
        *(looks or [of_program(name)]),
        needs=off(name, "/usr/bin/python3 -S -E @ROOT@/bin/speak " + name, **keys),
        differs=differs,
    )


def logs(name, *words, look=None, differs=False, **keys):
    return spoken(name, list(words), of_program(name, look), differs=differs, **{**EVENTS, **keys})


def by_kind(rows):
    return sorted(rows, key=kind)


def joined(name):
    """The text of all PROCESS_LOG events: how many there are is chance."""

    def found(daemon):
        rows = [record["payload"].partition("\n") for record in events(daemon, "all", name) if "_LOG_" in record["header"]]
        heads = {re.sub(r"pid:\d+", "pid:N", head) for head, _, _ in rows}
        text = "".join(data for _, _, data in rows)
        return [*sorted(heads), len(text), text[:20], text[-20:]]

    return Look("text of " + name, found)


def lines():
    return [
        logs("s-stdout", (1, b"hello\n")),
        logs("s-stderr", (2, b"hello\n")),
        logs("s-both", (1, b"one\n"), (2, b"two\n"), look=by_kind),
        logs("s-redirected", (2, b"two\n"), redirect_stderr="true"),
        logs("s-stdout-alone", (1, b"one\n"), (2, b"two\n"), stderr_events_enabled="false"),
        logs("s-none", (1, b"one\n"), (2, b"two\n"), stdout_events_enabled="false", stderr_events_enabled="false"),
        logs("s-no-log", (1, b"one\n"), stdout_logfile="NONE"),
        logs("s-chunks", (1, b"one"), (1, b"two\n"), (1, b"\n"), (1, b"three")),
        logs("s-unicode", (1, "gr\u00fcn \u20ac \U0001f600\n".encode())),
        logs("s-undecodable", (1, b"gr\xfcn\n")),
        logs("s-undecodable-quotes", *[(1, b"\xff" + text) for text in (b"it's", b'"so"', b"it's \"so\"", b"\\ \t\r\x00\x7f~")]),
        logs("s-undecodable-kinds",
             *[(1, text) for text in (b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80", b"\x80", b"\xe2\x82")]),
        logs("s-cut-character", (1, b"a\xe2\x82"), (1, b"\xacb\n"), differs=True),
        logs("s-control", (1, b"a\x00b\x01\x1b[1mc\r\n")),
        logs("s-header", (1, b"ver:3.0 len:3\nRESULT 2\nOK")),
        spoken("s-long", [(1, b"0123456789" * 15000)], joined("s-long"), **EVENTS),
        logs("s-tags-without-capture", (1, message(b"plain") + b"\n")),
    ]


def captures():
    def caught(name, *words, look=None, **keys):
        looks = [of_program(name, look), content(name + ".0.out"), content(name + ".0.err")]
        return spoken(name, [*words, (1, REST)], *looks, **{**CAPTURE, **keys})

    def without_captured(rows):
        """What is captured is said twice by the reference, which has a scenario of its own."""
        return [row for row in rows if not ("_LOG_" in row["header"] and row["payload"].endswith("secret"))]

    texts = [(1, b"before" * 5 + message(b"secret") + b"after" * 6 + b"\n")]
    return [
        caught("c-stdout", (1, message(b"a message"))),
        caught("c-stderr", (2, message(b"a message") + REST)),
        caught("c-redirected", (2, message(b"a message")), redirect_stderr="true"),
        caught("c-unicode", (1, message("gr\u00fcn \u20ac".encode()))),
        caught("c-undecodable", (1, message(b"gr\xfcn"))),
        caught("c-cut-character", (1, BEGIN + b"a" * 30 + b"\xe2\x82"), (1, b"\xacb" + END)),
        caught("c-empty", (1, BEGIN + END)),
        caught("c-lines", (1, message(b"one\ntwo\n\n"))),
        caught("c-several", (1, message(b"one") + message(b"two") + b"between" + message(b"three"))),
        caught("c-writes", (1, BEGIN), *[(1, b"part %d, " % n) for n in range(8)], (1, END)),
        caught("c-nested", (1, BEGIN + message(b"inner") + b"outer" + END)),
        caught("c-end-alone", (1, b"a" + END + b"b")),
        caught("c-not-ended", (1, b"text" * 10), (1, BEGIN + b"lost" * 20)),
        caught("c-almost", (1, b"<!--XSUPERVISOR:BEGIN-- ><!--XSUPERVISOR:BEGI<!--XSUPERVISOR:END-->\n")),
        caught("c-off", (1, message(b"plain")), stdout_capture_maxbytes="0"),
        caught("c-long", (1, BEGIN), (1, b"0123456789" * 6000), (1, END)),
        caught("c-limit", (1, BEGIN + b"a" * 50), *[(1, letter * 50) for letter in (b"b", b"c", b"d")], (1, END),
               stdout_capture_maxbytes="100"),
        caught("c-no-log", (1, message(b"a message")), stdout_logfile="NONE"),
        caught("c-order", *texts, look=without_captured, **EVENTS),
        caught("c-split-begin", *splits(BEGIN, b"", b"begin %d" + END)),
        caught("c-split-end", *splits(END, BEGIN + b"end %d", b"")),
        caught("c-split-everywhere", *[(1, bytes([byte])) for byte in message(b"bytes")]),
        spoken("c-debug", [(1, message(b"x") + REST)], activity("all", "'c-debug'", "comm event"), **CAPTURE),
    ]


def splits(tag, before, after):
    """Messages whose tag is split at every position, with text in between."""
    words = []
    for place in range(1, len(tag)):
        fill = [text % place if b"%d" in text else text for text in (before, after)]
        words += [(1, fill[0] + tag[:place]), (1, tag[place:] + fill[1] + b"," * 30)]
    return words


def stripped():
    return [
        logs("s-ansi", (1, b"\x1b[1mbold\x1b[0m plain\n")),
        spoken("c-ansi", [(1, message(b"\x1b[1mbold\x1b[0m") + REST)], **CAPTURE),
    ]


def worlds():
    return [
        stage("event-lines", lines(), [ALL], scripts=SCRIPTS),
        stage("event-captures", captures(), [ALL], scripts=SCRIPTS),
        stage("event-stripped", stripped(), [ALL], lines="strip_ansi=true\n", scripts=SCRIPTS),
    ]
