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
import os
import shlex
import signal
import sys
import threading
import time
import traceback

sys.dont_write_bytecode = True

import ctl  # noqa: E402
import events  # noqa: E402
import life  # noqa: E402
import logs  # noqa: E402
import quirks  # noqa: E402
import rpc  # noqa: E402
import scenarios  # noqa: E402
import shell  # noqa: E402
import watch  # noqa: E402
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
# So many scenarios in a row that fail after so many seconds: the daemon hangs, and the others would, too.
LOST, LATE = 3, 20
# Set when what the reference shows is to be printed.
SHOWN = threading.Event()


def execute(step, sides):
    """Does a step on both sides at once; what each printed, normalised."""
    step = Run(step) if isinstance(step, str) else step
    watch.does(step.line)
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


class Game:
    """A world that is played with some of its scenarios, and what came of it so far."""

    def __init__(self, world, chosen, daemons, clients, of):
        self.world = world
        self.chosen = chosen
        self.daemons = daemons
        self.clients = clients
        self.of = of
        self.passed = 0
        self.failed = []
        self.lines = []
        self.seconds = 0
        self.lost = 0
        self.watch = watch.Watch("{}/{}".format(of, world.name), watch.WORLD, watch.SCENARIO)

    def again(self):
        """What failed, to be played once more."""
        return Game(self.world, list(self.failed), self.daemons, self.clients, self.of)

    def play(self):
        """Plays it all. What is not reached counts as failed."""
        if watch.ENDING.is_set():
            self.left("no time is left")
            return
        began = time.monotonic()
        sides = []
        with self.watch:
            try:
                for command, client in zip(self.daemons, self.clients):
                    sides.append(Side(Daemon(command, self.world), client))
                for side in sides:
                    side.daemon.settle(self.world.lasting)
                for scenario in self.chosen:
                    if watch.ENDING.is_set() or self.watch.over or self.lost == LOST:
                        break
                    self.one(scenario, sides)
                self.left("it was ended, or too many in a row failed late")
            except Exception as error:
                self.left(told(error))
            finally:
                self.watch.does("ends")
                hung = [text for text in (side.daemon.stop() for side in sides) if text]
                if hung:
                    self.not_ended(hung)
        self.seconds = time.monotonic() - began

    def one(self, scenario, sides):
        self.watch.does(scenario.name)
        began = time.monotonic()
        try:
            failures, reasons = play(scenario, sides, self.of, self.world.lasting)
        except Exception as error:
            # Whatever is wrong with one says nothing of the others.
            failures, reasons = ["    " + told(error)], set()
            for side in sides:
                while side.background:
                    watch.end_client(side.background.pop())
        word, note, failures = verdict(scenario, failures, reasons)
        if self.watch.over:
            word, failures = "FAIL", [self.watch.over]
        seconds = time.monotonic() - began
        self.lines.append("{:4} {}/{} {:.1f}s {}".format(word, self.of, scenario.name, seconds, note).rstrip())
        self.lines.extend(failures)
        self.lost = self.lost + 1 if word == "FAIL" and seconds > LATE else 0
        if word == "FAIL":
            self.failed.append(scenario)
        else:
            self.passed += 1

    def left(self, why):
        """Counts what was not reached as failed."""
        left = self.chosen[self.passed + len(self.failed) :]
        if left:
            what = "FAIL {}/{}: {} scenarios not played: {}"
            self.lines.append(what.format(self.of, self.world.name, len(left), why))
            self.failed.extend(left)

    def not_ended(self, hung):
        """A daemon that does not obey is a failure of the last scenario."""
        last = self.chosen[-1]
        if last not in self.failed:
            self.failed.append(last)
            self.passed -= 1
        rows = "\n".join(hung).split("\n")
        self.lines.append("FAIL {}: a daemon had to be killed".format(self.watch.name))
        self.lines.extend("    " + row for row in rows)


def told(error):
    """An error, and where it was met if it is none that this suite makes."""
    if isinstance(error, RuntimeError):
        return str(error)
    met = traceback.extract_tb(error.__traceback__)[-1]
    return "{}: {} ({}:{})".format(type(error).__name__, error, os.path.basename(met.filename), met.lineno)


def outcome(job, game):
    """Waits until a game has been played, or does not come to an end whatever is done."""
    while not concurrent.futures.wait([job], 0.5).done:
        if game.watch.lost.is_set():
            game.left("it does not come to an end\n" + game.watch.over)
            return
    job.result()


@contextlib.contextmanager
def players(count):
    """Threads that play. However it is left, what was not begun is not played, and nobody waits for what hangs."""
    pool = concurrent.futures.ThreadPoolExecutor(count)
    jobs = []

    def submit(game):
        jobs.append(pool.submit(game.play))
        return jobs[-1]

    try:
        yield submit
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        watch.end_all()
        concurrent.futures.wait(jobs, 8)
        raise
    pool.shutdown(wait=False)


def run_worlds(pairs, only):
    """Plays all worlds, several at a time: how many scenarios passed, how many failed.

    What fails beside others is played once more by itself: a busy machine, where two daemons and their clients are
    out of step by seconds, is no difference between them.
    """
    passed = failed = 0
    games = []
    for of, daemons, clients in pairs:
        for world in [world for module in WORLDS for world in module.worlds()]:
            chosen = world.choose(only, of)
            if chosen:
                games.append(Game(world, chosen, daemons, clients, of))
    with players(AT_ONCE) as submit:
        for job, game in [(submit(game), game) for game in games]:
            outcome(job, game)
            passed += game.passed
            print("\n".join(game.lines), flush=True)
    slow = sorted(games, key=lambda game: -game.seconds)[:3]
    print("longest: " + ", ".join("{} {:.0f}s".format(game.watch.name, game.seconds) for game in slow), flush=True)
    for game in [game.again() for game in games if game.failed]:
        if watch.ENDING.is_set():
            failed += len(game.chosen)
            continue
        with players(1) as submit:
            outcome(submit(game), game)
        passed += game.passed
        failed += len(game.failed)
        print("\n".join(["once more, alone:", *game.lines]), flush=True)
    return passed, failed


def corpus(options):
    with watch.Watch("corpus", watch.ALL, watch.ALL):
        return check.run(options.reference, options.supervisord)


def main():
    # Where this is started in the background it is ignored, and clients that follow a log would not end by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
    watch.begin()
    passed, failed = run_worlds(pairs, options.only)
    if options.supervisord and (not options.only or "corpus" in options.only):
        read, wrong = corpus(options) if not watch.ENDING.is_set() else (0, 1)
        passed += read
        failed += wrong
    print("{} passed, {} failed".format(passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    try:
        ended = main()
    except SystemExit as leaving:
        ended = leaving.code
    except BaseException:
        traceback.print_exc()
        ended = 1
    # Not by way of sys.exit, which waits for threads that hang.
    watch.last_words(ended if isinstance(ended, int) else 0)
