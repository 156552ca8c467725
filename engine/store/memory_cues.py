"""The in-memory twin of cue streams, as workers write and event streams read them."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence

import msgspec

from engine.customer_id import CustomerId
from engine.ports.cue_store import CueEntry, StreamMoved, TakenCue
from engine.ports.decision_store import Taking
from engine.ports.stream_store import CueCandidate, CueChoice
from engine.store.cue_entries import MOVED, StreamPosition, entry, notice, parse
from engine.store.keys import DAY_S, RECENT_CUES, withheld_id
from engine.store.memory_history import OfferHistory
from engine.store.memory_partition import MemoryPartitions


class MemoryCues(MemoryPartitions):
    """CueStore in one process; cues are numbered by the store's clock."""

    _delivered: set[str]

    def __init__(self) -> None:
        super().__init__()
        self._newest = StreamPosition(0, 0, 0)
        self._written = asyncio.Event()

    def _write_cues(self, partition: int, choice: CueChoice) -> tuple[list[int], list[str]]:
        """Fill the slots of `choice`; the candidates written (positions), and the offers kept back by consent."""
        part = self._partitions[partition]
        history = part.histories[choice.customer].settled(choice.at)
        fitting, without = history.fill(choice)
        given = [history.give(choice.candidates[place], choice.at) for place in fitting]
        written = [place for place, taking in zip(fitting, given, strict=True) if taking is Taking.TAKEN]
        if written:
            part.histories[choice.customer] = history
        elif without:
            self._keep_withheld(partition, choice, history, without)
        for place in written:
            self._write_cue(partition, choice.customer, choice.candidates[place], without)
        return written, without

    def _keep_withheld(
        self, partition: int, choice: CueChoice, history: OfferHistory, without: Sequence[str]
    ) -> None:
        """Keep for a day that the first candidate that lacks consent was withheld, unless that is kept already."""
        part = self._partitions[partition]
        first = next(one for one in choice.candidates if not history.consents(one))
        name = withheld_id(partition, choice.customer, first.offer_id)
        expires, _ = part.decisions.get(name, (0, b""))
        if first.record and expires <= self._wall():
            self._keep(part, choice.customer, name, _with_reason(first.record, without, history.missing(first)))

    def _write_cue(self, partition: int, customer: bytes, taken: CueCandidate, without: list[str]) -> None:
        part = self._partitions[partition]
        if taken.record:
            self._keep(part, customer, taken.decision_id, _with_reason(taken.record, without, ()))
        at = self._next_position(partition)
        part.cues.append((at, customer, taken.payload))
        part.recent_cues.setdefault(customer, deque(maxlen=RECENT_CUES)).append((at, taken.payload))
        self._written.set()
        self._written = asyncio.Event()

    def _next_position(self, partition: int) -> StreamPosition:
        now, newest = self._wall(), self._newest
        same = now <= newest.ms
        self._newest = StreamPosition(newest.ms if same else now, newest.seq + 1 if same else 0, partition)
        return self._newest

    def _move(self, partition: int, customer: bytes) -> None:
        """Say that the customer's cues are another's, or their own again."""
        self._partitions[partition].cues.append((self._next_position(partition), customer, MOVED + customer))
        self._written.set()
        self._written = asyncio.Event()

    def tail(self) -> AsyncGenerator[CueEntry | StreamMoved, None]:
        return self._tail(self._newest)

    async def _tail(self, seen: StreamPosition) -> AsyncGenerator[CueEntry | StreamMoved, None]:
        while True:
            written = self._written
            for at, _, payload in self._between(range(self._keys.partitions), seen):
                seen = at
                if found := notice(at, payload):
                    yield found
            await written.wait()

    def _between(
        self, partitions: Iterable[int], after: StreamPosition
    ) -> list[tuple[StreamPosition, bytes, bytes]]:
        cues = [cue for p in partitions for cue in self._partitions[p].cues if cue[0] > after]
        return sorted(cues)

    async def since(self, customer: CustomerId | None, last_id: str, limit: int = 1000) -> list[CueEntry]:
        after = parse(last_id) or StreamPosition(0, 0, 0)
        if customer is None:
            cues = [(at, payload) for at, _, payload in self._between(range(self._keys.partitions), after)]
        else:
            cues = [cue for cue in self._recent(customer) if cue[0] > after.before(cue[0].partition)]
        found = (entry(at, payload) for at, payload in cues)
        return [cue for cue in found if cue][:limit]

    async def passed(self, last_id: str, limit: int = 1000) -> list[CueEntry | StreamMoved]:
        after = parse(last_id) or StreamPosition(0, 0, 0)
        kept = self._between(range(self._keys.partitions), after)[:limit]
        return [found for at, _, payload in kept if (found := notice(at, payload))]

    def _recent(self, customer: CustomerId) -> list[tuple[StreamPosition, bytes]]:
        """The customer's newest cues, oldest first; none a day after the last."""
        owner = customer.encode()
        recent = self._of(owner).recent_cues.get(owner)
        return list(recent) if recent and recent[-1][0].ms + DAY_S * 1_000 > self._wall() else []

    async def latest(self, customer: CustomerId) -> CueEntry | None:
        recent = self._recent(customer)
        return entry(*recent[-1]) if recent else None

    async def newest(self, limit: int, after_id: str = "") -> list[CueEntry]:
        return (await self.since(None, after_id, sys.maxsize))[-limit:]

    async def take_cues(self, taken: Sequence[TakenCue]) -> int:
        return sum(self._take_cue(cue.customer.encode(), cue) for cue in taken)

    def _take_cue(self, customer: bytes, cue: TakenCue) -> bool:
        part = self._of(customer)
        self._delivered |= {cue.decision_id} - {""}
        return part.histories[customer].keep(cue.offer_id, cue.at)


def _with_reason(record: bytes, without: Sequence[str], names: Sequence[str]) -> bytes:
    """The record with the offers that consent kept back, and the consents for want of which no cue was sent, in
    place of its last two fields, which are empty arrays."""
    if not without:
        return record
    return record[:-2] + msgspec.msgpack.encode(without) + msgspec.msgpack.encode(names)
