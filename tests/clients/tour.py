"""What clients that know XML-RPC ask, in this order."""

import collections

from world import add_program, wait_log, wait_state

# `must` is found in the answer of our daemon, whatever the reference says. With `same` false that is all.
Ask = collections.namedtuple("Ask", "method args must same")


def ask(method, *args, must="", same=True):
    return Ask("supervisor." + method, list(args), must, same)


def system(method, *args, must="", same=True):
    return Ask("system." + method, list(args), must, same)


def fault(code):
    return r'"fault": \[{}, '.format(code)


TRUE = r'"value": true'


def looks():
    return [
        ask("getAPIVersion", must="3.0"),
        ask("getVersion"),
        ask("getSupervisorVersion", must=r"4\.3\.0"),
        ask("getIdentification", must='"supervisor"'),
        ask("getState", must="RUNNING"),
        ask("getPID", must='"PID"'),
        ask("getAllProcessInfo", must="web_01"),
        ask("getProcessInfo", "cat", must='"pid": "PID"'),
        ask("getProcessInfo", "web:web_00", must="web_00"),
        ask("getProcessInfo", "nosuch", must=fault(10)),
        ask("getProcessInfo", "web:*", must=fault(10)),
        ask("getProcessInfo", must=fault(2)),
        ask("getAllConfigInfo", must="stopwaitsecs"),
        ask("noSuchMethod", must=fault(1)),
    ]


def logs():
    return [
        ask("readProcessStdoutLog", "talk", 0, 0, must="Gr\u00fc\u00dfe <&>\\\\\"]]> \u4e16\u754c \U0001f680 end"),
        ask("readProcessStdoutLog", "talk", 7, 5),
        ask("readProcessStdoutLog", "talk", -4, 0, must="end"),
        # Some send numbers as text.
        ask("readProcessStdoutLog", "talk", "0", "0", must="end"),
        ask("readProcessStdoutLog", "talk", 0, -1, must=fault(3)),
        ask("readProcessStdoutLog", "nosuch", 0, 0, must=fault(10)),
        ask("readProcessStdoutLog", "idle", 0, 0),
        ask("readProcessLog", "talk", 0, 2, must="Gr"),
        ask("readProcessStderrLog", "talk", 0, 0, must="oops"),
        ask("tailProcessStdoutLog", "talk", 0, 4, must="end"),
        ask("tailProcessStdoutLog", "talk", 0, 1000, must="Gr\u00fc"),
        ask("tailProcessLog", "talk", 0, 4),
        ask("tailProcessStderrLog", "talk", 2, 1000),
        ask("tailProcessStderrLog", "nosuch", 0, 10, must=fault(10)),
        # Here the reference's answers cannot be read, or are no answers.
        ask("readProcessStdoutLog", "control", 0, 0, must="bold.* end", same=False),
        ask("tailProcessStdoutLog", "control", 0, 100, must="bold.* end", same=False),
        ask("readProcessStdoutLog", "latin", 0, 0, must="gr\ufffdn end", same=False),
        ask("readProcessStdoutLog", "talk", 0, 3, must="Gr\ufffd", same=False),
        ask("clearProcessLogs", "talk", must=TRUE),
        ask("readProcessStdoutLog", "talk", 0, 0, must='"value": ""'),
        ask("clearProcessLog", "talk", must=TRUE),
        ask("clearProcessLogs", "nosuch", must=fault(10)),
        ask("readLog", 0, 0, must="spawned: 'talk' with pid", same=False),
        ask("readMainLog", -20, 10, must=fault(3)),
        ask("readLog", 0, -1, must=fault(3)),
    ]


