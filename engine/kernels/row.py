"""Row layout v1: the numeric state of one customer as one fixed-size little-endian record.

Every time is event time in epoch milliseconds (0 = never). The record is stored in Redis as it lies in
memory, so there is no encoding in between. Changing a field means a new ``VERSION``.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.row_limits import BURST_GAP_MS as BURST_GAP_MS
from engine.kernels.row_limits import BURST_VIEWS as BURST_VIEWS
from engine.kernels.row_limits import ORDER_LINES_MS as ORDER_LINES_MS
from engine.kernels.row_limits import SESSION_GAP_MS as SESSION_GAP_MS
from engine.kernels.row_limits import SESSION_SET as SESSION_SET
from engine.kernels.windows import RINGS
from engine.kernels.wire import EARLIEST_S

VERSION = 1

RING = 32  # last events kept
RING_EPOCH_S = EARLIEST_S  # ring times are unsigned 32-bit seconds from here
RECENT_IDS = 32  # per-customer memory of message ids: a repeat is seen within the last 32 applied events
ACTIVE = 24  # indicators that may be active at the same time


def _in_whole_words(fields):
    """The record of `fields`, filled up to words of eight bytes."""
    spare = -np.dtype(fields).itemsize % 8
    return np.dtype([*fields, *([("spare", "u1", (spare,))] if spare else [])], align=True)


#: Fields by falling width, so that none needs padding: every byte of a row means something, and equal
#: states are equal bytes.
ROW = _in_whole_words(
    [
        ("version", "u1"),
        ("ring_next", "u1"),
        ("id_next", "u1"),
        ("session_category_count", "u1"),
        ("session_item_count", "u1"),
        ("active_count", "u1"),
        ("contact_open", "u1"),
        ("provenance", "u1"),  # flags of `engine.kernels.provenance`
        # whole life
        ("first_at", "i8"),
        ("last_at", "i8"),  # largest event time seen
        ("silence_due", "i8"),  # when a growing feature next reaches a threshold (0: none ahead)
        # windows: number of the newest pane of each ring
        *((ring.newest, "i8") for ring in RINGS),
        # session
        ("session_started", "i8"),
        ("session_last", "i8"),
        ("session_last_view", "i8"),
        ("session_max_price", "f8"),
        # cart
        ("cart_changed", "i8"),
        ("cart_value", "f8"),
        # purchases
        ("purchase_value", "f8"),
        ("purchase_first", "i8"),
        ("purchase_last", "i8"),
        ("purchase_gap_mean", "f8"),  # days
        ("purchase_gap_m2", "f8"),  # days^2, Welford's sum of squared deviations
        # contact centre
        ("contact_started", "i8"),
        ("contact_previous", "i8"),
        ("contact_ended", "i8"),
        # deduplication: 64-bit hashes of message ids
        ("recent_id", "u8", (RECENT_IDS,)),
        # four bytes wide
        ("events", "u4"),
        ("late", "u4"),  # events older than the session they belong to
        ("session_number", "u4"),
        ("session_events", "u4"),
        ("session_pages", "u4"),
        ("session_items", "u4"),
        ("session_pause_ms", "u4"),
        ("cart_items", "u4"),
        ("purchases", "u4"),
        ("purchase_gaps", "u4"),  # gaps behind mean and m2; purchases that arrive late add none
        ("contacts", "u4"),
        ("purchase_order", "u4"),  # hash of the last order's id, 0 for one without
        ("silence_ms", "u4"),  # how far beyond last_at the indicators were evaluated, in silence
        ("session_category", "u4", (SESSION_SET,)),
        ("session_item", "u4", (SESSION_SET,)),
        ("active", "u4", (ACTIVE,)),  # indicators active now, by hash of their name
        ("ring_at", "u4", (RING,)),  # seconds since RING_EPOCH_S
        ("ring_item", "u4", (RING,)),
        ("ring_category", "u4", (RING,)),
        ("ring_value", "f4", (RING,)),
        # two bytes wide
        *((ring.field, "u2", (ring.panes,)) for ring in RINGS),
        ("session_burst_run", "u2"),
        ("session_bursts", "u2"),
        ("session_reviews", "u2"),
        ("session_searches", "u2"),
        ("session_searches_alone", "u2"),  # searches since the last item view
        ("session_cart_adds", "u2"),
        ("session_category_views", "u2", (SESSION_SET,)),
        # one byte wide
        ("ring_kind", "u1", (RING,)),
    ]
)

ROW_BYTES: int = ROW.itemsize
