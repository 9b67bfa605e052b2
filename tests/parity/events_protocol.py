"""What listeners say, and what becomes of the event: READY, RESULT, and all that is neither."""

import re

from events_bench import FAIL, OK, READY, STAY, Pool, activity, compare, heard, records, remote, scenario, stage, until_said
from events_bench import with_pool
from looks import Look, ask, content, reached, read, tell, until, until_file


def good():
    """Ways to say that an event was processed."""

    def bytewise(*words):
        return [piece for byte in b"".join(words) for piece in (bytes([byte]), ("sleep", 0.01))]

    numbers = (b"2", b" 2", b"2 ", b"+2", b"02", b"2\r", b"\t2 ", b"0_2")
    results = [b"RESULT " + number for number in numbers]
    return [
        with_pool("p-one-write", remote("a"), remote("b"), heard("p-one-write", 2), until_ready("p-one-write", 3),
                  compare("p-one-write"), activity("p-one-write"), lives=[{"always": [OK + READY]}]),
        with_pool("p-bytes", remote("a"), remote("b"), heard("p-bytes", 2), until_ready("p-bytes", 3), compare("p-bytes"),
                  activity("p-bytes"), lives=[{"begin": bytewise(READY), "always": bytewise(OK, READY)}]),
        with_pool("p-line-then-body", remote("a"), remote("b"), heard("p-line-then-body", 2), compare("p-line-then-body"),
                  lives=[{"always": [b"RESULT 2\n", ("sleep", 0.1), b"O", ("sleep", 0.1), b"K", ("sleep", 0.1), READY]}]),
        with_pool("p-numbers", *[remote("n", str(n)) for n in range(len(results))], heard("p-numbers", len(results)),
                  until_ready("p-numbers", len(results) + 1), compare("p-numbers"), activity("p-numbers"),
                  lives=[{"answers": [[word + b"\nOK", READY] for word in results]}]),
        with_pool("p-ready-late", remote("a"), heard("p-ready-late", 1), until_ready("p-ready-late", 2), remote("b"),
                  heard("p-ready-late", 2), compare("p-ready-late"), lives=[{"always": [OK, ("sleep", 0.2), READY]}]),
    ]


def until_ready(name, times):
    return until(
        "{} was ready {} times".format(name, times),
        lambda daemon: read(daemon, "main.log").count(" {}: ACKNOWLEDGED -> READY".format(name)) >= times,
    )


def rejected():
    """Ways to say that it was not: the event comes again."""

    def again(name, *words, **keys):
        lists = [[word, READY] for word in words]
        return with_pool(
            name,
            *(remote("r", str(number)) for number in range(3)),
            heard(name, 3 + len(words)),
            until_ready(name, 4 + len(words)),
            compare(name),
            activity(name),
            lives=[{"answers": lists}],
            **keys,
        )

    return [
        again("r-fail", FAIL),
        again("r-fail-twice", FAIL, FAIL),
        again("r-other-word", b"RESULT 2\nok"),
        again("r-short", b"RESULT 1\nO"),
        again("r-line-end", b"RESULT 3\nOK\n"),
        again("r-long", b"RESULT 5000\n" + b"x" * 5000),
        again("r-not-text", b"RESULT 3\n\xff\x00\n"),
        again("r-full", FAIL, buffer_size=3),
        with_pool("r-alone", remote("r"), heard("r-alone", 2), until_ready("r-alone", 3), compare("r-alone"),
                  activity("r-alone", words="event|->"), lives=[{"answers": [[FAIL, READY]]}], buffer_size=7),
    ]


def broken(name, *acts, before=(), word="UNKNOWN"):
    """A listener that breaks the protocol: what is said of it. It is told nothing more in this life."""
    return with_pool(
        name,
        *before,
        until_said(name, word),
        activity(name, words="UNKNOWN|bad result|-> READY"),
        lives=[{**dict(acts)}] + [{"begin": [STAY]}] * 3,
    )


