"""Workers that mail, on the in-memory store and a log in memory, while produces fail, commits are lost, workers
freeze and wake, and the store comes back older. The oracle is plain: every event that was sent counts once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from itertools import count
from typing import Any

import msgspec

from engine.clock import EngineClock
from engine.decisions.policy import make_policy
from engine.errors import Unavailable
from engine.events import WIRE_VERSION, Event, Kind
from engine.kernels.groups.message_id import IDS
from engine.kernels.partition import partition_of
from engine.meter import PrometheusMeter
from engine.ports.clock import ClockAnchor
from engine.ports.kafka import AuditEntry, DeadLetter, Mail
from engine.ports.records import FetchedRecords, as_columns
from engine.ports.stream_store import Commit
from engine.post.seal import SIGNATURE_HEADER, Seal
from engine.settings import Stream
from engine.sources.registry import sources
from engine.state.row_codec import read
from engine.store.memory import MemoryStore
from engine.stream.post_office import PostOffice
from engine.stream.worker import Worker
from tests.sources.contacts import SHIPPED
from tests.stream.test_worker import RULEBOOK, START, KafkaRecord

PARTITIONS = 3
SEAL = Seal("model", {"one": b"1" * 32})
POLICY = make_policy(RULEBOOK, {})
SOURCES = sources(contacts=SHIPPED)


class Losing(MemoryStore):
    """Loses commits when it is told so: before they take effect, or their answers."""

    def __init__(self) -> None:
        self.ticks = count(1)
        super().__init__(PARTITIONS, wall=lambda: next(self.ticks))  # so that no epoch is given out twice
        self.lose = ""

    async def commit(self, commit: Commit) -> list[list[int]]:
        lose, self.lose = self.lose, ""
        if lose == "commit":
            raise Unavailable("lost")
        taken = await super().commit(commit)
        if lose == "answer":
            raise Unavailable("its answer is lost")
        return taken


class Frozen:
    """A worker that stands still around a produce until `thawed`."""

    def __init__(self) -> None:
        self.thawed, self.stands = asyncio.Event(), asyncio.Event()

    async def wait(self) -> None:
        self.stands.set()
        await self.thawed.wait()


class World:
    """One deployment; `chance` drives it all."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.logs: list[list[KafkaRecord]] = [[] for _ in range(PARTITIONS)]
        self.store = Losing()
        self.sent = Counter[bytes]()  # events of each customer
        self.numbers = count()
        self.customers: list[bytes] = []
        self.fate: str | Frozen = ""  # of the next produce
        self.frozen: list[tuple[Frozen, asyncio.Task[dict[int, int]]]] = []
        self.snapshots: list[list[Any]] = []
        self.audited: list[AuditEntry] = []
        self.unaudited = False  # what is audited is not acknowledged
        self.meter = PrometheusMeter()
        self.met = Counter[str]()
        self.worker = self.new_worker()

    # the outside

    def write(self, partition: int, record: KafkaRecord) -> None:
        log = self.logs[partition]
        log.append(record._replace(offset=len(log), timestamp=START + next(self.numbers)))

    def event(self, customer: bytes, partition: int) -> None:
        number = next(self.numbers)
        value = Event(WIRE_VERSION, int(Kind.PAGE_VIEWED), START + number, f"id-{number}")
        self.sent[customer] += 1
        self.write(partition, KafkaRecord(0, msgspec.msgpack.encode(value), customer))

    def misplaced(self) -> None:
        if not self.customers or self.chance.random() < 0.5:
            self.customers.append(b"customer-%d" % len(self.customers))
        customer = self.chance.choice(self.customers)
        home = partition_of(customer, PARTITIONS)
        self.event(customer, self.chance.choice([p for p in range(PARTITIONS) if p != home]))

    def fill(self, customer: bytes) -> None:
        """As many events as push all earlier ids out of the row."""
        for _ in range(IDS + 1):
            self.event(customer, partition_of(customer, PARTITIONS))

    # workers

    def new_worker(self, on: bool = True, seal: Seal = SEAL, clock_ms: int = START, **settings: object) -> Worker:
        office = PostOffice(self.store, self.meter, PARTITIONS, seal, on, self.mail, self.audit)
        clock = EngineClock()
        clock.anchor = ClockAnchor(clock_ms, 0, 0)
        chosen, store = Stream.model_validate(settings), self.store
        worker = Worker(
            chosen, "events", PARTITIONS, store, store, clock, self.meter, self.side_output, SOURCES, "€", office,
        )  # fmt: skip
        worker.use(POLICY)
        return worker

    async def side_output(
        self, partition: int, dead: Sequence[DeadLetter], forward: Sequence[tuple[bytes, bytes]]
    ) -> None:
        assert not dead, dead
        for key, value in forward:
            self.write(partition_of(key, PARTITIONS), KafkaRecord(0, value, key))

    async def mail(self, letters: Sequence[Mail]) -> None:
        fate, self.fate = self.fate, ""
        if isinstance(fate, Frozen):
            await fate.wait()
        written = [one for one in letters if fate != "fails" or self.chance.random() < 0.5]
        for one in written:
            home = partition_of(one.key, PARTITIONS)
            self.write(home, KafkaRecord(0, one.value, one.key, headers=((SIGNATURE_HEADER, one.signature),)))
        if fate == "fails":
            self.met["failed"] += 1
            raise Unavailable("Kafka did not acknowledge")

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        self.audited += entries
        if self.unaudited:
            raise Unavailable("Kafka did not acknowledge")

    def fetch(self, worker: Worker, most: int) -> dict[int, FetchedRecords]:
        live = [state for state in worker.states.values() if state.live]
        found = {s.partition: self.logs[s.partition][s.next : s.next + most] for s in live}
        return {partition: as_columns(records) for partition, records in found.items() if records}

    async def work(self, most: int) -> None:
        """One round of the worker; it claims what it lost, and is replaced where it froze."""
        if not self.worker.states:
            await self.worker.owned.own(range(PARTITIONS))
        await self.worker.owned.restore(lambda: True, 0)
        await self.worker.apply(self.fetch(self.worker, most))
        await self.worker.owned.drain()

    async def freeze(self) -> None:
        """The worker stands still before its mail is written, if it has any, and another takes over."""
        fate = self.fate = Frozen()
        task = asyncio.ensure_future(self.worker.apply(self.fetch(self.worker, 50)))
        stands = asyncio.ensure_future(fate.stands.wait())
        await asyncio.wait({task, stands}, return_when=asyncio.FIRST_COMPLETED)
        stands.cancel()
        if not task.done():
            self.frozen.append((fate, task))
            self.met["frozen"] += 1
            self.worker = self.new_worker()
        self.fate = ""

    async def thaw(self) -> None:
        if self.frozen:
            fate, task = self.frozen.pop(self.chance.randrange(len(self.frozen)))
            fate.thawed.set()
            await task

    # faults

    def keep(self) -> None:
        self.snapshots.append(deepcopy(self.store._partitions))

    def restore(self, partitions: Sequence[int]) -> None:
        """The store comes back older, all of it or a part; epochs are wall times, so none is given out again."""
        if not self.snapshots:
            return
        self.met["restored"] += 1
        older = deepcopy(self.chance.choice(self.snapshots))
        for partition in partitions:
            self.store._partitions[partition] = older[partition]
        self.worker = self.new_worker()

    async def step(self, calm: bool) -> None:
        chance = self.chance
        kind = chance.random()
        if kind < 0.4:
            self.misplaced()
        elif kind < 0.45 and self.customers:
            self.fill(chance.choice(self.customers))
        elif kind < 0.75 or calm:
            await self.work(chance.randint(1, 60))
        elif kind < 0.8:
            self.fate = "fails"
            await self.work(chance.randint(1, 60))
            self.fate = ""
        elif kind < 0.87:
            self.store.lose = chance.choice(["commit", "answer"])
            await self.work(chance.randint(1, 60))
            self.store.lose = ""
        elif kind < 0.91:
            await self.freeze()
        elif kind < 0.95:
            await self.thaw()
        elif kind < 0.97:
            self.keep()
        else:
            self.restore(chance.choice([range(PARTITIONS), [chance.randrange(PARTITIONS)]]))

    # the end

    async def settle(self) -> None:
        """Whoever is frozen wakes, and all there is is applied."""
        while self.frozen:
            await self.thaw()
        for customer in self.customers:  # nothing is recognised by its id any more
            self.fill(customer)
        self.worker = self.new_worker()
        for _ in range(100):
            await self.work(1_000)
            positions = [await self.store.position(partition) for partition in range(PARTITIONS)]
            if all(at.offset == len(log) for at, log in zip(positions, self.logs, strict=True)):
                return
        raise AssertionError("the mail never ends")

    async def rows(self) -> dict[bytes, bytes | None]:
        return {
            customer: (await self.store.read(partition_of(customer, PARTITIONS), [customer]))[0]
            for customer in self.sent
        }

    async def wrong(self) -> dict[bytes, int]:
        """By how many events each customer's row has too many (above 0) or too few."""
        rows = await self.rows()
        events = {name: int(read([row])["recent_total"][0]) for name, row in rows.items()}
        return {name: events[name] - wanted for name, wanted in self.sent.items() if events[name] != wanted}

    async def replayed(self) -> World:
        """The same logs from offset 0 on, into an empty store, by a worker that mails again."""
        again = World(self.chance)
        again.logs, again.sent = [list(log) for log in self.logs], self.sent
        again.numbers, again.customers = self.numbers, []
        await again.settle()
        return again


async def run(seed: int, steps: int = 60) -> tuple[World, dict[bytes, int]]:
    """A random schedule to its end, and what is wrong then."""
    world = World(random.Random(seed))
    calm = world.chance.random() < 0.1
    await world.work(1)
    for _ in range(steps):
        await world.step(calm)
    await world.settle()
    return world, await world.wrong()
