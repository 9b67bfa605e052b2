"""Pools: which listener is next, what waits, what is lost, and how events are numbered."""

import signal

from events_bench import FAIL, OK, READY, STAY, Pool, activity, compare, events, go, heard, kind, number, plain, remote
from events_bench import scenario, stage, until_said, who, with_pool
from events_protocol import until_ready
from life import off
from looks import Do, Look, begin, call, reached, read, send, tell, until
from scenarios import program


def several(name, count):
    return [remote("o", str(number)) for number in range(count)]


def held(name, *more):
    """A listener that answers its first event when it is told to go."""
    return [{"answers": [[("wait", name + ".go"), OK, READY], *more]}]


def after(pool, count):
    """Waits for so many events, sends one more and waits for it, so that nothing else is on its way."""
    return [heard(pool, count), remote("end"), heard(pool, 1, "end")]


def order():
    """The first that is ready, in the order of the configuration."""
    name = "o-first"
    waiting = {"{}_{}".format(name, n): [{"always": [("wait", "{}.{}".format(name, n)), OK, READY]}] for n in range(3)}
    first = with_pool(
        name,
        *(until_ready("{}_{}".format(name, number), 1) for number in range(3)),
        *(step for n in range(3) for step in (remote("o", str(n)), heard(name, n + 1))),
        remote("o", "3"),
        remote("o", "4"),
        go(name + ".1"),
        heard(name, 5),
        until_ready(name + "_1", 4),
        go(name + ".0"),
        until_ready(name + "_0", 2),
        remote("o", "5"),
        heard(name, 6),
        who(name),
        compare_sorted(name),
        go(name + ".2"),
        pool=Pool(name, count=3, lives=waiting),
    )
    name = "o-always-first"
    again = with_pool(
        name,
        *(until_ready("{}_{}".format(name, number), 1) for number in range(2)),
        *(step for n in range(4) for step in (remote("o", str(n)), until_ready(name + "_0", n + 2))),
        who(name),
        pool=Pool(name, count=2),
    )
    name = "o-stopped-one"
    stopped = with_pool(
        name,
        *(until_ready("{}_{}".format(name, number), 1) for number in range(2)),
        tell("stopProcess", name + ":" + name + "_0"),
        remote("o", "to the second"),
        heard(name, 1),
        until_ready(name + "_1", 2),
        tell("startProcess", name + ":" + name + "_0"),
        until_ready(name + "_0", 2),
        remote("o", "to the first"),
        heard(name, 2),
        who(name),
        pool=Pool(name, count=2),
    )
    name = "o-broken-one"
    broken = with_pool(
        name,
        until_said(name + "_0", "UNKNOWN"),
        until_ready(name + "_1", 1),
        remote("o", "to the second"),
        heard(name, 1),
        who(name),
        pool=Pool(name, count=2, lives={name + "_0": [{"begin": [b"nonsense", STAY]}] + [{"begin": [STAY]}] * 3}),
    )
    name = "o-rejected-by-one"
    rejecting = [{"answers": [[FAIL, ("wait", name + ".go"), READY]]}]
    rejected = with_pool(
        name,
        *(until_ready("{}_{}".format(name, number), 1) for number in range(2)),
        remote("o"),
        heard(name, 2),
        who(name),
        pool=Pool(name, count=2, lives={name + "_0": rejecting}),
    )
    return [first, again, stopped, broken, rejected]


def compare_sorted(pool):
    """The events of several listeners, by serial."""

    def found(daemon):
        rows = sorted(events(daemon, pool), key=lambda record: number(record, "serial"))
        return [plain(record, number(rows[0], "serial")) for record in rows]

    return Look("events of " + pool, found)


def overflows():
    def full(name, sent, lost, **keys):
        """More events than can wait while the listener has one."""
        return with_pool(
            name,
            until_ready(name, 1),
            remote("o", "first"),
            heard(name, 1),
            *several(name, sent),
            go(name + ".go"),
            heard(name, 1 + sent - lost),
            until_ready(name, 2 + sent - lost),
            compare(name),
            activity(name, words="overflowed"),
            lives=held(name),
            **keys,
        )

    name = "o-full-by-rejection"
    by_rejection = with_pool(
        name,
        until_ready(name, 1),
        remote("o", "first"),
        heard(name, 1),
        remote("o", "lost"),
        go(name + ".go"),
        *after(name, 2),
        compare(name),
        activity(name, words="overflowed"),
        lives=[{"answers": [[("wait", name + ".go"), FAIL, READY]]}],
        buffer_size=1,
    )
    return [
        full("o-full", 7, 5, buffer_size=2),
        full("o-full-one", 3, 2, buffer_size=1),
        full("o-full-default", 13, 3),
        full("o-not-full", 4, 0, buffer_size=4),
        by_rejection,
    ]


