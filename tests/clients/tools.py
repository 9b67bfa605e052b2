"""Clients that are programs: dashboards, exporters, checks, Ansible's module."""

import json
import os
import re
import socket
import subprocess
import urllib.error
import urllib.request

import talk
from compare import normalise
from daemon import free_port, poll
from tour import Ask
from world import LOGIN, URL_LOGIN, add_program, wait_state

SECONDS = 60
# One event, as the daemon would send it to a listener.
TICK = "ver:3.0 server:supervisor serial:1 pool:x poolserial:1 eventname:TICK_60 len:15\nwhen:1795226180"

# Bound and never listened on: who connects is refused, and nobody else gets the port.
NOBODY = socket.socket()
NOBODY.bind(("127.0.0.1", 0))
REFUSED = NOBODY.getsockname()[1]


class Tool:
    """A program. `steps` are functions of a daemon and a supervisorctl, each gives a text, or None after a wait."""

    def __init__(self, name, steps, login=None):
        self.name = name
        self.steps = steps
        self.login = login

    def transcript(self, daemon, supervisorctl):
        said = []
        for step in self.steps:
            if callable(step):
                said.append((talk.WAIT, talk.waited(step, daemon)))
                continue
            ask, run = step
            said.append((ask, normalise(run(daemon, supervisorctl), daemon, ())))
        return said


def step(name, run, must=""):
    return Ask(name, [], must, True), run


def finished(words, stdin="", **options):
    """Exit status and output of a program."""
    done = subprocess.run(
        words, input=stdin, capture_output=True, text=True, timeout=SECONDS, encoding="utf-8", **options
    )
    return "rc={}\n{}".format(done.returncode, done.stdout + done.stderr)


def nagios(python):
    """nagios-check-supervisord."""
    program = os.path.join(os.path.dirname(python), "check_supervisord.py")

    def check(programs, password=LOGIN[1]):
        def run(daemon, supervisorctl):
            login = ["-u", LOGIN[0], "-S", password]
            return finished([program, "-s", "127.0.0.1", "-p", str(daemon.port), "-P", programs, *login])

        return run

    return [
        step("running", check("cat,talk"), "rc=0"),
        step("stopped and unknown", check("cat,idle,nosuch")),
        step("wrong password", check("cat", "wrong")),
    ]


def supercli(python):
    """supervisor-cli: what supervisorctl prints, cut into columns."""
    program = os.path.join(os.path.dirname(python), "supercli")

    def call(*words):
        def run(daemon, supervisorctl):
            path = os.path.join(daemon.root, "path")
            os.makedirs(path, exist_ok=True)
            # The program calls `sudo supervisorctl`; what is to be tried here is the latter.
            script(path, "sudo", 'exec "$@"')
            script(path, "supervisorctl", "exec {} \"$@\"".format(" ".join(supervisorctl)))
            environment = {**os.environ, "PATH": path + ":" + os.environ["PATH"]}
            return finished([program, *words], cwd=daemon.root, env=environment)

        return run

    return [
        step("list", call("--list"), r"cat +RUNNING"),
        step("start", call("--start", "idle"), "idle: started"),
        step("start again", call("--start", "idle"), "already started"),
        step("restart", call("--restart", "idle"), "idle: stopped\nidle: started"),
        step("stop", call("--stop", "idle"), "idle: stopped"),
        step("bad name", call("--stop", "nosuch"), "no such process"),
    ]


def script(directory, name, line):
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write("#!/bin/sh\n{}\n".format(line))
    os.chmod(path, 0o755)


