"""What the reference does wrong with events, and what is done instead: each scenario differs on purpose."""

from daemon import poll
from events_bench import FAIL, READY, STAY, Pool, compare, events, heard, kind, number, plain, records, remote, said, scenario
from events_bench import stage, until_said, with_pool
from events_protocol import until_ready
from events_streams import ALL, BEGIN, CAPTURE, END, EVENTS, REST, SCRIPTS, message, spoken
from life import off
from looks import Look, begin, pause, reached


def rejections():
    """A rejected event comes again after a while, to its own pool alone."""

    def flood(daemon):
        rows = events(daemon, "f-flood")
        one = len({number(row, "serial") for row in rows}) == 1
        return ["more than 20 in a second" if len(rows) > 20 else "some" if 2 <= len(rows) <= 6 else len(rows), one]

    flooded = with_pool(
        "f-flood", remote("f", "1"), remote("f", "2"), heard("f-flood", 1), pause(1), Look("deliveries", flood),
        lives=[{"always": [FAIL, READY]}], differs=True,
    )
    rejecting = Pool("f-rejecting", lives=[{"answers": [[FAIL, READY]]}])
    other = Pool("f-other", "TICK_3600,SUPERVISOR_STATE_CHANGE")
    foreign = scenario(
        "f-foreign",
        other.join(),
        rejecting.join(),
        remote("f", "rejected"),
        until_ready("f-rejecting", 3),
        pause(0.2),
        Look("what the other pool heard", lambda daemon: [kind(row) for row in events(daemon, "f-other")] or "nothing"),
        compare("f-rejecting"),
        rejecting.leave(),
        other.leave(),
        differs=True,
    )
    twice = with_pool(
        "f-twice", begin("f-program"), reached("f-program", "RUNNING"), remote("end"), heard("f-twice", 1, "end"),
        Look("of one start", lambda daemon: [plain(row) for row in events(daemon, "f-twice", "f-program")]),
        events="PROCESS_STATE_RUNNING,PROCESS_STATE,REMOTE_COMMUNICATION", needs=off("f-program"), differs=True,
    )
    return [flooded, foreign, twice]


def words():
    """A result is begun by its word, and one of no bytes is complete."""

    def lines(name):
        """What is said of the first answer."""
        return Look("said of " + name, lambda daemon: said(daemon, name, "event was|bad result|has entered")[:2])

    foobar = with_pool(
        "f-word", remote("f"), heard("f-word", 1), until_said("f-word", "BUSY ->"), lines("f-word"),
        lives=[{"answers": [[b"FOOBAR 2\nOK", STAY]]}] + [{"begin": [STAY]}] * 3, differs=True,
    )
    nothing = with_pool(
        "f-zero", remote("f"), heard("f-zero", 1), pause(0.4), lines("f-zero"),
        lives=[{"answers": [[b"RESULT 0\n", STAY]]}] + [{"begin": [STAY]}] * 3, differs=True,
    )
    return [foobar, nothing]


def early():
    """What happens before the first listener is ready waits for it."""
    pool = Pool("f-early", startsecs=1)

    def kept(daemon):
        rows = [row["payload"].rpartition("\n")[2] for row in events(daemon, "f-early", "early")]
        return "all 15" if rows == [str(n) for n in range(15)] else "some" if len(rows) < 15 else rows

    return scenario(
        "f-early",
        pool.join(running=False),
        *(remote("early", str(number)) for number in range(15)),
        reached("f-early", "RUNNING"),
        until_said("f-early", "event was processed"),
        remote("end"),
        heard("f-early", 1, "end"),
        Look("what was kept", kept),
        pool.leave(),
        differs=True,
    )


def again():
    """A listener that breaks the protocol is started again, and its event is not lost."""

    def lives(daemon):
        poll(2, lambda: len(events(daemon, "f-again")) > 1)
        begun = sum("life" in row for row in records(daemon, "f-again"))
        rows = events(daemon, "f-again")
        return ["lives: {}".format(begun), *(plain(row, number(rows[0], "serial")) for row in rows)]

    return with_pool(
        "f-again", remote("f"), until_said("f-again", "UNKNOWN"), Look("what comes after", lives),
        lives=[{"always": [b"this is no result\n", STAY]}], differs=True,
    )


def streams():
    """Capture holds nothing back, keeps to its limit, and what is captured is nobody else's."""

    def heard_of(name, word):
        def found(daemon):
            rows = [row for row in events(daemon, "all", name) if word in row["header"]]
            return [plain(row) for row in rows]

        return Look("{} of {}".format(word, name), found)

    both = {**EVENTS, **CAPTURE}
    return [
        spoken("f-short", [(1, b"short\n")], heard_of("f-short", "_LOG_"), differs=True, **both),
        spoken("f-captured", [(1, message(b"a secret") + REST)], heard_of("f-captured", "PROCESS_"), differs=True, **both),
        spoken("f-limit", [(1, BEGIN + b"a" * 300 + b"b" * 100 + END + REST)], heard_of("f-limit", "_COMMUNICATION_"),
               differs=True, stdout_capture_maxbytes="100"),
    ]


def worlds():
    return [
        stage("event-fixes", [*rejections(), early()]),
        stage("event-words", [*words(), again()]),
        stage("event-captured", streams(), [ALL], scripts=SCRIPTS),
    ]
