"""Events and those who listen: all that is compared of them."""

import events_kinds


def worlds():
    return [world for module in (events_kinds,) for world in module.worlds()]
