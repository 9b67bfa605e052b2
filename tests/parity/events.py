"""Events and those who listen: all that is compared of them."""

import events_fixes
import events_kinds
import events_pools
import events_protocol
import events_streams


def worlds():
    return [world for module in (events_kinds, events_streams, events_protocol, events_pools, events_fixes) for world in module.worlds()]