def control():
    return [
        ask("startProcess", "cat", must=fault(60)),
        ask("startProcess", "nosuch", must=fault(10)),
        ask("startProcess", "gone", must=fault(20)),
        ask("startProcess", "brief", must=fault(50)),
        ask("getProcessInfo", "brief", must="Exited too quickly"),
        ask("startProcess", "idle", must=TRUE),
        ask("getProcessInfo", "idle", must="RUNNING"),
        ask("stopProcess", "idle", must=TRUE),
        ask("getProcessInfo", "idle", must="STOPPED"),
        ask("stopProcess", "idle", must=fault(70)),
        ask("startProcess", "idle", False, must=TRUE),
        lambda daemon: wait_state(daemon, "idle", "RUNNING"),
        ask("stopProcess", "idle", False, must=TRUE),
        lambda daemon: wait_state(daemon, "idle", "STOPPED"),
        ask("signalProcess", "idle", "HUP", must=fault(70)),
        ask("signalProcess", "cat", "CONT", must=TRUE),
        ask("signalProcess", "cat", "18", must=TRUE),
        ask("signalProcess", "cat", "NOSUCH", must=fault(11)),
        ask("signalProcess", "nosuch", "HUP", must=fault(10)),
        ask("signalProcess", "web:*", "CONT", must="web_01"),
        ask("signalProcessGroup", "web", "CONT", must="web_00"),
        ask("signalProcessGroup", "nosuch", "CONT", must=fault(10)),
        ask("stopProcessGroup", "web", must=r'"status": 80'),
        ask("stopProcessGroup", "web", must=r'"value": \[\]'),
        ask("startProcessGroup", "web", must="web_01"),
        ask("startProcessGroup", "nosuch", must=fault(10)),
        ask("stopProcess", "web:*", must="web_00"),
        ask("startProcess", "web:*", must="web_00"),
        ask("getAllProcessInfo", must="web_00"),
    ]


def stdin():
    return [
        ask("sendProcessStdin", "cat", "Gr\u00fc\u00dfe <&> back\n", must=TRUE),
        lambda daemon: wait_log(daemon, "cat", " back\n"),
        ask("readProcessStdoutLog", "cat", 0, 0, must="Gr\u00fc\u00dfe <&> back"),
        ask("sendProcessStdin", "idle", "x", must=fault(70)),
        ask("sendProcessStdin", "nosuch", "x", must=fault(10)),
        ask("sendRemoteCommEvent", "kind", "Gr\u00fc\u00dfe", must=TRUE),
    ]


def introspection():
    calls = [
        {"methodName": "supervisor.getState", "params": []},
        {"methodName": "supervisor.getProcessInfo", "params": ["nosuch"]},
        {"methodName": "supervisor.stopProcess", "params": ["cat"]},
        {"methodName": "supervisor.startProcess", "params": ["cat"]},
        {"methodName": "supervisor.getPID"},
        {"methodName": "system.multicall", "params": [[]]},
    ]
    return [
        system("listMethods", must="supervisor.getAllProcessInfo"),
        system("methodSignature", "supervisor.startProcess", must="boolean"),
        system("methodSignature", "nosuch", must=fault(4)),
        system("methodHelp", "supervisor.startProcess", must="@param", same=False),
        system("methodHelp", "nosuch", must=fault(4)),
        system("multicall", calls, must=r'"faultCode": 10'),
    ]


def groups():
    return [
        add_program,
        ask("reloadConfig", must='"extra"'),
        ask("addProcessGroup", "extra", must=TRUE),
        ask("addProcessGroup", "extra", must=fault(90)),
        ask("addProcessGroup", "nosuch", must=fault(10)),
        lambda daemon: wait_state(daemon, "extra", "RUNNING"),
        ask("removeProcessGroup", "extra", must=fault(91)),
        ask("stopProcess", "extra", must=TRUE),
        ask("removeProcessGroup", "extra", must=TRUE),
        ask("removeProcessGroup", "extra", must=fault(10)),
        ask("getProcessInfo", "extra", must=fault(10)),
    ]


def whole():
    return [
        ask("stopAllProcesses", must=r'"status": 80'),
        ask("getAllProcessInfo", must="STOPPED"),
        ask("startAllProcesses", must=r'"status": 80'),
        ask("getAllProcessInfo", must="RUNNING"),
        ask("clearAllProcessLogs", must=r'"status": 80'),
        ask("clearLog", must=TRUE),
        ask("readLog", 0, 0, must='"value": "'),
    ]


def end():
    return [
        ask("shutdown", must=TRUE),
        lambda daemon: daemon.ended() or fail("the daemon does not end"),
    ]


def fail(text):
    raise RuntimeError(text)


def tour():
    """What every client asks."""
    return [*looks(), *logs(), *control(), *stdin(), *introspection(), *groups(), *end()]


def long_tour():
    """With what takes the reference long."""
    return [*looks(), *logs(), *control(), *stdin(), *introspection(), *groups(), *whole(), *end()]
