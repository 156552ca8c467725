"""A search through all of Redis for what is left of customers who were erased: for operators, and slow.

Every key of the partition is looked at, by name and not by a list of those there should be; and every record of a
decision is read, since nothing says any more whose it is.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from engine.customer_id import CustomerId
from engine.decisions.record import DecisionRecord
from engine.errors import BadState
from engine.events import Cue
from engine.identity.marker import Phase
from engine.identity.ties import ties_in
from engine.ports.leftovers import HeldAfterErasure, Leftover
from engine.ports.link_store import LINKS_KEPT_S
from engine.ports.sent_store import SENT_KEPT_S
from engine.ports.traits import read as read_trait
from engine.state.row_codec import read as read_rows
from engine.state.tied_rows import is_tied, row_behind, ties_before
from engine.store.commands import Commands
from engine.store.keys import DAY_S
from engine.store.resp import pack
from engine.validation_errors import UNREADABLE

KEYS_AT_ONCE = 1_000
ENTRIES_AT_ONCE = 500
WRITTEN_BEHIND_MS = 10_000  # what an api process had under way may be written so long after the erasure

#: Kind of key -> how many parts stand between it and the customer, and what it holds.
NAMED = {
    "c": (0, "row"),
    "h": (0, "offer history and consent"),
    "p": (0, "traits"),
    "r": (0, "newest cues"),
    "u": (0, "ids that became the customer's"),
    "b": (0, "that large batches were sent"),
    "j": (1, "list of decisions and cues"),
    "i": (2, "count of links"),
}
#: Of those that do not say when they were written: how long they are kept from then on.
KEPT_S = {"b": SENT_KEPT_S, "i": LINKS_KEPT_S, "j": 2 * DAY_S}

_cue = msgspec.json.Decoder(Cue).decode
_history = msgspec.msgpack.Decoder(dict[str, list[int]]).decode
_record = msgspec.msgpack.Decoder(DecisionRecord).decode


class _Erased(NamedTuple):
    until: int  # what happened later is of the customer's next life
    recorded_at: int  # wall


_Asked = Mapping[bytes, _Erased]  # of one partition, by customer


class LeftoverCommands(Commands):
    """What `cueline erase --verify` asks of Redis."""

    async def held_after(
        self, customers: Sequence[CustomerId], until: int, recorded_at: int
    ) -> dict[CustomerId, HeldAfterErasure]:
        """What is held of each of `customers`, who were erased `until` (engine time, epoch ms) by a record of
        `recorded_at` (wall). Raises `Unavailable`."""
        names = {customer.encode(): customer for customer in customers}
        found: dict[CustomerId, HeldAfterErasure] = {}
        for partition in sorted({self._keys.of_customer(name) for name in names}):
            here = [name for name in names if self._keys.of_customer(name) == partition]
            offset, remembered = await self._remembered(partition, here)
            asked = {name: _Erased(max(until, remembered[name]), recorded_at) for name in here}
            places: dict[bytes, list[Leftover | None]] = {name: [] for name in here}
            async for name, place in self._places(partition, asked):
                places[name].append(place)
            for name, some in places.items():
                left = [place for place in some if place is not None]
                found[names[name]] = HeldAfterErasure(offset, remembered[name], left, len(some) - len(left))
        return found

    async def _remembered(self, partition: int, names: Sequence[bytes]) -> tuple[int, dict[bytes, int]]:
        """The partition's offset, and until when what happened to each counts no more (0: not known)."""
        digests = [self._erased_ids.digests(name) for name in names]
        fields = dict.fromkeys(digest for some in digests for digest in some)
        offset, stored = await self._connection.pipe(
            pack(("HGET", self._keys.position[partition], "offset"))
            + pack(("HMGET", self._keys.tombstones[partition], *fields)),
            2,
        )
        known = {digest: int(at or 0) for digest, at in zip(fields, stored, strict=True)}
        until = {name: max(map(known.__getitem__, some)) for name, some in zip(names, digests, strict=True)}
        return int(offset or 0), until

    async def _places(self, partition: int, asked: _Asked) -> AsyncIterator[tuple[bytes, Leftover | None]]:
        """All that name a customer; None for those of what happened later."""
        async for keys in self._scanned(b"{p%d}:*" % partition):
            records = [key for key in keys if _kind(key) == "d"]
            for key, record in zip(records, await self._values(records), strict=True):
                if (decided := _readable(record)) and (name := decided.customer.encode()) in asked:
                    before = decided.at <= asked[name].until
                    yield name, await self._left(key, "record of a decision or cue", before)
            for key in keys:
                for name, what in _named(key, asked):
                    yield name, await self._left(key, what, await self._is_before(key, asked[name]))
        timers, rows = self._keys.timers[partition], self._keys.row_prefix[partition]
        for name in asked:
            if await self._connection.call(pack(("ZSCORE", timers, name))):
                alive = await self._connection.call(pack(("EXISTS", rows + name)))
                yield name, await self._left(timers, "timer", not alive)
        async for name, at in self._cue_times(partition, asked):
            yield name, await self._left(self._keys.cues[partition], "cue", at <= asked[name].until)

    async def _left(self, key: bytes, what: str, before: bool) -> Leftover | None:
        if not before:
            return None
        ends = await self._connection.call(pack(("TTL", key)))
        return Leftover(key.decode(errors="replace"), what, ends if ends >= 0 else None)

    async def _is_before(self, key: bytes, asked: _Erased) -> bool:
        """Whether anything in `key` is of what happened before the erasure."""
        kind = _kind(key)
        if kind in KEPT_S:
            left_s = await self._connection.call(pack(("TTL", key)))
            written_at = (time.time() - KEPT_S[kind] + left_s) * 1_000
            return bool(written_at <= asked.recorded_at + WRITTEN_BEHIND_MS)
        times = {
            "c": self._row_times, "h": self._history_times, "p": self._trait_times, "r": self._recent_times,
            "u": self._id_times,
        }  # fmt: skip
        return kind not in times or any(at <= asked.until for at in await times[kind](key))

    async def _row_times(self, key: bytes) -> Sequence[int]:
        stored = await self._connection.call(pack(("GET", key)))
        return [] if stored is None else _times_of_row(stored)

    async def _id_times(self, key: bytes) -> Sequence[int]:
        """The ids do not say when they came; they are erased together with the row."""
        return await self._row_times(key.replace(b":u:", b":c:", 1)) or [0]

    async def _history_times(self, key: bytes) -> Sequence[int]:
        stored = await self._connection.call(pack(("GET", key)))
        return [at for times in _history(stored).values() for at in times if at] if stored else []

    async def _trait_times(self, key: bytes) -> Sequence[int]:
        stored = await self._connection.call(pack(("HGETALL", key)))
        words = (read_trait("", word) for word in stored[1::2])
        return [word.since if word else 0 for word in words]

    async def _recent_times(self, key: bytes) -> Sequence[int]:
        stored = await self._connection.call(pack(("LRANGE", key, 0, -1)))
        return [_moment(entry.partition(b" ")[2]) for entry in stored]

    async def _cue_times(self, partition: int, asked: _Asked) -> AsyncIterator[tuple[bytes, int]]:
        key, start = self._keys.cues[partition], b"-"
        while True:
            entries: Any = await self._connection.call(pack(("XRANGE", key, start, "+", "COUNT", ENTRIES_AT_ONCE)))
            for _, fields in entries:
                entry = dict(zip(fields[::2], fields[1::2], strict=True))
                if (name := entry.get(b"customer", b"")) in asked:
                    yield name, _moment(entry.get(b"cue", b""))
            if len(entries) < ENTRIES_AT_ONCE:
                return
            start = b"(" + entries[-1][0]

    async def _scanned(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        """The keys that match, in parts."""
        cursor = b"0"
        while True:
            cursor, keys = await self._connection.call(
                pack(("SCAN", cursor, "MATCH", pattern, "COUNT", KEYS_AT_ONCE))
            )
            yield keys
            if cursor == b"0":
                return

    async def _values(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        return await self._connection.call(pack(("MGET", *keys))) if keys else []


def _kind(key: bytes) -> str:
    return key.partition(b":")[2].partition(b":")[0].decode(errors="replace")


def _named(key: bytes, customers: Collection[bytes]) -> Iterator[tuple[bytes, str]]:
    """Those of `customers` whom the name of `key` has, and what it holds. A kind that is not known may have them
    anywhere.

    >>> [*_named(b"{p1}:j:20001:a:b", {b"a:b"})], [*_named(b"{p1}:c:x:a:b", {b"a:b"})]
    ([(b'a:b', 'list of decisions and cues')], [])
    """
    kind = _kind(key)
    if kind in NAMED:
        between, what = NAMED[kind]
        parts = key.split(b":", 2 + between)
        if len(parts) == 3 + between and parts[-1] in customers:
            yield parts[-1], what
    elif kind not in ("d", "l"):
        yield from ((one, f"key of kind {kind}") for one in customers if key.endswith(b":" + one))


def _readable(record: bytes | None) -> DecisionRecord | None:
    try:
        return None if record is None else _record(record)
    except UNREADABLE:
        return None


def _times_of_row(stored: bytes) -> list[int]:
    """When each of the rows in `stored` began, and the link before them was made; 0 for what cannot be read."""
    try:
        ties = ties_in(ties_before(stored))
        rows = [row_behind(stored) if is_tied(stored) else stored, ties.kept]
        began = read_rows([row for row in rows if row])["life_first_at"]
    except BadState:
        return [0]
    linked = [] if ties.marker.phase is Phase.OPEN else [ties.marker.since]
    return [*map(int, began), *linked]


def _moment(cue: bytes) -> int:
    """When what a cue is about happened; 0 where it cannot be read, which may be at any time."""
    try:
        return _cue(cue).at
    except UNREADABLE:
        return 0
