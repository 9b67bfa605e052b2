"""XML-RPC without a client in between: every method, every fault, forms of names, log reads, raw bodies."""

import http.client
import os
import re
import threading
import xmlrpc.client

from daemon import UnixConnection, UnixTransport
from life import off, script, world
from looks import Do, Look, path, reached, read, until, until_file
from scenarios import Scenario, group, program, several

SCRIPTS = {
    "ten": "printf 0123456789; printf abcdefghij >&2\nexec sleep 1000\n",
    # What is sent to it it writes, and says first that it is ready.
    "echo": "echo ready\nexec cat\n",
    "later": "echo ready\nwhile [ ! -e @ROOT@/rpc-later.go ]; do sleep 0.05; done\nexec cat\n",
    "closed": "exec <&-\necho closed\nexec sleep 1000\n",
    "says": "for s in HUP USR1 USR2; do trap \"echo got $s\" $s; done\necho ready\nwhile :; do sleep 0.02; done\n",
}
# Members of getProcessInfo that no two daemons have in common.
VOLATILE = ("start", "stop", "now", "pid")


def call(daemon, method, args):
    """What a call gives, as Python shows it."""
    method = method if "." in method else "supervisor." + method
    body = xmlrpc.client.dumps(tuple(args), method, allow_none=True).encode()
    transport = UnixTransport(daemon.socket, daemon.credentials)
    try:
        return transport.request("localhost", "/RPC2", body)[0]
    except xmlrpc.client.Fault as fault:
        return "fault {} {}".format(fault.faultCode, fault.faultString)
    except xmlrpc.client.ProtocolError as error:
        return "HTTP {}".format(error.errcode)
    except TimeoutError:
        # No text: where neither answers they are not alike.
        raise RuntimeError("no answer to {} from {}".format(method, daemon.name)) from None
    except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
        return type(error).__name__


def stable(value):
    """The value without what is volatile: structures of processes, however deep."""
    if isinstance(value, list):
        return [stable(item) for item in value]
    if isinstance(value, dict):
        return {k: bool(v) if k in VOLATILE and isinstance(v, int) else stable(v) for k, v in value.items()}
    return value


def shown(value):
    """A value on lines of its own, types and order included."""
    if isinstance(value, list):
        return "\n".join(["array of {}".format(len(value)), *(repr(stable(item)) for item in value)])
    return repr(stable(value))


def ask(method, *args, ordered=True):
    def found(daemon):
        value = call(daemon, method, args)
        if not ordered and isinstance(value, list):
            value = sorted(value, key=repr)
        return shown(value)

    return Look("{}{}".format(method, args), found)


def tell(method, *args):
    return Do("{}{}".format(method, args), lambda daemon: call(daemon, method, args))


def scenario(name, *steps, needs=(), **more):
    return Scenario("rpc-" + name, *steps, needs=needs, daemon_only=True, **more)


def post(daemon, body):
    """Status of a POST, and the answer's text where it is one of XML-RPC."""
    connection = UnixConnection(daemon.socket)
    try:
        connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "backslashreplace")
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
    if answer.status != 200:
        return "HTTP {}".format(answer.status)
    return re.sub(r"<int>[1-9]\d{3,}</int>", "<int>N</int>", text)


def raw(name, body, **more):
    return scenario("raw-" + name, Look("POST " + name, lambda daemon: post(daemon, body.encode())), **more)


CAT = program("rpc-cat", script("echo"))
TEN = program("rpc-ten", script("ten"))
STILL = off("rpc-off")
TRIO = several("rpc-trio", 3)
# For scenarios that change nothing.
COMMON = [CAT, TEN, STILL, TRIO]
TEN_READY = [until_file("rpc-ten.0.out", "0123456789"), until_file("rpc-ten.0.err", "abcdefghij")]


