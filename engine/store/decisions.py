"""The verbs of decisions: views, reservations, records and what outcomes taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.events import Outcome
from engine.ports import Reservation, View
from engine.settings import Redis
from engine.store.commands import Commands
from engine.store.functions.library import LEARN, RESERVE
from engine.store.resp import pack

#: Reservations taken in one call: Redis, which has one thread, spends about 10 µs on each.
MOST_RESERVED = 64

Learned = dict[tuple[str, str], tuple[int, int]]

_history = msgspec.msgpack.Decoder(dict[str, list[int]]).decode


class DecisionCommands(Commands):
    """`engine.ports.DecisionStore` on Redis."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        super().__init__(settings, partitions)
        self._versions = b"".join(pack(("HGET", key, "version")) for key in self._keys.learned)
        self._seen: tuple[int, list[Any]] = (0, [None] * partitions)  # connection, versions
        self._learned: list[Learned] = [{} for _ in range(partitions)]

    async def views(self, customers: Sequence[str]) -> list[View]:
        if not customers:
            return []
        found = await self._connection.call(pack(("MGET", *self._view_keys(customers))))
        return [
            View(row, _history(history) if history else {})
            for row, history in zip(found[::2], found[1::2], strict=True)
        ]

    def _view_keys(self, customers: Sequence[str]) -> list[bytes]:
        rows, histories = self._keys.row_prefix, self._keys.history_prefix
        keys: list[bytes] = []
        for customer in map(str.encode, customers):
            partition = self._keys.of_customer(customer)
            keys += (rows[partition] + customer, histories[partition] + customer)
        return keys

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[bool]]:
        parts = [reservations[i : i + MOST_RESERVED] for i in range(0, len(reservations), MOST_RESERVED)]
        answers = await self._connection.pipe(b"".join(map(self._reserve, parts)), len(parts)) if parts else []
        # a digit for each candidate; 49 is "1"
        return [[digit == 49 for digit in digits] for answer in answers for digits in answer]

    def _reserve(self, reservations: Sequence[Reservation]) -> bytes:
        histories, decisions = self._keys.history_prefix, self._keys.decision_prefix
        keys: list[bytes] = []
        values: list[Any] = []
        for r in reservations:
            customer = r.customer.encode()
            partition = self._keys.of_reserved(customer, r.decision_id)
            keys += (histories[partition] + customer, decisions[partition] + r.decision_id.encode())
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
            self._keys.lessons_prefix[partition] + decision,
            self._keys.learned[partition],
        )
        lesson = f"{outcome.offer_id}|{outcome.outcome.value}"
        arm, taught = f"{outcome.offer_id}|{outcome.channel}", {True: "s", False: "f", None: ""}[success]
        return bool(await self._connection.call(pack(("FCALL", LEARN, 3, *keys, lesson, arm, taught))))

    async def propensities(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        connection = self._connection.connections
        versions = await self._connection.pipe(self._versions, self._keys.partitions)
        await self._fetch_changed(connection, versions)
        return _add(self._learned)

    async def _fetch_changed(self, connection: int, versions: list[Any]) -> None:
        """Read the partitions whose version moved; all after a reconnect, for Redis may have come back older."""
        seen_connection, seen = self._seen
        known = seen if connection == seen_connection else [b"?"] * len(versions)
        changed = [p for p, version in enumerate(versions) if version != known[p]]
        if not changed:
            return
        frame = b"".join(pack(("HGETALL", self._keys.learned[p])) for p in changed)
        for partition, reply in zip(changed, await self._connection.pipe(frame, len(changed)), strict=True):
            self._learned[partition] = _parse(reply)
        self._seen = (connection, versions)


def _parse(reply: list[bytes]) -> Learned:
    """Counts from the flat reply to HGETALL."""
    learned: Learned = {}
    for field, count in zip(reply[::2], reply[1::2], strict=True):
        offer, _, rest = field.decode().rpartition("|")[0].rpartition("|")
        if not offer:
            continue  # the version
        successes, failures = learned.get((offer, rest), (0, 0))
        won = field.endswith(b"|s")
        learned[offer, rest] = (successes + int(count) * won, failures + int(count) * (not won))
    return learned


def _add(parts: list[Learned]) -> Learned:
    total: Learned = {}
    for learned in parts:
        for arm, (successes, failures) in learned.items():
            before = total.get(arm, (0, 0))
            total[arm] = (before[0] + successes, before[1] + failures)
    return total
