"""Commands of the stream worker.

A commit is one transaction (optimistic locking), sent as one write: WATCH the partition's position, compare it
with the expected epoch and offset, then the new offset with the post's fields, rows, timers and tallies as plain
commands and the cues as a function. On a mismatch the comparing script *changes* the watched key, which aborts the
transaction; so does a claim in between. Later commits and reads are pipelined behind it.

Why not one function for everything: each row would be copied through Lua. 500 rows of 1,440 bytes, Valkey
9.1 and client on two cores, thousand rows per second of server time and µs of server CPU per row with the
append-only file off / on:

==============================================  =========  ===========
this transaction                                700-1200   1.8-2.8 / 4.1-4.7
function, MSET of 100 rows from its arguments    220-290   4.7-5.5 / 7.0-7.9
function, MSET of 20 rows                        245-280   5.2 / 6.3-8.2
function, MSET of 500 rows                       235-257   5.2-5.7 / 7.4
function, one SET a row                          171-225   6.0-6.3 / 9.3
function, one blob cut by string.sub, MSET       177-192   5.9 / 7.8
function, one blob cut by string.sub, SET        131-165   6.5-7.4 / 8.7-10.8
==============================================  =========  ===========

The worker pays 1.0-1.4 µs of CPU a row for packing and sending, and 0.7 for reading one. A timer that
changes costs more than a row: 2-4 µs of Redis and 1.2 of the worker, so move only those that must be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import hiredis
import msgspec

from engine.errors import BadState, Fenced
from engine.ports.stream_store import Commit, Position, Timers
from engine.ports.traits import TraitChange, stored
from engine.settings import Redis
from engine.store.commands import Commands
from engine.store.consents import state_consents
from engine.store.counts import Counts
from engine.store.cue_arguments import write_cues
from engine.store.erasures import erase
from engine.store.functions.library import TRAITS, TURN
from engine.store.resp import CustomerKeys, mget, mset, pack

_history = msgspec.msgpack.Decoder(dict[str, list[int]]).decode
_ROWS, _ROW = "{p*}:c:*", re.compile(rb"\{p(\d{1,4})\}:c:(.*)", re.DOTALL)

NO_EPOCH = -1  # none that was ever issued
_OF_THE_POSITION = (b"epoch", b"offset", b"refused")  # its other fields are the post's
DIGITS = 18  # of a number that fits 64 bits
READ_AT_ONCE = 1_000  # rows of one MGET: about a millisecond of Redis, and decisions run between two

# When out of memory Redis refuses the transaction itself; the comparison must run all the same.
_GUARD = """#!lua flags=allow-oom
local at = redis.call('HMGET', KEYS[1], 'epoch', 'offset')
local epoch, offset = at[1] or '0', at[2] or '0'
if epoch == ARGV[1] and offset == ARGV[2] then return 'go' end
redis.call('HINCRBY', KEYS[1], 'refused', 1)
return 'epoch ' .. epoch .. ' offset ' .. offset
"""


# Wall milliseconds: an epoch lost with the tail of the append-only file is never issued again.
_CLAIM = """
local time = redis.call('TIME')
local at = redis.call('HMGET', KEYS[1], 'epoch', 'offset')
-- what is no epoch was never issued: any new one is larger than all that were
local previous = tonumber(string.match(at[1] or '0', '^%d+$') or '0')
if previous >= 2^53 then previous = 0 end
local known = string.format('%.0f', previous)
if ARGV[1] and ARGV[1] ~= known then return {known, at[2] or '0', known} end
local epoch = math.max(previous + 1, tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch))
return {string.format('%.0f', epoch), at[2] or '0', string.format('%.0f', previous)}
"""


class StreamCommands(Commands):
    """`engine.ports.stream_store.StreamStore` on Redis."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        super().__init__(settings, partitions)
        self._row_keys = tuple(map(CustomerKeys, self._keys.row_prefix))
        self._tally_counts = Counts()
        self._watch = tuple(pack(("WATCH", key)) for key in self._keys.position)

    @property
    def connections(self) -> int:
        return self._connection.connections

    async def claim(self, partition: int, held: int | None = None) -> Position:
        only_if = () if held is None else (held,)
        reply = await self._connection.call(pack(("EVAL", _CLAIM, 1, self._keys.position[partition], *only_if)))
        epoch, offset, previous = reply
        return Position(int(epoch), self._offset(partition, offset), int(previous))

    async def position(self, partition: int) -> Position:
        reply = await self._connection.call(pack(("HMGET", self._keys.position[partition], "epoch", "offset")))
        epoch, offset = reply
        return Position(whole(epoch, NO_EPOCH), self._offset(partition, offset))

    def _offset(self, partition: int, stored: bytes | None) -> int:
        if (offset := whole(stored, -1)) < 0:
            raise BadState(
                f"partition {partition}: Redis holds no offset in {self._keys.position[partition].decode()}, so "
                "that nothing says which records its rows have; restore it from a backup, or set it to what it was"
            )
        return offset

    async def post(self, partition: int) -> dict[str, str]:
        stored = await self._connection.call(pack(("HGETALL", self._keys.position[partition])))
        fields = zip(stored[::2], stored[1::2], strict=True)
        return {name.decode(): text.decode() for name, text in fields if name not in _OF_THE_POSITION}

    async def read(self, partition: int, customers: Sequence[bytes]) -> list[bytes | None]:
        keys, count = self._row_keys[partition], len(customers)
        parts = [mget(keys, customers[start : start + READ_AT_ONCE]) for start in range(0, count, READ_AT_ONCE)]
        replies = await self._connection.pipe(b"".join(parts), len(parts)) if parts else []
        return list(chain.from_iterable(replies))

    async def histories(self, partition: int, customers: Sequence[bytes]) -> list[Mapping[str, Sequence[int]]]:
        if not customers:
            return []
        prefix = self._keys.history_prefix[partition]
        reply = await self._connection.call(pack(("MGET", *(prefix + customer for customer in customers))))
        return [_history(stored) if stored else {} for stored in reply]

    async def ids_of(self, partition: int, customer: bytes) -> list[str]:
        found = await self._connection.call(pack(("SMEMBERS", self._keys.ids_prefix[partition] + customer)))
        return sorted(one.decode() for one in found)

    async def words(self, partition: int, customers: Sequence[bytes]) -> list[Mapping[str, bytes]]:
        prefix = self._keys.traits_prefix[partition]
        commands = [pack(("HGETALL", prefix + customer)) for customer in customers]
        replies = await self._connection.pipe(b"".join(commands), len(commands)) if commands else []
        return [{n.decode(): kept for n, kept in zip(r[::2], r[1::2], strict=True)} for r in replies]

    async def rows_from(self, cursor: int, count: int) -> tuple[int, dict[int, list[bytes]]]:
        next_cursor, keys = await self._connection.call(pack(("SCAN", cursor, "MATCH", _ROWS, "COUNT", count)))
        found: dict[int, list[bytes]] = {}
        for key in keys:
            if (named := _ROW.fullmatch(key)) and int(named[1]) < self._keys.partitions:
                found.setdefault(int(named[1]), []).append(named[2])
        return int(next_cursor), found

    async def commit(self, commit: Commit) -> list[list[int]]:
        commands = list(self._transaction(commit))
        frame = b"".join(chain.from_iterable(commands))
        replies = await self._connection.pipe(frame, len(commands), commit.connection)
        done = replies[-1]
        if done is None:
            raise Fenced(f"partition {commit.partition} is at {replies[1].decode(errors='replace')}")
        if broken := next(filter(_is_error, self._without_broken_tallies(commit, done)), None):
            raise self._connection.fail(str(broken))
        taken: list[list[int]] = done[-1 - _behind(commit)] if commit.cues else []
        return taken

    def _without_broken_tallies(self, commit: Commit, done: Sequence[Any]) -> list[Any]:
        """The replies without those of tallies that hold no number: these are logged once and stay as they are."""
        end = len(done) - bool(commit.cues) - _behind(commit)
        begin = end - len(commit.tallies)
        for name, reply in zip(commit.tallies, done[begin:end], strict=True):
            if _is_error(reply):
                self._tally_counts.pass_over(self._keys.tallies[commit.partition], name.encode())
        return [*done[:begin], *done[end:]]

    def _turn(self, commit: Commit) -> bytes:
        """The call that changes histories."""
        prefix = self._keys.history_prefix[commit.partition]
        keys: list[bytes] = []
        values: list[Any] = []
        for one in commit.histories:
            what = b"+" if one.frozen is None else b"%d" % one.frozen
            keys.append(prefix + one.customer)
            digests = " ".join(self._erased_ids.digests(one.customer))
            values += (what, msgspec.msgpack.encode(one.other), digests)
        return pack(("FCALL", TURN, len(keys), *keys, self._settings.cue_stream_length, *values))

    async def due(self, partition: int, until: int, limit: int) -> list[bytes]:
        key = self._keys.timers[partition]
        command = ("ZRANGEBYSCORE", key, "-inf", until, "LIMIT", 0, limit)
        customers: list[bytes] = await self._connection.call(pack(command))
        return customers

    def _transaction(self, commit: Commit) -> Iterator[Sequence[bytes]]:
        """Its commands, each in parts. Cues, consents, histories and erasures come last, as do their replies."""
        partition, position = commit.partition, self._keys.position[commit.partition]
        yield (self._watch[partition],)
        yield (pack(("EVAL", _GUARD, 1, position, commit.epoch, commit.expected)),)
        yield (_MULTI,)
        yield (pack(("HSET", position, "offset", commit.offset, *chain.from_iterable(commit.post.items()))),)
        if commit.customers:
            yield mset(self._row_keys[partition], commit.customers, commit.rows)
        if commit.forgotten:
            prefix = self._keys.row_prefix[partition]
            yield (pack(("UNLINK", *(prefix + customer for customer in commit.forgotten))),)
        if commit.traits:
            yield (_write_traits(self._keys.traits_prefix[partition], commit.traits),)
        for new in commit.ids:
            yield (pack(("SADD", self._keys.ids_prefix[partition] + new.customer, *new.ids)),)
        for command in _set_timers(self._keys.timers[partition], commit.timers):
            yield (command,)
        for name, amount in commit.tallies.items():
            yield (pack(("HINCRBY", self._keys.tallies[partition], name, amount)),)
        if commit.cues:
            keys = self._keys.cues[partition], self._keys.tallies[partition]
            yield write_cues(keys, self._settings.cue_stream_length, commit.cues)
        if commit.consents:
            histories = self._keys.history_prefix[partition]
            stated = [(one.customer, histories + one.customer, one.statement) for one in commit.consents]
            yield (state_consents(self._erased_ids, stated),)
        if commit.histories:
            yield (self._turn(commit),)
        for erasure in commit.erased:
            yield (erase(self._keys.tombstones[partition], self._erased_ids.digest(erasure.customer), erasure),)
        yield (_EXEC,)