def system():
    def signatures(daemon):
        names = call(daemon, "system.listMethods", ())
        return "\n".join("{} {}".format(name, call(daemon, "system.methodSignature", (name,))) for name in names)

    def helped(daemon):
        """Every method has a help text with as many tags as it has parameters, and one for the result."""
        rows = []
        for name in call(daemon, "system.listMethods", ()):
            text = call(daemon, "system.methodHelp", (name,))
            rows.append("{} {} {}".format(name, len(re.findall("@param", text)), len(re.findall("@return", text))))
        return "\n".join(rows)

    def many(*calls):
        calls = [{"methodName": name, "params": list(params)} for name, *params in calls]
        return ask("system.multicall", calls)

    return [
        scenario("system-list", ask("system.listMethods")),
        scenario("system-signatures", Look("signatures", signatures)),
        scenario("system-help", Look("help", helped)),
        scenario("system-help-unknown", ask("system.methodHelp", "nope"), ask("system.methodHelp", "getState")),
        scenario("system-signature-unknown", ask("system.methodSignature", ""), ask("system.methodSignature", "x.y")),
        scenario("system-number-for-name", ask("system.methodHelp", 5), ask("system.methodSignature", 5)),
        scenario("system-counts", ask("system.listMethods", 1), ask("system.methodHelp"), ask("system.multicall")),
        scenario("system-unknown", ask("system.nope"), ask("system._listMethods"), ask("nope.getState")),
        scenario("multicall-none", ask("system.multicall", [])),
        scenario("multicall-one", many(("supervisor.getAPIVersion",))),
        scenario(
            "multicall-values",
            many(
                ("supervisor.getState",),
                ("supervisor.getIdentification",),
                ("supervisor.getProcessInfo", "rpc-off"),
                ("system.methodSignature", "system.multicall"),
                ("supervisor.readProcessStdoutLog", "rpc-ten", 0, 4),
                ("supervisor.tailProcessStdoutLog", "rpc-ten", 0, 4),
            ),
            needs=COMMON,
        ),
        scenario(
            "multicall-faults",
            many(
                ("supervisor.getProcessInfo", "nope"),
                ("supervisor.getProcessInfo",),
                ("nope",),
                ("",),
                ("supervisor._update", "x"),
                ("supervisor.stopProcess", "rpc-off"),
                ("supervisor.getVersion",),
            ),
            needs=COMMON,
        ),
        scenario("multicall-recursive", many(("system.multicall", []), ("supervisor.getVersion",))),
        scenario("multicall-no-name", ask("system.multicall", [{}, {"params": []}])),
        scenario("multicall-no-params", ask("system.multicall", [{"methodName": "supervisor.getVersion"}])),
        scenario(
            "multicall-empty-params",
            ask("system.multicall", [{"methodName": "supervisor.getVersion", "params": p} for p in ([], {}, "")]),
        ),
        scenario(
            "multicall-wrong-params",
            ask("system.multicall", [{"methodName": "supervisor.getVersion", "params": 5}]),
        ),
        scenario("multicall-number", ask("system.multicall", 5)),
        scenario("multicall-struct", ask("system.multicall", {"a": 1})),
        scenario("multicall-string", ask("system.multicall", "ab")),
        scenario("multicall-element", ask("system.multicall", [5])),
        scenario("multicall-name-number", ask("system.multicall", [{"methodName": 5}])),
        scenario(
            "multicall-waits-in-order",
            many(
                ("supervisor.startProcess", "rpc-many-one"),
                ("supervisor.startProcess", "rpc-many-two"),
                ("supervisor.stopProcess", "rpc-many-one"),
                ("supervisor.getProcessInfo", "rpc-many-one"),
                ("supervisor.stopProcess", "rpc-many-two", False),
            ),
            reached("rpc-many-two", "STOPPED"),
            Look("order", lambda daemon: re.findall(r"(\w+): '?(rpc-many-\w+)", read(daemon, "main.log"))),
            needs=[off("rpc-many-one", startsecs=1), off("rpc-many-two")],
        ),
    ]


