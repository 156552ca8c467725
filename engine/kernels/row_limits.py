"""What a row's fields hold at most, and the lengths of time that it goes by."""

from __future__ import annotations

#: The largest values of narrow fields: a count stays there.
U2_MAX = 0xFFFF
U4_MAX = 0xFFFFFFFF

SESSION_GAP_MS = 30 * 60_000  # silence that ends a session (web analytics' customary 30 minutes)
BURST_GAP_MS = 10_000  # views this close together belong to one burst
BURST_VIEWS = 3  # a burst is counted when it reaches this many views
SESSION_SET = 16  # distinct categories and items counted exactly up to here, then the count stays
ORDER_LINES_MS = 60_000  # order events without an id this close together are lines of one order