def listener(words, lines):
    """A program made to run as an event listener, given one event alone; the lines in which `lines` is found."""

    def run(daemon, supervisorctl):
        environment = {
            **os.environ,
            "SUPERVISOR_ENABLED": "1",
            "SUPERVISOR_SERVER_URL": "unix://" + daemon.socket,
            "SUPERVISOR_PROCESS_NAME": "check",
            "SUPERVISOR_GROUP_NAME": "check",
            **(dict(zip(("SUPERVISOR_USERNAME", "SUPERVISOR_PASSWORD"), daemon.credentials or ()))),
        }
        text = finished([daemon.fill(word) for word in words], TICK, env=environment)
        # Time of day and memory are nobody's doing.
        text = re.sub(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", "TIME", text)
        text = re.sub(r"(RSS of \S+ is) \d+", r"\1 N", text)
        # Several are checked at the same time.
        return "\n".join(sorted(line for line in text.splitlines() if re.search(lines, line)))

    return run


def restarted(name):
    """Waits until a process runs that was started by somebody else than the daemon's own start."""

    def wait(daemon):
        wait_state(daemon, name, "RUNNING")

    return wait


def checks(python):
    """supervisor-checks."""
    program = lambda name: os.path.join(os.path.dirname(python), name)
    refused = ["-p", str(REFUSED), "-t", "1", "-r", "1"]
    tcp = [program("supervisor_tcp_check"), "-n", "check", *refused]
    memory = [program("supervisor_memory_check"), "-n", "check", "-N", "cat", "-m", "1"]
    said = r"\[check\] (Stopped|Starting|Failed|.*restart|Success|No processes|.*succeeded|.*failed)"
    return [
        step("a group whose check fails", listener([*tcp, "-g", "web"], said), "Stopped process web:web_01"),
        restarted("web:web_00"),
        restarted("web:web_01"),
        step("a check of a stopped process", listener([*tcp, "-N", "idle"], said), "No processes"),
        step("a check of memory", listener(memory, said), "Stopped process cat"),
    ]


def superlance(reference):
    """superlance: programs that the reference's documentation recommends."""
    program = lambda name: os.path.join(reference, "bin", name)
    nobody = "http://127.0.0.1:{}/".format(REFUSED)
    memmon = lambda *words: listener([program("memmon"), *words], "RSS of|Restarting")
    return [
        step("memmon", memmon("-p", "cat=1"), "Restarting cat:cat"),
        step("memmon of a group", memmon("-g", "web=1"), "Restarting web:web_01"),
        step(
            "httpok",
            listener([program("httpok"), "-p", "cat", "-p", "web:web_00", "-t", "1", nobody], "estart|is in"),
            "web:web_00 restarted",
        ),
        step(
            "httpok of a stopped process",
            listener([program("httpok"), "-e", "-p", "idle", "-t", "1", nobody], "estart|not in"),
            "idle not in RUNNING state",
        ),
        step("httpok of all", listener([program("httpok"), "-a", "-t", "1", nobody], "estart")),
    ]


def exporter(program, unix):
    """node_exporter's collector for supervisord."""

    def scrape(daemon, supervisorctl):
        port = free_port()
        url = "unix://" + daemon.socket
        if not unix:
            login = "{}:{}@".format(*daemon.credentials) if daemon.credentials else ""
            url = "http://{}127.0.0.1:{}/RPC2".format(login, daemon.port)
        options = ["--collector.disable-defaults", "--collector.supervisord", "--collector.supervisord.url=" + url]
        running = subprocess.Popen(
            [program, *options, "--web.listen-address=127.0.0.1:{}".format(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            text = poll(20, lambda: metrics(port)) or "no metrics"
        finally:
            running.kill()
            running.wait()
        lines = [line for line in text.splitlines() if "supervisord" in line and "duration" not in line]
        return re.sub(r"(start_time_seconds\S*) [1-9]\S+", r"\1 TIME", "\n".join(lines))

    return [step("scrape", scrape, r'node_supervisord_up\{group="cat",name="cat"\} 1')]


def metrics(port):
    try:
        with urllib.request.urlopen("http://127.0.0.1:{}/metrics".format(port), timeout=10) as answer:
            return answer.read().decode()
    except (OSError, urllib.error.URLError):
        return ""


def ansible(python, module):
    """Ansible's community.general.supervisorctl, which reads what supervisorctl prints."""

    def task(**arguments):
        def run(daemon, supervisorctl):
            path = os.path.join(daemon.root, "task.json")
            arguments_of = {"config": daemon.config, "supervisorctl_path": supervisorctl[0], **arguments}
            with open(path, "w") as file:
                json.dump({"ANSIBLE_MODULE_ARGS": arguments_of}, file)
            answer = json.loads(finished([python, module, path]).partition("\n")[2])
            answer.pop("invocation", None)
            answer.pop("cmd", None)
            return json.dumps(answer, sort_keys=True)

        return run

    changed = '"changed": true'
    unchanged = '"changed": false'
    return [
        step("started", task(name="idle", state="started"), changed),
        step("started again", task(name="idle", state="started"), unchanged),
        step("restarted", task(name="idle", state="restarted"), changed),
        step("signalled", task(name="idle", state="signalled", signal="CONT"), changed),
        step("stopped", task(name="idle", state="stopped"), changed),
        step("stopped again", task(name="idle", state="stopped"), unchanged),
        step("group stopped", task(name="web:", state="stopped"), "web:web_01"),
        step("group started", task(name="web:", state="started"), "web:web_00"),
        step("group restarted", task(name="web:", state="restarted"), "web:web_00"),
        step("fails to start", task(name="brief", state="started"), "brief: ERROR"),
        step("not there", task(name="nosuch", state="started"), "no such process"),
        step("all", task(name="all", state="signalled", signal="CONT")),
        add_program,
        step("present", task(name="extra", state="present"), changed),
        lambda daemon: wait_state(daemon, "extra", "RUNNING"),
        step("present again", task(name="extra", state="present"), unchanged),
        step("absent while running", task(name="extra", state="absent"), "still running"),
        step("absent", task(name="extra", state="absent", stop_before_removing=True), changed),
        step("absent again", task(name="extra", state="absent"), unchanged),
        step("unknown present", task(name="nosuch", state="present"), "failed"),
    ]


def shell_ui():
    """What supervisor-shell-ui's pages call."""
    call = lambda name, *args, must="": Ask(name, list(args), must, True)
    return [
        call("get_processes", must="web_01"),
        call("get_process", "cat", must="RUNNING"),
        call("get_process", "nosuch"),
        call("tail_process_log", "talk", "stdout", 1000, must="end"),
        call("tail_process_log", "talk", "stderr", 1000, must="oops"),
        call("tail_process_log", "idle", "stdout", 1000, must="has no stdout log"),
        call("clear_process_log", "talk", must="Cleared"),
        call("tail_process_log", "talk", "stdout", 1000, must="has no stdout log"),
        call("start_process", "idle"),
        call("get_process", "idle", must="RUNNING"),
        call("restart_process", "idle"),
        call("stop_process", "idle"),
        call("get_process", "idle", must="STOPPED"),
        call("stop_all"),
        call("get_processes", must="STOPPED"),
    ]


def manager():
    """What supervisord-mcp's tools call."""
    call = lambda name, *args, must='"ok"': Ask(name, list(args), must, True)
    return [
        call("connect", must="true"),
        call("get_system_info", must="4.3.0"),
        call("list_processes", must="web_01"),
        call("get_process_status", "cat", must="RUNNING"),
        call("get_process_status", "nosuch", must="BAD_NAME"),
        call("start_process", "idle"),
        call("start_process", "idle", must="ALREADY_STARTED"),
        call("restart_process", "idle"),
        call("stop_process", "idle"),
        call("get_logs", "talk", 4, must="end"),
        call("get_logs", "talk", 100, True, must="oops"),
        add_program,
        call("reload_config", must="extra"),
    ]


def talkers(python):
    """Dashboards that are played as libraries are: their functions without their screens."""
    site = next(
        os.path.join(base, "site-packages")
        for base, names, _ in os.walk(os.path.join(os.path.dirname(python), "../lib"))
        if "site-packages" in names
    )
    mcp = os.path.join(site, "supervisord_mcp/manager.py:SupervisordManager")
    return [
        talk.Talker(
            "pypi/supervisor-shell-ui",
            talk.functions(python, "supervisor_shell_ui.supervisor"),
            shell_ui(),
            environment={"SUPERVISOR_SOCK_PATH": "@SOCK@"},
        ),
        talk.Talker(
            "pypi/supervisord-mcp",
            talk.functions(python, mcp, "http://{}:{}@127.0.0.1:@PORT@/RPC2".format(*URL_LOGIN)),
            manager(),
            login=URL_LOGIN,
        ),
    ]


def tools(there, reference):
    """The programs."""
    python = os.path.join(there, "python/bin/python")
    node_exporter = os.path.join(there, "debian/usr/bin/prometheus-node-exporter")
    module = os.path.join(there, "ansible/supervisorctl.py")
    return [
        Tool("ansible/community.general.supervisorctl", ansible(python, module)),
        Tool("pypi/nagios-check-supervisord", nagios(python), LOGIN),
        Tool("pypi/supervisor-cli", supercli(python)),
        Tool("pypi/supervisor-checks", checks(python), LOGIN),
        Tool("pypi/superlance", superlance(reference), LOGIN),
        Tool("debian/prometheus-node-exporter/unix", exporter(node_exporter, unix=True)),
        Tool("debian/prometheus-node-exporter/tcp-password", exporter(node_exporter, unix=False), URL_LOGIN),
    ]
