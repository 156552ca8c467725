"""Commands for displays: counters, names of hashes, and the clock of a replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import hiredis
import msgspec

from engine.customer_id import CustomerId
from engine.errors import BadState
from engine.ports.clock import ClockAnchor
from engine.ports.health import CommitPoint
from engine.ports.traits import Trait, read
from engine.settings import Redis
from engine.store.commands import Commands
from engine.store.counts import Counts
from engine.store.functions.library import NAME
from engine.store.keys import CLOCK, NAMES, NAMES_BEFORE, NAMES_BEGUN
from engine.store.resp import pack
from engine.validation_errors import UNREADABLE

NAMED_AT_ONCE = 400  # about half a millisecond of Redis


class StatsCommands(Commands):
    """`engine.ports.stats_store.StatsStore` on Redis."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        super().__init__(settings, partitions)
        self._counts = Counts()
        self._tallies = b"".join(pack(("HGETALL", key)) for key in self._keys.tallies)
        self._progress = b"".join(map(_read_progress, self._keys.tallies, self._keys.position))

    async def set_clock(self, anchor: ClockAnchor | None) -> None:
        command = ("SET", CLOCK, msgspec.json.encode(anchor)) if anchor else ("DEL", CLOCK)
        await self._connection.call(pack(command))

    async def clock(self) -> ClockAnchor | None:
        stored = await self._connection.call(pack(("GET", CLOCK)))
        try:
            return msgspec.json.decode(stored, type=ClockAnchor) if stored else None
        except UNREADABLE:
            raise BadState(
                f"Redis holds no clock in {CLOCK.decode()}: delete it, or begin a replay, which sets it"
            ) from None

    async def tallies(self) -> Mapping[str, int]:
        total: Counter[str] = Counter()
        replies = await self._connection.pipe(self._tallies, self._keys.partitions)
        for key, flat in zip(self._keys.tallies, replies, strict=True):
            for name, amount in self._counts.named(key, flat):
                total[name] += amount
        return total

    async def commit_points(self) -> list[CommitPoint]:
        replies = await self._connection.pipe(self._progress, 4 * self._keys.partitions)
        return [*map(self._commit_point, self._keys.tallies, self._keys.position, replies[3::4])]

    def _commit_point(self, tallies: bytes, position: bytes, found: Sequence[Any]) -> CommitPoint:
        if broken := next((part for part in found if isinstance(part, hiredis.ReplyError)), None):
            raise self._connection.fail(f"{position.decode()} or {tallies.decode()}: {broken}")
        (settled, customers), offset = found
        one = self._counts.one
        return CommitPoint(
            one(tallies, b"events", settled),
            one(tallies, b"customers", customers),
            one(position, b"offset", offset),
        )

    async def name(self, words: Sequence[tuple[int, str]]) -> None:
        parts = [words[start : start + NAMED_AT_ONCE] for start in range(0, len(words), NAMED_AT_ONCE)]
        if parts:
            written = ("FCALL", NAME, 3, NAMES, NAMES_BEFORE, NAMES_BEGUN, self._settings.words_kept)
            frames = (pack((*written, *chain.from_iterable(part))) for part in parts)
            await self._connection.pipe(b"".join(frames), len(parts))

    async def names(self, hashes: Sequence[int]) -> Mapping[int, str]:
        if not hashes:
            return {}
        asked = b"".join(pack(("HMGET", key, *hashes)) for key in (NAMES, NAMES_BEFORE))
        newest, before = await self._connection.pipe(asked, 2)
        words = (old if new is None else new for new, old in zip(newest, before, strict=True))
        return {number: word.decode(errors="replace") for number, word in zip(hashes, words, strict=True) if word}

    async def traits(self, customer: CustomerId) -> list[Trait]:
        name = customer.encode()
        key = self._keys.traits_prefix[self._keys.of_customer(name)] + name
        kept = iter(await self._connection.call(pack(("HGETALL", key))))
        found = (read(name.decode(), word) for name, word in zip(kept, kept, strict=True))
        known = (one for one in found if one is not None and one.value is not None)
        return sorted(known, key=lambda one: one.name)

    async def names_begun(self) -> str:
        begun: bytes | None = await self._connection.call(pack(("GET", NAMES_BEGUN)))
        return (begun or b"").decode(errors="replace")


def _read_progress(tallies: bytes, position: bytes) -> bytes:
    """In a transaction: what a commit changes together is read together."""
    reads = (("HMGET", tallies, "events", "customers"), ("HGET", position, "offset"))
    return b"".join(map(pack, (("MULTI",), *reads, ("EXEC",))))
