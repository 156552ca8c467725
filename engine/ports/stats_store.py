"""What displays read of the store, and the clock of a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from engine.customer_id import CustomerId
from engine.ports.clock import ClockAnchor
from engine.ports.health import CommitPoint
from engine.ports.traits import Trait


class StatsStore(Protocol):
    """Counters and names for display, and the clock of a replay."""

    async def set_clock(self, anchor: ClockAnchor | None) -> None:
        """Let every process that follows the replay clock run by `anchor`; None: by the wall."""

    async def clock(self) -> ClockAnchor | None:
        """The anchor as set, None for wall time."""

    async def tallies(self) -> Mapping[str, int]:
        """Sum over the partitions of the counters named at `Commit`, and ``cues``."""

    async def commit_points(self) -> list[CommitPoint]:
        """How far each partition is."""

    async def name(self, words: Sequence[tuple[int, str]]) -> None:
        """Remember what the hashes of items, categories and words of contacts stand for. Sent in call order before
        the first await. The words written last are kept, as many as the settings say, and up to as many again of
        those before. A hash that was given two words stands for neither."""

    async def names(self, hashes: Sequence[int]) -> Mapping[int, str]:
        """The words behind hashes, where known and one each."""

    async def traits(self, customer: CustomerId) -> list[Trait]:
        """What was said last of the customer, by name. Without what was taken back."""

    async def names_begun(self) -> str:
        """When the words written last began to be kept, empty before the first. Another answer than before means
        that older ones were dropped, or will be unless they are written again."""