def bad():
    one = [remote("b", "x")]

    def at_begin(name, *words):
        return broken(name, ("begin", [*words, STAY]))

    def as_result(name, *words):
        return broken(name, ("always", [*words, STAY]), before=one)

    return [
        at_begin("b-no-ready", b"hello\n"),
        at_begin("b-ready-wrong", b"READYX\n"),
        at_begin("b-ready-lower", b"ready\n"),
        at_begin("b-ready-crlf", b"READY\r\n"),
        at_begin("b-blank-before", b"\n", b"READY\n"),
        at_begin("b-ready-twice", READY, READY),
        at_begin("b-ready-and-more", READY, ("sleep", 0.2), b"x"),
        at_begin("b-ready-and-more-at-once", READY + b"x"),
        at_begin("b-result-first", OK),
        as_result("b-word", b"RESULT x\n"),
        as_result("b-nothing", b"\n"),
        as_result("b-no-number", b"RESULT\n"),
        as_result("b-words", b"this is no result\n"),
        as_result("b-float", b"RESULT 2.0\nOK"),
        as_result("b-hex", b"RESULT 0x2\nOK"),
        as_result("b-undecodable", b"\xff it's wrong\n"),
        as_result("b-unicode", "RESULT gr\u00fcn\n".encode()),
        as_result("b-ready-again", READY),
        as_result("b-line-end-after", OK + b"\n", READY),
        as_result("b-text-after", OK + b"thank you\n"),
    ]


def waits():
    """What is no decision yet."""
    early = Pool("w-early", startsecs=1)
    return [
        with_pool("w-part-of-ready", until_file("w-part-of-ready.out", "READ"), activity("w-part-of-ready"),
                  lives=[{"begin": [b"READ", STAY]}]),
        with_pool("w-few-bytes", until_file("w-few-bytes.out", "ha"), activity("w-few-bytes"),
                  lives=[{"begin": [b"ha\n", STAY]}]),
        with_pool("w-no-line", remote("w"), heard("w-no-line", 1), until_file("w-no-line.out", "RESULT"),
                  activity("w-no-line"), lives=[{"always": [b"RESULT 2", STAY]}]),
        with_pool("w-huge", remote("w"), heard("w-huge", 1), until_file("w-huge.out", "OK"), activity("w-huge"),
                  lives=[{"always": [b"RESULT 99999999999999999999999999\nOK", STAY]}]),
        with_pool("w-no-body", remote("w"), heard("w-no-body", 1), until_file("w-no-body.out", "RESULT 2\nO"),
                  activity("w-no-body"), lives=[{"always": [b"RESULT 2\nO", STAY]}]),
        scenario(
            "w-ready-before-running",
            early.join(running=False),
            remote("early"),
            until_said("w-early", "-> READY"),
            heard("w-early", 1),
            until_ready("w-early", 2),
            activity("w-early", words="sent|->|entered"),
            compare("w-early"),
            early.leave(),
        ),
    ]


def lives_and_deaths():
    def dies(name, acts, **keys):
        return with_pool(name, remote("d", "1"), remote("d", "2"), heard(name, 3), until_ready(name, 4), compare(name),
                         activity(name, words="(?<!rebuffering )event|->|exited"), lives=[{"answers": [acts]}], **keys)

    return [
        dies("d-busy", [("exit", 0)], autorestart="true"),
        dies("d-busy-badly", [("exit", 3)]),
        dies("d-half-a-result", [b"RESULT 2\nO", ("exit", 0)], autorestart="true"),
        with_pool("d-ready", until_ready("d-ready", 1), tell("signalProcess", "d-ready", "KILL"), remote("d", "1"),
                  heard("d-ready", 1), until_ready("d-ready", 3), compare("d-ready"), autorestart="true"),
        with_pool("d-stopped", remote("d", "1"), remote("d", "2"), heard("d-stopped", 1), tell("stopProcess", "d-stopped"),
                  tell("startProcess", "d-stopped"), heard("d-stopped", 3), until_ready("d-stopped", 4), compare("d-stopped"),
                  activity("d-stopped", words="(?<!rebuffering )event|->|stopped:"), lives=[{"always": [STAY]}]),
        with_pool("d-stdin-closed", remote("d", "1"), until_said("d-stdin-closed", "epipe"),
                  activity("d-stdin-closed", once=True),
                  lives=[{"begin": [("close", 0), READY, STAY]}]),
        with_pool("d-stdin-closed-next", remote("d", "1"), remote("d", "2"), heard("d-stdin-closed-next", 2),
                  compare("d-stdin-closed-next"),
                  pool=Pool("d-stdin-closed-next", count=2,
                            lives={"d-stdin-closed-next_0": [{"begin": [("close", 0), READY, STAY]}]})),
    ]


