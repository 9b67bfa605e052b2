"""More of what clients say and how they end: every action, every error."""

from looks import begin
from scenarios import MISSING, TALK, TRIO, Scenario, World, group, off, program, several
from steps import Follow, Run, until_ended, until_log, until_state

FALSE = "/bin/false"
PAIR = [off("left"), off("right"), group("pair", "left", "right")]


def steps(text):
    """One line, or what is several steps already."""
    return list(text) if isinstance(text, (list, tuple)) else [text]


def lines(needs, texts, **keys):
    """A scenario for each name: a line, or several."""
    return [
        Scenario("ctl-" + name, *steps(text), needs=needs, **keys)
        for name, text in texts.items()
    ]


def shown():
    """status and pid."""
    needs = [program("s-one"), off("s-off"), TRIO, program("s-fatal", FALSE, startsecs=5), *PAIR]
    return lines(
        needs,
        {
            "status-member-twice": "status trio:trio_1 trio:*",
            "status-group-order": "status trio:trio_2 trio:trio_0",
            "status-colon": "status :",
            "status-colon-star": "status :*",
            "status-two-colons": "status trio:trio_0:x",
            "status-process-of-group": "status left",
            "status-named-group": "status pair:*",
            "status-named-member": "status pair:right",
            "status-other-group": "status pair:s-one",
            "status-unknown-twice": "status nope nope",
            "status-unknown-then-running": "status nope s-one",
            "status-unknown-group-then-stopped": "status nope:* s-off",
            "status-fatal-then-unknown": "status s-fatal nope",
            "status-off-and-on": "status s-one s-off",
            "status-no-match": "status nope-* s-one",
            "status-no-group-matches": "status n?:*",
            "status-set": "status nope[0-9]",
            "status-all-last": "status s-one all",
            "status-dash": "status -x",
            "pid-member": "pid trio:trio_1",
            "pid-member-unknown": "pid trio:nope",
            "pid-twice": "pid s-one s-one",
            "pid-all-among": "pid nope all",
            "pid-colon": "pid :",
            "pid-unknown-then-stopped": "pid nope s-off",
            "pid-stopped-then-running": "pid s-off s-one",
            "pid-no-match": "pid nope-*",
            "pid-fatal": "pid s-fatal",
            "pid-dash": "pid -x",
        },
    )


def started():
    sick = off("x-sick", FALSE, startsecs=5)
    done = off("x-done", "/bin/true", startsecs=5)
    later = off("x-later", startsecs=2)
    soon = off("x-soon", startsecs=1)
    needs = [off("x-one"), off("x-two"), off("x-three"), MISSING, sick, done, later, soon, *PAIR, TALK]
    needs += [off("x-plain", "@ROOT@/bin/plain"), several("x-many", 3, autostart="false")]
    # Each begins with what it is about stopped.
    away = "stop x-one x-two x-three x-later x-soon pair:* x-many:*"
    before = Run(away, lines="^$")
    texts = {
        "start-twice": "start x-one x-one",
        "start-order": "start x-later x-soon x-one",
        "start-order-fails": "start x-later missing x-soon x-sick",
        "start-three-ways": "start x-plain missing x-sick x-done talk",
        "start-last-fault-counts": "start missing talk x-sick talk x-one",
        "start-last-unknown": "start x-sick nope",
        "start-last-sick": "start nope x-sick",
        "start-group-and-member": "start x-many:* x-many:x-many_1",
        "start-member-and-group": "start x-many:x-many_1 x-many:*",
        "start-members": "start x-many:x-many_2 x-many:x-many_0",
        "start-group-unknown-after": "start pair:* nope:*",
        "start-group-unknown-before": "start nope:* pair:*",
        "start-unknown-group-then-fault": "start nope:* x-sick",
        "start-two-groups": "start x-many:* pair:*",
        "start-no-match": "start nope-* x-one",
        "start-no-group-matches": "start n?pe:*",
        "start-no-member-matches": "start nope:worker_[0-3]",
        "start-colon": "start :",
        "start-two-colons": "start x-many:x-many_0:x",
        "start-dash": "start -x x-one",
        "restart-twice": ["start x-one", "restart x-one x-one"],
        "restart-order": ["start x-two", "restart x-one x-two nope"],
        "restart-sick": "restart x-sick",
        "restart-unknown-group-last": "restart x-one nope:*",
        "restart-group-stopped": "restart pair:*",
        "restart-no-match": "restart nope-*",
        "restart-member-unknown": "restart pair:nope",
        "restart-blank-usage": "restart  ",
    }
    return [
        Scenario("ctl-" + name, before, *steps(text), needs=needs)
        for name, text in texts.items()
    ]


