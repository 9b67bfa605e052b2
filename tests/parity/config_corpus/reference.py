"""What the reference makes of configurations: run by the Python that the reference is installed in.

Standard input: a JSON list of `{"name", "dir", "args"}`. Standard output: a JSON object, by name, of what reader.py
compares. One process reads them all, each in its own directory, through the reference's own classes.
"""

import io
import json
import os
import shlex
import socket
import sys
import types
import warnings

sys.dont_write_bytecode = True
warnings.simplefilter("ignore")

from supervisor import options as reference  # noqa: E402
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface  # noqa: E402

DAEMON = (
    "minfds minprocs directory uid umask logfile logfile_maxbytes logfile_backups loglevel pidfile identifier nodaemon "
    "silent childlogdir nocleanup strip_ansi"
).split()
LEVELS = {50: "critical", 40: "error", 30: "warn", 20: "info", 10: "debug", 5: "trace", 3: "blather"}


class Refused(Exception):
    """The reference's usage error."""


class Options(reference.ServerOptions):
    """Options that raise where the daemon would leave, and that keep what a program would be started with."""

    def usage(self, msg):
        raise Refused(str(msg))

    def exit(self, code=None):
        raise Refused("exit {}".format(code))

    def nothing(self, *_):
        return None

    setpgrp = dup2 = close_fd = write = chdir = setumask = drop_privileges = _exit = nothing

    def execve(self, _, __, env):
        self.given = dict(env)


def environment(options, group, config):
    """What a process would find in its environment: the reference's own code up to the execve."""
    process = config.make_process(types.SimpleNamespace(config=group))
    process.pipes = dict.fromkeys(["child_stdin", "child_stdout", "child_stderr"], 0)
    options.given = None
    options.minfds, kept = 3, options.minfds
    type(process)._prepare_child_fds = lambda self: None
    process._spawn_as_child("/bin/true", ["true"])
    options.minfds = kept
    return options.given


def words(command):
    try:
        return shlex.split(command)
    except ValueError as why:
        return str(why)


def plain(value):
    """A value as JSON has it."""
    if isinstance(value, type):
        return {"RestartWhenExitUnexpected": "unexpected", "RestartUnconditionally": True}.get(
            value.__name__, value.__name__
        )
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def group(config):
    known = {
        "name": config.name,
        "priority": config.priority,
        "kind": {
            "ProcessGroupConfig": "programs",
            "EventListenerPoolConfig": "eventlistener",
            "FastCGIGroupConfig": "fcgi",
        }[type(config).__name__],
        "processes": [process.name for process in config.process_configs],
    }
    if known["kind"] == "eventlistener":
        from supervisor.events import getEventNameByType

        known["buffer_size"] = config.buffer_size
        known["events"] = sorted(getEventNameByType(event) for event in config.pool_events)
    if known["kind"] == "fcgi":
        wanted = config.socket_config
        known["socket"] = wanted.url
        known["backlog"] = wanted.get_backlog()
        if wanted.url.startswith("unix:"):
            known["owner"] = plain(wanted.get_owner())
            known["mode"] = wanted.get_mode()
    return known


def server(config):
    known = {key: config[key] for key in ("section", "username", "password")}
    if config["family"] == socket.AF_UNIX:
        known.update({key: plain(config[key]) for key in ("file", "chmod", "chown")})
    else:
        known.update({key: config[key] for key in ("host", "port")})
    return known


def read(args):
    options = Options()
    options.stderr = options.stdout = io.StringIO()
    try:
        options.realize(args=args, doc="", progname="supervisord")
    except Refused as why:
        return {"error": str(why)}
    except Exception as why:  # The reference leaves with a traceback.
        return {"crash": "{}: {}".format(type(why).__name__, why)}
    daemon = {key: getattr(options, key) for key in DAEMON}
    daemon["loglevel"] = LEVELS[daemon["loglevel"]]
    supervisord = types.SimpleNamespace(options=options, process_groups={})
    interface = SupervisorNamespaceRPCInterface(supervisord)
    processes = [(g, p) for g in options.process_group_configs for p in g.process_configs]
    return {
        "daemon": daemon,
        "groups": [group(g) for g in options.process_group_configs],
        "config": [{k: plain(v) for k, v in info.items()} for info in interface.getAllConfigInfo()],
        "processes": [
            {
                "name": "{}:{}".format(g.name, p.name),
                "autorestart": plain(p.autorestart),
                "umask": p.umask,
                "argv": words(p.command),
                "environment": environment(options, g, p),
            }
            for g, p in processes
        ],
        "servers": [server(c) for c in options.server_configs],
        "serverurl": options.serverurl,
        "warnings": options.parse_warnings,
        "included": options.parse_infos,
    }


def main():
    results = {}
    for case in json.load(sys.stdin):
        os.chdir(case["dir"])
        results[case["name"]] = read(case["args"])
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
