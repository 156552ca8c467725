"""Whether events come in while none is applied, told from two counters."""

from __future__ import annotations

#: Shorter is no standstill: a batch, a rebalance or a new rulebook may take so long.
TOLD_AFTER_S = 5.0


class StallDetector:
    """Looked at now and then, it knows since when events wait. ``now`` is in seconds of any clock that only
    goes on."""

    def __init__(self) -> None:
        self._accepted = 0.0
        self._read = -1
        self._since = 0.0

    def look(self, accepted: float, read: int, now: float) -> float:
        """For how many seconds events have been waiting; 0 up to `TOLD_AFTER_S`.

        `accepted` events were taken in here so far, `read` ones by the workers. They wait from the first
        that is seen to come in after the last that is seen to be read.
        """
        if read != self._read:
            self._read, self._accepted = read, accepted
        if accepted == self._accepted:
            self._since = now
        waiting = now - self._since
        return waiting if waiting > TOLD_AFTER_S else 0.0
