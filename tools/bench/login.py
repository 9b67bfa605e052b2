#!/usr/bin/env python3
"""login.py DIST [SECONDS]: what it costs to know who asks, and what a flood of wrong passwords does to others.

DIST is an installed tree (target/dist). First a client with one connection asks getState as fast as it can: without
authentication, and as a user with an argon2id hash. Then clients ask 50 times a second while others try 100 wrong
passwords a second, SECONDS (default 10) for each kind of flood: median, 99th percentile and longest time of an answer, what
the right password takes from elsewhere, and the broker's memory. The goals: a 99th percentile below 5 ms, memory below
30 MB. Last, how long it takes until a wrong password is told for a user who is there and one who is not. Needs root; run
it on a machine that does nothing else.
"""
import importlib.util
import multiprocessing
import os
import socket
import sys
import threading
import time

spec = importlib.util.spec_from_file_location("bench", f"{os.path.dirname(os.path.abspath(__file__))}/http.py")
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)

# Of "secret", with the costs that `supervisorctl passwd` gives.
HASH = "$argon2id$v=19$m=19456,t=2,p=1$sfuzjHuqgIZobEjoSBUEzA$dT2ZB3gBckYdAQok8/BqdMJiDjfX9ahwrkHJk75Q600"
RIGHT = "alice:secret"
EACH_SECOND = 100


class Daemon(bench.Daemon):
    def sections(self):
        return super().sections() + f"[user:alice]\npassword={HASH}\n"

    def resident(self):
        lines = open(f"/proc/{self.broker}/status").read().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def try_once(place, credentials, source=None):
    """One try to log in on a connection of its own: its status and how long it took."""
    begin = time.monotonic()
    with socket.socket() as connection:
        connection.settimeout(60)
        if source:
            connection.bind((source, 0))
        connection.connect(place)
        connection.sendall(bench.request(credentials))
        answer = connection.recv(65536)
    return int(answer.split()[1]), time.monotonic() - begin


def flood(daemon, kind):
    """Tries at a steady rate, however long each of them takes."""

    def one(n):
        name = f"user{n}" if kind == "names" else "alice"
        source = f"127.0.{1 + n // 250 % 250}.{1 + n % 250}" if kind == "addresses" else None
        try:
            try_once(daemon.open, f"{name}:wrong{n}", source)
        except OSError:
            pass

    begin = time.monotonic()
    for n in range(1 << 30):
        time.sleep(max(0, begin + n / EACH_SECOND - time.monotonic()))
        threading.Thread(target=one, args=(n,), daemon=True).start()


def beside(daemon, name, kind, seconds, known):
    others = None
    if kind:
        others = multiprocessing.Process(target=flood, args=(daemon, kind), daemon=True)
        others.start()
        time.sleep(1)
    worst = 0
    for who, client in (("a user", known), ("a peer", bench.Client(daemon.unix))):
        times = bench.answers(client, seconds)
        worst = max(worst, bench.percentile(times, 0.99))
        print(
            f"beside {name:34}{who}: p50 {bench.percentile(times, 0.5):7.3f} ms   "
            f"p99 {bench.percentile(times, 0.99):7.3f} ms   longest {times[-1] * 1e3:7.3f} ms   "
            f"memory {daemon.resident():,} KiB",
            flush=True,
        )
    if kind:
        status, took = try_once(daemon.open, RIGHT, "127.9.9.9")
        print(f"       the right password from elsewhere: {status} in {took * 1e3:.0f} ms", flush=True)
        others.kill()
        others.join()
    return worst


def told(daemon, count=9):
    """From an address of its own each, so that nobody has to wait for earlier tries."""
    for name in ("alice", "nobody"):
        sources = [f"127.8.{len(name)}.{n + 1}" for n in range(count)]
        times = sorted(try_once(daemon.open, f"{name}:wrong", source)[1] for source in sources)
        print(f"a wrong password of {name:10}median {times[count // 2] * 1e3:.1f} ms   longest {times[-1] * 1e3:.1f} ms")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    daemon = bench.Daemon(sys.argv[1])
    try:
        bench.rate(daemon, "TCP, nobody asked", daemon.open, None, seconds)
    finally:
        daemon.end()
    daemon = Daemon(sys.argv[1])
    try:
        bench.rate(daemon, "unix socket, the peer", daemon.unix, None, seconds)
        bench.rate(daemon, "TCP, argon2id user", daemon.open, RIGHT, seconds)
        told(daemon)
        kinds = {
            "nothing": None,
            "wrong passwords of one user": "one",
            "wrong passwords of many names": "names",
            "wrong passwords from everywhere": "addresses",
        }
        # One that has logged in before: from where the flood comes, nobody logs in as long as it lasts.
        known = bench.Client(daemon.open, RIGHT)
        worst = max(beside(daemon, name, kind, seconds, known) for name, kind in kinds.items())
        print(f"worst p99: {worst:.3f} ms, the goal is 5 ms; memory at most {daemon.memory():,} KiB")
    finally:
        daemon.end()


if __name__ == "__main__":
    main()
