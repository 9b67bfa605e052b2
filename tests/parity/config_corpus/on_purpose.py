"""Where our reading of a configuration differs from the reference's on purpose.

An entry that no longer applies fails the suite: one for `.*` must apply somewhere, any other to each case it names.
`field` is `accepted` (the reference refuses), `refused` (we do), `text` (both do, in other words), or a field.
"""

import collections
import re

Deliberate = collections.namedtuple("Deliberate", "cases field reference ours reason")


def any_of(*names):
    return "|".join(names)


HIDDEN = "what may hold secrets is not printed"
NO_NAME = "a conversion without a name would put the whole environment into the value"
CURRENT_PYTHON = "comments are found by the rule of Python 3.13; a warning is given where older releases differ"
TWO_NAMES = "of two processes or groups of one name the reference drops one or never starts it"

ON_PURPOSE = [
    Deliberate(r"dialect-command-lockstep(-hash)?", r"command|argv|Warning", r".*", r".*", CURRENT_PYTHON),
    Deliberate(r".*", "text", r"Unexpected end of key/value pairs in value '.*", r".* in value \(not shown.*", HIDDEN),
    Deliberate(r".*", "text", r"Format string .*", r"Format string \(not shown\) for .*", HIDDEN),
    Deliberate(
        r"expansion-(command-percent-(s|space)|key-(directory|serverurl|process_name)-percent-s|environment-percent-s"
        r"|daemon-identifier-percent-s)",
        "refused",
        "",
        r".*%s without a name in parentheses.*",
        NO_NAME,
    ),
    Deliberate(
        r"expansion-key-std(out|err)_logfile-percent-s|expansion-daemon-variable-percent-s",
        "text",
        r"Format string .*ENV_.*",
        r".*%s without a name in parentheses.*",
        NO_NAME,
    ),
    Deliberate(r"dialect-nul", "refused", "", r"a NUL byte in position 26", "no program can be given one"),
    Deliberate(
        r"expansion-command-process-num-char", "refused", "", r".*NUL in a string.*", "no program can be given one"
    ),
    Deliberate(
        r"dialect-not-utf8-end",
        "text",
        r"'utf-8' codec can't decode bytes in position 0-1: unexpected end of data",
        r"'utf-8' codec can't decode bytes in position 25-26: unexpected end of data",
        "positions are counted from the start of the file, not of what Python had left to decode",
    ),
    Deliberate(
        r"expansion-command-percent-width-huge",
        "text",
        r".*badly formatted:  in.*",
        r".*badly formatted: width too big in.*",
        "the reference's reason is empty, it ran out of memory",
    ),
    Deliberate(
        r"expansion-daemon-variable-percent-twice|expansion-daemon-environment-host",
        "accepted",
        r"Format string .*",
        "",
        "the reference expands this value twice, its next release once: what works in one of them is accepted",
    ),
    Deliberate(
        r"expansion-daemon-identifier-here",
        "refused",
        "",
        r"identifier .* cannot be part of an automatic log's name because of character: '/'",
        "the reference leaves with a traceback when it makes the log",
    ),
    Deliberate(
        r"expansion-variable-of-first",
        "refused",
        "",
        r"Format string .* contains names \('ENV_V0'\) which cannot be expanded.*",
        "variables of a process are those of no other, not even of a later one of the same section",
    ),
    Deliberate(r"integer-13", "refused", "", r"invalid literal for int\(\) .*", "numbers are written in 0 to 9 here"),
    Deliberate(
        r"signal-python-[0-5]",
        "refused",
        "",
        r"value '.*' is not a valid signal (name|number) .*",
        "names of Python that are no signals, and signal 0, would stop nothing",
    ),
    Deliberate(
        r"process-name-(8|9|10)",
        "refused",
        "",
        r"Invalid name: .*",
        "a name is checked after its expansion too: such a process could not be addressed",
    ),
    Deliberate(
        r"numprocs-name-same|group-(twice-in-group|same-process-names)", "refused", "", r"two processes of .*", TWO_NAMES
    ),
    Deliberate(
        r"group-(name-of-other-program|fcgi-same-name|listener-same-name)", "refused", "", r"there are two groups .*", TWO_NAMES
    ),
    Deliberate(r"generated-.*", "refused", "", r"(two processes of|there are two groups) .*", TWO_NAMES),
    Deliberate(
        r"group-(unknown|trailing-comma)|generated-.*",
        "text",
        r"\[program:\w+\] names unknown program .*",
        r"\[group:\w+\] names unknown program .*",
        "the reference names the program before it instead of the group",
    ),
    Deliberate(
        r"inet-port-(0|1|2|14|16)|servers-any",
        "environment",
        r".*SUPERVISOR_SERVER_URL.*",
        r"(?!.*SUPERVISOR_SERVER_URL).*",
        "a server that other machines could use without a password is not opened, so programs are not told of it",
    ),
    Deliberate(r"fcgi-socket-15", "accepted", r".*Bad socket format.*", "", "IPv6 addresses are understood"),
    Deliberate(r"user-group-[01]", "accepted", r"Invalid user name .*:.*", "", "user=name:group chooses the group"),
    Deliberate(
        r"user-group-[2-5]|generated-.*",
        "text",
        r"Invalid user name .*:.*",
        r"Invalid (user|group) name .*",
        "user=name:group chooses the group: what is wrong of the two is named",
    ),
    Deliberate(
        r"fcgi-socket-(13|18)",
        "refused",
        "",
        r"Socket tcp://.* names a host without an address .*",
        "the reference leaves with a traceback when it tries the socket",
    ),
    Deliberate(
        r"listener-name-trimmed",
        r"group|groups|names|environment",
        r".*",
        r".*",
        "the name of a pool is trimmed as all others are",
    ),
    Deliberate(
        r"listener-handler-(bad|no-attribute)",
        "accepted",
        r".* cannot be resolved within .*",
        "",
        "Python code cannot run here: a warning says what to use instead",
    ),
    Deliberate(
        r"rpcinterface-unresolved",
        "accepted",
        r".* cannot be resolved within .*",
        "",
        "Python code cannot run here: a warning says what to use instead",
    ),
    Deliberate(
        r"rpcinterface-extra-bad",
        "accepted",
        r"Format string .*",
        "",
        "the keys of an interface are arguments to Python code: nothing reads them here",
    ),
]


class Declared:
    """The entries, and which of them applied."""

    def __init__(self):
        self.seen = [set() for _ in ON_PURPOSE]

    def explains(self, case, difference):
        """Whether a difference is on purpose."""
        found = False
        for entry, seen in zip(ON_PURPOSE, self.seen):
            if all(
                re.fullmatch(pattern, str(text), re.DOTALL)
                for pattern, text in zip(entry[:4], (case, *difference))
            ):
                seen.add(case)
                found = True
        return found

    def idle(self, cases):
        """What is declared, but was not seen, among all cases."""
        for entry, seen in zip(ON_PURPOSE, self.seen):
            named = [case for case in cases if re.fullmatch(entry.cases, case) and not case.startswith("generated-")]
            if entry.cases == ".*" or not named:
                named = [] if seen else ["any case"]
            for case in named:
                if case not in seen:
                    yield "{}: no longer differs in {!r}: {}".format(case, entry.field, entry.reason)
