#!/usr/bin/env python3
"""Runs two supervisords side by side and compares what clients see.

    python3 tests/parity/parity.py --reference VENV --supervisord CMD [--supervisorctl CMD] [--only NAME]

VENV holds the reference (supervisor 4.3.0). With --supervisord the daemon CMD is compared with the reference's, both
driven by the reference's supervisorctl. With --supervisorctl the client CMD is compared with the reference's, both on a
daemon of the reference. Exit status 0 if nothing differs but what compare.py lists.
"""

import argparse
import difflib
import shlex
import signal
import sys
import time

sys.dont_write_bytecode = True

from compare import deliberate, normalise  # noqa: E402
from daemon import Daemon  # noqa: E402
from scenarios import worlds  # noqa: E402
from steps import Run, Side  # noqa: E402


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
    # The status that follows belongs to every scenario.
    for step in [*scenario.steps, lambda daemon: daemon.settle(lasting), "status"]:
        if callable(step):
            for side in sides:
                step(side.daemon)
            continue
        line, (reference, ours) = execute(step, sides)
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


def run_world(world, chosen, daemons, clients, of):
    passed = failed = 0
    sides = []
    try:
        for command, client in zip(daemons, clients):
            sides.append(Side(Daemon(command, world), client))
        for side in sides:
            side.daemon.settle(world.lasting)
        for scenario in chosen:
            began = time.monotonic()
            try:
                failures, reasons = play(scenario, sides, of, world.lasting)
            except (RuntimeError, OSError) as error:
                failures, reasons = ["    " + str(error)], set()
            word = "FAIL" if failures else "diff" if reasons else "ok"
            note = "; ".join(sorted(reasons))
            seconds = time.monotonic() - began
            print("{:4} {}/{} {:.1f}s {}".format(word, of, scenario.name, seconds, note).rstrip())
            for failure in failures:
                print(failure)
            sys.stdout.flush()
            failed += bool(failures)
            passed += not failures
    except RuntimeError as error:
        left = len(chosen) - passed - failed
        print("FAIL {}/{}: {} scenarios not played: {}".format(of, world.name, left, error))
        failed += left
    finally:
        for side in sides:
            for process in side.background:
                process.kill()
                process.communicate()
            side.daemon.stop()
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--reference", required=True, metavar="VENV")
    parser.add_argument("--supervisord", type=shlex.split, metavar="CMD")
    parser.add_argument("--supervisorctl", type=shlex.split, metavar="CMD")
    parser.add_argument("--only", default="", metavar="NAME", help="part of a scenario's name")
    options = parser.parse_args()
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
    passed = failed = 0
    for of, daemons, clients in pairs:
        for world in worlds():
            chosen = world.choose(options.only, of)
            if chosen:
                counts = run_world(world, chosen, daemons, clients, of)
                passed += counts[0]
                failed += counts[1]
    print("{} passed, {} failed".format(passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
