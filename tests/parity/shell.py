"""The interactive shell, typed into through a pipe: prompts, questions, and how it is left."""

import contextlib
import os
import re
import subprocess

import watch
from scenarios import SLEEP, TALK, TRIO, Scenario, World, off, program
from steps import Run, Wait, finish, until_ended


class Typed(Run):
    """Runs the client with this text as its input, where it has no terminal to ask on.

    `options` stand before the action, if there is one; `without` drops lines that are of a help text.
    """

    def __init__(self, text, options="", without=None):
        super().__init__("{} <<< {!r}".format(options, text).strip())
        self.text = text
        self.options = options
        self.without = without

    def begin(self, side):
        words = side.daemon.fill(self.options).split()
        process = subprocess.Popen(
            [*side.client, "-c", side.daemon.config, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.path.join(side.daemon.root, "cwd"),
            env=dict(os.environ, PYTHONUNBUFFERED="1", LC_ALL="C.UTF-8", TERM="dumb"),
            start_new_session=True,
        )
        # Less than a pipe holds; nobody reads it where the client has ended.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(side.daemon.fill(self.text).encode())
            process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdin = None
        return watch.client(process)

    def end(self, side, process):
        text = finish(process)
        if self.without:
            text = "\n".join(row for row in text.split("\n") if not re.search(self.without, row))
        return text


def typed(name, text, options="", without=None, **keys):
    return Scenario("shell-" + name, Typed(text, options, without), **keys)


# Lines of help texts have their own words.
HELP = r"^(start|stop|version|reload|shutdown|fg)\b|^\t|^  -"


def shell():
    one = program("s-one")
    stopped = off("s-off")
    return [
        typed("eof", "", needs=one),
        typed("quit", "quit\n", needs=one),
        typed("exit", "exit\n", needs=one),
        typed("quit-argument", "quit now\nversion\n", needs=one),
        typed("eof-word", "EOF\nversion\n", needs=one),
        typed("blank", "\n   \n\t\nversion\n", needs=one),
        typed("last-line-open", "version", needs=one),
        typed("crlf", "version\r\nstatus s-one\r\n", needs=one),
        typed("spaces", "   status    s-one   \n", needs=one),
        typed("unknown", "nonsense\nfoo bar\nversion\n"),
        typed("unknown-odd", "status;\n!x\n.\n*\n-v\n@\n", needs=one),
        typed("unknown-text", "gr\u00fcn \u20ac\n"),
        typed("help", "help\n"),
        typed("help-short", "?\n"),
        typed("no-help", "help nonsense\n?nonsense\n? nonsense\n"),
        typed("status", "status s-one nope\nstatus trio:*\n", needs=[one, TRIO]),
        typed("pid", "version\npid nope\npid s-off\n", needs=stopped),
        typed("stop-start", "stop s-one\nstop s-one\nstart s-one\nstart s-one\n", needs=one),
        typed("restart", "restart s-one\n", needs=one),
        typed("tail", "tail talk\ntail talk stderr\ntail nope\n", needs=TALK),
        typed("avail", "avail\n", needs=one),
        typed("reread", "reread\nupdate\n", needs=one),
        typed("usage-errors", "start\nstop\nversion x\nreload x\n", without=HELP),
        typed("fg-nothing", "fg\n", without=HELP),
        typed("fg-two", "fg s-one s-two\n", needs=one),
        typed("fg-unknown", "fg nope\nfg trio:nope\n", needs=TRIO),
        typed("fg-stopped", "fg s-off\n", needs=stopped),
        typed("fg-group", "fg trio:*\n", needs=TRIO),
        typed("open-nothing", "open\n"),
        typed("open-wrong", "open ftp://x\nopen x\nopen https://x\n"),
        typed("open-socket", "open unix://@SOCK@\nversion\n", needs=one),
        typed("open-port", "open http://127.0.0.1:@PORT@\nversion\n", needs=one),
        typed("open-upper", "open HTTP://127.0.0.1:@PORT@\n", needs=one),
        typed("open-refused", "open http://127.0.0.1:1\nversion\nstatus\n", needs=one),
        typed("open-missing", "open unix://@ROOT@/nothing\nversion\nstatus\nshutdown\ny\n", needs=one),
        typed("shutdown-no", "shutdown\nn\nversion\n", needs=one),
        typed("shutdown-blank", "shutdown\n\nversion\n", needs=one),
        typed("shutdown-other", "shutdown\nok\nversion\n", needs=one),
        typed("shutdown-eof", "shutdown\n", needs=one),
        typed("shutdown-argument", "shutdown x\n", without=HELP),
        typed("reload-no", "reload\nNo\nversion\n", needs=one),
        typed("reload-eof", "reload\n", needs=one),
        typed("interactive", "version\n", "-i", needs=one),
        typed("interactive-action", "status\nversion\n", "-i version", needs=one),
        typed("interactive-status", "", "-i status s-off", needs=stopped),
        typed("interactive-shutdown-no", "n\n", "-i shutdown", needs=one),
        typed("interactive-shutdown-eof", "", "-i shutdown", needs=one),
        typed("interactive-reload-no", "n\n", "-i reload", needs=one),
        typed("no-daemon", "version\npid\nquit\n", "-s unix://@ROOT@/nothing"),
        typed("no-port", "status\n", "-s http://127.0.0.1:1"),
        typed("quit-action", "", "quit"),
        typed("exit-action", "", "exit"),
        typed("open-action", "", "open unix://@SOCK@", needs=one),
        typed("open-action-wrong", "", "open ftp://x"),
        typed("fg-action-unknown", "", "fg nope"),
        typed("fg-action-stopped", "", "fg s-off", needs=stopped),
    ]


def prompts():
    """A prompt of one's own."""
    world = World("shell-prompt", [typed("prompt", "version\n\nquit\n"), typed("prompt-eof", "")], [program("p", SLEEP)])
    world.client_lines = "prompt=web%%1 here\n"
    return world


def credentials():
    right = "user\nsecret\n"
    wrong = "user\nnope\n"
    as_other = "-u other -p nope"
    scenarios = [
        typed("login", right + "version\n", as_other),
        typed("login-twice", wrong + right + "version\n", as_other),
        typed("login-stays", right + "status\nversion\npid nope\n", as_other),
        typed("login-eof", "", as_other),
        typed("login-name-alone", "user\n", as_other),
        typed("login-action", right, as_other + " -i version"),
        typed("login-action-eof", "", as_other + " -i version"),
        typed("login-action-never", right, as_other + " stop l-one"),
        typed("login-unknown-first", right + "nonsense\n", as_other),
    ]
    return World("shell-login", scenarios, [program("l-one")], ("user", "secret"))


def endings():
    yes = ["y\n", "Y\n", "yes please\n"]
    down = [
        World(
            "shell-down-{}".format(number),
            [Scenario("shell-shutdown-yes-{}".format(number), Typed("shutdown\n" + answer), until_ended())],
            [program("e-one")],
        )
        for number, answer in enumerate(yes)
    ]
    again = Wait("the daemon answers again", lambda daemon: daemon.answers())
    reload = Scenario("shell-reload-yes", Typed("reload\ny\n"), again)
    return [*down, World("shell-reload", [reload], [program("e-one")])]


def worlds():
    return [World("shell", shell()), prompts(), credentials(), *endings()]
