"""Commands of decisions: views, reservations and records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

import msgspec

from engine.customer_id import CustomerId
from engine.ports.decision_store import Reservation, Taking
from engine.ports.offer_history import View
from engine.store.commands import Commands
from engine.store.functions.library import RESERVE
from engine.store.resp import pack

#: Reservations taken in one call: Redis, which has one thread, spends about 10 µs on each.
MOST_RESERVED = 64
_TAKINGS = {ord(str(int(taking))): taking for taking in Taking}

T = TypeVar("T")

_history = msgspec.msgpack.Decoder(dict[str, list[int]]).decode


class DecisionCommands(Commands):
    """`engine.ports.decision_store.DecisionStore` on Redis."""

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        if not customers:
            return []
        names = [customer.encode() for customer in customers]
        partitions = list(map(self._keys.of_customer, names))
        parts = self._parts(partitions)
        frame = b"".join(self._view_keys([(partitions[i], names[i]) for i in held]) for held in parts)
        replies = await self._connection.pipe(frame, len(parts))
        return _in_order(parts, map(_views, replies))

    def _view_keys(self, customers: Sequence[tuple[int, bytes]]) -> bytes:
        """One MGET for customers, each with its partition."""
        rows, histories = self._keys.row_prefix, self._keys.history_prefix
        return pack(("MGET", *chain.from_iterable((rows[p] + name, histories[p] + name) for p, name in customers)))

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
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
        return [[_TAKINGS[digit] for digit in digits] for digits in _in_order(parts, answers)]

    def _reserve(self, reservations: Sequence[tuple[int, Reservation]]) -> bytes:
        """One call for reservations, each with its partition."""
        histories, decisions = self._keys.history_prefix, self._keys.decision_prefix
        keys: list[bytes] = []
        values: list[Any] = []
        for partition, r in reservations:
            keys += (histories[partition] + r.customer.encode(), decisions[partition] + r.decision_id.encode())
            brought = msgspec.msgpack.encode(r.brought) if r.brought else b""
            digest = self._erased_ids.digest(r.customer.encode())
            values += (r.at, r.record, digest, r.row_at, brought, len(r.candidates))
            for candidate in r.candidates:
                values += (candidate.offer_id, candidate.cap_max, candidate.cap_period_ms, candidate.needs)
        return pack(("FCALL", RESERVE, len(keys), *keys, *values))

    async def decision(self, decision_id: str) -> bytes | None:
        partition = self._keys.of_decision(decision_id)
        if partition is None:
            return None
        key = self._keys.decision_prefix[partition] + decision_id.encode()
        record: bytes | None = await self._connection.call(pack(("GET", key)))
        return record


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
