"""The ids of the 32 messages applied last: an event that is sent again changes nothing.

In the order of arrival, so of all groups this one alone is no function of the set of events. A join keeps the
newest of both. What was sent under two names of a customer, before they were one, is not noticed.
"""

from __future__ import annotations

from engine.kernels.jit import kernel

IDS = 32  # a power of two
_PLACE = IDS - 1

FIELDS = [
    ("message_id", "u8", (IDS,)),  # 64-bit hashes
    ("message_total", "i8"),  # how many were ever written: the next lies at message_total % IDS
]


@kernel
def is_known(row, identity):
    """Whether `identity` is among the ids."""
    for i in range(IDS):
        if row.message_id[i] == identity:
            return True
    return False


@kernel
def keep(row, identity):
    """Add `identity`, which is not known yet, to the ids."""
    row.message_id[row.message_total & _PLACE] = identity
    row.message_total += 1


@kernel
def join_message_id(into, other):
    """Add the ids of another row: its newest half, or as many as there is room for."""
    own, others = min(into.message_total, IDS), min(other.message_total, IDS)
    for back in range(min(others, max(IDS // 2, IDS - own)), 0, -1):
        identity = other.message_id[(other.message_total - back) & _PLACE]
        if not is_known(into, identity):
            keep(into, identity)