def stopped():
    slow = program("t-slow", "stubborn", stopwaitsecs=2)
    needs = [off("t-off"), TRIO, program("t-sick", FALSE, startsecs=5), off("t-gone", "/bin/true", autorestart="false")]
    programs = [program("t-one"), program("t-two"), program("t-three")]
    away = lines(
        [*needs, *programs],
        {
            "stop-twice": "stop t-one t-one",
            "stop-off-then-unknown": "stop t-off nope",
            "stop-unknown-then-off": "stop nope t-off",
            "stop-sick": "stop t-sick t-off",
            "stop-exited": [begin("t-gone"), until_state("t-gone", "EXITED"), "stop t-gone"],
            "stop-group-unknown-among": "stop t-off nope:* t-off",
            "stop-group-and-member": "stop trio:trio_0 trio:nope",
            "stop-no-match": "stop nope-* t-off",
            "stop-no-group-matches": "stop n?:*",
            "stop-colon": "stop :",
            "stop-dash": "stop -x t-off",
        },
        prepare={"t-one": "RUNNING"},
    )
    together = Scenario(
        "ctl-stop-order",
        until_log("t-slow", "ready"),
        "stop t-slow t-two t-three",
        "status t-slow t-two t-three",
        needs=[slow, *programs],
        prepare={"t-two": "RUNNING", "t-three": "RUNNING"},
    )
    return [*away, together]


def signalled():
    needs = [program("g-one", "trap"), off("g-off"), TRIO, off("g-two", "trap")]
    ready = until_log("g-one", "ready")
    texts = {
        "signal-two-running": "signal WINCH g-one trio:trio_0",
        "signal-off-then-on": "signal WINCH g-off g-one",
        "signal-on-then-off": "signal WINCH g-one g-off",
        "signal-unknown-then-off": "signal WINCH nope g-off",
        "signal-off-then-unknown": "signal WINCH g-off nope",
        "signal-unknown-groups": "signal WINCH nope:* other:* trio:*",
        "signal-member-unknown": "signal WINCH trio:nope",
        "signal-twice": "signal WINCH g-one g-one",
        "signal-negative": "signal -1 g-one",
        "signal-huge": "signal 99999 g-one",
        "signal-only-prefix": "signal SIG g-one",
        "signal-realtime": "signal 35 trio:trio_0",
        "signal-no-match": "signal WINCH nope-*",
        "signal-all-among": "signal FOO nope all",
        "signal-colon": "signal WINCH :",
        "signal-bad-then-unknown": "signal FOO g-one nope",
    }
    return [
        Scenario("ctl-" + name, ready, text, needs=needs, prepare={"trio:trio_0": "RUNNING"})
        for name, text in texts.items()
    ]


