"""The daemon that clients are let loose on: its configuration and its programs."""

import os
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))

from daemon import Daemon, poll  # noqa: E402

SLEEP = "/bin/sleep 1000"
LOGIN = ("kim", "s3cret word")
# For clients that know credentials as part of an address alone.
URL_LOGIN = ("kim", "s3cret")

SCRIPTS = {
    # Text beyond ASCII, and what XML has to escape.
    "talk": "printf 'Gr\\303\\274\\303\\237e <&>\"]]> \\344\\270\\226\\347\\225\\214 \\360\\237\\232\\200 end\\n'\n"
    "printf 'oops\\n' >&2\nexec sleep 1000\n",
    # What XML cannot carry, and what is no text at all.
    "control": "printf 'a\\033[1mbold\\033[0m\\001 end\\n'\nexec sleep 1000\n",
    "latin": "printf 'gr\\374n end\\n'\nexec sleep 1000\n",
    "fail": "exit 3\n",
}


def program(name, command=SLEEP, **keys):
    if command in SCRIPTS:
        command = "/bin/sh @ROOT@/bin/" + command
    keys = {"command": command, "startretries": 0, "stopasgroup": "true", **keys}
    return "\n".join(["[program:{}]".format(name), *("{}={}".format(k, v) for k, v in keys.items())])


PROGRAMS = [
    program("cat", "/bin/cat"),
    program("idle", autostart="false"),
    program("web", numprocs=2, process_name="%(program_name)s_%(process_num)02d"),
    program("gone", "/nonexistent/program", autostart="false"),
    # The reference notices an exit up to a second late.
    program("brief", "fail", autostart="false", startsecs=10),
    program("talk", "talk"),
    program("control", "control"),
    program("latin", "latin"),
]
EXTRA = program("extra")


class World:
    """What tests/parity's daemon wants to know of a world. With `login` its servers ask for a password."""

    def __init__(self, login=None):
        self.credentials = login
        self.files = [("bin/" + name, text, 0o755) for name, text in SCRIPTS.items()]
        self.wrapper = []

    def config(self):
        login = "username={}\npassword={}\n".format(*self.credentials) if self.credentials else ""
        sections = [
            "[unix_http_server]\nfile=@SOCK@\n" + login,
            "[inet_http_server]\nport=127.0.0.1:@PORT@\n" + login,
            "[supervisord]\nlogfile=@ROOT@/main.log\npidfile=@ROOT@/s.pid\nchildlogdir=@ROOT@",
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
            "[supervisorctl]\nserverurl=unix://@SOCK@\n" + login,
        ]
        return "\n\n".join([*sections, *PROGRAMS]) + "\n"


def start(command, login):
    """A daemon whose programs have come to rest and have said what they say."""
    daemon = launch(command, World(login))
    daemon.settle()
    for name in ("talk", "control", "latin"):
        wait_log(daemon, name, " end\n")
    wait_log(daemon, "talk", "oops\n", "err")
    return daemon


def launch(command, world):
    """A daemon. Ids for brokers are few, and others on this machine may have them all for a while."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return Daemon(command, world)
        except RuntimeError as error:
            if "no user for the broker" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def wait_log(daemon, name, text, channel="out"):
    """Waits until the log of a process holds a text. Read from the file: not every log can be asked for."""
    def there():
        key = "std{}_logfile".format(channel)
        with open(daemon.rpc().getProcessInfo(name)[key], "rb") as file:
            return text.encode() in file.read()

    if not poll(20, there):
        raise RuntimeError("{} did not write {!r}".format(name, text))


def wait_state(daemon, name, *states):
    if not poll(20, lambda: daemon.state(name) in states):
        raise RuntimeError("{} is {}, not {}".format(name, daemon.state(name), states))


def add_program(daemon):
    """A change of the configuration: one program more, another command for one."""
    with open(daemon.config) as file:
        text = file.read()
    text = text.replace("[program:idle]\ncommand=/bin/sleep 1000", "[program:idle]\ncommand=/bin/sleep 2000")
    with open(daemon.config, "w") as file:
        file.write(text + "\n" + daemon.fill(EXTRA) + "\n")
