"""The in-memory twin of the Redis store: same interface, same contract tests, nothing outlives the process."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from engine.clock import wall_ms
from engine.consent import ConsentStatement
from engine.customer_id import CustomerId
from engine.errors import Fenced, Unavailable
from engine.ports.cue_store import CueEntry, TakenCue
from engine.ports.decision_store import Reservation, Taking
from engine.ports.health import REPORT_KEPT_MS, CommitPoint, WorkerReport
from engine.ports.offer_history import View
from engine.ports.stream_store import (
    UNCONSENTED,
    Commit,
    CueCandidate,
    CueChoice,
    Erasure,
    Intake,
    Pause,
    Position,
)
from engine.ports.traits import Trait, TraitWord
from engine.store.cue_entries import StreamPosition, entry, parse
from engine.store.keys import DAY_S, RECENT_CUES, RedisKeys
from engine.store.memory_history import OfferHistory
from engine.store.memory_keys import MemoryKeys
from engine.store.memory_lessons import MemoryLessons
from engine.store.memory_links import MemoryLinks
from engine.store.memory_names import MemoryNames
from engine.store.memory_tickets import MemoryTickets
from engine.store.memory_traits import remember

_UNCLAIMED = Position(0, 0)


@dataclass
class _Partition:
    """All that the store holds of one partition."""

    position: Position = _UNCLAIMED
    post: dict[str, str] = field(default_factory=dict)
    rows: dict[bytes, bytes] = field(default_factory=dict)
    traits: dict[bytes, dict[str, TraitWord]] = field(default_factory=dict)
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


class MemoryStore(MemoryTickets, MemoryKeys, MemoryNames, MemoryLessons, MemoryLinks):
    """The store's every protocol, in one process.

    ``wall`` is the clock (epoch ms) by which records expire and cues are numbered, as Redis's own
    clock is there.
    """

    def __init__(
        self,
        partitions: int,
        cue_stream_length: int = 10_000,
        wall: Callable[[], int] = wall_ms,
        words_kept: int = 500_000,
    ) -> None:
        self._keys = RedisKeys(partitions)
        self._partitions = [_Partition(cues=deque(maxlen=cue_stream_length)) for _ in range(partitions)]
        super().__init__(wall)
        self._newest = StreamPosition(0, 0, 0)
        self._written = asyncio.Event()
        self._words_kept = words_kept

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    # the stream worker

    @property
    def connections(self) -> int:
        return 1

    async def claim(self, partition: int, held: int | None = None) -> Position:
        part = self._partitions[partition]
        previous = part.position.epoch
        if held not in (None, previous):
            return Position(previous, part.position.offset, previous)
        part.position = Position(max(previous + 1, self._wall()), part.position.offset)
        return Position(part.position.epoch, part.position.offset, previous)

    async def position(self, partition: int) -> Position:
        return self._partitions[partition].position

    async def post(self, partition: int) -> Mapping[str, str]:
        return dict(self._partitions[partition].post)

    async def read(self, partition: int, customers: Sequence[bytes]) -> list[bytes | None]:
        rows = self._partitions[partition].rows
        return [rows.get(customer) for customer in customers]

    async def commit(self, commit: Commit) -> list[list[int]]:
        part = self._partitions[commit.partition]
        if commit.connection not in (0, self.connections):
            raise Unavailable("reconnected since")
        if part.position != Position(commit.epoch, commit.expected):
            raise Fenced(f"partition {commit.partition} is at {part.position}")
        part.position = Position(commit.epoch, commit.offset)
        part.post.update(commit.post)
        for change in commit.traits:
            remember(part.traits.setdefault(change.customer, {}), change.words)
        part.rows.update(zip(commit.customers, map(bytes, commit.rows), strict=True))
        self._set_timers(part, zip(commit.timers.customers, commit.timers.due, strict=True))
        taken = [self._write_cues(commit.partition, choice) for choice in commit.cues]
        for one in commit.consents:
            part.histories[one.customer].state(one.statement)
        for erasure in commit.erased:
            self._erase(part, erasure)
        part.tallies.update(commit.tallies)
        part.tallies.update(
            cues=sum(len(written) for written, _ in taken),
            cues_capped=sum(not (written or without) for written, without in taken),
            cues_unconsented=sum(bool(without) and not written for written, without in taken),
        )
        return [written or [UNCONSENTED] * bool(without) for written, without in taken]

    async def due(self, partition: int, until: int, limit: int) -> list[bytes]:
        timers = self._partitions[partition].timers.items()
        ready = sorted((due, customer) for customer, due in timers if due <= until)
        return [customer for _, customer in ready[:limit]]

    def _erase(self, part: _Partition, erasure: Erasure) -> None:
        customer = erasure.customer
        for kept in (part.rows, part.histories, part.traits, part.timers, part.recent_cues):
            kept.pop(customer, None)
        for name in part.recorded.pop(customer, ()):
            part.decisions.pop(name, None)
        self.forget_sent(customer)
        self.forget_links(customer)
        part.cues = deque((cue for cue in part.cues if cue[1] != customer), part.cues.maxlen)
        part.tombstones[erasure.digest] = max(erasure.at, part.tombstones.get(erasure.digest, 0))

    async def tombstones(self, partition: int) -> dict[str, int]:
        return dict(self._partitions[partition].tombstones)

    async def drop_tombstones(self, partition: int, digests: Sequence[str]) -> None:
        for digest in digests:
            self._partitions[partition].tombstones.pop(digest, None)

    async def cues_of(self, partition: int, customer: bytes) -> list[bytes]:
        cues = self._partitions[partition].cues
        return [f"{at.ms}-{at.seq}".encode() for at, owner, _ in cues if owner == customer]

    async def recorded(self, customer: CustomerId) -> list[str]:
        name = customer.encode()
        return list(self._partitions[self._keys.of_customer(name)].recorded.get(name, ()))

    async def intake(self, partition: int) -> Intake:
        return self._partitions[partition].intake

    async def intakes(self) -> list[Intake]:
        return [part.intake for part in self._partitions]

    async def pause(self, partition: int, pause: Pause) -> None:
        part = self._partitions[partition]
        part.intake = Intake(pause, part.intake.let_below)

    async def let_pass(self, partition: int, below: int) -> None:
        part = self._partitions[partition]
        part.intake = Intake(part.intake.pause, below)

    def _set_timers(self, part: _Partition, changes: Iterable[tuple[bytes, int]]) -> None:
        for customer, due in changes:
            part.timers.pop(customer, None)
            if due > 0:
                part.timers[customer] = due

    def _write_cues(self, partition: int, choice: CueChoice) -> tuple[list[int], list[str]]:
        """Fill the slots of `choice`; the candidates written (positions), and the offers kept back by consent."""
        part = self._partitions[partition]
        history = part.histories[choice.customer].settled(choice.at)
        fitting, without = history.fill(choice)
        given = [history.give(choice.candidates[place], choice.at) for place in fitting]
        written = [place for place, taking in zip(fitting, given, strict=True) if taking is Taking.TAKEN]
        if written:
            part.histories[choice.customer] = history
        for place in written:
            self._write_cue(partition, choice.customer, choice.candidates[place], without)
        return written, without

    def _write_cue(self, partition: int, customer: bytes, taken: CueCandidate, without: list[str]) -> None:
        part = self._partitions[partition]
        if taken.record:
            reason = msgspec.msgpack.encode(without)
            self._keep(part, customer, taken.decision_id, taken.record[:-1] + reason if without else taken.record)
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

    def _keep(self, part: _Partition, customer: bytes, decision_id: str, record: bytes) -> None:
        part.recorded[customer].append(decision_id)
        part.decisions[decision_id] = (self._wall() + DAY_S * 1_000, record)

    # decisions

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        return [self._view(customer.encode()) for customer in customers]

    def _view(self, customer: bytes) -> View:
        part = self._partitions[self._keys.of_customer(customer)]
        return View(part.rows.get(customer), part.histories[customer].stored())

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        where = [self._keys.of_reserved(r.customer.encode(), r.decision_id) for r in reservations]
        return [self._reserve(self._partitions[p], r) for p, r in zip(where, reservations, strict=True)]

    def _reserve(self, part: _Partition, reservation: Reservation) -> list[Taking]:
        customer = reservation.customer.encode()
        history = part.histories[customer].settled(reservation.at)
        self._keep(part, customer, reservation.decision_id, reservation.record)
        taken = [history.give(candidate, reservation.at) for candidate in reservation.candidates]
        if Taking.TAKEN in taken:
            part.histories[customer] = history
        return taken

    async def state_consents(self, customer: CustomerId, statements: Sequence[ConsentStatement]) -> int:
        name = customer.encode()
        history = self._partitions[self._keys.of_customer(name)].histories[name]
        return sum([history.state(statement) for statement in statements])

    async def decision(self, decision_id: str) -> bytes | None:
        partition = self._keys.of_decision(decision_id)
        if partition is None:
            return None
        expires, record = self._partitions[partition].decisions.get(decision_id, (0, b""))
        return record if expires > self._wall() else None

    # cues

    def tail(self) -> AsyncGenerator[CueEntry, None]:
        return self._tail(self._newest)

    async def _tail(self, seen: StreamPosition) -> AsyncGenerator[CueEntry, None]:
        while True:
            written = self._written
            for at, _, payload in self._between(range(self._keys.partitions), seen):
                seen = at
                if found := entry(at, payload):
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

    def _recent(self, customer: CustomerId) -> list[tuple[StreamPosition, bytes]]:
        """The customer's newest cues, oldest first; none a day after the last."""
        owner = customer.encode()
        recent = self._partitions[self._keys.of_customer(owner)].recent_cues.get(owner)
        return list(recent) if recent and recent[-1][0].ms + DAY_S * 1_000 > self._wall() else []

    async def latest(self, customer: CustomerId) -> CueEntry | None:
        recent = self._recent(customer)
        return entry(*recent[-1]) if recent else None

    async def newest(self, limit: int, after_id: str = "") -> list[CueEntry]:
        return (await self.since(None, after_id, sys.maxsize))[-limit:]

    async def take_cues(self, taken: Sequence[TakenCue]) -> int:
        return sum(self._take_cue(cue.customer.encode(), cue) for cue in taken)

    def _take_cue(self, customer: bytes, cue: TakenCue) -> bool:
        part = self._partitions[self._keys.of_customer(customer)]
        self._delivered |= {cue.decision_id} - {""}
        return part.histories[customer].keep(cue.offer_id, cue.at)

    # counters

    async def tallies(self) -> Mapping[str, int]:
        total: Counter[str] = Counter()
        for part in self._partitions:
            total.update(part.tallies)
        return total

    async def commit_points(self) -> list[CommitPoint]:
        return [
            CommitPoint(part.tallies.get("events", 0), part.tallies.get("customers", 0), part.position.offset)
            for part in self._partitions
        ]

    # traits

    async def traits(self, customer: CustomerId) -> list[Trait]:
        name = customer.encode()
        kept = self._partitions[self._keys.of_customer(name)].traits.get(name, {})
        return [kept[name].trait for name in sorted(kept) if kept[name].trait.value is not None]

    # what workers report

    async def report(self, reports: Mapping[int, WorkerReport], connection: int) -> None:
        if connection not in (0, self.connections):
            raise Unavailable("reconnected since")
        for partition, report in reports.items():
            self._partitions[partition].report = (self._wall() + REPORT_KEPT_MS, report)

    async def reports(self) -> list[WorkerReport | None]:
        return [part.report[1] if part.report[0] > self._wall() else None for part in self._partitions]
