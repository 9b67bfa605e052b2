"""What clients get from our daemon that the reference does not give, on purpose."""

import collections
import re

Deliberate = collections.namedtuple("Deliberate", "clients method reference ours reason")

DELIBERATE = [
    Deliberate(
        r".*",
        r"supervisor\.tailProcessStderrLog",
        r'^{"value": \["oops\\n", 5, false\]}$',
        r'^{"value": \["ps\\n", 5, false\]}$',
        "a tail goes on from an offset inside the log",
    ),
]


def reason(client, method, reference, ours):
    """Why two answers differ, None if they should not."""
    for entry in DELIBERATE:
        if (
            re.fullmatch(entry.clients, client)
            and re.fullmatch(entry.method, method)
            and re.search(entry.reference, reference)
            and re.search(entry.ours, ours)
        ):
            return entry.reason
    return None
