#!/usr/bin/env python3
"""Runs two supervisords side by side and compares what clients see.

    python3 tests/parity/parity.py --reference VENV --supervisord CMD [--supervisorctl CMD] [--only NAME]

VENV holds the reference (supervisor 4.3.0). With --supervisord the daemon CMD is compared with the reference's, both
driven by the reference's supervisorctl. With --supervisorctl the client CMD is compared with the reference's, both on a
daemon of the reference. With --supervisord both also read the configurations of config_corpus/. Exit status 0 if nothing
differs but what compare.py and config_corpus/on_purpose.py list.
"""

import argparse
import concurrent.futures
import contextlib
import difflib
import faulthandler
import os
import shlex
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True

import ctl  # noqa: E402
import events  # noqa: E402
import life  # noqa: E402
import logs  # noqa: E402
import quirks  # noqa: E402
import rpc  # noqa: E402
import scenarios  # noqa: E402
import shell  # noqa: E402
from compare import deliberate, normalise  # noqa: E402
from daemon import Daemon  # noqa: E402
from looks import Look, states  # noqa: E402
from steps import Run, Side  # noqa: E402

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "config_corpus"))
import check  # noqa: E402

# Where the worlds are described.
WORLDS = (scenarios, ctl, life, logs, quirks, rpc, shell, events)
# Worlds that are played at the same time: most of their time is spent waiting.
AT_ONCE = 8
# Set when no further scenario is to be played.
ENDING = threading.Event()
# All of it takes a few minutes; after so many seconds it hangs.
HANGS = 1200
# Set when what the reference shows is to be printed.
SHOWN = threading.Event()


def execute(step, sides):
    """Does a step on both sides at once; what each printed, normalised."""
    step = Run(step) if isinstance(step, str) else step
    begun = [step.begin(side) for side in sides]
    texts = [step.end(side, process) for side, process in zip(sides, begun)]
    words = step.line.split()
    return step.line, [
        None if text is None else normalise(text, side.daemon, words)
        for text, side in zip(texts, sides)
    ]


def play(scenario, sides, of, lasting):
    """Plays a scenario; a list of differences as text, and the reasons for those that are deliberate."""
    for side in sides:
        for name, state in scenario.prepare.items():
            side.daemon.bring(name, state)
    failures, reasons = [], set()
    # The states that follow belong to every scenario.
    for step in [*scenario.steps, lambda daemon: daemon.settle(lasting), Look("states", states)]:
        if callable(step):
            for side in sides:
                step(side.daemon)
            continue
        line, (reference, ours) = execute(step, sides)
        if SHOWN.is_set() and reference is not None and line != "states":
            rows = ["    " + row for row in reference.split("\n")]
            print("\n".join(["{}: {}".format(scenario.name, line), *rows]), flush=True)
        if reference == ours:
            continue
        reason = deliberate(scenario.name, of, reference or "", ours or "")
        if reason:
            reasons.add(reason)
        else:
            failures.append(show(line, reference or "", ours or ""))
    return failures, reasons


def show(line, reference, ours):
    rows = difflib.unified_diff(
        reference.splitlines(), ours.splitlines(), "reference", "ours", lineterm="", n=1
    )
    return "\n".join(["    " + line, *("      " + row for row in rows)])


def verdict(scenario, failures, reasons):
    """The word for how a scenario ended, what is said about it, and the differences to show."""
    if scenario.ignored and failures:
        return "skip", scenario.ignored, []
    if scenario.ignored:
        return "FAIL", "passes, though it is to be ignored: " + scenario.ignored, failures
    if scenario.differs and not failures and not reasons:
        return "FAIL", "is as there, though it is to differ", []
    word = "FAIL" if failures else "diff" if reasons else "ok"
    return word, "; ".join(sorted(reasons)), failures


def run_world(world, chosen, daemons, clients, of):
    """Plays the chosen scenarios of a world: how many passed, those that did not, and what is to be printed."""
    passed, failed = 0, []
    sides, lines = [], []
    try:
        for command, client in zip(daemons, clients):
            sides.append(Side(Daemon(command, world), client))
        for side in sides:
            side.daemon.settle(world.lasting)
        for scenario in chosen:
            if ENDING.is_set():
                break
            began = time.monotonic()
            try:
                failures, reasons = play(scenario, sides, of, world.lasting)
            except (RuntimeError, OSError) as error:
                failures, reasons = ["    " + str(error)], set()
            word, note, failures = verdict(scenario, failures, reasons)
            seconds = time.monotonic() - began
            lines.append("{:4} {}/{} {:.1f}s {}".format(word, of, scenario.name, seconds, note).rstrip())
            lines.extend(failures)
            if word == "FAIL":
                failed.append(scenario)
            else:
                passed += 1
    except RuntimeError as error:
        left = chosen[passed + len(failed) :]
        lines.append("FAIL {}/{}: {} scenarios not played: {}".format(of, world.name, len(left), error))
        failed.extend(left)
    finally:
        for side in sides:
            for process in side.background:
                process.kill()
                process.communicate()
            side.daemon.stop()
    return passed, failed, lines


def run_worlds(pairs, only):
    """Plays all worlds, several at a time: how many scenarios passed, how many failed.

    What fails beside others is played once more by itself: a busy machine, where two daemons and their clients are
    out of step by seconds, is no difference between them.
    """
    passed = failed = 0
    again = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool, contextlib.ExitStack() as leaving:
        jobs = []
        # However it is left, what was not begun is not played.
        leaving.callback(lambda: (ENDING.set(), [job.cancel() for job in jobs]))
        for of, daemons, clients in pairs:
            for world in [world for module in WORLDS for world in module.worlds()]:
                chosen = world.choose(only, of)
                if chosen:
                    job = pool.submit(run_world, world, chosen, daemons, clients, of)
                    jobs.append(job)
                    again.append((world, daemons, clients, of, job))
        for job in jobs:
            world_passed, _, lines = job.result()
            passed += world_passed
            print("\n".join(lines), flush=True)
    for world, daemons, clients, of, job in again:
        chosen = job.result()[1]
        if chosen:
            world_passed, world_failed, lines = run_world(world, chosen, daemons, clients, of)
            passed += world_passed
            failed += len(world_failed)
            print("\n".join(["once more, alone:", *lines]), flush=True)
    return passed, failed


def main():
    # Where this is started in the background it is ignored, and clients that follow a log would not end by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faulthandler.dump_traceback_later(HANGS)
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--reference", required=True, metavar="VENV")
    parser.add_argument("--supervisord", type=shlex.split, metavar="CMD")
    parser.add_argument("--supervisorctl", type=shlex.split, metavar="CMD")
    parser.add_argument("--only", default="", metavar="NAME", help="part of a scenario's name")
    parser.add_argument("--show", action="store_true", help="print what the reference shows, too")
    options = parser.parse_args()
    if options.show:
        SHOWN.set()
    # Ended from outside, it still ends its daemons.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    daemon = [options.reference + "/bin/supervisord"]
    client = [options.reference + "/bin/supervisorctl"]
    pairs = []
    if options.supervisord:
        pairs.append(("daemon", [daemon, options.supervisord], [client, client]))
    if options.supervisorctl:
        pairs.append(("client", [daemon, daemon], [client, options.supervisorctl]))
    if not pairs:
        parser.error("nothing to compare: give --supervisord or --supervisorctl")
    passed, failed = run_worlds(pairs, options.only)
    if options.supervisord and (not options.only or "corpus" in options.only):
        read, wrong = check.run(options.reference, options.supervisord)
        passed += read
        failed += wrong
    print("{} passed, {} failed".format(passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