def daemon_itself():
    simple = ["getAPIVersion", "getVersion", "getSupervisorVersion", "getIdentification", "getState"]
    found = [scenario("daemon-" + name.lower(), ask(name), ask(name, 1)) for name in simple]

    def pid(daemon):
        return call(daemon, "getPID", ()) == int(read(daemon, "s.pid"))

    unknown = ["nothing", "_update", "supervisord", "__class__", "supervisor.getState.x"]
    return found + [
        scenario("daemon-pid", Look("pid", pid)),
        scenario("unknown-methods", *(ask(name) for name in unknown)),
        scenario("unknown-namespaces", *(ask(name) for name in ("x.getState", ".getState", "supervisor."))),
        scenario("counts", ask("getProcessInfo"), ask("startProcess"), ask("readLog", 0), ask("stopAllProcesses", 1, 2)),
    ]


def infos():
    names = ["rpc-cat", "rpc-cat:rpc-cat", "rpc-off", "rpc-trio:rpc-trio_1"]
    bad = ["nope", "rpc-trio", "rpc-trio:*", "rpc-trio:", "rpc-trio:nope", "nope:*", ":", "", "a:b:c", "RPC-CAT", " rpc-cat"]
    return [
        scenario("info", *(ask("getProcessInfo", name) for name in names), needs=COMMON),
        scenario("info-bad-names", *(ask("getProcessInfo", name) for name in bad), needs=COMMON),
        scenario("info-all", ask("getAllProcessInfo"), needs=COMMON),
        scenario("config-info", ask("getAllConfigInfo"), needs=COMMON),
        scenario("info-number", ask("getProcessInfo", 5)),
        scenario("info-not-ascii", ask("getProcessInfo", "gr\u00fcn \u20ac")),
        scenario("info-markup", ask("getProcessInfo", "<&>\"' ]]>")),
        scenario("info-not-started", ask("getProcessInfo", "rpc-off"), needs=COMMON),
        scenario(
            "info-fatal",
            reached("rpc-fatal", "FATAL"),
            ask("getProcessInfo", "rpc-fatal"),
            needs=program("rpc-fatal", "/no/such/file"),
        ),
    ]


