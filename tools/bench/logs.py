#!/usr/bin/env python3
"""logs.py DIST [REFERENCE] [MIB]: CPU seconds a GiB of program output costs the daemon, ours and the reference's.

DIST is an installed tree (target/dist), REFERENCE a virtual environment with supervisor 4.3.0. Each case runs one
program that writes so many MiB (default 256) and counts the user and system time of the daemon and its helpers from the
first byte to the last one in the log. Needs root; run it on a machine that does nothing else.
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BLOCKS = {"80 B lines": 80, "64 KiB blocks": 65536}
STAGES = {
    "plain": "",
    "capture": "stdout_capture_maxbytes=1MB",
    "strip": "",
    "events": "stdout_events_enabled=true",
    "capture, strip, events": "stdout_capture_maxbytes=1MB\nstdout_events_enabled=true",
    "capture, strip, events, syslog": "stdout_capture_maxbytes=1MB\nstdout_events_enabled=true\nstdout_syslog=true",
}

WRITER = """
import os, sys, time
size, total, go, stop = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
def wait(path):
    while not os.path.exists(path):
        time.sleep(0.01)
open(go + '.ready', 'w').close()
wait(go)
line = b'\\x1b[1m' + b'x' * 67 + b' <b>\\x1b[0m\\n'
assert len(line) == 80
block = line * (size // 80)
for _ in range(total // len(block)):
    os.write(1, block)
# The reference holds back up to 24 bytes where it looks for tags.
os.write(1, b'the end' + b'.' * 92 + b'\\n')
wait(stop)
"""


def cpu(pids):
    """Seconds that these processes have used."""
    ticks = 0
    for pid in pids:
        try:
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def helpers(pid):
    """The daemon and those of its children that are not the program."""
    found = [pid]
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open(f"/proc/{other}/stat").read()
        except OSError:
            continue
        parent = int(fields.rsplit(")", 1)[1].split()[1])
        if parent == pid and "supervisor" in fields.split("(", 1)[1].rsplit(")", 1)[0]:
            found.append(int(other))
    return found


def run(command, stage, keys, size, total):
    with tempfile.TemporaryDirectory(dir="/var/lib", prefix="supervisor-bench-") as room:
        os.chmod(room, 0o755)
        path = lambda name: os.path.join(room, name)
        open(path("writer.py"), "w").write(WRITER)
        strip = "true" if "strip" in stage else "false"
        writer = f"{sys.executable} {path('writer.py')} {size} {total} {path('go')} {path('stop')}"
        open(path("conf"), "w").write(
            f"[supervisord]\nlogfile={path('d.log')}\npidfile={path('d.pid')}\nchildlogdir={room}\nuser=root\n"
            f"strip_ansi={strip}\nnodaemon=true\nsilent=true\n"
            f"[program:w]\ncommand={writer}\nautorestart=false\nstartsecs=0\nredirect_stderr=true\n"
            f"stdout_logfile={path('log')}\nstdout_logfile_maxbytes=0\n{keys}\n"
        )
        daemon = subprocess.Popen([command, "-n", "-c", path("conf")], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        try:
            begun = time.monotonic()
            while not os.path.exists(path("go.ready")):
                if time.monotonic() - begun > 20 or daemon.poll() is not None:
                    return None
                time.sleep(0.01)
            time.sleep(0.2)
            before = cpu(helpers(daemon.pid))
            open(path("go"), "w").close()
            while not ended(path("log")):
                if time.monotonic() - begun > 60 or daemon.poll() is not None:
                    return None
                time.sleep(0.05)
            return (cpu(helpers(daemon.pid)) - before) * (1 << 30) / total
        finally:
            open(path("stop"), "w").close()
            daemon.terminate()
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()


def ended(log):
    try:
        with open(log, "rb") as file:
            file.seek(-100, os.SEEK_END)
            return b"the end" in file.read()
    except OSError:
        return False


def syslogd():
    """Somebody who takes the lines, where nobody does."""
    if os.path.exists("/dev/log"):
        return None
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind("/dev/log")

    def take():
        while True:
            receiver.recv(65536)

    threading.Thread(target=take, daemon=True).start()
    return receiver


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    dist = sys.argv[1]
    reference = sys.argv[2] if len(sys.argv) > 2 and sys.argv[2] != "-" else None
    total = int(sys.argv[3] if len(sys.argv) > 3 else 256) << 20
    own = syslogd()
    daemons = [f"{dist}/bin/supervisord"] + ([f"{reference}/bin/supervisord"] if reference else [])
    try:
        print(f"{'CPU s a GiB':32} {'writes':14}" + "".join(f"{n:>11}" for n in ["ours", "reference"]))
        for stage, keys in STAGES.items():
            # Each line is a datagram: a part of it tells.
            size_of = total // 8 if "syslog" in stage else total
            for name, size in BLOCKS.items():
                results = [run(daemon, stage, keys, size, size_of) for daemon in daemons]
                shown = "".join(f"{'failed' if r is None else f'{r:.2f}':>11}" for r in results)
                print(f"{stage:32} {name:14}{shown}", flush=True)
    finally:
        if own:
            os.unlink("/dev/log")


main()
