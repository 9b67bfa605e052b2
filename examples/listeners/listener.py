#!/usr/bin/python3
"""Says on standard error which programs ended that should not have. Needs nothing but Python."""

import sys


def tell(text):
    # Standard output belongs to the protocol. Without the flush nobody would hear it.
    sys.stdout.write(text)
    sys.stdout.flush()


def fields(line):
    """`a:1 b:2` as a dictionary."""
    return dict(word.split(":", 1) for word in line.split())


def handle(header, payload):
    told = fields(payload)
    if header["eventname"] == "PROCESS_STATE_EXITED" and told["expected"] == "1":
        return
    print("{groupname}:{processname} ended, {0}".format(header["eventname"], **told), file=sys.stderr)


def main():
    # Text, so that `len` is a number of characters whatever the locale; `\r\n` and `\r` stay as they are.
    sys.stdin.reconfigure(encoding="utf-8", newline="\n")
    sys.stderr.reconfigure(encoding="utf-8")
    while True:
        tell("READY\n")
        line = sys.stdin.readline()
        if not line:
            return
        header = fields(line)
        payload = sys.stdin.read(int(header["len"]))
        try:
            handle(header, payload)
        except Exception as error:
            print("event {serial}: {0!r}".format(error, **header), file=sys.stderr)
            # The event comes again later.
            tell("RESULT 4\nFAIL")
        else:
            tell("RESULT 2\nOK")


if __name__ == "__main__":
    main()