def surroundings():
    """What listeners find, and where their output goes."""

    def variables(daemon):
        found = [record["env"] for record in records(daemon, "x-environment") if "env" in record]
        return [dict(sorted(one.items())) for one in found]

    def output(daemon):
        return re.findall(r"'x-output' stdout output:\n?.*", read(daemon, "main.log"))

    noisy = [("error", b"a warning\n"), OK, READY]
    told = b"<!--XSUPERVISOR:BEGIN-->told<!--XSUPERVISOR:END-->"
    return [
        with_pool("x-environment", until("it says what it finds", variables), Look("variables", variables),
                  lives=[{"begin": [("env", 0), READY]}], environment='OWN="1"'),
        with_pool("x-logs", remote("x"), heard("x-logs", 1), until_file("x-logs.out", "OKREADY"), content("x-logs.out"),
                  until_file("x-logs.err", "warning"), content("x-logs.err"), lives=[{"always": noisy}]),
        with_pool("x-stderr-events", remote("x"), heard("x-stderr-events", 2), compare("x-stderr-events"),
                  activity("x-stderr-events", "'x-stderr-events'", "comm event"),
                  lives=[{"answers": [[("error", told + b"." * 40), OK, READY]]}],
                  events="REMOTE_COMMUNICATION,PROCESS_COMMUNICATION_STDERR", stderr_capture_maxbytes="1KB"),
        with_pool("x-stdout-tags", remote("x"), heard("x-stdout-tags", 1), until_said("x-stdout-tags", "BUSY ->"),
                  activity("x-stdout-tags"), lives=[{"always": [b"RESULT 50\n" + told, STAY]}]),
        with_pool("x-stderr-log", remote("x"), heard("x-stderr-log", 2), compare("x-stderr-log"),
                  lives=[{"answers": [[("error", b"a warning\n"), OK, READY]]}],
                  events="REMOTE_COMMUNICATION,PROCESS_LOG_STDERR", stderr_events_enabled="true"),
        with_pool("x-output", until_ready("x-output", 1), Look("output in the activity log", output),
                  differs=True),
        with_pool("x-cleared", remote("x"), heard("x-cleared", 1), until_ready("x-cleared", 2),
                  until_file("x-cleared.out", "OKREADY\n"), ask("clearProcessLogs", "x-cleared"), remote("x"),
                  heard("x-cleared", 2), until_file("x-cleared.out", "OKREADY\n"), content("x-cleared.out")),
        with_pool("x-read", remote("x"), heard("x-read", 1), until_file("x-read.out", "OKREADY\n"),
                  ask("readProcessStdoutLog", "x-read", 0, 0), ask("tailProcessStdoutLog", "x-read", 0, 6)),
        with_pool("x-status", "status x-status", reached("x-status", "RUNNING")),
    ]


def ansi():
    """Sequences of a terminal are no READY, and not in the log."""
    return with_pool("x-ansi", until_said("x-ansi", "UNKNOWN"), until_file("x-ansi.out", "READY"), content("x-ansi.out"),
                     activity("x-ansi", words="UNKNOWN"), lives=[{"begin": [b"\x1b[1mREADY\n", STAY]}] + [{"begin": [STAY]}] * 3)


def worlds():
    return [
        stage("event-good", [*good(), *waits()]),
        stage("event-rejected", rejected()),
        stage("event-bad", bad()),
        stage("event-ansi", [ansi()], lines="strip_ansi=true\n"),
        stage("event-deaths", [*lives_and_deaths(), *surroundings()]),
    ]
