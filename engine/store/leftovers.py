"""A search through all of Redis for what is left of a customer who was erased: for operators, and slow.

Every key of the partition is looked at, by name and not by a list of those there should be; and every record of a
decision is read, since nothing says any more whose it is.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import msgspec

from engine.customer_id import CustomerId
from engine.decisions.record import DecisionRecord
from engine.errors import BadState
from engine.events import Cue
from engine.ports.leftovers import HeldAfterErasure, Leftover
from engine.ports.link_store import LINKS_KEPT_S
from engine.ports.sent_store import SENT_KEPT_S
from engine.ports.traits import read as read_trait
from engine.state.row_codec import read as read_rows
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
    partition: int
    customer: bytes
    until: int  # what happened later is of the customer's next life
    recorded_at: int  # wall


class LeftoverCommands(Commands):
    """What `cueline erase --verify` asks of Redis."""

    async def held_after(self, customer: CustomerId, until: int, recorded_at: int) -> HeldAfterErasure:
        """What is held of a customer who was erased `until` (engine time, epoch ms) by a record of `recorded_at`
        (wall). Raises `Unavailable`."""
        name = customer.encode()
        partition = self._keys.of_customer(name)
        offset, *found = await self._connection.pipe(
            pack(("HGET", self._keys.position[partition], "offset"))
            + pack(("HMGET", self._keys.tombstones[partition], *self._erased_ids.digests(name))),
            2,
        )
        remembered = max((int(at) for at in found[0] if at is not None), default=0)
        asked = _Erased(partition, name, max(until, remembered), recorded_at)
        places = [place async for place in self._places(asked)]
        left = [place for place in places if place is not None]
        return HeldAfterErasure(int(offset or 0), remembered, left, len(places) - len(left))

    async def _places(self, asked: _Erased) -> AsyncIterator[Leftover | None]:
        """All that name the customer; None for those of what happened later."""
        async for keys in self._scanned(b"{p%d}:*" % asked.partition):
            records = [key for key in keys if _kind(key) == "d"]
            for key, record in zip(records, await self._values(records), strict=True):
                if (decided := _readable(record)) and decided.customer.encode() == asked.customer:
                    yield await self._left(key, "record of a decision or cue", decided.at <= asked.until)
            for key in keys:
                if what := _names(key, asked.customer):
                    yield await self._left(key, what, await self._is_before(key, asked))
        if await self._connection.call(pack(("ZSCORE", self._keys.timers[asked.partition], asked.customer))):
            alive = await self._connection.call(
                pack(("EXISTS", self._keys.row_prefix[asked.partition] + asked.customer))
            )
            yield await self._left(self._keys.timers[asked.partition], "timer", not alive)
        async for at in self._cue_times(asked):
            yield await self._left(self._keys.cues[asked.partition], "cue", at <= asked.until)

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
        times = {"c": self._row_times, "h": self._history_times, "p": self._trait_times, "r": self._recent_times}
        return kind not in times or any(at <= asked.until for at in await times[kind](key))

    async def _row_times(self, key: bytes) -> Sequence[int]:
        row = await self._connection.call(pack(("GET", key)))
        try:
            return [] if row is None else [int(read_rows([row])["life_first_at"][0])]
        except BadState:
            return [0]

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

    async def _cue_times(self, asked: _Erased) -> AsyncIterator[int]:
        key, start = self._keys.cues[asked.partition], b"-"
        while True:
            entries: Any = await self._connection.call(pack(("XRANGE", key, start, "+", "COUNT", ENTRIES_AT_ONCE)))
            for _, fields in entries:
                entry = dict(zip(fields[::2], fields[1::2], strict=True))
                if entry.get(b"customer") == asked.customer:
                    yield _moment(entry.get(b"cue", b""))
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


def _names(key: bytes, customer: bytes) -> str:
    """What `key` holds, if its name has the customer; "" if not. A kind that is not known may have it anywhere.

    >>> _names(b"{p1}:j:20001:a:b", b"a:b"), _names(b"{p1}:c:x:a:b", b"a:b")
    ('list of decisions and cues', '')
    """
    kind = _kind(key)
    if kind not in NAMED:
        return f"key of kind {kind}" if key.endswith(b":" + customer) and kind not in ("d", "l") else ""
    between, what = NAMED[kind]
    parts = key.split(b":", 2 + between)
    return what if len(parts) == 3 + between and parts[-1] == customer else ""


def _readable(record: bytes | None) -> DecisionRecord | None:
    try:
        return None if record is None else _record(record)
    except UNREADABLE:
        return None


def _moment(cue: bytes) -> int:
    """When what a cue is about happened; 0 where it cannot be read, which may be at any time."""
    try:
        return _cue(cue).at
    except UNREADABLE:
        return 0
