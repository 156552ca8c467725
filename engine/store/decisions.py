"""Commands of decisions: views, reservations, records and learned counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

import msgspec

from engine.customer_id import CustomerId
from engine.events import Outcome
from engine.ports.store import Reservation, View
from engine.settings import Redis
from engine.steps import Steps, in_slices
from engine.store.commands import Commands
from engine.store.counts import Counts
from engine.store.functions.library import LEARN, RESERVE
from engine.store.resp import pack

#: Reservations taken in one call: Redis, which has one thread, spends about 10 µs on each.
MOST_RESERVED = 64
#: Learned counts read in one step: half a millisecond.
COUNTS_AT_ONCE = 512

T = TypeVar("T")

Learned = dict[tuple[str, str], tuple[int, int]]

_history = msgspec.msgpack.Decoder(dict[str, list[int]]).decode


class DecisionCommands(Commands):
    """`engine.ports.store.DecisionStore` on Redis."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        super().__init__(settings, partitions)
        self._versions = b"".join(pack(("HGET", key, "version")) for key in self._keys.learned)
        self._seen: tuple[int, list[Any]] = (0, [None] * partitions)  # connection, versions
        self._learned: list[Learned] = [{} for _ in range(partitions)]
        self._learned_counts = Counts()

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        if not customers:
            return []
        names = [customer.encode() for customer in customers]
        partitions = list(map(self._keys.of_customer, names))
        parts = self._parts(partitions)
        frame = b"".join(self._view_keys([(partitions[i], names[i]) for i in held]) for held in parts)
        replies = await self._connection.pipe(frame, len(parts))
        return _in_order(parts, map(_views, replies))

    def _parts(self, partitions: Sequence[int]) -> list[list[int]]:
        """Which positions of ``partitions`` one command may take: on a cluster those of one partition, whose keys
        share a slot; else all. (A command for each of 16 partitions took a third of a single server's rate.)"""
        if not self._connection.clustered:
            return [list(range(len(partitions)))]
        held: dict[int, list[int]] = {}
        for position, partition in enumerate(partitions):
            held.setdefault(partition, []).append(position)
        return list(held.values())

    def _view_keys(self, customers: Sequence[tuple[int, bytes]]) -> bytes:
        """One MGET for customers, each with its partition."""
        rows, histories = self._keys.row_prefix, self._keys.history_prefix
        return pack(("MGET", *chain.from_iterable((rows[p] + name, histories[p] + name) for p, name in customers)))

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[bool]]:
        if not reservations:
            return []
        partitions = [self._keys.of_reserved(r.customer.encode(), r.decision_id) for r in reservations]
        parts = [
            held[start : start + MOST_RESERVED]
            for held in self._parts(partitions)
            for start in range(0, len(held), MOST_RESERVED)
        ]
        frame = b"".join(self._reserve([(partitions[i], reservations[i]) for i in held]) for held in parts)
        answers = await self._connection.pipe(frame, len(parts))
        # a digit for each candidate; 49 is "1"
        return [[digit == 49 for digit in digits] for digits in _in_order(parts, answers)]

    def _reserve(self, reservations: Sequence[tuple[int, Reservation]]) -> bytes:
        """One call for reservations, each with its partition."""
        histories, decisions = self._keys.history_prefix, self._keys.decision_prefix
        keys: list[bytes] = []
        values: list[Any] = []
        for partition, r in reservations:
            keys += (histories[partition] + r.customer.encode(), decisions[partition] + r.decision_id.encode())
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
        return await in_slices(_add(self._learned))

    async def _fetch_changed(self, connection: int, versions: list[Any]) -> None:
        """Read the partitions whose version changed; all after a reconnect, since Redis may have lost data."""
        seen_connection, seen = self._seen
        known = seen if connection == seen_connection else [b"?"] * len(versions)
        changed = [p for p, version in enumerate(versions) if version != known[p]]
        if not changed:
            return
        frame = b"".join(pack(("HGETALL", self._keys.learned[p])) for p in changed)
        for partition, reply in zip(changed, await self._connection.pipe(frame, len(changed)), strict=True):
            counts = self._learned_counts.named(self._keys.learned[partition], _without_version(reply))
            self._learned[partition] = await in_slices(_learned(counts))
        self._seen = (connection, versions)


def _in_order(parts: Sequence[Sequence[int]], answers: Iterable[Sequence[T]]) -> list[T]:
    """The members of `answers`, one of each position in `parts`, in the order of the positions."""
    if len(parts) == 1:
        return list(*answers)
    found = chain.from_iterable(
        zip(held, answer, strict=True) for held, answer in zip(parts, answers, strict=True)
    )
    return [member for _, member in sorted(found, key=itemgetter(0))]


def _views(reply: Sequence[Any]) -> list[View]:
    """The views in the flat reply to `_view_keys`."""
    return [
        View(row, _history(history) if history else {})
        for row, history in zip(reply[::2], reply[1::2], strict=True)
    ]


def _without_version(flat: Sequence[bytes]) -> list[bytes]:
    """The reply to HGETALL without the version, which is compared and never counted."""
    return [
        *chain.from_iterable(pair for pair in zip(flat[::2], flat[1::2], strict=True) if pair[0] != b"version")
    ]


def _learned(counts: Iterable[tuple[str, int]]) -> Steps[Learned]:
    """Successes and failures, from counts whose names end with s or f: two for each offer and channel."""
    learned: Learned = {}
    for position, (name, count) in enumerate(counts):
        if position % COUNTS_AT_ONCE == 0:
            yield
        arm, _, result = name.rpartition("|")
        offer, _, channel = arm.rpartition("|")
        if offer:
            successes, failures = learned.get((offer, channel), (0, 0))
            success = result == "s"
            learned[offer, channel] = (successes + count * success, failures + count * (not success))
    return learned


def _add(parts: list[Learned]) -> Steps[Learned]:
    total: Learned = {}
    for learned in parts:
        yield
        for arm, (successes, failures) in learned.items():
            before = total.get(arm, (0, 0))
            total[arm] = (before[0] + successes, before[1] + failures)
    return total