def control():
    """Starting, stopping, signalling."""
    orders = {
        "start": ("startProcess", "startProcessGroup", "startAllProcesses"),
        "stop": ("stopProcess", "stopProcessGroup", "stopAllProcesses"),
    }
    bad = ["nope", "nope:*", "nope:x", "rpc-trio:nope", "rpc-trio"]
    found = []
    for verb, (one, several_, _) in orders.items():
        found.append(scenario(verb + "-bad-names", *(ask(one, name) for name in bad), needs=COMMON))
        groups = ["nope", "rpc-trio:*", "rpc-trio:", "rpc-trio:rpc-trio_0"]
        found.append(scenario(verb + "-bad-groups", *(ask(several_, name) for name in groups), needs=COMMON))
    signals = [ask("signalProcess", name, "HUP") for name in ("nope", "nope:*", "rpc-trio:nope")]
    found += [
        scenario("signal-bad-names", *signals, ask("signalProcessGroup", "nope", "HUP"), needs=COMMON),
        scenario("start-running", ask("startProcess", "rpc-cat"), ask("startProcess", "rpc-cat", False), needs=COMMON),
        scenario("stop-stopped", ask("stopProcess", "rpc-off"), ask("stopProcess", "rpc-off", False), needs=COMMON),
        scenario("group-idle", ask("startProcessGroup", "rpc-trio"), ask("stopProcessGroup", "rpc-off"), needs=COMMON),
        scenario("start-missing", ask("startProcess", "rpc-missing"), needs=off("rpc-missing", "/no/such/program")),
        scenario("start-not-executable", ask("startProcess", "rpc-plain"), needs=off("rpc-plain", "@ROOT@/bin/plain")),
        scenario("start-directory", ask("startProcess", "rpc-dir"), needs=off("rpc-dir", "@ROOT@/bin")),
        scenario("start-quote", ask("startProcess", "rpc-quote"), needs=off("rpc-quote", "/bin/echo 'a")),
        scenario(
            "start-too-quick",
            ask("startProcess", "rpc-quick"),
            reached("rpc-quick", "FATAL"),
            ask("getProcessInfo", "rpc-quick"),
            needs=off("rpc-quick", "/bin/false", startsecs=5),
        ),
        scenario("start-and-stop", ask("startProcess", "rpc-pair"), ask("stopProcess", "rpc-pair"), needs=off("rpc-pair")),
        scenario(
            "start-no-wait",
            ask("startProcess", "rpc-nowait", False),
            reached("rpc-nowait", "RUNNING"),
            ask("stopProcess", "rpc-nowait", False),
            reached("rpc-nowait", "STOPPED"),
            needs=off("rpc-nowait"),
        ),
        scenario("start-abnormal", Abnormal("rpc-abnormal"), needs=off("rpc-abnormal", startsecs=600)),
        scenario(
            "group-start-stop",
            ask("startProcess", "rpc-two:*", ordered=False),
            ask("stopProcess", "rpc-two:", ordered=False),
            ask("startProcessGroup", "rpc-two", ordered=False),
            ask("stopProcessGroup", "rpc-two", ordered=False),
            ask("startProcessGroup", "rpc-two", False, ordered=False),
            reached("rpc-two:rpc-two_1", "RUNNING"),
            ask("stopProcess", "rpc-two:rpc-two_0"),
            ask("startProcess", "rpc-two:*", ordered=False),
            needs=several("rpc-two", 2, autostart="false", autorestart="false"),
        ),
        scenario(
            "group-start-faults",
            ask("startProcess", "rpc-ill:*", ordered=False),
            ask("stopProcess", "rpc-ill:*", ordered=False),
            needs=[off("rpc-well"), off("rpc-sick", "/no/such/file"), group("rpc-ill", "rpc-well", "rpc-sick")],
        ),
        scenario("signal-stopped", ask("signalProcess", "rpc-off", "HUP"), needs=COMMON),
        scenario(
            "signal-bad",
            *(ask("signalProcess", "rpc-cat", what) for what in ("FOO", "", "SIGFOO", "-1", "99", "SIG", "1.5")),
            needs=COMMON,
        ),
        scenario("signal-bad-first", ask("signalProcess", "rpc-off", "FOO"), needs=COMMON),
        scenario("signal-bad-group", ask("signalProcess", "rpc-trio:*", "FOO", ordered=False), needs=COMMON),
        scenario("signal-bad-group-stopped", ask("signalProcess", "rpc-off:*", "FOO"), needs=COMMON),
        scenario(
            "signal",
            until_file("rpc-says.0.out", "ready"),
            *(
                step
                for what, name in (("HUP", "HUP"), ("sigusr1", "USR1"), (12, "USR2"))
                for step in (ask("signalProcess", "rpc-says", what), until_file("rpc-says.0.out", "got " + name))
            ),
            ask("signalProcess", "rpc-says", 0),
            ask("signalProcessGroup", "rpc-says", "WINCH"),
            needs=program("rpc-says", script("says")),
        ),
    ]
    return found


class Abnormal:
    """A start that is awaited while the process is stopped by somebody else."""

    def __init__(self, name):
        self.line = "startProcess while it is stopped"
        self.name = name

    def begin(self, side):
        return None

    def end(self, side, process):
        answers = []

        def start():
            answers.append(call(side.daemon, "startProcess", (self.name,)))

        thread = threading.Thread(target=start, daemon=True)
        thread.start()
        until("it starts", lambda daemon: daemon.state(self.name) == "STARTING").function(side.daemon)
        answers.append(call(side.daemon, "stopProcess", (self.name,)))
        thread.join(20)
        return "\n".join(sorted(map(repr, answers)))


# offset, length
READS = [(0, 0), (4, 0), (4, 3), (4, 100), (10, 0), (100, 0), (-4, 0), (-100, 0), (-4, 2), (0, -1), (-1, -1), (0, 10)]
TAILS = [(0, 0), (0, 5), (0, 10), (0, 11), (0, 100), (5, 3), (5, 5), (10, 5), (12, 5), (-3, 5), (-20, 5), (0, -5)]


