"""Commands of decisions: views, reservations, records and learned counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from engine.customer_id import CustomerId
from engine.events import Outcome
from engine.ports.store import Reservation, View
from engine.settings import Redis
from engine.store.commands import Commands
from engine.store.functions.library import LEARN, RESERVE
from engine.store.resp import pack

#: Reservations taken in one call: Redis, which has one thread, spends about 10 µs on each.
MOST_RESERVED = 64

Learned = dict[tuple[str, str], tuple[int, int]]

_history = msgspec.msgpack.Decoder(dict[str, list[int]]).decode


class DecisionCommands(Commands):
    """`engine.ports.store.DecisionStore` on Redis."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        super().__init__(settings, partitions)
        self._versions = b"".join(pack(("HGET", key, "version")) for key in self._keys.learned)
        self._seen: tuple[int, list[Any]] = (0, [None] * partitions)  # connection, versions
        self._learned: list[Learned] = [{} for _ in range(partitions)]

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        if not customers:
            return []
        names = [customer.encode() for customer in customers]
        parts = _by_partition(map(self._keys.of_customer, names))
        frame = b"".join(self._view_keys(partition, [names[i] for i in held]) for partition, held in parts.items())
        replies = await self._connection.pipe(frame, len(parts))
        views = {
            i: view for held, reply in zip(parts.values(), replies, strict=True) for i, view in _views(held, reply)
        }
        return [views[i] for i in range(len(names))]

    def _view_keys(self, partition: int, customers: Sequence[bytes]) -> bytes:
        """One MGET: the keys of a partition lie in one slot."""
        row, history = self._keys.row_prefix[partition], self._keys.history_prefix[partition]
        return pack(("MGET", *chain.from_iterable((row + name, history + name) for name in customers)))

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[bool]]:
        if not reservations:
            return []
        parts = list(self._chunks(reservations))
        frame = b"".join(self._reserve(partition, [reservations[i] for i in held]) for partition, held in parts)
        answers = await self._connection.pipe(frame, len(parts))
        digits = {
            i: one
            for (_, held), answer in zip(parts, answers, strict=True)
            for i, one in zip(held, answer, strict=True)
        }
        # a digit for each candidate; 49 is "1"
        return [[digit == 49 for digit in digits[i]] for i in range(len(reservations))]

    def _chunks(self, reservations: Sequence[Reservation]) -> Iterator[tuple[int, list[int]]]:
        """Positions of reservations that one call takes: of one partition, for its keys lie in one slot."""
        owners = (self._keys.of_reserved(r.customer.encode(), r.decision_id) for r in reservations)
        for partition, held in _by_partition(owners).items():
            for start in range(0, len(held), MOST_RESERVED):
                yield partition, held[start : start + MOST_RESERVED]

    def _reserve(self, partition: int, reservations: Sequence[Reservation]) -> bytes:
        history, decision = self._keys.history_prefix[partition], self._keys.decision_prefix[partition]
        keys: list[bytes] = []
        values: list[Any] = []
        for r in reservations:
            keys += (history + r.customer.encode(), decision + r.decision_id.encode())
            values += (r.at, r.record, len(r.candidates))
            for candidate in r.candidates:
                values += (candidate.offer_id, candidate.cap_max, candidate.cap_period_ms)
        return pack(("FCALL", RESERVE, len(keys), *keys, *values))

    async def decision(self, decision_id: str) -> bytes | None:
        partition = self._keys.of_decision(decision_id)
        if partition is None:
            return None
        key = self._keys.decision_prefix[partition] + decision_id.encode()
        record: bytes | None = await self._connection.call(pack(("GET", key)))
        return record

    async def learn(self, outcome: Outcome, success: bool | None) -> bool:
        partition = self._keys.of_decision(outcome.decision_id)
        if partition is None:
            return False
        decision = outcome.decision_id.encode()
        keys = (
            self._keys.decision_prefix[partition] + decision,
            self._keys.outcomes_prefix[partition] + decision,
            self._keys.learned[partition],
        )
        seen = f"{outcome.offer_id}|{outcome.outcome.value}"
        arm, result = f"{outcome.offer_id}|{outcome.channel}", {True: "s", False: "f", None: ""}[success]
        return bool(await self._connection.call(pack(("FCALL", LEARN, 3, *keys, seen, arm, result))))

    async def propensities(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        connection = self._connection.connections
        versions = await self._connection.pipe(self._versions, self._keys.partitions)
        await self._fetch_changed(connection, versions)
        return _add(self._learned)

    async def _fetch_changed(self, connection: int, versions: list[Any]) -> None:
        """Read the partitions whose version changed; all after a reconnect, since Redis may have lost data."""
        seen_connection, seen = self._seen
        known = seen if connection == seen_connection else [b"?"] * len(versions)
        changed = [p for p, version in enumerate(versions) if version != known[p]]
        if not changed:
            return
        frame = b"".join(pack(("HGETALL", self._keys.learned[p])) for p in changed)
        for partition, reply in zip(changed, await self._connection.pipe(frame, len(changed)), strict=True):
            self._learned[partition] = _parse(reply)
        self._seen = (connection, versions)


def _by_partition(partitions: Iterable[int]) -> dict[int, list[int]]:
    """Partition -> its positions in `partitions`."""
    held: dict[int, list[int]] = {}
    for position, partition in enumerate(partitions):
        held.setdefault(partition, []).append(position)
    return held


def _views(positions: Sequence[int], reply: Sequence[Any]) -> Iterator[tuple[int, View]]:
    """The views in the flat reply to `_view_keys`, with their positions."""
    for position, row, history in zip(positions, reply[::2], reply[1::2], strict=True):
        yield position, View(row, _history(history) if history else {})


def _parse(reply: list[bytes]) -> Learned:
    """Counts from the flat reply to HGETALL."""
    learned: Learned = {}
    for field, count in zip(reply[::2], reply[1::2], strict=True):
        offer, _, rest = field.decode().rpartition("|")[0].rpartition("|")
        if not offer:
            continue  # the version
        successes, failures = learned.get((offer, rest), (0, 0))
        success = field.endswith(b"|s")
        learned[offer, rest] = (successes + int(count) * success, failures + int(count) * (not success))
    return learned


def _add(parts: list[Learned]) -> Learned:
    total: Learned = {}
    for learned in parts:
        for arm, (successes, failures) in learned.items():
            before = total.get(arm, (0, 0))
            total[arm] = (before[0] + successes, before[1] + failures)
    return total
