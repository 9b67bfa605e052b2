#!/usr/bin/env python3
"""http.py DIST [SECONDS]: how fast getState is answered, alone and beside clients that do their worst.

DIST is an installed tree (target/dist). First a client with one connection asks as fast as it can, over each kind of
listener: requests a second, and the CPU time that the broker has for each. Then it asks 50 times a second while
others keep the daemon busy, SECONDS (default 10) for each kind: median, 99th percentile and longest time of an answer.
The goal is a 99th percentile below 50 ms. Needs root; run it on a machine that does nothing else.
"""
import base64
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BODY = b"<?xml version='1.0'?>\n<methodCall>\n<methodName>supervisor.getState</methodName>\n<params>\n</params>\n</methodCall>\n"
SHA = "{SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d"
CREDENTIALS = "user:thepassword"


def request(credentials=None):
    given = ""
    if credentials:
        given = f"Authorization: Basic {base64.b64encode(credentials.encode()).decode()}\r\n"
    head = (
        f"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\n{given}Accept-Encoding: gzip\r\nContent-Type: text/xml\r\n"
        f"User-Agent: Python-xmlrpc/3.11\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    return head.encode() + BODY


def connect(place):
    if isinstance(place, str):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(place)
    else:
        connection = socket.create_connection(place)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(60)
    return connection


class Client:
    """One connection that is kept; all answers have the length of the first."""

    def __init__(self, place, credentials=None):
        self.connection = connect(place)
        self.question = request(credentials)
        self.connection.sendall(self.question)
        answer = self.connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 OK"), answer
        self.length = len(answer)

    def ask(self):
        self.connection.send(self.question)
        got = 0
        while got < self.length:
            count = len(self.connection.recv(65536))
            if count == 0:
                raise ConnectionError("closed")
            got += count


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    def __init__(self, dist):
        self.dir = tempfile.mkdtemp(dir="/var/lib", prefix="supervisor-bench-")
        os.chmod(self.dir, 0o755)
        self.unix = f"{self.dir}/s.sock"
        self.open, self.plain, self.sha = [("127.0.0.1", free_port()) for _ in range(3)]
        with open(f"{self.dir}/s.conf", "w") as conf:
            conf.write(self.sections())
        command = [f"{dist}/bin/supervisord", "-n", "-c", f"{self.dir}/s.conf"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while True:
            assert self.process.poll() is None, "the daemon did not start"
            try:
                Client(self.unix)
                break
            except OSError:
                time.sleep(0.01)
        children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()
        broker = lambda pid: open(f"/proc/{pid}/comm").read().startswith("supervisor-brok")
        self.broker = next(int(pid) for pid in children if broker(pid))

    def sections(self):
        return (
            f"[supervisord]\nuser=root\nlogfile={self.dir}/s.log\npidfile={self.dir}/s.pid\n"
            f"childlogdir={self.dir}\n[unix_http_server]\nfile={self.unix}\n"
            f"[inet_http_server:open]\nport=127.0.0.1:{self.open[1]}\n"
            f"[inet_http_server:plain]\nport=127.0.0.1:{self.plain[1]}\nusername=user\npassword=thepassword\n"
            f"[inet_http_server:sha]\nport=127.0.0.1:{self.sha[1]}\nusername=user\npassword={SHA}\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            "[program:cat]\ncommand=/bin/cat\n"
        )

    def cpu(self):
        fields = open(f"/proc/{self.broker}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        lines = open(f"/proc/{self.broker}/status").read().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        shutil.rmtree(self.dir)


def percentile(times, share):
    return times[min(len(times) - 1, int(len(times) * share))] * 1e3


def rate(daemon, name, place, credentials, seconds):
    client = Client(place, credentials)
    before, start = daemon.cpu(), time.monotonic()
    times = []
    end = start
    while end < start + seconds:
        begin = end
        client.ask()
        end = time.monotonic()
        times.append(end - begin)
    cpu = (daemon.cpu() - before) / len(times) * 1e6
    times.sort()
    print(
        f"{name:24}{len(times) / seconds:10,.0f}/s   p50 {percentile(times, 0.5):.4f} ms   "
        f"p99 {percentile(times, 0.99):.4f} ms   broker {cpu:.1f} µs each",
        flush=True,
    )


# What others do, each in a process of its own, until it is ended.


def nothing(daemon):
    while True:
        time.sleep(60)


def ask_for_ever(place):
    client = Client(place)
    while True:
        client.ask()


def two_hundred(daemon):
    threads = [threading.Thread(target=ask_for_ever, args=(daemon.open,)) for _ in range(200)]
    for thread in threads:
        thread.start()
    threads[0].join()


def drip(daemon):
    clients = []
    while True:
        clients += [connect(daemon.open) for _ in range(200 - len(clients))]
        kept = []
        for client in clients:
            try:
                client.send(b"x")
                kept.append(client)
            except OSError:
                client.close()
        clients = kept
        time.sleep(1)


def flood(daemon, beginning, size):
    piece = b"x" * 65536
    while True:
        client = connect(daemon.open)
        try:
            client.sendall(beginning)
            for _ in range(size // len(piece)):
                client.sendall(piece)
        except OSError:
            pass
        client.close()


def large_bodies(daemon):
    flood(daemon, b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n", 50_000_000)


def large_heads(daemon):
    flood(daemon, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", 10_000_000)


def malformed(daemon):
    dice = random.Random(1)
    while True:
        text = bytearray(request())
        for _ in range(dice.randrange(1, 6)):
            text[dice.randrange(len(text))] = dice.randrange(256)
        client = connect(daemon.open)
        try:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except OSError:
            pass
        client.close()


def answers(client, seconds):
    """How long each answer takes, shortest first."""
    times, next_at = [], time.monotonic()
    end = next_at + seconds
    while next_at < end:
        time.sleep(max(0, next_at - time.monotonic()))
        # From when it was due: a long answer does not hide the ones behind it.
        client.ask()
        times.append(time.monotonic() - next_at)
        next_at += 0.02
    return sorted(times)


def beside(daemon, name, work, seconds):
    other = multiprocessing.Process(target=work, args=(daemon,), daemon=True)
    other.start()
    time.sleep(1)
    client = Client(daemon.unix)
    times = answers(client, seconds)
    assert other.is_alive(), f"{name}: the others have ended"
    other.kill()
    other.join()
    print(
        f"beside {name:28}p50 {percentile(times, 0.5):8.3f} ms   p99 {percentile(times, 0.99):8.3f} ms   "
        f"longest {times[-1] * 1e3:8.3f} ms   memory so far {daemon.memory():,} KiB",
        flush=True,
    )
    return percentile(times, 0.99)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    daemon = Daemon(sys.argv[1])
    try:
        rate(daemon, "unix socket", daemon.unix, None, seconds)
        rate(daemon, "TCP", daemon.open, None, seconds)
        rate(daemon, "TCP, plain password", daemon.plain, CREDENTIALS, seconds)
        rate(daemon, "TCP, SHA password", daemon.sha, CREDENTIALS, seconds)
        cases = {
            "nothing": nothing,
            "200 clients": two_hundred,
            "200 bytes a second": drip,
            "bodies of 50 MB": large_bodies,
            "heads of 10 MB": large_heads,
            "malformed requests": malformed,
        }
        worst = max(beside(daemon, name, work, seconds) for name, work in cases.items())
        print(f"worst p99: {worst:.3f} ms; the goal is 50 ms")
    finally:
        daemon.end()


if __name__ == "__main__":
    main()
