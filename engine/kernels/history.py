"""The last `RING` events of a customer, in the order of their arrival."""

from __future__ import annotations

from engine.kernels.jit import kernel
from engine.kernels.row import RING, RING_EPOCH_S
from engine.kernels.units import SECOND


@kernel
def remember(row, event):
    """Write `event` over the oldest arrival."""
    place = row.ring_next
    row.ring_at[place] = event.at // SECOND - RING_EPOCH_S
    row.ring_item[place] = event.item
    row.ring_category[place] = event.category
    row.ring_value[place] = event.value
    row.ring_kind[place] = event.kind
    row.ring_next = (place + 1) % RING