def logs():
    found = []
    for offset, length in READS:
        name = "read{:+}{:+}".format(offset, length)
        methods = ["readProcessStdoutLog", "readProcessLog", "readProcessStderrLog"]
        steps = [ask(method, "rpc-ten", offset, length) for method in methods]
        found.append(scenario(name, *TEN_READY, *steps, needs=COMMON))
    for offset, length in TAILS:
        name = "tail{:+}{:+}".format(offset, length)
        methods = ["tailProcessStdoutLog", "tailProcessLog", "tailProcessStderrLog"]
        steps = [ask(method, "rpc-ten", offset, length) for method in methods]
        found.append(scenario(name, *TEN_READY, *steps, needs=COMMON))
    silent = off("rpc-silent", stdout_logfile="NONE", stderr_logfile="NONE")
    reads = ["readProcessStdoutLog", "readProcessStderrLog", "tailProcessStdoutLog", "tailProcessStderrLog"]
    bad = ["nope", "rpc-trio:*", "rpc-trio", "rpc-trio:nope"]

    def gone(daemon):
        for method in reads:
            call(daemon, method, ("rpc-off", 0, 0))
        return "\n".join(shown(call(daemon, method, ("rpc-never", 0, 5))) for method in reads)

    found += [
        scenario("tail-inside", *TEN_READY, ask("tailProcessStdoutLog", "rpc-ten", 5, 100), needs=COMMON),
        scenario("read-bad-names", *(ask(m, name, 0, 0) for m in reads for name in bad), needs=COMMON),
        scenario("read-no-log", *(ask(m, "rpc-silent", 0, 5) for m in reads), needs=silent),
        scenario("read-strings", *TEN_READY, ask("readProcessLog", "rpc-ten", "4", "3"), needs=COMMON),
        scenario("read-words", ask("readProcessLog", "rpc-ten", "x", 0), ask("readLog", "x", 0), needs=COMMON),
        scenario("read-counts", ask("readProcessLog", "rpc-ten", 0), ask("tailProcessLog", "rpc-ten"), needs=COMMON),
        scenario(
            "clear-process",
            until_file("rpc-clear.0.out", "0123456789"),
            until_file("rpc-clear.0.err", "abcdefghij"),
            ask("clearProcessLogs", "rpc-clear"),
            *(ask(m, "rpc-clear", 0, 5) for m in reads),
            ask("clearProcessLog", "rpc-clear"),
            needs=program("rpc-clear", script("ten")),
        ),
        scenario("clear-bad-names", *(ask("clearProcessLogs", name) for name in bad), needs=COMMON),
    ]
    return found