def logs():
    ready = [until_log("talk", "hello"), until_log("talk", "hello", "stderr")]
    needs = [TALK, off("d-off"), program("d-none", "talk", stdout_logfile="NONE"), TRIO]
    texts = {
        "tail-bytes-stderr": "tail -4 talk stderr",
        "tail-zero-stderr": "tail -0 talk STDERR",
        "tail-plus": "tail -+4 talk",
        "tail-bad-argument-and-channel": "tail -x talk foo",
        "tail-bytes-only": "tail -5",
        "tail-unknown-bytes": "tail -5 nope",
        "tail-unknown-and-channel": "tail nope foo",
        "tail-unknown-two": "tail nope other",
        "tail-no-match": "tail nope-*",
        "tail-colon": "tail :",
        "tail-member-unknown": "tail trio:nope",
        "tail-group-stderr": "tail trio:* stderr",
        "tail-off-stderr": "tail d-off stderr",
        "tail-none-stderr": "tail d-none stderr",
        "tail-many-names-usage": "tail a b c d",
        "tail-float": "tail -1.5 talk",
        "follow-unknown-channel": "tail -f nope foo",
        "follow-only-usage": "tail -f a b c",
        "clear-twice": "clear talk talk",
        "clear-order": "clear talk nope d-off trio:trio_0",
        "clear-unknown-group": "clear nope:*",
        "clear-no-match": "clear nope-*",
        "clear-all-among": "clear nope all",
        "clear-last-good": "clear nope talk",
        "maintail-zero-bytes": Run("maintail -0", lines="^$"),
        "maintail-dash": "maintail -",
        "maintail-float": "maintail -1.5",
        "maintail-follow-argument-usage": "maintail -f x",
    }
    plain = [
        Scenario("ctl-" + name, *([] if name.startswith("clear") else ready), text, needs=needs)
        for name, text in texts.items()
    ]
    trap = program("d-trap", "trap")
    follows = [
        Scenario(
            "ctl-follow-twice",
            until_log("d-trap", "ready"),
            Follow("tail -f d-trap stdout", "got USR2", begins="ready", poke=("d-trap", "USR2")),
            Follow("tail -f d-trap", "got USR2", begins="ready"),
            needs=trap,
        ),
        Scenario(
            "ctl-follow-utf8",
            until_log("d-utf8", "gr"),
            Follow("tail -f d-utf8", "\u20ac\n"),
            needs=program("d-utf8", "utf8"),
        ),
        Scenario(
            "ctl-follow-crlf",
            until_log("d-crlf", "b"),
            Follow("tail -f d-crlf", "b\r\n"),
            needs=program("d-crlf", "crlf"),
        ),
    ]
    # What is cleared must not be what others look at.
    return World("ctl-logs", [*[one for one in plain if "clear" not in one.name], *follows]), World(
        "ctl-clear", [one for one in plain if "clear" in one.name]
    )


def others():
    """What has few words: help, open, fg, quit, and arguments where there are none."""
    texts = {
        "avail-usage": "avail x",
        "reread-usage": "reread x",
        "reload-usage": "reload x",
        "version-two-usage": "version x y",
        "quit": "quit",
        "quit-argument": "quit now",
        "exit": "exit",
        "open-status": "open unix://@SOCK@",
        "open-inet": "open http://127.0.0.1:@PORT@",
        "open-away": "open unix:///nonexistent/socket",
        "open-refused": "open http://127.0.0.1:1",
        "open-bad-scheme": "open ftp://127.0.0.1",
        "open-nothing": "open",
        "open-word": "open nonsense",
        "fg-unknown": "fg nope",
        "fg-off": "fg o-off",
        "fg-two": "fg talk o-off",
        "fg-usage": "fg",
        "unknown-upper": "STATUS",
        "unknown-dash": "re-start talk",
        "action-dot": "status.",
        "action-colon": "pid:talk",
        "action-bar-usage": "version|cat",
        "question-unknown": "? nonsense",
        "help-unknown-two": "help nonsense more",
        "add-unknown-first": "add nope talk other",
        "remove-unknown-first": "remove nope talk",
        "update-unknown-two": "update nope talk",
        "update-all-among": "update all nope",
    }
    return lines([TALK, off("o-off")], texts)


