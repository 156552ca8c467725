"""Workers that follow links, on the in-memory store and a log in memory; and what one customer's row would be."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from engine.customer_id import customer_id
from engine.events import WIRE_VERSION, Event, Kind, Rank
from engine.identity.link import Cause, Link, event_of
from engine.identity.ties import Ties, ties_in
from engine.kernels.partition import partition_of
from engine.kernels.row import ROW
from engine.state.row_codec import read
from engine.state.tied_rows import ties_before
from tests.stream.post_world import PARTITIONS, World
from tests.stream.test_worker import START, KafkaRecord

#: What is no function of the set of events: the order in which messages came, and what rules made of rows.
BESIDE = {"message_id", "message_total", "silence_due", "silence_ms", "active", "active_count"}


def home_of(key: str) -> int:
    return partition_of(key.encode(), PARTITIONS)


def named(prefix: str, home: int) -> str:
    """An id that lives in partition `home`."""
    return next(name for i in range(99) if home_of(name := f"{prefix}{i}") == home)


class LinkWorld(World):
    """The events of some ids, and links between these."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(random.Random(seed))

    def happens(self, key: str, number: int, kind: Kind = Kind.PAGE_VIEWED, **fields: object) -> None:
        """One event of `key`, `number` seconds after `START`."""
        anonymous = int(key[0] == "a")
        event = Event(WIRE_VERSION, int(kind), START + 1_000 * number, f"m{number}", anonymous=anonymous)
        value = msgspec.msgpack.encode(msgspec.structs.replace(event, **{"trust": 1, **fields}))
        self.put(key, number, value)

    def linked(
        self,
        lower: str,
        upper: str,
        number: int,
        signed: bool = True,
        cause: Cause = Cause.IDENTIFIED,
        by: str = "shop",
    ) -> None:
        ranks = {"a": Rank.DEVICE, "p": Rank.ADDRESS, "e": Rank.ADDRESS, "u": Rank.USER}
        at = START + 1_000 * number
        ids = customer_id(lower), customer_id(upper)
        link = Link(ids[0], ranks[lower[0]], ids[1], ranks[upper[0]], at, cause, signed, by)
        self.put(lower, number, msgspec.msgpack.encode(event_of(link, at)))

    def put(self, key: str, number: int, value: bytes) -> None:
        log = self.logs[home_of(key)]
        log.append(KafkaRecord(len(log), value, key.encode(), START + 1_000 * number))

    def write(self, partition: int, record: KafkaRecord) -> None:
        """Mail has the time at which it is written, which is never looked at."""
        log = self.logs[partition]
        log.append(record._replace(offset=len(log), timestamp=START + 10**9))

    async def done(self, most: int = 1_000) -> None:
        """Work until nothing is left."""
        for _ in range(200):
            await self.work(most)
            await self.pay()
            positions = [await self.store.position(partition) for partition in range(PARTITIONS)]
            owed = [one for partition in range(PARTITIONS) for one in await self.store.due(partition, 1, 1)]
            if not owed and all(at.offset == len(log) for at, log in zip(positions, self.logs, strict=True)):
                return
        raise AssertionError("the mail never ends")

    async def pay(self) -> None:
        """Histories follow their customers."""
        await self.worker.fire_timers(lambda partition: True)
        await self.worker.owned.drain()

    async def given(self, key: str) -> Mapping[str, Sequence[int]]:
        """The offer history."""
        (history,) = await self.store.histories(home_of(key), [key.encode()])
        return history

    async def stored(self, key: str) -> bytes | None:
        (row,) = await self.store.read(home_of(key), [key.encode()])
        return row

    async def ties(self, key: str) -> Ties:
        return ties_in(ties_before(await self.stored(key)))

    async def row(self, key: str) -> dict[str, bytes]:
        """The fields of the row that are functions of the customer's events."""
        row = read([await self.stored(key)])
        return {name: row[name].tobytes() for name in set(ROW.names or ()) - BESIDE}

    async def events(self, key: str) -> int:
        return int(read([await self.stored(key)])["recent_total"][0])


async def as_one(events: Iterable[tuple[int, Kind, dict[str, object]]], key: str = "u") -> dict[str, bytes]:
    """The row of one customer with all these events, told as a user's."""
    world = LinkWorld()
    for number, kind, fields in events:
        world.happens(key, number, kind, **fields)
    await world.done()
    return await world.row(key)