def stdin():
    sent = [("hello\n", "hello\n"), ("gr\u00fcn \u20ac\n", "gr\u00fcn \u20ac\n"), ("<&>\n", "<&>\n")]
    steps = []
    for text, there in sent:
        steps += [ask("sendProcessStdin", "rpc-in", text), until_file("rpc-in.0.out", there)]
    big = "0123456789" * 6000 + "\n"
    return [
        scenario(
            "stdin",
            until_file("rpc-in.0.out", "ready"),
            *steps,
            ask("sendProcessStdin", "rpc-in:rpc-in", ""),
            Look("all of it", lambda daemon: read(daemon, "rpc-in.0.out")),
            needs=program("rpc-in", script("echo")),
        ),
        scenario(
            "stdin-large",
            until_file("rpc-big.0.out", "ready"),
            ask("sendProcessStdin", "rpc-big", big),
            ask("sendProcessStdin", "rpc-big", "end\n"),
            until_file("rpc-big.0.out", "end\n"),
            Look("all of it", lambda daemon: read(daemon, "rpc-big.0.out") == "ready\n" + big + "end\n"),
            needs=program("rpc-big", script("echo")),
        ),
        scenario("stdin-full", *(ask("sendProcessStdin", "rpc-full", "x" * 200000) for _ in "12"), needs=program("rpc-full")),
        # More than a pipe holds, read later.
        scenario(
            "stdin-later",
            until_file("rpc-later.0.out", "ready"),
            *(tell("sendProcessStdin", "rpc-later", big) for _ in range(5)),
            tell("sendProcessStdin", "rpc-later", "end\n"),
            Do("let it read", lambda daemon: open(path(daemon, "rpc-later.go"), "w").close()),
            until_file("rpc-later.0.out", "end\n"),
            Look("all of it", lambda daemon: read(daemon, "rpc-later.0.out") == "ready\n" + big * 5 + "end\n"),
            ask("sendProcessStdin", "rpc-later", "more\n"),
            until_file("rpc-later.0.out", "more\n"),
            needs=program("rpc-later", script("later")),
        ),
        scenario("stdin-stopped", ask("sendProcessStdin", "rpc-off", "x"), ask("sendProcessStdin", "rpc-off", ""), needs=COMMON),
        scenario("stdin-bad-names", *(ask("sendProcessStdin", n, "x") for n in ("nope", "rpc-trio:*", "rpc-trio")), needs=COMMON),
        scenario("stdin-number", ask("sendProcessStdin", "rpc-cat", 5), ask("sendProcessStdin", "nope", 5), needs=COMMON),
        scenario("stdin-types", *(ask("sendProcessStdin", "nope", v) for v in (True, 1.5, [], {}))),
        scenario("stdin-name-number", ask("sendProcessStdin", 5, "x")),
        scenario("stdin-counts", ask("sendProcessStdin", "rpc-cat"), ask("sendProcessStdin", "rpc-cat", "x", "y"), needs=COMMON),
        scenario(
            "stdin-closed",
            until_file("rpc-shut.0.out", "closed"),
            ask("sendProcessStdin", "rpc-shut", "x"),
            ask("sendProcessStdin", "rpc-shut", "y"),
            needs=program("rpc-shut", script("closed")),
        ),
        scenario(
            "stdin-stopping",
            until_file("rpc-deaf.0.out", "ready"),
            tell("stopProcess", "rpc-deaf", False),
            ask("sendProcessStdin", "rpc-deaf", "x"),
            ask("startProcess", "rpc-deaf"),
            ask("stopProcess", "rpc-deaf"),
            tell("signalProcess", "rpc-deaf", "KILL"),
            reached("rpc-deaf", "STOPPED"),
            needs=program("rpc-deaf", "stubborn", stopwaitsecs=60),
        ),
        scenario("event", ask("sendRemoteCommEvent", "deploy", "data"), ask("sendRemoteCommEvent", "", "")),
        scenario("event-not-ascii", ask("sendRemoteCommEvent", "gr\u00fcn", "\u20ac\n")),
        scenario("event-number", ask("sendRemoteCommEvent", 5, 6)),
        scenario("event-list", ask("sendRemoteCommEvent", [], {})),
        scenario("event-counts", ask("sendRemoteCommEvent", "x"), ask("sendRemoteCommEvent", "x", "y", "z")),
    ]


def groups():
    """What asks for groups that are there already, or are not."""
    return [
        scenario("group-add-active", ask("addProcessGroup", "rpc-trio"), needs=COMMON),
        scenario("group-add-unknown", ask("addProcessGroup", "nope"), ask("addProcessGroup", "rpc-trio:*"), needs=COMMON),
        scenario("group-remove-unknown", ask("removeProcessGroup", "nope"), ask("removeProcessGroup", ""), needs=COMMON),
        scenario("group-remove-running", ask("removeProcessGroup", "rpc-trio"), needs=COMMON),
        scenario(
            "group-remove-and-add",
            ask("removeProcessGroup", "rpc-out"),
            ask("getProcessInfo", "rpc-out"),
            ask("startProcess", "rpc-out"),
            ask("removeProcessGroup", "rpc-out"),
            ask("reloadConfig"),
            ask("addProcessGroup", "rpc-out"),
            ask("getProcessInfo", "rpc-out"),
            needs=off("rpc-out"),
        ),
        scenario("reload-same", ask("reloadConfig"), ask("reloadConfig", 1), needs=COMMON),
    ]


def named(inner, name="supervisor.getProcessInfo"):
    """A call with one parameter, `inner` being what is between the tags of its value."""
    return "<?xml version='1.0'?>\n<methodCall><methodName>{}</methodName><params><param>{}</param></params></methodCall>".format(
        name, inner
    )


