"""The in-memory twin of the Redis store: same interface, same contract tests, nothing outlives the process."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from engine.clock import wall_ms
from engine.consent import ConsentStatement
from engine.customer_id import CustomerId
from engine.errors import Fenced, Unavailable
from engine.identity.erased_ids import ErasedIds
from engine.ports.decision_store import Reservation, Taking
from engine.ports.health import REPORT_KEPT_MS, CommitPoint, WorkerReport
from engine.ports.offer_history import View
from engine.ports.stream_store import (
    UNCONSENTED,
    Commit,
    HistoryChange,
    Intake,
    Pause,
    Position,
)
from engine.ports.traits import stored
from engine.store.keys import RedisKeys
from engine.store.memory_agents import MemoryAgents
from engine.store.memory_cues import MemoryCues
from engine.store.memory_erasures import MemoryErasures
from engine.store.memory_held import MemoryHeld
from engine.store.memory_keys import MemoryKeys
from engine.store.memory_lessons import MemoryLessons
from engine.store.memory_links import MemoryLinks
from engine.store.memory_names import MemoryNames
from engine.store.memory_partition import Partition
from engine.store.memory_tickets import MemoryTickets
from engine.store.memory_traits import remember


class MemoryStore(
    MemoryTickets,
    MemoryHeld,
    MemoryKeys,
    MemoryNames,
    MemoryLessons,
    MemoryLinks,
    MemoryAgents,
    MemoryCues,
    MemoryErasures,
):
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
        erased_ids: ErasedIds | None = None,
    ) -> None:
        self._keys = RedisKeys(partitions)
        self._erased_ids = erased_ids or ErasedIds()
        self._partitions = [Partition(cues=deque(maxlen=cue_stream_length)) for _ in range(partitions)]
        super().__init__(wall)
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
        for customer in commit.forgotten:
            part.rows.pop(customer, None)
        part.rows.update(zip(commit.customers, commit.rows, strict=True))
        self._set_timers(part, zip(commit.timers.customers, commit.timers.due, strict=True))
        taken = [self._write_cues(commit.partition, choice) for choice in commit.cues]
        for one in commit.consents:
            self._state(one.customer, one.statement)
        for new in commit.ids:
            part.ids[new.customer].update(new.ids)
        for turned in commit.histories:
            self._turn(part, turned)
        for erasure in commit.erased:
            self._erase(part, erasure)
            self.forget_sent(erasure.customer)
            self.forget_links(erasure.customer)
        part.tallies.update(commit.tallies)
        part.tallies.update(
            cues=sum(len(written) for written, _ in taken),
            cues_capped=sum(not (written or without) for written, without in taken),
            cues_unconsented=sum(bool(without) and not written for written, without in taken),
        )
        return [written or [UNCONSENTED] * bool(without) for written, without in taken]

    async def histories(self, partition: int, customers: Sequence[bytes]) -> list[Mapping[str, Sequence[int]]]:
        kept = self._partitions[partition].histories
        return [kept[customer].stored() if customer in kept else {} for customer in customers]

    async def ids_of(self, partition: int, customer: bytes) -> list[str]:
        return sorted(self._partitions[partition].ids.get(customer, ()))

    async def words(self, partition: int, customers: Sequence[bytes]) -> list[Mapping[str, bytes]]:
        traits = self._partitions[partition].traits
        return [{name: stored(word) for name, word in traits.get(one, {}).items()} for one in customers]

    def _turn(self, part: Partition, change: HistoryChange) -> None:
        history = part.histories[change.customer]
        if change.frozen is None:
            part.histories[change.customer] = history.joined(change.other, self._erased_until(change.customer))
        elif history.frozen != change.frozen:
            history.frozen = change.frozen
            self._move(self._keys.of_customer(change.customer), change.customer)

    async def rows_from(self, cursor: int, count: int) -> tuple[int, Mapping[int, Sequence[bytes]]]:
        kept = [(number, name) for number, part in enumerate(self._partitions) for name in sorted(part.rows)]
        found: dict[int, list[bytes]] = {}
        for number, name in kept[cursor : cursor + count]:
            found.setdefault(number, []).append(name)
        return (cursor + count if cursor + count < len(kept) else 0), found

    async def due(self, partition: int, until: int, limit: int) -> list[bytes]:
        timers = self._partitions[partition].timers.items()
        ready = sorted((due, customer) for customer, due in timers if due <= until)
        return [customer for _, customer in ready[:limit]]

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

    def _set_timers(self, part: Partition, changes: Iterable[tuple[bytes, int]]) -> None:
        for customer, due in changes:
            part.timers.pop(customer, None)
            if due > 0:
                part.timers[customer] = due

    # decisions

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        return [self._view(customer.encode()) for customer in customers]

    def _view(self, customer: bytes) -> View:
        part = self._of(customer)
        return View(part.rows.get(customer), part.histories[customer].stored())

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        where = [self._keys.of_reserved(r.customer.encode(), r.decision_id) for r in reservations]
        return [self._reserve(self._partitions[p], r) for p, r in zip(where, reservations, strict=True)]

    def _reserve(self, part: Partition, reservation: Reservation) -> list[Taking]:
        customer = reservation.customer.encode()
        erased = self._erased_lately(customer)
        if reservation.at <= erased or 0 < reservation.row_at <= erased:
            return [Taking.ERASED] * len(reservation.candidates)
        history = part.histories[customer].settled(reservation.at)
        seen = part.histories[customer].joined(reservation.brought, erased).settled(reservation.at)
        if history.frozen and reservation.candidates:
            return [Taking.MOVED] * len(reservation.candidates)
        self._keep(part, customer, reservation.decision_id, reservation.record)
        taken = [seen.give(candidate, reservation.at) for candidate in reservation.candidates]
        for candidate, taking in zip(reservation.candidates, taken, strict=True):
            if taking is Taking.TAKEN:
                history.add(candidate, reservation.at)
        if Taking.TAKEN in taken:
            part.histories[customer] = history
        return taken

    async def state_consents(self, customer: CustomerId, statements: Sequence[ConsentStatement]) -> int:
        return sum([self._state(customer.encode(), statement) for statement in statements])

    def _state(self, customer: bytes, statement: ConsentStatement) -> bool:
        if statement.at <= self._erased_until(customer):
            return False
        return self._of(customer).histories[customer].state(statement)

    async def decision(self, decision_id: str) -> bytes | None:
        partition = self._keys.of_decision(decision_id)
        if partition is None:
            return None
        expires, record = self._partitions[partition].decisions.get(decision_id, (0, b""))
        return record if expires > self._wall() else None

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

    # what workers report

    async def report(self, reports: Mapping[int, WorkerReport], connection: int) -> None:
        if connection not in (0, self.connections):
            raise Unavailable("reconnected since")
        for partition, report in reports.items():
            self._partitions[partition].report = (self._wall() + REPORT_KEPT_MS, report)

    async def reports(self) -> list[WorkerReport | None]:
        return [part.report[1] if part.report[0] > self._wall() else None for part in self._partitions]
