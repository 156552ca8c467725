"""What the in-memory store holds of one partition."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.identity.erased_ids import ErasedIds
from engine.ports.health import WorkerReport
from engine.ports.stream_store import Intake, Position
from engine.ports.traits import TraitWord
from engine.store.cue_entries import StreamPosition
from engine.store.keys import DAY_S, RedisKeys
from engine.store.memory_history import OfferHistory

UNCLAIMED = Position(0, 0)


@dataclass
class Partition:
    """All that the store holds of one partition."""

    position: Position = UNCLAIMED
    post: dict[str, str] = field(default_factory=dict)
    rows: dict[bytes, bytes] = field(default_factory=dict)
    traits: dict[bytes, dict[str, TraitWord]] = field(default_factory=dict)
    ids: defaultdict[bytes, set[str]] = field(default_factory=lambda: defaultdict(set))
    recorded: defaultdict[bytes, list[str]] = field(default_factory=lambda: defaultdict(list))  # decisions
    tombstones: dict[str, int] = field(default_factory=dict)
    histories: defaultdict[bytes, OfferHistory] = field(default_factory=lambda: defaultdict(OfferHistory))
    decisions: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    timers: dict[bytes, int] = field(default_factory=dict)
    cues: deque[tuple[StreamPosition, bytes, bytes]] = field(default_factory=deque)
    recent_cues: dict[bytes, deque[tuple[StreamPosition, bytes]]] = field(default_factory=dict)
    tallies: Counter[str] = field(default_factory=Counter)
    intake: Intake = field(default_factory=Intake)
    report: tuple[int, WorkerReport | None] = (0, None)  # until when it is kept


class MemoryPartitions:
    """What all parts of the in-memory store share; `engine.store.memory.MemoryStore` makes it."""

    _keys: RedisKeys
    _partitions: list[Partition]
    _wall: Callable[[], int]
    _erased_ids: ErasedIds

    def _of(self, customer: bytes) -> Partition:
        return self._partitions[self._keys.of_customer(customer)]

    def _erased_until(self, customer: bytes) -> int:
        """By any name under which it may be remembered."""
        kept = self._of(customer).tombstones
        return max(kept.get(digest, 0) for digest in self._erased_ids.digests(customer))

    def _erased_lately(self, customer: bytes) -> int:
        """By the name of today alone, as what is under way asks."""
        return self._of(customer).tombstones.get(self._erased_ids.digest(customer), 0)

    def _keep(self, part: Partition, customer: bytes, decision_id: str, record: bytes) -> None:
        """Keep the record of a decision or cue for a day."""
        part.recorded[customer].append(decision_id)
        part.decisions[decision_id] = (self._wall() + DAY_S * 1_000, record)
