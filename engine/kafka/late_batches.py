"""Batches that a broker shows later than those behind them.

tansu numbers a batch before it can be read: of two that are produced at once, a fetch may hold the second alone.
Whoever reads on has lost the first. Apache Kafka shows none of these; there a gap between batches is compaction's.
"""

from __future__ import annotations

from engine.kafka.single_batches import gaps

#: How long a gap stays before it is the log's own. Of 60,000 records from three producers three batches were late,
#: each by one fetch.
SETTLED_S = 2.0
#: No batch lies further behind the log's end as the same answer has it: one that says so is damaged.
BEYOND_END = 1_000_000


class LogEnd:
    """One partition's end at one time: what lay before it and is not shown `SETTLED_S` later is gone."""

    def __init__(self) -> None:
        self._end = 0
        self._since = 0.0  # monotonic seconds

    def shown(self, raw: bytes, first: int, end: int, now: float) -> bytes:
        """The batches `raw`, fetched from offset `first` on at `now` (monotonic seconds) of a log that ends at
        `end`, up to a gap between them that may close yet."""
        for start, behind in gaps(raw, first):
            if behind < end + BEYOND_END and not self._is_settled(behind, end, now):
                return raw[:start]
        return raw

    def _is_settled(self, offset: int, end: int, now: float) -> bool:
        if offset > self._end:
            self._end, self._since = max(offset, end), now
        return now - self._since >= SETTLED_S
