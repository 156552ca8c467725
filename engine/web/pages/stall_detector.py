"""Whether events arrive while none is applied, from two counters."""

from __future__ import annotations

#: Shorter is no stall: a batch, a rebalance or a new rulebook may take so long.
STALLED_AFTER_S = 5.0


class StallDetector:
    """Knows from periodic observations since when events wait. ``now`` is in seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._accepted = 0.0
        self._read = -1
        self._since = 0.0

    def look(self, accepted: float, read: int, now: float) -> float:
        """For how many seconds events have been waiting; 0 up to `STALLED_AFTER_S`.

        `accepted` events so far here, `read` by the workers. They wait since the first observation with new
        accepted events after the last change of `read`.
        """
        if read != self._read:
            self._read, self._accepted = read, accepted
        if accepted == self._accepted:
            self._since = now
        waiting = now - self._since
        return waiting if waiting > STALLED_AFTER_S else 0.0
