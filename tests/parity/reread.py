"""What becomes of a configuration that is edited while the daemon runs: reread, update, add, remove, avail, reload."""

import xmlrpc.client

from scenarios import SLEEP, Scenario, World, group, off, program, several
from steps import Run, Wait, until_state

BASE = {
    "a": program("a"),
    "b": off("b"),
    "g": group("g", "x", "y"),
    "x": program("x", priority=7),
    "y": program("y"),
    "n": several("n", 2),
}
UP = ["a", "g:x", "g:y", "n:n_0", "n:n_1"]


class Rpc:
    """A call, and what it gives."""

    def __init__(self, method, *params):
        self.line = "{}{!r}".format(method, params)
        self.method = method
        self.params = params

    def begin(self, side):
        return None

    def end(self, side, process):
        try:
            return repr(getattr(side.daemon.rpc(), self.method)(*self.params))
        except xmlrpc.client.Fault as fault:
            return "fault {}: {}".format(fault.faultCode, fault.faultString)


def edit(**sections):
    """Writes the configuration anew: the base with these sections instead, None for one that is gone."""
    programs = [text for text in {**BASE, **sections}.values() if text]

    def write(daemon):
        daemon.write("supervisord.conf", World("edited", [], programs).config(), 0o600)

    return write


def up(*names):
    return Wait(
        "{} run".format(", ".join(names)),
        lambda daemon: all(daemon.states().get(full(name)) == "RUNNING" for name in names),
    )


def full(name):
    return name if ":" in name else "{0}:{0}".format(name)


class Quietly(Run):
    """A command whose output does not matter."""

    def end(self, side, process):
        super().end(side, process)


def scenario(name, *steps, **more):
    """Begins and ends with the base in force and running."""

    def start(daemon):
        rpc = daemon.rpc()
        for info in rpc.getAllProcessInfo():
            process = "{group}:{name}".format(**info)
            if info["statename"] == "STOPPED" and info["name"] != "b":
                rpc.startProcess(process)

    restore = [edit(), Quietly("update"), up(*UP)]
    return Scenario(name, start, *steps, *restore, **more)


SLOWER = "/bin/sleep 1001"
THREE = {"a": None, "y": program("y", SLOWER), "new": program("new")}


def rereads():
    edits = {
        "nothing": {},
        "added": {"new": program("new")},
        "added-off": {"new": off("new")},
        "added-group": {"h": group("h", "p"), "p": program("p")},
        "removed": {"a": None},
        "removed-from-group": {"g": group("g", "x")},
        "group-gone": {"g": None},
        "group-other-order": {"g": group("g", "y", "x")},
        "group-priority": {"g": group("g", "x", "y") + "\npriority=5"},
        "three": THREE,
        "command": {"a": program("a", SLOWER)},
        "priority": {"a": program("a", priority=3)},
        "environment": {"a": program("a", environment='K="v"')},
        "directory": {"a": program("a", directory="/")},
        "umask": {"a": program("a", umask="027")},
        "autostart": {"a": off("a")},
        "autorestart": {"a": program("a", autorestart="true")},
        "startsecs": {"a": program("a", startsecs=1)},
        "exitcodes": {"a": program("a", exitcodes="0,2")},
        "stopsignal": {"a": program("a", stopsignal="INT")},
        "stopwaitsecs": {"a": program("a", stopwaitsecs=3)},
        "stopasgroup": {"a": program("a", stopasgroup="true")},
        "redirect": {"a": program("a", redirect_stderr="true")},
        "logfile": {"a": program("a", stdout_logfile="@ROOT@/other.out")},
        "log-from-path-to-none": {"a": program("a", stdout_logfile="NONE")},
        "maxbytes": {"a": program("a", stdout_logfile_maxbytes="1MB")},
        "backups": {"a": program("a", stderr_logfile_backups=3)},
        "numprocs": {"n": several("n", 3)},
        "daemon-environment": {"z": '[supervisord]\nenvironment=K="v"'},
        "comment": {"a": "; nothing else\n" + BASE["a"]},
    }
    return [
        scenario("reread-" + name, edit(**sections), "reread", "reread", "avail")
        for name, sections in edits.items()
    ]


def to_automatic():
    """There the program goes on with the old file."""
    edited = edit(a=program("a", stdout_logfile="AUTO"))
    return [scenario("reread-log-from-path-to-auto", edited, "reread", daemon_only=True, differs=True)]


def sockets():
    """Changes of what a FastCGI program listens on."""
    keys = {"url": "socket=tcp://127.0.0.1:1", "mode": "socket_mode=0777", "owner": "socket_owner=nobody", "backlog": "socket_backlog=7"}
    section = "[fcgi-program:f]\ncommand=/bin/sleep 1000\nautostart=false\n"
    plain = section + "socket=unix://@ROOT@/f.sock\n"
    return [
        scenario(
            "reread-fcgi-" + name,
            edit(f=plain),
            Quietly("update"),
            edit(f=section + line if name == "url" else plain + line),
            "reread",
            daemon_only=True,
            differs=name != "url",
        )
        for name, line in keys.items()
    ]