def bodies():
    def value(text):
        return named("<value>" + text + "</value>")

    call_ = "<methodCall><methodName>supervisor.getVersion</methodName>{}</methodCall>"
    table = {
        "plain": call_.format("<params></params>"),
        "no-params": call_.format(""),
        "empty-params": call_.format("<params/>"),
        "state": call_.replace("getVersion", "getState").format(""),
        "no-prolog-spaces": "  \n" + call_.format(""),
        "other-root": "<x><methodName>supervisor.getVersion</methodName></x>",
        "name-anywhere": "<x><y><methodName>supervisor.getVersion</methodName></y></x>",
        "name-spaces": "<x><methodName> supervisor.getVersion </methodName></x>",
        "name-last-wins": "<x><methodName>nope</methodName><methodName>supervisor.getVersion</methodName></x>",
        "name-cdata": "<x><methodName><![CDATA[supervisor.getVersion]]></methodName></x>",
        "name-reference": "<x><methodName>supervisor&#46;getVersion</methodName></x>",
        "name-comment": "<x><methodName>supervisor.<!-- x -->getVersion</methodName></x>",
        "name-missing": "<methodCall><params/></methodCall>",
        "name-empty": "<methodCall><methodName></methodName></methodCall>",
        "unknown": "<methodCall><methodName>nope.x</methodName></methodCall>",
        "malformed": "<methodCall><methodName>x</methodName>",
        "no-xml": "hello",
        "two-roots": call_.format("") * 2,
        "untyped": value("rpc-off"),
        "untyped-empty": value(""),
        "untyped-spaces": value(" rpc-off "),
        "string": value("<string>rpc-off</string>"),
        "string-empty": value("<string/>"),
        "string-spaces": value("\n  <string>rpc-off</string>\n "),
        "i8": value("<i8>5</i8>"),
        "base64": value("<base64>cnBjLW9mZg==</base64>"),
        "base64-lines": value("<base64>cnBj\n LW9m\n Zg==\n</base64>"),
        "base64-bad": value("<base64>cnBjLW9mZ</base64>"),
        "base64-not-utf8": value("<base64>/////w==</base64>"),
        "int-bad": value("<int>5x</int>"),
        "int-empty": value("<int/>"),
        "double-bad": value("<double>x</double>"),
        "array-no-data": value("<array></array>"),
        "struct-half": value("<struct><member><name>a</name></member></struct>"),
        "time-bad": value("<dateTime.iso8601>2026-11-21</dateTime.iso8601>"),
        "param-empty": named(""),
        "prefix": value("<ex:nil/>"),
        "entity": value("&nope;"),
        "control": value("a\x1bb"),
        "not-ascii": value("gr\u00fcn"),
        "bom": "\ufeff" + call_.format(""),
        "encoding": "<?xml version='1.0' encoding='iso-8859-1'?>" + call_.format(""),
        "boolean-one": named("<value>rpc-off</value></param><param><value><boolean>1</boolean></value>", "supervisor.stopProcess"),
        "boolean-word": named("<value>rpc-off</value></param><param><value><boolean>true</boolean></value>", "supervisor.stopProcess"),
        "offset-untyped": named(
            "<value>rpc-ten</value></param><param><value>4</value></param><param><value><i8>3</i8></value>",
            "supervisor.readProcessLog",
        ),
        # Wrong types.
        "name-int": value("<int>5</int>"),
        "name-nil": value("<nil/>"),
        "name-double": value("<double>1.5</double>"),
        "name-array": value("<array><data/></array>"),
        "name-struct": value("<struct/>"),
        "name-boolean": value("<boolean>1</boolean>"),
        "name-time": value("<dateTime.iso8601>20261121T04:28:00</dateTime.iso8601>"),
        # What XML has beyond elements and text.
        "attribute": call_.replace("<methodCall>", "<methodCall a='b'>").format(""),
        "doctype": "<!DOCTYPE methodCall>" + call_.format(""),
        "doctype-entity": "<!DOCTYPE a [<!ENTITY e 'supervisor.getVersion'>]><a><methodName>&e;</methodName></a>",
        "instruction": "<?x y?>" + call_.format(""),
        "deep": value("<array><data><value>" * 12 + "</value></data></array>" * 12),
        "many": call_.format("<params>" + "<param><value>x</value></param>" * 12000 + "</params>"),
    }
    return [raw(name, body, needs=COMMON) for name, body in table.items()]


