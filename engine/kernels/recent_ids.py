"""The message ids a row remembers: an event that is sent again changes nothing."""

from __future__ import annotations

from engine.kernels.jit import kernel
from engine.kernels.row import RECENT_IDS


@kernel
def seen(row, identity):
    """Whether `identity` is among the last `RECENT_IDS` applied ids; remembers it when it is not."""
    for i in range(RECENT_IDS):
        if row.recent_id[i] == identity:
            return True
    row.recent_id[row.id_next] = identity
    row.id_next = (row.id_next + 1) % RECENT_IDS
    return False
