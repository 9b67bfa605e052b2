"""Configurations made at random from the pieces of the dialect. The same seed gives the same ones."""

import itertools
import random

from cases import Case

NAMES = ["a", "b", "web", "a.b", "x_1", "\u00e9"]
WORDS = ["/bin/cat", "x", "a;b", "a ;b", "#c", "d #e", '"q r"', "'s;t'", "a=b", "c:d", "%%", "%", "~", "$X", "\\", "a\\ b", "\u20ac", ","]
# The first seven can be expanded for a process.
FORMATS = [
    "%(here)s", "%(program_name)s", "%(group_name)s", "%%(here)s", "%(here)-3r", "%(ENV_CORPUS)s", "%(host_node_name)5.2s",
    "%(process_num)d", "%(process_num)02d", "%(numprocs)s", "%(process_num)+05d", "%(ENV_PERCENT)s", "%(nope)s", "%(ENV_V)s",
]
VALUES = {
    "numprocs": ["1", "2", "3", "0"],
    "numprocs_start": ["0", "1", "5"],
    "process_name": ["%(program_name)s", "p%(process_num)d", "%(program_name)s-%(process_num)02d", "q", "%(group_name)s_%(process_num)x"],
    "priority": ["1", "5", "999", "-3", " 7 ", "1_0"],
    "autostart": ["true", "off", "1", "No"],
    "autorestart": ["true", "false", "unexpected"],
    "startsecs": ["0", "1", "10", "-1", "+2"],
    "startretries": ["0", "3", "-1"],
    "exitcodes": ["0", "0,2", "1, 2, 3", ""],
    "stopsignal": ["TERM", "int", "SIGHUP", "10", "RTMIN"],
    "stopwaitsecs": ["0", "10"],
    "stopasgroup": ["true", "false"],
    "killasgroup": ["true", "false"],
    "user": ["root", "nobody", "0"],
    "umask": ["022", "0", "077"],
    "directory": ["/tmp", "%(here)s", "/x/%(program_name)s"],
    "environment": ['A=1', 'A="1",V="v w"', "V=x,B='y'", "V=%(process_num)d", 'V="%(here)s"', "A=1;B=2", 'A="a;b ;c"'],
    "redirect_stderr": ["true", "false"],
    "stdout_logfile": ["/tmp/o.log", "NONE", "AUTO", "%(here)s/o-%(process_num)d.log", "syslog"],
    "stderr_logfile": ["/tmp/e.log", "off", "auto", "/tmp/%(program_name)s.err"],
    "stdout_logfile_maxbytes": ["0", "1MB", "5kb"],
    "stderr_logfile_backups": ["0", "2"],
    "stdout_capture_maxbytes": ["0", "1MB"],
    "stderr_events_enabled": ["true", "false"],
    "stdout_syslog": ["true", "false"],
    "serverurl": ["AUTO", "http://x:1", "unix:///y"],
    "nonsense": ["%(nope)s", "x"],
}
BAD = ["", "x", "-", "99999", "a b", "%", "%(nope)s", "1.5", "\u00e9", "true,"]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def one(self, items):
        return self.random.choice(items)

    def text(self):
        known = FORMATS if self.chance(5) else FORMATS[:7]
        words = WORDS if self.chance(5) else [word for word in WORDS if word != "%"]
        pieces = self.random.choices(words + known, k=self.random.randrange(1, 5))
        return "".join(piece + self.one(["", " ", "\t", "  "]) for piece in pieces)

    def value(self, key):
        if key == "command":
            return "/bin/x " + self.text()
        if self.chance(2) and key != "numprocs":
            return self.one(BAD)
        if key in ("directory", "serverurl", "nonsense") and self.chance(12):
            return self.text()
        if key == "environment" and self.chance(10):
            return 'A="{}"'.format(self.text().replace('"', "'"))
        return self.one(VALUES[key])

    def line(self, key):
        """One key in one of the ways to write it."""
        value = self.value(key)
        if self.chance(8):
            key = self.one([key.upper(), key.title()])
        text = key + self.one(["=", " = ", ":", " : ", "=", "="]) + value
        if self.chance(8):
            text += self.one([" ; note", " # note", "\t;x #y", " #a ;b"])
        if self.chance(30 if key == "command" else 1):
            text += "\n" + self.one([" ", "\t", "    "]) + self.one([self.text(), "; note", "", "x=y", "[x]"])
        return text

    def noise(self):
        return self.one(["", "# note", "; note", "   ; note", "", "\t", "# [x]"])

    def program(self, kind, name):
        keys = ["command"] if self.chance(97) else []
        keys += self.random.sample(sorted(VALUES), self.random.randrange(0, 8))
        several = "numprocs" in keys or "process_name" in keys
        keys = [key for key in keys if key not in ("numprocs", "process_name")]
        self.random.shuffle(keys)
        lines = [self.line(key) for key in keys]
        if several and self.chance(90):
            lines.append("process_name=" + self.one(["p%(process_num)d", "%(program_name)s-%(process_num)02d"]))
            lines.append("numprocs=" + self.one(VALUES["numprocs"]))
        elif several:
            lines.append(self.line("process_name"))
        if kind == "eventlistener":
            lines.append("events=" + self.one(["TICK_5", "EVENT, TICK_60", "process_state"]))
        if kind == "fcgi-program":
            lines.append("socket=" + self.one(["unix:///tmp/f", "tcp://localhost:9", "unix://%(here)s/%(program_name)s"]))
        if self.chance(20):
            lines.insert(self.random.randrange(len(lines) + 1), self.noise())
        indent = self.one(["", "", "", "", "  "]) if self.chance(10) else ""
        return "[{}:{}]\n{}".format(kind, name, "\n".join(indent + line for line in lines))

    def config(self):
        names = self.random.sample(NAMES, self.random.randrange(1, 4))
        sections = []
        for name in names:
            kind = self.one(["program"] * 8 + ["eventlistener", "fcgi-program"])
            sections.append(self.program(kind, name))
        if self.chance(30):
            sections.append("[group:{}]\nprograms={}\n".format(self.one(["g", "h", names[0]]), ",".join(names[: self.random.randrange(1, 4)])))
        if self.chance(10):
            sections.append("[DEFAULT]\n" + self.line(self.one(sorted(VALUES))))
        if self.chance(15):
            sections.append(self.program("program", names[0]))
        daemon = ["[supervisord]"]
        if self.chance(30):
            daemon.append("environment=" + self.one(["A=0", 'V="d"', "A=%(here)s", "A=%(ENV_CORPUS)s,V=1", "A=1\n  ,B=2"]))
        if self.chance(20):
            daemon.append("identifier=" + self.one(["x", "a b", "a;b", "a ;b", "\u00e9", "%(ENV_CORPUS)s", "%(nope)s", "100%%"]))
        sections.append("\n".join(daemon))
        if self.chance(20):
            sections.append("[unix_http_server]\nfile=" + self.one(["/tmp/s", "%(here)s/s", "~/s"]))
        self.random.shuffle(sections)
        files = {}
        if self.chance(25) and len(sections) > 1:
            moved = sections.pop()
            sections.append("[include]\nfiles=" + self.one(["more.conf", "*/more.conf more.conf", "%(here)s/m*.conf"]))
            files["more.conf"] = moved + "\n"
        gap = self.one(["\n", "\n\n", "\n# note\n"])
        files["supervisord.conf"] = gap.join(sections) + self.one(["\n", "", "\n\n"])
        return files


def comment(line, newer):
    """Where a comment begins inside a line: by the rule of Python 3.13, or by that of the releases before."""
    places = [[at for at, c in enumerate(line) if c == mark] for mark in ";#"]
    steps = [[at] for at in sorted(places[0] + places[1])] if newer else list(itertools.zip_longest(*places))
    for step in steps:
        found = [at for at in step if at is not None and (at == 0 or line[at - 1].isspace())]
        if found:
            return min(found)
    return None


def same_everywhere(files):
    """Whether all releases of Python find the same comments: what is different is in the cases written by hand."""
    lines = [line for text in files.values() for line in text.split("\n")]
    return all(comment(line, True) == comment(line, False) for line in lines)


def generate(count, seed):
    """So many cases."""
    maker = Maker(seed)
    made = (maker.config() for _ in iter(int, 1))
    kept = itertools.islice(filter(same_everywhere, made), count)
    return [Case("generated-{:04}".format(n), files) for n, files in enumerate(kept)]