def main_log():
    """The activity log: nothing else may write to it meanwhile."""
    copy = Look("the copy has the line", lambda daemon: "INFO reopening log file" in read(daemon, "daemon.out"))
    gone = Do("rm main.log", lambda daemon: os.remove(path(daemon, "main.log")))
    return [
        scenario("main-faults", ask("readLog", 0, -1), ask("readMainLog", -5, 5), ask("readLog", -1, -1)),
        scenario("main-clear", ask("clearLog"), ask("readLog", 0, 0), ask("readMainLog", 0, 0), copy),
        scenario("main-clear-twice", ask("clearLog"), ask("clearLog"), ask("readLog", 0, 0)),
        scenario("main-clear-counts", ask("clearLog", 1), ask("readLog"), ask("readMainLog", 0)),
        scenario("main-empty", ask("clearLog"), ask("readLog", 5, 0), ask("readLog", -5, 0), ask("readLog", 0, 5)),
        scenario(
            "main-goes-on",
            ask("clearLog"),
            ask("startProcess", "rpc-noted"),
            ask("stopProcess", "rpc-noted"),
            Look("lines", lambda daemon: re.findall(r" (INFO \w+: '?rpc-noted)", read(daemon, "main.log"))),
            needs=off("rpc-noted"),
        ),
        # Last: the reference goes on writing to the file that is gone.
        scenario("main-missing", gone, ask("readLog", 0, 0), ask("clearLog")),
    ]


def ending():
    """What is answered while the daemon goes down, which a program that does not obey holds up."""
    methods = ["getState", "getPID", "getVersion", "getAllProcessInfo", "getAllConfigInfo", "startAllProcesses", "reloadConfig"]
    named_ = ["getProcessInfo", "startProcess", "stopProcess", "addProcessGroup", "removeProcessGroup", "clearProcessLogs"]
    return [
        scenario(
            "ending",
            until_file("rpc-holds.0.out", "ready"),
            ask("shutdown"),
            *(ask(name) for name in methods),
            *(ask(name, "rpc-holds") for name in named_),
            *(ask(name) for name in ("shutdown", "restart", "clearLog", "clearAllProcessLogs")),
            ask("readLog", 0, 0),
            ask("sendProcessStdin", "rpc-holds", "x"),
            ask("sendProcessStdin", "rpc-holds", 5),
            ask("signalProcess", "rpc-holds", "HUP"),
            ask("getProcessInfo"),
            ask("nothing"),
            ask("sendRemoteCommEvent", "a", "b"),
            ask("system.methodSignature", "supervisor.getState"),
            ask("system.multicall", [{"methodName": "supervisor.getState"}, {"methodName": "system.methodHelp"}]),
            Do("kill it", lambda daemon: os.kill(int(read(daemon, "rpc-holds.pid")), 9)),
            Do("the end", lambda daemon: daemon.ended(20)),
            needs=program("rpc-holds", script("holds"), stopwaitsecs=120),
        ),
    ]


def worlds():
    made = [
        world("rpc", [*system(), *daemon_itself(), *infos(), *logs(), *groups()]),
        world("rpc-control", control()),
        world("rpc-stdin", stdin()),
        world("rpc-raw", bodies()),
        world("rpc-main", main_log()),
        world("rpc-ending", ending()),
    ]
    scripts = {**SCRIPTS, "holds": "trap '' TERM\necho $$ > @ROOT@/rpc-holds.pid\necho ready\nwhile :; do sleep 0.05; done\n"}
    for one in made:
        one.files += [("bin/" + name, text, 0o755) for name, text in scripts.items()]
    return made
