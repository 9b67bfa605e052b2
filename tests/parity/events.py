"""Events and those who listen: all that is compared of them."""

import events_fixes
import events_kinds
import events_pools
import events_protocol
import events_streams

MODULES = (events_kinds, events_streams, events_protocol, events_pools, events_fixes)


def worlds():
    return [world for module in MODULES for world in module.worlds()]
