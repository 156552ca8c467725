"""Commands of the cue streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from engine.customer_id import CustomerId
from engine.errors import Unavailable
from engine.ports.cue_store import CueEntry, StreamMoved, TakenCue
from engine.settings import Redis
from engine.store.commands import Commands
from engine.store.cue_entries import MOVED, StreamPosition, entry, notice, parse, stream_position
from engine.store.functions.library import TAKEN
from engine.store.keys import DAY_S, DELIVERED, RECENT_CUES
from engine.store.resp import pack
from engine.store.subscription import Message, Subscription

PAGE = 1_000  # entries of one stream read at a time
RETRY_S = 0.2  # between attempts to reconnect
MOST_TAKEN = 64  # cues of one call: Redis, which has one thread, reads a history for each

Stored = tuple[StreamPosition, bytes]  # with the cue's JSON


class CueCommands(Commands):
    """`engine.ports.cue_store.CueStore` on Redis."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        super().__init__(settings, partitions)
        self._newest = b"".join(pack(("XREVRANGE", key, "+", "-", "COUNT", 1)) for key in self._keys.cues)
        self._poll_s = settings.timeout_s / 2
        self._partition_of = {key: partition for partition, key in enumerate(self._keys.cues)}

    def tail(self) -> AsyncGenerator[CueEntry | StreamMoved, None]:
        """Every cue of every partition, and who moved, from now on, until cancelled or the store is closed.

        "Now" is this call: cues of commits sent later are seen. After an outage it resumes where it was.
        """
        return self._tail(self._ends())

    def _ends(self) -> asyncio.Future[list[Any]]:
        ends = self._connection.pipe(self._newest, self._keys.partitions)
        ends.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may ever await it
        return ends

    async def _tail(self, ends: asyncio.Future[list[Any]]) -> AsyncGenerator[CueEntry | StreamMoved, None]:
        """Each cue is published with its content on a sharded channel of its stream's name; the streams are read
        only to catch up after a gap in the subscription. (One XREAD over all of them would span slots.)"""
        subscription = Subscription(self._settings)
        self._connections.append(subscription)
        seen: list[StreamPosition] = []
        try:
            while not subscription.closed:
                try:
                    seen = seen or [_end(p, newest) for p, newest in enumerate(await ends)]
                    await subscription.subscribe(self._keys.cues)
                    due = 0.0
                    while True:
                        if (now := time.monotonic()) >= due:  # also for a worker that publishes nothing
                            async for found in self._catch_up(seen):
                                yield found
                            due = now + self._poll_s
                        for found in self._published(await subscription.messages(due - now), seen):
                            yield found
                except Unavailable:
                    await asyncio.sleep(RETRY_S)
                    ends = ends if seen else self._ends()
        finally:
            self._connections.remove(subscription)
            await subscription.close()

    async def _catch_up(self, seen: list[StreamPosition]) -> AsyncGenerator[CueEntry | StreamMoved, None]:
        """Entries of the streams after `seen`, which is advanced."""
        more = True
        while more:
            frame = b"".join(self._page_after(at) for at in seen)
            replies = await self._connection.pipe(frame, self._keys.partitions)
            pages = [_stored(partition, entries) for partition, entries in enumerate(replies)]
            for at, payload in _in_order(pages):
                seen[at.partition] = at
                if found := notice(at, payload):
                    yield found
            more = any(len(page) == PAGE for page in pages)

    def _page_after(self, at: StreamPosition) -> bytes:
        return pack(("XRANGE", self._keys.cues[at.partition], f"({at.stream_id}", "+", "COUNT", PAGE))

    def _published(
        self, messages: Sequence[Message], seen: list[StreamPosition]
    ) -> Iterator[CueEntry | StreamMoved]:
        """The cues, and who moved, in `messages` after `seen`, which is advanced. What is not ours is skipped."""
        for channel, message in messages:
            stream_id, _, payload = message.partition(b" ")
            at = parse(f"{self._partition_of[channel]}-{stream_id.decode(errors='replace')}")
            if at is not None and at > seen[at.partition]:
                seen[at.partition] = at
                if found := notice(at, payload):
                    yield found

    async def since(self, customer: CustomerId | None, last_id: str, limit: int = 1000) -> list[CueEntry]:
        after = parse(last_id)
        if customer is not None:
            found = await self._recent(customer, RECENT_CUES)
            missed = [one for one in found if after is None or one[0] > after.before(one[0].partition)]
        else:
            missed = sorted(chain.from_iterable(await self._pages("XRANGE", limit, after)))
        return _entries(missed[:limit])

    async def passed(self, last_id: str, limit: int = 1000) -> list[CueEntry | StreamMoved]:
        stored = sorted(chain.from_iterable(await self._pages("XRANGE", limit, parse(last_id))))[:limit]
        return [found for at, payload in stored if (found := notice(at, payload))]

    async def latest(self, customer: CustomerId) -> CueEntry | None:
        found = _entries(await self._recent(customer, 1))
        return found[0] if found else None

    async def _recent(self, customer: CustomerId, number: int) -> list[Stored]:
        """The customer's newest cues, oldest first."""
        owner = customer.encode()
        partition = self._keys.of_customer(owner)
        key = self._keys.recent_cues_prefix[partition] + owner
        stored = await self._connection.call(pack(("LRANGE", key, 0, number - 1)))
        parts = (cue.partition(b" ") for cue in reversed(stored))
        return [(stream_position(partition, stream_id.decode()), payload) for stream_id, _, payload in parts]

    async def newest(self, limit: int, after_id: str = "") -> list[CueEntry]:
        """Each stream is asked for twice its share first; for `limit` only where one may hold more that belongs
        here."""
        after, share = parse(after_id), min(limit, 2 * limit // self._keys.partitions + 16)
        pages = await self._pages("XREVRANGE", share, after)
        found = sorted(chain.from_iterable(pages))[-limit:]
        cut_off = [page[-1] for page in pages if len(page) == share < limit]
        if cut_off and (len(found) < limit or max(cut_off) > found[0]):
            found = sorted(chain.from_iterable(await self._pages("XREVRANGE", limit, after)))[-limit:]
        return _entries(found)

    async def _pages(self, command: str, number: int, after: StreamPosition | None) -> list[list[Stored]]:
        """At most `number` entries of each stream that come after `after`: the first (XRANGE), or from the end."""
        ranges = []
        for partition, key in enumerate(self._keys.cues):
            begin = f"({after.before(partition).stream_id}" if after else "-"
            ends = (begin, "+") if command == "XRANGE" else ("+", begin)
            ranges.append(pack((command, key, *ends, "COUNT", number)))
        replies = await self._connection.pipe(b"".join(ranges), self._keys.partitions)
        return [_stored(partition, entries) for partition, entries in enumerate(replies)]

    async def take_cues(self, taken: Sequence[TakenCue]) -> int:
        if not taken:
            return 0
        names = [cue.customer.encode() for cue in taken]
        partitions = list(map(self._keys.of_customer, names))
        frames = [
            self._take([(partitions[i], names[i], taken[i]) for i in held[start : start + MOST_TAKEN]])
            for held in self._parts(partitions)
            for start in range(0, len(held), MOST_TAKEN)
        ]
        marks = [pack(command) for cue in taken for command in self._marks(cue.decision_id)]
        return sum(
            (await self._connection.pipe(b"".join(frames + marks), len(frames) + len(marks)))[: len(frames)]
        )

    def _marks(self, decision_id: str) -> Iterator[tuple[object, ...]]:
        """The commands that note a cue as delivered to its visitor."""
        partition = self._keys.of_decision(decision_id)
        if partition is not None:
            key = self._keys.outcomes_prefix[partition] + decision_id.encode()
            yield ("SADD", key, DELIVERED)
            yield ("EXPIRE", key, DAY_S)

    def _take(self, taken: Sequence[tuple[int, bytes, TakenCue]]) -> bytes:
        """One call for cues, each with its partition and customer."""
        keys = [self._keys.history_prefix[partition] + name for partition, name, _ in taken]
        values = chain.from_iterable((cue.offer_id, cue.at) for _, _, cue in taken)
        return pack(("FCALL", TAKEN, len(keys), *keys, *values))


def _entries(stored: Iterable[Stored]) -> list[CueEntry]:
    """Those that are ours."""
    return [found for at, payload in stored if (found := entry(at, payload))]


def _in_order(pages: Sequence[list[Stored]]) -> list[Stored]:
    """Entries in the order of `StreamPosition`, up to where every stream was read: a full page may have a next."""
    horizon = min((page[-1][0].ms for page in pages if len(page) == PAGE), default=None)
    found = sorted(chain.from_iterable(pages))
    return [one for one in found if horizon is None or one[0].ms <= horizon]


def _stored(partition: int, entries: list[Any]) -> list[Stored]:
    return [
        (
            stream_position(partition, stream_id.decode()),
            _payload(dict(zip(fields[::2], fields[1::2], strict=True))),
        )
        for stream_id, fields in entries
    ]


def _payload(fields: Mapping[bytes, bytes]) -> bytes:
    return MOVED + fields.get(b"customer", b"") if b"moved" in fields else fields.get(b"cue", b"")


def _end(partition: int, newest: list[Any]) -> StreamPosition:
    return stream_position(partition, newest[0][0].decode()) if newest else StreamPosition(0, 0, partition)
