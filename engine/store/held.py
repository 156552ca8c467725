"""Commands of an export: all that is held under ids, read key by key as an erasure deletes them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from engine.customer_id import CustomerId
from engine.events import Cue
from engine.ports.held_store import CountedLinks, HeldUnder
from engine.ports.traits import Trait
from engine.ports.traits import read as read_trait
from engine.store.commands import Commands
from engine.store.cue_entries import StreamPosition, entry, stream_position
from engine.store.keys import DAY_S
from engine.store.resp import pack

IDS_AT_ONCE = 50
READ_AT_ONCE = 500  # entries of the cue stream: a millisecond of Redis
DAYS = 3  # that a list of decisions may be of
MONTHS = range(-4, 3)  # from this one, give or take one, that links may be counted in

_history = msgspec.msgpack.Decoder(dict[str, list[int]]).decode


class HeldCommands(Commands):
    """The part of `engine.ports.held_store.HeldStore` that reads everything, on Redis."""

    async def held_under(self, customers: Sequence[CustomerId]) -> list[HeldUnder]:
        names = [customer.encode() for customer in customers]
        streamed: dict[bytes, dict[StreamPosition, bytes]] = {name: {} for name in names}
        for partition in sorted({self._keys.of_customer(name) for name in names}):
            await self._streamed(partition, streamed)
        found: list[HeldUnder] = []
        for start in range(0, len(names), IDS_AT_ONCE):
            found += await self._held(names[start : start + IDS_AT_ONCE], streamed)
        return found

    async def _streamed(self, partition: int, found: Mapping[bytes, dict[StreamPosition, bytes]]) -> None:
        """Add to `found` the entries of the partition's cue stream that are of one of its customers."""
        key, start = self._keys.cues[partition], b"-"
        while True:
            entries: Any = await self._connection.call(pack(("XRANGE", key, start, "+", "COUNT", READ_AT_ONCE)))
            for place, fields in entries:
                said = dict(zip(fields[::2], fields[1::2], strict=True))
                if (mine := found.get(said.get(b"customer", b""))) is not None and b"cue" in said:
                    mine[stream_position(partition, place.decode())] = said[b"cue"]
            if len(entries) < READ_AT_ONCE:
                return
            start = b"(" + entries[-1][0]

    async def _held(
        self, names: Sequence[bytes], streamed: Mapping[bytes, dict[StreamPosition, bytes]]
    ) -> list[HeldUnder]:
        today = int(time.time()) // DAY_S
        days, months = [today - ago for ago in range(DAYS - 1, -1, -1)], _months(today)
        asked = [list(self._commands(name, days, months)) for name in names]
        replies = await self._connection.pipe(b"".join(chain.from_iterable(asked)), sum(map(len, asked)))
        length = len(asked[0])
        parts = [replies[start : start + length] for start in range(0, len(replies), length)]
        outcomes = await self._outcomes([_decisions(part, len(days)) for part in parts])
        return [
            self._one(name, part, streamed[name], decided, months)
            for name, part, decided in zip(names, parts, outcomes, strict=True)
        ]

    def _commands(self, name: bytes, days: Sequence[int], months: Sequence[tuple[int, bytes]]) -> Iterator[bytes]:
        keys, at = self._keys, self._keys.of_customer(name)
        yield pack(("GET", keys.row_prefix[at] + name))
        yield pack(("GET", keys.history_prefix[at] + name))
        yield pack(("HGETALL", keys.traits_prefix[at] + name))
        yield pack(("LRANGE", keys.recent_cues_prefix[at] + name, 0, -1))
        yield pack(("SMEMBERS", keys.ids_prefix[at] + name))
        yield pack(("LRANGE", keys.sent_prefix[at] + name, 0, -1))
        for day in days:
            yield pack(("LRANGE", keys.recorded_prefix[at] + b"%d:" % day + name, 0, -1))
        for month, kind in months:
            yield pack(("SMEMBERS", keys.links_prefix[at] + b"%d:%b:" % (month, kind) + name))

    async def _outcomes(self, decided: Sequence[Sequence[str]]) -> list[dict[str, list[str]]]:
        """Of each decision what is kept of its outcomes."""
        every = list(dict.fromkeys(chain.from_iterable(decided)))
        places = [(one, self._keys.of_decision(one)) for one in every]
        known = [(one, self._keys.outcomes_prefix[at] + one.encode()) for one, at in places if at is not None]
        frame = b"".join(pack(("SMEMBERS", key)) for _, key in known)
        replies = await self._connection.pipe(frame, len(known)) if known else []
        found = {
            one: sorted(member.decode(errors="replace") for member in reply)
            for (one, _), reply in zip(known, replies, strict=True)
        }
        return [{one: found.get(one, []) for one in some} for some in decided]

    def _one(
        self,
        name: bytes,
        part: Sequence[Any],
        streamed: Mapping[StreamPosition, bytes],
        decisions: Mapping[str, Sequence[str]],
        months: Sequence[tuple[int, bytes]],
    ) -> HeldUnder:
        row, history, traits, recent, linked, batches = part[:6]
        partition = self._keys.of_customer(name)
        newest = (kept.partition(b" ") for kept in recent)
        cues = {stream_position(partition, place.decode()): payload for place, _, payload in newest}
        return HeldUnder(
            row or b"",
            _history(history) if history else {},
            _traits(traits),
            cues_in({**cues, **streamed}),
            sorted(one.decode(errors="replace") for one in linked),
            decisions,
            [ids.hex() for ids in batches],
            [
                CountedLinks(month, kind == b"s", sorted(member.hex() for member in members))
                for (month, kind), members in zip(months, part[len(part) - len(months) :], strict=True)
                if members
            ],
        )


def cues_in(stored: Mapping[StreamPosition, bytes]) -> list[Cue]:
    """Those that can be read, oldest first."""
    found = (entry(at, stored[at]) for at in sorted(stored))
    return [one.cue for one in found if one is not None]


def _months(today: int) -> list[tuple[int, bytes]]:
    """As `erase` in `cueline.lua` has them."""
    month = 1970 * 12 + int(today / 30.436875)
    return [(month + away, kind) for away in MONTHS for kind in (b"s", b"u")]


def _decisions(part: Sequence[Any], days: int) -> list[str]:
    return list(dict.fromkeys(one.decode() for of_day in part[6 : 6 + days] for one in of_day))


def _traits(kept: Sequence[bytes]) -> list[Trait]:
    found = (read_trait(name.decode(), word) for name, word in zip(kept[::2], kept[1::2], strict=True))
    return sorted((one for one in found if one is not None), key=lambda one: one.name)
