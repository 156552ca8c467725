"""Offer histories of linked ids after a run: against the decisions that were recorded, and an undisturbed run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from engine.customer_id import CustomerId
from engine.kernels.partition import partition_of
from engine.store.redis import RedisStore
from loadtest.offer_taker import PREFIX, Give, OfferTaker

AT_ONCE = 500

History = Mapping[str, Sequence[int]]
Histories = Mapping[CustomerId, History]


async def recorded(store: RedisStore, taker: OfferTaker) -> list[Give]:
    """The offers that were given for certain: those with a record, and those acknowledged since the store last
    lost anything."""
    found: list[Give] = []
    tried = [*taker.tried]
    for start in range(0, len(tried), AT_ONCE):
        some = tried[start : start + AT_ONCE]
        records = await asyncio.gather(*(store.decision(give.decision_id) for give in some))
        found += [give for give, record in zip(some, records, strict=True) if record is not None]
    return [*dict.fromkeys([*found, *taker.acknowledged])]


async def histories(store: RedisStore, ids: Iterable[CustomerId], partitions: int) -> dict[CustomerId, History]:
    """Of each of `ids` as it is stored."""
    found: dict[CustomerId, History] = {}
    by_partition: dict[int, list[CustomerId]] = {}
    for one in ids:
        by_partition.setdefault(partition_of(one.encode(), partitions), []).append(one)
    for partition, some in by_partition.items():
        read = await store.histories(partition, [one.encode() for one in some])
        found |= dict(zip(some, read, strict=True))
    return found


def different(disturbed: Histories, undisturbed: Histories, given: Iterable[Give], tried: Iterable[Give],
    whose: Mapping[CustomerId, CustomerId],
) -> list[CustomerId]:  # fmt: skip
    """The ids whose histories are wrong: other than undisturbed in what no taker took; or, of whose they are in
    the end, without one of the offers `given`, with one twice, or with one that was never `tried`."""
    wanted = _by_customer(given, whose)
    known = _by_customer(tried, whose)
    wrong = []
    for one, history in disturbed.items():
        others = {name: times for name, times in history.items() if not name.startswith(PREFIX)}
        same = others == {n: times for n, times in undisturbed[one].items() if not n.startswith(PREFIX)}
        had = Counter((name, at) for name in history.keys() - others.keys() for at in history[name])
        exact = all(had[give] == 1 for give in wanted.get(one, ())) and all(
            times == 1 and give in known.get(one, ()) for give, times in had.items()
        )
        if not same or (whose[one] == one and not exact):
            wrong.append(one)
    return wrong


def _by_customer(
    gives: Iterable[Give], whose: Mapping[CustomerId, CustomerId]
) -> dict[CustomerId, set[tuple[str, int]]]:
    found: dict[CustomerId, set[tuple[str, int]]] = {}
    for give in gives:
        found.setdefault(whose[give.asked], set()).add((give.offer_id, give.at))
    return found