def updates():
    return [
        scenario("update-nothing", "update", "update all", "update a"),
        scenario("update-added", edit(new=program("new")), "update", up("new"), "status", "update"),
        scenario("update-added-off", edit(new=off("new")), "update", "status"),
        scenario("update-removed", edit(a=None), "update", "status", "update"),
        scenario("update-changed", edit(a=program("a", SLOWER)), "update", up("a"), "update"),
        scenario("update-three", edit(**THREE), "update", up("new", "g:y"), "status"),
        scenario("update-all", edit(**THREE), "update nope all", up("new", "g:y")),
        scenario("update-one", edit(**THREE), "update new", up("new"), "reread", "status"),
        scenario("update-two", edit(**THREE), "update g a", up("g:y"), "reread", "status"),
        scenario("update-unknown", edit(**THREE), "update nope new", up("new"), "reread"),
        scenario("update-process-name", edit(**THREE), "update g:y", "reread"),
        scenario("update-more-processes", edit(n=several("n", 3)), "update", up("n:n_2"), "status"),
        scenario(
            "update-starts-what-was-stopped",
            "stop a",
            edit(a=program("a", SLOWER)),
            "update",
            up("a"),
            "status a",
        ),
        scenario(
            "update-leaves-what-is-the-same", "stop a", edit(new=program("new")), "update", "status a",
            "start a",
        ),
        scenario(
            "update-cannot-start",
            edit(new=program("new", "/nonexistent/x")),
            "update",
            until_state("new", "FATAL"),
            "status new",
        ),
    ]


def adds_and_removes():
    new = edit(new=program("new"))
    return [
        scenario("add-active", "add a", "add g b"),
        scenario("add-unknown", "add nope", "add nope a"),
        scenario("add-none", "add", "remove"),
        scenario("add-before-reread", new, "add new", "reread", "add new", up("new"), "status new"),
        scenario("add-several", edit(new=program("new"), two=off("two")), "reread", "add new two x"),
        scenario("add-gone", edit(a=None), "reread", "add a"),
        scenario("add-member", "add x", "add g:x", "add g:*"),
        scenario("remove-running", "remove a", "remove g", "remove n"),
        scenario("remove-unknown", "remove nope", "remove g:x", "remove x"),
        scenario("remove-stopped", "remove b", "status", "status b", "avail", "reread", "add b"),
        scenario("remove-one-of-group", "stop g:x", "remove g", "stop g:y", "remove g", "start g:*"),
        scenario("remove-and-add", "stop a", "remove a", "add a", up("a"), "status a"),
        scenario("remove-several", "stop a", "remove b nope a n", "status"),
        scenario("removed-start", "remove b", "start b", "stop b", "pid b", "tail b", "clear b"),
    ]


def calls():
    two = edit(new=program("new", SLEEP, stdout_logfile="AUTO", stderr_logfile="NONE"), a=None)
    return [
        scenario("rpc-config-info", Rpc("getAllConfigInfo")),
        scenario(
            "rpc-config-info-later",
            two,
            Rpc("getAllConfigInfo"),
            Rpc("reloadConfig"),
            Rpc("getAllConfigInfo"),
            Rpc("addProcessGroup", "new"),
            Rpc("getAllConfigInfo"),
        ),
        scenario("rpc-reload", Rpc("reloadConfig"), edit(**THREE), Rpc("reloadConfig")),
        scenario(
            "rpc-faults",
            Rpc("addProcessGroup", "a"),
            Rpc("addProcessGroup", "nope"),
            Rpc("removeProcessGroup", "a"),
            Rpc("removeProcessGroup", "nope"),
            Rpc("addProcessGroup"),
            Rpc("reloadConfig", "x"),
            Rpc("restart", "x"),
        ),
        scenario(
            "rpc-group-that-is-gone",
            Rpc("removeProcessGroup", "b"),
            Rpc("getProcessInfo", "b"),
            Rpc("startProcess", "b"),
            Rpc("stopProcessGroup", "b"),
            Rpc("signalProcess", "b", "HUP"),
            Rpc("readProcessStdoutLog", "b", 0, 0),
            Rpc("clearProcessLogs", "b"),
            Rpc("addProcessGroup", "b"),
            Rpc("addProcessGroup", "b"),
        ),
    ]


def broken():
    """The texts of errors are their own scenarios; here it matters that nothing else happens."""
    status = Run("reread", lines="^$")
    no_command = edit(new="[program:new]\nautostart=true", a=None)
    no_number = edit(a=program("a", startsecs="soon"))
    return [
        scenario("broken-reread", no_command, status, "status", "avail"),
        scenario("broken-update", no_number, Run("update", lines="^$"), "status"),
        scenario("broken-then-whole", no_command, status, edit(new=program("new")), "reread"),
    ]


def reloads():
    """Each starts its daemon over."""

    def over(daemon):
        daemon.before = daemon.rpc().getProcessInfo("a")["pid"]

    def is_over(daemon):
        try:
            info = daemon.rpc().getProcessInfo("a")
        except (OSError, xmlrpc.client.Error):
            return False
        return info["statename"] == "RUNNING" and info["pid"] != daemon.before

    back = Wait("it is back", is_over)
    return [
        Scenario("reload", over, "reload", back, up(*UP), "status", "pid", "avail"),
        Scenario(
            "reload-edited", over, edit(b=None, new=program("new")), "reload", back, up("new"), "status"
        ),
    ]


def worlds():
    # Each has a daemon of its own, so that they are played side by side.
    parts = {
        "reread": rereads(),
        "reread-more": [*to_automatic(), *sockets()],
        "reread-update": updates(),
        "reread-groups": [*adds_and_removes(), *calls(), *broken()],
    }
    # `reread` shows whether a scenario left the base behind.
    shared = [World(name, scenarios, BASE.values()) for name, scenarios in parts.items()]
    return [*shared, World("reload", reloads(), BASE.values())]
