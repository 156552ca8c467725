"""Commands of the cue streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from engine.customer_id import CustomerId
from engine.errors import Unavailable
from engine.ports.store import CueEntry
from engine.settings import Redis
from engine.store.commands import Commands
from engine.store.cue_entries import StreamPosition, entry, parse, stream_position
from engine.store.resp import pack
from engine.store.subscription import Message, Subscription

PAGE = 1_000  # entries of one stream read at a time
RETRY_S = 0.2  # between attempts to reconnect

Found = tuple[StreamPosition, dict[bytes, bytes]]


class CueCommands(Commands):
    """`engine.ports.store.CueStore` on Redis."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        super().__init__(settings, partitions)
        self._newest = b"".join(pack(("XREVRANGE", key, "+", "-", "COUNT", 1)) for key in self._keys.cues)
        self._poll_s = settings.timeout_s / 2
        self._partition_of = {key: partition for partition, key in enumerate(self._keys.cues)}

    def tail(self) -> AsyncGenerator[CueEntry, None]:
        """Every cue of every partition from now on, until cancelled or the store is closed.

        "Now" is this call: cues of commits sent later are seen. After an outage it resumes where it was.
        """
        return self._tail(self._ends())

    def _ends(self) -> asyncio.Future[list[Any]]:
        ends = self._connection.pipe(self._newest, self._keys.partitions)
        ends.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may ever await it
        return ends

    async def _tail(self, ends: asyncio.Future[list[Any]]) -> AsyncGenerator[CueEntry, None]:
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

    async def _catch_up(self, seen: list[StreamPosition]) -> AsyncGenerator[CueEntry, None]:
        """Entries of the streams after `seen`, which is advanced."""
        more = True
        while more:
            frame = b"".join(self._page_after(at) for at in seen)
            replies = await self._connection.pipe(frame, self._keys.partitions)
            pages = [_found(partition, entries) for partition, entries in enumerate(replies)]
            for at, fields in _in_order(pages):
                seen[at.partition] = at
                if cue := entry(at, fields.get(b"cue", b"")):
                    yield cue
            more = any(len(page) == PAGE for page in pages)

    def _page_after(self, at: StreamPosition) -> bytes:
        return pack(("XRANGE", self._keys.cues[at.partition], f"({at.stream_id}", "+", "COUNT", PAGE))

    def _published(self, messages: Sequence[Message], seen: list[StreamPosition]) -> Iterator[CueEntry]:
        """The cues in `messages` after `seen`, which is advanced. What is not one of ours is skipped."""
        for channel, message in messages:
            stream_id, _, payload = message.partition(b" ")
            at = parse(f"{self._partition_of[channel]}-{stream_id.decode(errors='replace')}")
            if at is not None and at > seen[at.partition]:
                seen[at.partition] = at
                if cue := entry(at, payload):
                    yield cue

    async def since(self, customer: CustomerId | None, last_id: str, limit: int = 1000) -> list[CueEntry]:
        after = parse(last_id)
        owner = None if customer is None else customer.encode()
        partitions = range(self._keys.partitions) if owner is None else [self._keys.of_customer(owner)]
        starts = [after.before(p) if after else StreamPosition(0, 0, p) for p in partitions]
        parts = await asyncio.gather(*(self._of_stream(start, owner, limit) for start in starts))
        found = sorted(chain.from_iterable(parts), key=itemgetter(0))
        cues = (entry(at, fields.get(b"cue", b"")) for at, fields in found)
        return [cue for cue in cues if cue][:limit]

    async def latest(self, customer: CustomerId) -> CueEntry | None:
        owner = customer.encode()
        partition = self._keys.of_customer(owner)
        stored = await self._connection.call(pack(("GET", self._keys.newest_cue_prefix[partition] + owner)))
        if stored is None:
            return None
        stream_id, _, payload = stored.partition(b" ")
        return entry(stream_position(partition, stream_id.decode()), payload)

    async def newest(self, limit: int) -> list[CueEntry]:
        ends = b"".join(pack(("XREVRANGE", key, "+", "-", "COUNT", limit)) for key in self._keys.cues)
        streams = await self._connection.pipe(ends, self._keys.partitions)
        parts = (_found(partition, entries) for partition, entries in enumerate(streams))
        found = sorted(chain.from_iterable(parts), key=itemgetter(0))
        cues = (entry(at, fields.get(b"cue", b"")) for at, fields in found)
        return [cue for cue in cues if cue][-limit:]

    async def _of_stream(self, after: StreamPosition, owner: bytes | None, limit: int) -> list[Found]:
        found = list[Found]()
        while len(found) < limit:
            page = _found(after.partition, await self._connection.call(self._page_after(after)))
            found += (one for one in page if owner is None or one[1].get(b"customer") == owner)
            if len(page) < PAGE:
                break
            after = page[-1][0]
        return found


def _in_order(pages: Sequence[list[Found]]) -> list[Found]:
    """Entries in the order of `StreamPosition`, up to where every stream was read: a full page may have a next."""
    horizon = min((page[-1][0].ms for page in pages if len(page) == PAGE), default=None)
    found = sorted(chain.from_iterable(pages), key=itemgetter(0))
    return [one for one in found if horizon is None or one[0].ms <= horizon]


def _found(partition: int, entries: list[Any]) -> list[Found]:
    return [
        (stream_position(partition, stream_id.decode()), dict(zip(fields[::2], fields[1::2], strict=True)))
        for stream_id, fields in entries
    ]


def _end(partition: int, newest: list[Any]) -> StreamPosition:
    return stream_position(partition, newest[0][0].decode()) if newest else StreamPosition(0, 0, partition)
