#!/usr/bin/env python3
"""Lets clients that others have written loose on our daemon and on the reference's, and compares what they get.

    python3 tests/clients/clients.py --clients DIR --reference VENV --supervisord CMD --supervisorctl CMD

DIR holds the clients, as tools/clients.sh installs them. Exit status 0 if every client gets from our daemon what it
has to, and the same as from the reference's but for what on_purpose.py lists.
"""

import argparse
import concurrent.futures
import contextlib
import os
import re
import shlex
import signal
import sys
import time

sys.dont_write_bytecode = True

import world  # noqa: E402  (also makes tests/parity known)
import on_purpose  # noqa: E402
import talk  # noqa: E402
import tools  # noqa: E402
import tour  # noqa: E402
import watch  # noqa: E402

# Most of the time is spent waiting for programs to start and stop.
AT_ONCE = 8


def talkers(there, reference):
    """The client libraries."""
    venv = os.path.join(there, "python/bin/python")
    packages = os.path.join(there, "npm")
    crates = os.path.join(there, "rust/debug/published-clients")
    referred = os.path.join(reference, "bin/python")
    ours, password, in_url = sys.executable, world.LOGIN, world.URL_LOGIN
    libraries = [
        ("python/xmlrpc.client/unix", talk.python(ours, "unix"), None),
        ("python/xmlrpc.client/tcp-password", talk.python(ours, "tcp"), in_url),
        ("supervisor/SupervisorTransport/unix", talk.python(referred, "transport"), None),
        ("supervisor/SupervisorTransport/unix-password", talk.python(referred, "transport"), password),
        ("supervisor/SupervisorTransport/tcp-password", talk.python(referred, "transport-tcp"), password),
        ("npm/xmlrpc/tcp-password", talk.npm(packages, "xmlrpc"), password),
        ("npm/supervisord/unix", talk.npm(packages, "supervisord", unix=True), None),
        ("npm/supervisord/tcp-password", talk.npm(packages, "supervisord"), in_url),
        ("npm/node-supervisord/tcp", talk.npm(packages, "node-supervisord"), None),
        ("npm/node-supervisord/tcp-password", talk.npm(packages, "node-supervisord"), password),
        ("debian/ruby-xmlrpc/tcp-password", talk.interpreted("ruby", "debian.rb"), password),
        ("debian/librpc-xml-perl/tcp-password", talk.interpreted("perl", "debian.pl"), password),
        ("crates/xmlrpc/tcp-password", talk.crate(crates, "xmlrpc"), in_url),
        ("crates/dxr_client/tcp-password", talk.crate(crates, "dxr"), password),
    ]
    return [
        talk.Talker("python/xmlrpc.client/tcp", talk.python(ours, "tcp"), tour.long_tour()),
        *(talk.Talker(name, command, tour.tour(), login) for name, command, login in libraries),
        *tools.talkers(venv),
    ]


def compare(client, ours, reference):
    """What is wrong with our answers, and the reasons for what differs on purpose."""
    wrong, reasons = [], set()
    if [step for step, _ in ours] != [step for step, _ in reference]:
        return ["    not the same steps"], reasons
    if not ours:
        return ["    no step was played"], reasons
    for (step, mine), (_, theirs) in zip(ours, reference):
        shown = "    {}{}".format(step.method, tuple(step.args))
        if step.must and not re.search(step.must, mine):
            wrong += [shown, "      has to have: " + step.must, "      ours:        " + mine[:2000]]
        elif step.same and mine != theirs:
            reason = on_purpose.reason(client.name, step.method, theirs, mine)
            if reason:
                reasons.add(reason)
            else:
                wrong += [shown, "      reference: " + theirs[:2000], "      ours:      " + mine[:2000]]
    return wrong, reasons


def run(client, commands):
    """Plays a client on both daemons: whether all was well, and what is to be printed."""
    began = time.monotonic()
    transcripts, reasons = [], set()
    try:
        with concurrent.futures.ThreadPoolExecutor(len(commands)) as sides:
            jobs = [sides.submit(side, client, *command) for command in commands]
            transcripts = [job.result() for job in jobs]
        wrong, reasons = compare(client, *transcripts)
    except Exception as error:
        wrong = ["    {}: {}".format(type(error).__name__, error)]
    word = "FAIL" if wrong else "ok"
    steps = len(transcripts[0]) if transcripts else 0
    line = "{:4} {} {} steps {:.1f}s {}".format(
        word, client.name, steps, time.monotonic() - began, "; ".join(sorted(reasons))
    )
    return not wrong, "\n".join([line.rstrip(), *wrong])


def side(client, supervisord, supervisorctl):
    if watch.ENDING.is_set():
        raise RuntimeError("not played")
    with watch.Watch("{} on {}".format(client.name, supervisord[0])):
        daemon = world.start(supervisord, client.login)
        try:
            return client.transcript(daemon, supervisorctl)
        finally:
            hung = daemon.stop()
            if hung:
                raise RuntimeError("a daemon had to be killed\n" + hung)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--clients", required=True, metavar="DIR", type=os.path.abspath)
    parser.add_argument("--reference", required=True, metavar="VENV", type=os.path.abspath)
    parser.add_argument("--supervisord", required=True, type=shlex.split, metavar="CMD")
    parser.add_argument("--supervisorctl", required=True, type=shlex.split, metavar="CMD")
    parser.add_argument("--only", default="", metavar="NAME", help="part of a client's name")
    options = parser.parse_args()
    # Ended from outside, it still ends its daemons.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    theirs = ["supervisord", "supervisorctl"]
    commands = [
        (options.supervisord, options.supervisorctl),
        tuple([os.path.join(options.reference, "bin", name)] for name in theirs),
    ]
    watch.begin()
    # Those that take longest come first.
    known = [*tools.tools(options.clients, options.reference), *talkers(options.clients, options.reference)]
    chosen = [client for client in known if options.only in client.name]
    # What this machine could not get.
    with open(os.path.join(options.clients, "absent"), encoding="ascii") as file:
        absent = tuple(file.read().split())
    for client in chosen:
        if client.name.startswith(absent):
            print("skip {}: IT COULD NOT BE INSTALLED HERE".format(client.name))
    chosen = [client for client in chosen if not client.name.startswith(absent)]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool, contextlib.ExitStack() as leaving:
        jobs = [pool.submit(run, client, commands) for client in chosen]
        leaving.callback(lambda: (watch.ENDING.set(), [job.cancel() for job in jobs]))
        for job in jobs:
            well, text = job.result()
            failed += not well
            print(text, flush=True)
    print("{} clients passed, {} failed".format(len(chosen) - failed, failed))
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