def numbers():
    """Serials and poolserials."""
    one, two = Pool("n-one"), Pool("n-two", "PROCESS_STATE,REMOTE_COMMUNICATION")

    def together(daemon):
        rows = [record for name in ("n-one", "n-two") for record in events(daemon, name)]
        first = min(number(record, "serial") for record in rows)
        # What is between the two depends on how the states of the pools themselves are counted.
        rows = [row for row in rows if "processname:n-" not in row["payload"] or "n-program" in row["payload"]]
        return [plain(row, first) for row in rows]

    twice = [
        scenario(
            "n-two-pools",
            one.join(),
            remote("n", "1"),
            heard("n-one", 1),
            two.join(),
            remote("n", "2"),
            begin("n-program"),
            reached("n-program", "RUNNING"),
            remote("n", "3"),
            heard("n-one", 3),
            heard("n-two", 1, "3"),
            Look("events of both", together),
            two.leave(),
            one.leave(),
            needs=off("n-program"),
        )
    ]
    name = "n-nobody-asks"
    unasked = with_pool(
        name, remote("n", "1"), begin("n-unasked"), reached("n-unasked", "RUNNING"), tell("stopProcess", "n-unasked"),
        remote("n", "2"), heard(name, 2), compare(name), needs=off("n-unasked"),
    )
    pool = Pool("n-rejoined")
    rejoined = scenario(
        "n-rejoined", pool.join(), remote("n", "1"), remote("n", "2"), heard(pool.name, 2), pool.leave(),
        remote("n", "unheard"), pool.join(), remote("n", "3"), heard(pool.name, 3), compare(pool.name), pool.leave(),
    )
    dropped = Pool("n-dropped", lives=[{"always": [STAY]}])
    drops = scenario(
        "n-dropped", dropped.join(), remote("n", "1"), remote("n", "waits"), heard(dropped.name, 1), dropped.leave(),
        dropped.join(), remote("n", "3"), heard(dropped.name, 2), compare(dropped.name), dropped.leave(),
    )
    wider = Pool("n-changed", "REMOTE_COMMUNICATION,TICK_3600")
    changed = with_pool(
        "n-changed", remote("n", "1"), remote("n", "2"), heard("n-changed", 2),
        Do("change it", lambda daemon: daemon.write("conf.d/n-changed.conf", wider.section() + "\n", 0o644)),
        "update n-changed", remote("n", "3"), heard("n-changed", 3), compare("n-changed"),
    )
    waiting = with_pool(
        "n-waits-for-listener", tell("stopProcess", "n-waits-for-listener"), remote("n", "1"), remote("n", "2"),
        tell("startProcess", "n-waits-for-listener"), heard("n-waits-for-listener", 2), compare("n-waits-for-listener"),
    )
    return [*twice, unasked, rejoined, drops, changed, waiting]


