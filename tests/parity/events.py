"""Events and those who listen: all that is compared of them."""

import events_kinds
import events_streams


def worlds():
    return [world for module in (events_kinds, events_streams) for world in module.worlds()]
