#!/usr/bin/env python3
"""rpc.py DIST [REFERENCE] [--quick] [--only TEXT]: what answers cost a client, ours and the reference's.

DIST is an installed tree (target/dist), REFERENCE a virtual environment with supervisor 4.3.0. Wall times are medians
and 99th percentiles as rpc.c, built on the fly, takes them; beside them is the CPU time that the daemon and its helpers
spent on each. Run it on a machine that does nothing else; where that cannot be had, the CPU times still tell.
"""
import argparse
import base64
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "..", "tests", "parity"))
sys.dont_write_bytecode = True

from daemon import Daemon  # noqa: E402

LOGIN = ("kim", "s3cret")
FLOOD = "line=$(printf '%079d' 0)\nexec yes $line\n"


class World:
    """A configuration with this many programs. With `login` its servers ask for a password."""

    def __init__(self, programs, login=None, flood=False):
        self.programs, self.credentials, self.flood = programs, login, flood
        self.files = [("bin/flood", FLOOD, 0o755)]

    def config(self):
        login = "username={}\npassword={}\n".format(*self.credentials) if self.credentials else ""
        text = (
            f"[unix_http_server]\nfile=@SOCK@\n{login}\n[inet_http_server]\nport=127.0.0.1:@PORT@\n{login}\n"
            "[supervisord]\nlogfile=@ROOT@/main.log\npidfile=@ROOT@/s.pid\nchildlogdir=@ROOT@\nuser=root\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisorctl]\nserverurl=unix://@SOCK@\n{login}\n"
            f"[program:p]\ncommand=/bin/sleep 100000\nnumprocs={self.programs}\nstartsecs=0\n"
            "process_name=p%(process_num)04d\nstdout_logfile=NONE\nstderr_logfile=NONE\n"
        )
        if self.flood:
            text += (
                "[program:flood]\ncommand=/bin/sh @ROOT@/bin/flood\nstdout_logfile=@ROOT@/flood.log\n"
                "stdout_logfile_maxbytes=10MB\nstdout_logfile_backups=1\n"
            )
        return text


def call(method, *args, login=None):
    """An HTTP request as a client that stays sends it."""
    values = "".join(f"<param><value><string>{arg}</string></value></param>" for arg in args)
    name = f"<methodName>supervisor.{method}</methodName>"
    body = f"<?xml version='1.0'?><methodCall>{name}<params>{values}</params></methodCall>"
    word = base64.b64encode(":".join(login).encode()).decode() if login else ""
    return (
        f"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n"
        + (f"Authorization: Basic {word}\r\n" if login else "")
        + f"\r\n{body}"
    ).encode()


def cpu(pid):
    """Seconds that a daemon and its helpers have used: those of its children that have supervisor in their name."""
    ticks = 0
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{other}/stat") as file:
                name, _, rest = file.read().partition("(")[2].rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        if int(other) == pid or int(fields[1]) == pid and "supervisor" in name:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, room, quick):
        self.room, self.quick = room, quick
        self.program = os.path.join(room, "rpc")
        subprocess.run(["cc", "-O2", "-o", self.program, os.path.join(HERE, "rpc.c")], check=True)

    def measure(self, daemon, words):
        """Nanoseconds of each round, and the daemon's CPU seconds a round."""
        before = cpu(daemon.process.pid)
        done = subprocess.run([self.program, *words], capture_output=True, text=True, timeout=300)
        spent = cpu(daemon.process.pid) - before
        rounds = [int(line) for line in done.stdout.split()]
        if done.returncode or not rounds:
            raise RuntimeError(done.stderr[-300:] or "nothing was measured")
        return rounds, spent / len(rounds)

    def calls(self, daemon, address, requests, seconds, most=10**9):
        files = []
        for number, request in enumerate(requests):
            files.append(os.path.join(self.room, f"request{number}"))
            with open(files[-1], "wb") as file:
                file.write(request)
        return self.measure(daemon, [address, str(seconds / 4 if self.quick else seconds), str(most), *files])

    def runs(self, daemon, command, count):
        return self.measure(daemon, ["run", str(count // 4 if self.quick else count), *command])


def waited(daemon, programs):
    """All are up: the reference takes its time."""
    end = time.monotonic() + 120
    while list(daemon.states().values()).count("RUNNING") < programs:
        if time.monotonic() > end:
            raise RuntimeError("not all programs are RUNNING")
        time.sleep(0.2)


def info(bench, daemon, ctl):
    return bench.calls(daemon, daemon.socket, [call("getAllProcessInfo")], 6)


def status(bench, daemon, ctl):
    return bench.runs(daemon, [*ctl, "-c", daemon.config, "status"], 40)


def state(bench, daemon, ctl):
    return bench.calls(daemon, str(daemon.port), [call("getState", login=daemon.credentials)], 4)


def state_unix(bench, daemon, ctl):
    return bench.calls(daemon, daemon.socket, [call("getState", login=daemon.credentials)], 4)


def cycle(bench, daemon, ctl):
    requests = [call(method, "p:p0000") for method in ("stopProcess", "startProcess")]
    return bench.calls(daemon, str(daemon.port), requests, 12)


CASES = [
    # What is measured, how, the world, and how the figure is to be shown.
    ("getAllProcessInfo of 1,000, unix", info, World(1000), "time"),
    ("supervisorctl status, 1 program", status, World(1), "time"),
    ("supervisorctl status, 1,000 programs", status, World(1000), "time"),
    ("getState, TCP", state, World(1), "rate"),
    ("getState, TCP, Basic", state, World(1, LOGIN), "rate"),
    ("getState, unix", state_unix, World(1), "rate"),
    ("getState, TCP, 1,000 programs", state, World(1000), "rate"),
    ("stopProcess + startProcess", cycle, World(1), "time"),
    ("stopProcess + startProcess of 1,000", cycle, World(1000), "time"),
    ("getState while a child floods its log", state, World(1, flood=True), "time"),
]


def shown(kind, rounds, spent):
    median = statistics.median(rounds)
    last = sorted(rounds)[int(len(rounds) * 0.99)]
    value = f"{len(rounds) / (sum(rounds) / 1e9):,.0f}/s" if kind == "rate" else f"{median / 1e6:.3f} ms"
    return f"{value} p99 {last / 1e6:.3f} ms, CPU {spent * 1e6:,.0f} us"


def one(bench, case, binaries):
    name, run, world, kind = case
    try:
        daemon = Daemon([f"{binaries}/supervisord"], world)
    except RuntimeError as error:
        return f"failed: {error}"
    try:
        waited(daemon, world.programs + world.flood)
        return shown(kind, *run(bench, daemon, [f"{binaries}/supervisorctl"]))
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        return f"failed: {error}"
    finally:
        daemon.stop()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("dist", type=os.path.abspath)
    parser.add_argument("reference", nargs="?", type=os.path.abspath)
    parser.add_argument("--quick", action="store_true", help="a quarter of the time")
    parser.add_argument("--only", default="", help="part of a case's name")
    options = parser.parse_args()
    sides = {"ours": options.dist}
    if options.reference:
        sides["reference"] = options.reference
    with tempfile.TemporaryDirectory(prefix="supervisor-bench-") as room:
        bench = Bench(room, options.quick)
        print(f"load average before: {os.getloadavg()[0]:.1f}")
        print(f"{'':40}" + "".join(f"{side:44}" for side in sides), flush=True)
        for case in CASES:
            if options.only in case[0]:
                cells = [one(bench, case, f"{tree}/bin") for tree in sides.values()]
                print(f"{case[0]:40}" + "".join(f"{cell:44}" for cell in cells), flush=True)
        print(f"load average after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