def away():
    """Nobody there: the actions that the check is not made for, and forms of those that it is made for."""
    places = {"missing": "-s unix:///nonexistent/socket ", "refused": "-s http://127.0.0.1:1 "}
    actions = {
        "avail": "avail",
        "reread": "reread",
        "reload": "reload",
        "add": "add a",
        "add-none": "add",
        "remove": "remove a",
        "update": "update",
        "update-one": "update a",
        "fg": "fg a",
        "status-all": "status all",
        "start-none": "start",
        "stop-all": "stop all",
        "signal-none": "signal",
        "pid-all": "pid all",
        "tail-none": "tail",
        "follow": "tail -f a",
        "maintail-follow": "maintail -f",
        "clear-none": "clear",
        "version-usage": "version x",
        "help-less": "nonsense",
    }
    return [
        Scenario("ctl-away-{}-{}".format(place, name), option + action, client_only=True)
        for place, option in places.items()
        for name, action in actions.items()
    ]


def locked():
    """Without credentials, every action."""
    actions = ["status", "stop talk", "restart talk", "signal HUP talk", "pid", "pid all", "tail talk", "maintail"]
    actions += ["clear talk", "clear all", "avail", "reread", "reload", "update", "add a", "remove a", "start all"]
    scenarios = [
        Scenario("auth-ctl-" + action.replace(" ", "-"), "-s unix://@SOCK@ " + action) for action in actions
    ]
    right = "-s http://127.0.0.1:@PORT@ -u user -p secret:word "
    scenarios += [
        Scenario("auth-ctl-right-" + action.replace(" ", "-"), right + action, "-u user -p x " + action)
        for action in ("pid talk", "start talk", "signal WINCH talk", "avail", "reread", "tail talk")
    ]
    return World("ctl-auth", scenarios, [program("talk")], credentials=("user", "secret:word"))


def going_down():
    """While the daemon waits for a program that does not go."""
    stubborn = program("z-stubborn", "stubborn", stopwaitsecs=600)
    actions = ["stop z-stubborn", "restart z-stubborn", "signal HUP z-stubborn", "clear all", "maintail", "avail"]
    actions += ["reread", "update", "update z-stubborn", "add nope", "remove nope", "reload", "pid all", "fg z-stubborn"]
    scenarios = [
        Scenario("ctl-down-" + action.replace(" ", "-"), action)
        for action in actions
    ]
    scenarios[0].steps = (until_log("z-stubborn", "ready"), "shutdown", *scenarios[0].steps)
    return World("ctl-down", scenarios, [stubborn])


def bulk():
    """Actions on all of a world; each begins from the same states."""
    programs = [
        program("one", priority=1),
        off("off", priority=2),
        program("sick", FALSE, startsecs=5, priority=3),
        several("duo", 2, priority=4),
    ]
    states = {"one": "RUNNING", "off": "STOPPED", "duo:duo_0": "RUNNING", "duo:duo_1": "RUNNING"}
    texts = {
        "all-status-mixed": "status all nope",
        "all-start-partly": "start all",
        "all-stop-twice": ["stop all", "stop all"],
        "all-start-twice": ["start all", "start all"],
        "all-stop-among": "stop nope all",
        "all-restart-among": "restart nope all",
        "all-signal-kill-bad": "signal NOPE all",
        "all-pid-word": "pid all all",
        "all-clear-twice": ["clear all", "clear all"],
    }
    played = {name: [Run(line, ordered=False) for line in steps(text)] for name, text in texts.items()}
    scenarios = [Scenario("ctl-" + name, *texts, prepare=states) for name, texts in played.items()]
    return World("ctl-all", scenarios, programs)


def ended():
    """The daemon ends while somebody waits for an answer or follows a log."""
    stubborn = program("z-stubborn", "stubborn", stopwaitsecs=2)
    scenario = Scenario(
        "ctl-ended",
        until_log("z-stubborn", "ready"),
        "shutdown",
        until_ended(),
        "reread",
        "update",
        "avail",
        "start z-stubborn",
        "open unix://@SOCK@",
        "-s http://127.0.0.1:@PORT@ reload",
    )
    return World("ctl-ended", [scenario], [stubborn])


def worlds():
    actions = (shown, started, stopped, signalled, others, away)
    return [
        *(World("ctl-" + action.__name__, action()) for action in actions),
        *logs(),
        bulk(),
        locked(),
        going_down(),
        ended(),
    ]
