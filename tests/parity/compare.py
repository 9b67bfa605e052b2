"""When two outputs are the same: what is volatile, and what differs on purpose."""

import collections
import re

VOLATILE = [
    (r"pid \d+, uptime (?:\d+ days?, )?\d+:\d\d:\d\d", "pid N, uptime T"),
    (r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d\d \d\d:\d\d [AP]M", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", "TIME"),
    (r"with pid \d+", "with pid N"),
    (r"---[^-/\s]+-[A-Za-z0-9_]{8}\.log", "---ID-SUFFIX.log"),
    (r": file: \S+ line: \d+", ": file: F line: L"),
]


def normalise(text, daemon, words):
    """The text without what no two daemons have in common."""
    text = text.replace(daemon.root, "ROOT").replace(":{}".format(daemon.port), ":PORT")
    for pattern, replacement in VOLATILE:
        text = re.sub(pattern, replacement, text)
    if "pid" in words:
        text = re.sub(r"(?m)^[1-9]\d*$", "N", text)
    return text


Deliberate = collections.namedtuple(
    "Deliberate", "scenarios of reference ours reason same_head", defaults=[False]
)

# What is different on purpose. `scenarios` is matched against the scenario's name, `of` says whether the daemon or the
# client differs, `reference` and `ours` are what both sides print, exit status first. With `same_head` the exit status
# and the first line are nevertheless the same.
DELIBERATE = [
    Deliberate(
        r"auth-.*|refused-.*|shell-login-action-never",
        "client",
        r"rc=1\nServer requires authentication\nerror: <class 'xmlrpc.client.ProtocolError'>, .*\n",
        r"rc=1\nServer requires authentication\n",
        "one line says it; the second, about an exception, is noise",
    ),
    Deliberate(
        r"follow-unknown|follow-no-log|follow-main-no-log",
        "client",
        r"rc=0\n==> Press Ctrl-C to exit <==\n",
        r"rc=1\n==> Press Ctrl-C to exit <==\n",
        "a log that cannot be followed is a failure and has its exit status",
    ),
    Deliberate(
        r"help-.*",
        "client",
        r"rc=0\n(?s:.+)",
        r"rc=0\n(?s:.+)",
        "help texts have words of their own, and list the actions that are there",
    ),
    Deliberate(
        r"shell-help|shell-help-short",
        "client",
        r"rc=0\n(?s:.+)\nadd    exit      open  reload  restart   start   tail   \n(?s:.+)",
        r"rc=0\n(?s:.+)\nadd    can    fg        passwd  reload  restart   start   tail    version\naudit  (?s:.+)",
        "there are more actions here: audit, can, passwd, token and whoami",
        same_head=True,
    ),
    Deliberate(
        r"shell-open-wrong",
        "client",
        r"rc=0\n(?s:.*)(supervisor> ERROR: url must be http:// or unix://\n){3}supervisor> \s*",
        r"rc=0\n(?s:.*)(supervisor> ERROR: url must be http:// or unix://\n){2}supervisor> error: .*\nsupervisor> \s*",
        "https:// is an address, of a host that nobody knows",
        same_head=True,
    ),
    Deliberate(
        r".*-usage",
        "client",
        r"rc=\d\n(?s:.*)",
        r"rc=\d\n(?s:.*)",
        "help texts have words of their own; the first line and the exit status are compared",
        same_head=True,
    ),
    Deliberate(
        r"tail-not-utf8|tail-cut-utf8",
        "daemon",
        r"rc=1\nerror: <class 'xmlrpc.client.ProtocolError'>, .*500 Internal Server Error.*\n",
        "rc=0\n(?s:.*\ufffd.*)",
        "bytes that are no text are replaced, the rest of the log stays readable",
    ),
    Deliberate(
        r"tail-control",
        "daemon",
        r"rc=1\nerror: <class 'xml.parsers.expat.ExpatError'>, .*\n",
        "rc=0\n(?s:.*\ufffd.*)",
        "characters that XML cannot carry are replaced, the rest of the log stays readable",
    ),
    Deliberate(
        r"life-spawnerr-empty",
        "daemon",
        r"(?s:.*)command at '/.*/' is a directory(?s:.*)",
        r"(?s:.*)command at '' is a directory(?s:.*)",
        "the search for a command does not end at the first directory of PATH",
    ),
    Deliberate(
        r"rpc-.*",
        "daemon",
        r"'?HTTP 500'?",
        r"'fault 2 INCORRECT_PARAMETERS'|(?s:array of 1\n.*'faultCode': 2.*)|<\?xml(?s:.*)<int>2</int>(?s:.*)INCORRECT_PARAMETERS(?s:.*)",
        "a wrong type is a fault, not an internal error",
    ),
    Deliberate(
        r"rpc-multicall-name-number",
        "daemon",
        r"array of 1\n.*FAILED: <class .*",
        r"array of 1\n.*'INCORRECT_PARAMETERS: methodName is no string'}",
        "a wrong type is a fault with a text of its own, not Python's",
    ),
    Deliberate(
        r"rpc-event-list",
        "daemon",
        r"True",
        r"'fault 2 INCORRECT_PARAMETERS'",
        "a list is no text for an event",
    ),
    Deliberate(
        r"rpc-tail-inside",
        "daemon",
        r"array of 3\n'0123456789'\n10\nFalse",
        r"array of 3\n'56789'\n10\nFalse",
        "a tail goes on from its offset and repeats nothing",
    ),
    Deliberate(
        r"rpc-raw-(attribute|doctype|doctype-entity|instruction)",
        "daemon",
        r"<\?xml(?s:.*)<string>3.0</string>(?s:.*)",
        r"HTTP 400",
        "what XML has beyond elements and text is refused",
    ),
    Deliberate(
        r"rpc-raw-many",
        "daemon",
        r"<\?xml(?s:.*)<string>INCORRECT_PARAMETERS</string>(?s:.*)",
        r"<\?xml(?s:.*)<string>INCORRECT_PARAMETERS: a call may have 20000 elements at most</string>(?s:.*)",
        "a call over a limit is told which",
    ),
    Deliberate(
        r"rpc-stdin-full",
        "daemon",
        r"'HTTP 500'",
        r"True",
        "what waits for a slow program is a success: a client that tries again would send it twice",
    ),
    Deliberate(
        r"logs-auto-never-started",
        "daemon",
        r"(logs-auton-std(err|out)---.*\n?){2}",
        r"",
        "an automatic log is made at the first start, not when the group is added",
    ),
    Deliberate(
        r"quirk-path-goes-on",
        "daemon",
        r"(?s:.*(NOT_EXECUTABLE: command at .*/q-search|statename: STOPPED|q-search STOPPED).*)",
        r"(?s:True|.*(statename: RUNNING|q-search RUNNING).*)",
        "the search for a command goes on past an entry of PATH that cannot be executed",
    ),
    Deliberate(
        r"quirk-clear-of-a-stopped-program",
        "daemon",
        r"hello out\n",
        r"",
        "a clear empties the log of a stopped program, too",
    ),
    Deliberate(
        r"quirk-capture-of-a-short-output",
        "daemon",
        r"",
        r"short\n",
        "what is left at the exit of what may have been a tag is in the log",
    ),
    Deliberate(
        r"quirk-stop-in-backoff-forgets",
        "daemon",
        r"3",
        r"5",
        "a stop in BACKOFF forgets the tries that failed",
    ),
    Deliberate(
        r"quirk-fcgi-socket-at-the-end",
        "daemon",
        r"True",
        r"False",
        "the file of a unix socket goes with the last process that has it",
    ),
    Deliberate(
        r"quirk-fcgi-socket-of-a-named-group",
        "daemon",
        r"False",
        r"True",
        "a FastCGI program in a named group keeps its socket",
    ),
    Deliberate(
        r"reread-(log-from-path-to-auto|fcgi-(mode|owner|backlog))",
        "daemon",
        r"rc=0\nNo config updates to processes\n",
        r"rc=0\n(a|f): changed\n",
        "what a process gets anew by an update is a change",
    ),
    Deliberate(
        r"events-s-cut-character",
        "daemon",
        r"(?s:.*Undecodable: b'a.*Undecodable: b'.*)",
        r"(?s:.*channel:stdout\\na'\n.*channel:stdout\\n\u20acb\\n'\n.*)",
        "a character whose bytes come in two reads stays whole",
    ),
    Deliberate(
        r"events-d-stdin-closed",
        "daemon",
        r"DEBG .* -> READY\nDEBG epipe occurred [^\n]*",
        r"DEBG .* -> READY\nDEBG epipe occurred [^\n]*\nDEBG event N sent to listener d-stdin-closed",
        "an event is said to be sent when it is on its way",
    ),
    Deliberate(
        r"events-x-output",
        "daemon",
        r"'x-output' stdout output:\nb'READY\\n'",
        r"'x-output' stdout output:\\nb'READY\\n'",
        "a line of the activity log is one line, whatever was written",
    ),
    Deliberate(
        r"events-f-flood",
        "daemon",
        r"more than 20 in a second\nTrue",
        r"some\nTrue",
        "a rejected event comes again after a delay that grows",
    ),
    Deliberate(
        r"events-f-foreign",
        "daemon",
        r"REMOTE_COMMUNICATION",
        r"nothing",
        "a rejected event goes back to its own pool alone",
    ),
    Deliberate(
        r"events-f-twice",
        "daemon",
        r"(?s:.*PROCESS_STATE_RUNNING.*){2}",
        r"(?s:(?!.*PROCESS_STATE_RUNNING.*PROCESS_STATE_RUNNING).*PROCESS_STATE_STARTING.*PROCESS_STATE_RUNNING.*)",
        "subscriptions that overlap deliver an event once",
    ),
    Deliberate(
        r"events-f-early",
        "daemon",
        r"some",
        r"all 15",
        "what happens before a pool's first listener is ready waits for it",
    ),
    Deliberate(
        r"events-f-word",
        "daemon",
        r"DEBG f-word: event was processed",
        r"WARN f-word: bad result line: 'FOOBAR 2'\nWARN f-word: has entered the UNKNOWN state .*",
        "a result begins with its word",
    ),
    Deliberate(
        r"events-f-zero",
        "daemon",
        r"",
        r"WARN f-zero: event was rejected",
        "a result of no bytes is complete",
    ),
    Deliberate(
        r"events-f-again",
        "daemon",
        r"lives: 1\n[^\n]* serial:\+0 [^\n]*\n[^\n]*",
        r"lives: 2\n([^\n]* serial:\+0 [^\n]*\n[^\n]*\n?){2}",
        "a listener that breaks the protocol is started again and gets its event",
    ),
    Deliberate(
        r"events-f-short",
        "daemon",
        r"",
        r"[^\n]* eventname:PROCESS_LOG_STDOUT [^\n]*\n.*channel:stdout\\nshort\\n'",
        "what is left at the exit of what may have been a tag is an event",
    ),
    Deliberate(
        r"events-f-captured",
        "daemon",
        r"(?s:.*channel:stdout\\na secret'.*)",
        r"(?s:(?!.*channel:stdout\\na secret').*pid:N\\na secret'.*)",
        "what is captured is no PROCESS_LOG",
    ),
    Deliberate(
        r"events-f-limit",
        "daemon",
        r".*\n.* 444 characters.*",
        r".*\n.*pid:N\\nb{100}'",
        "the limit of a capture holds for one long write, too",
    ),
    Deliberate(
        r"tail-control",
        "client",
        r"rc=1\nerror: <class 'xml.parsers.expat.ExpatError'>, .*\n",
        r"rc=0\n(?s:.*)",
        "the client shows what daemons of the reference send, ill-formed or not",
    ),
]


def deliberate(name, of, reference, ours):
    """The reason for a difference between two outputs, None if there is none."""
    for entry in DELIBERATE:
        if (
            entry.of == of
            and re.fullmatch(entry.scenarios, name)
            and re.fullmatch(entry.reference, reference)
            and re.fullmatch(entry.ours, ours)
            and (head(reference) == head(ours) or not entry.same_head)
        ):
            return entry.reason
    return None


def head(output):
    """Exit status and first line."""
    return output.split("\n")[:2]