def _write_traits(prefix: bytes, changes: Sequence[TraitChange]) -> bytes:
    keys = [prefix + change.customer for change in changes]
    words = (
        (len(change.words), *chain.from_iterable((word.trait.name, stored(word)) for word in change.words))
        for change in changes
    )
    return pack(("FCALL", TRAITS, len(keys), *keys, *chain.from_iterable(words)))


def whole(text: bytes | None, otherwise: int) -> int:
    """A whole number as Redis stores it, 0 where there is none; `otherwise` for anything else."""
    text = b"0" if text is None else text
    return int(text) if text.isdigit() and len(text) <= DIGITS else otherwise


def _behind(commit: Commit) -> int:
    """How many commands follow the cues."""
    return bool(commit.consents) + bool(commit.histories) + len(commit.erased)


def _is_error(reply: Any) -> bool:
    return isinstance(reply, hiredis.ReplyError)


_MULTI = pack(("MULTI",))
_EXEC = pack(("EXEC",))


def _set_timers(key: bytes, timers: Timers) -> Iterator[bytes]:
    changes = dict(zip(timers.customers, timers.due, strict=True))
    ended = [customer for customer, due in changes.items() if due <= 0]
    if ended:
        yield pack(("ZREM", key, *ended))
    if len(ended) < len(changes):
        pairs = ((due, customer) for customer, due in changes.items() if due > 0)
        yield pack(("ZADD", key, *chain.from_iterable(pairs)))