def begin_and_end():
    """The start of a daemon, its restart and its end, each as a listener hears it."""
    hears = Pool("z-all", "PROCESS_STATE,PROCESS_GROUP,SUPERVISOR_STATE_CHANGE,REMOTE_COMMUNICATION", buffer_size=100)

    def at_start(daemon):
        rows = events(daemon, "z-all")
        kinds = [kind(row) for row in rows]
        added = [row["payload"].strip() for row in rows if kind(row) == "PROCESS_GROUP_ADDED"]
        starting = [row["payload"].split()[0] for row in rows if kind(row) == "PROCESS_STATE_STARTING"]
        first = [name.rpartition("_")[0] for name in dict.fromkeys(kinds) if name != "PROCESS_STATE_RUNNING"]
        serials = [number(row, "serial") for row in rows]
        gaps = serials != list(range(len(serials)))
        return [*added, *starting, *first, *(plain(row) for row in rows if "SUPERVISOR" in row["header"]), gaps]

    def at_end(daemon):
        rows = events(daemon, "z-all")
        place = [kind(row) for row in rows].index("SUPERVISOR_STATE_CHANGE_STOPPING")
        rows = [plain(row) for row in rows[place:]]
        # Whether a listener is told of the last stop before its own is chance.
        return [row for row in rows if "z-first" not in row and "z-all" not in row.partition("\n")[2]]

    # They take their time, so that the listener hears of it before its own end.
    slow = "/bin/sh -c 'trap \"sleep {}; exit 0\" TERM; while :; do sleep 0.05; done'"
    programs = [program("z-first", slow.format(1.5), priority=1), program("z-last", slow.format(0.3), priority=5),
                off("z-tries", "/bin/sh -c 'exit 1'", priority=9, startsecs=5, startretries=9)]
    start = [reached("z-last", "RUNNING"), heard("z-all", 3, "z-first"), heard("z-all", 3, "z-last"), remote("z"),
             heard("z-all", 1, "z"), Look("at the start", at_start)]
    def term(daemon):
        # In one go: it soon tries again.
        begin("z-tries").function(daemon)
        reached("z-tries", "BACKOFF").function(daemon)
        send(daemon, signal.SIGTERM)
        # A daemon of the reference looks at signals when something happens, or after a second.
        call(daemon, "getState")

    end = [Do("TERM in BACKOFF", term), Do("it ends", lambda daemon: daemon.ended(30)), Look("at the end", at_end)]
    life = [scenario("z-start", *start), scenario("z-end", *end)]

    again = Pool("z-again")
    restart = scenario(
        "z-restart",
        remote("z", "1"), remote("z", "2"), heard("z-again", 2), until_ready("z-again", 3),
        Do("HUP", lambda daemon: send(daemon, signal.SIGHUP)),
        until("it is started again", lambda d: read(d, "main.log").count("spawned: 'z-again'") == 2),
        until_ready("z-again", 4),
        remote("z", "3"), remote("z", "4"), heard("z-again", 4), compare("z-again"),
    )
    odd = Pool("z-odd")
    named = scenario("z-identifier", remote("z"), heard("z-odd", 1), compare("z-odd", relative=False))
    return [
        stage("event-life", life, [hears], programs),
        stage("event-restart", [restart], [again]),
        stage("event-identifier", [named], [odd], lines="identifier=my host:a\u00e9\n"),
    ]


def ticks():
    """The real time: a tick of five seconds."""

    def tick(daemon):
        row = [row for row in events(daemon, "tick") if kind(row) == "TICK_5"][0]
        when = int(row["payload"].partition(":")[2])
        late = row["at"] - when
        return [plain(row), "a multiple" if when % 5 == 0 else when, "in time" if 0 <= late < 2.5 else late]

    pools = [Pool("tick", "TICK"), Pool("tick-five", "TICK_5"), Pool("tick-minute", "TICK_60,REMOTE_COMMUNICATION")]
    steps = [heard("tick", 1), heard("tick-five", 1), Look("tick", tick),
             Look("tick of five seconds", lambda d: kind(events(d, "tick-five")[0])),
             remote("end"), heard("tick-minute", 1, "end"),
             Look("none yet", lambda d: [kind(row) for row in events(d, "tick-minute") if "TICK_5" in row["header"]])]
    return stage("event-ticks", [scenario("z-tick", *steps)], pools)


def unknown():
    """A process that cannot be signalled: the daemon runs without the right to do so."""
    pool = Pool("z-hears", "PROCESS_STATE,REMOTE_COMMUNICATION", buffer_size=100)
    heard_of = Look("events of z-foreign", lambda d: [plain(row) for row in events(d, "z-hears", "z-foreign")])
    steps = [begin("z-foreign"), reached("z-foreign", "RUNNING"), tell("stopProcess", "z-foreign"), remote("end"),
             heard("z-hears", 1, "end"), heard_of]
    foreign = off("z-foreign", "/bin/sleep 40", user="nobody", stdout_logfile="NONE", stderr_logfile="NONE")
    made = stage("event-unknown", [scenario("z-unknown", *steps)], [pool], [foreign])
    made.wrapper = ["setpriv", "--bounding-set=-kill", "--inh-caps=-kill"]
    return made


def worlds():
    return [
        stage("event-order", order()),
        stage("event-overflow", overflows()),
        stage("event-numbers", numbers()),
        *begin_and_end(),
        ticks(),
        unknown(),
    ]
