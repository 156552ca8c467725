"""Erases a customer from the command line, and looks whether an erasure kept what its receipt promises, of all
ids that it names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from engine.clock import EngineClock, wall_ms
from engine.customer_id import customer_id
from engine.kafka.kept_records import KeptTopic, kept_before
from engine.kafka.producer import KafkaLog
from engine.kafka.topics import make_topics, topics_of
from engine.kernels.partition import partition_of
from engine.placeholder_ids import words
from engine.ports.kafka import AuditAction, AuditEntry, LogPlace
from engine.ports.leftovers import HeldAfterErasure, Leftover
from engine.process.identity import erased_ids_of
from engine.settings import Settings
from engine.store.reach import explaining
from engine.store.redis import RedisStore
from engine.stream.erasures import KEPT_MS
from engine.web.api.customers import asked_for
from engine.web.api.erasure_reach import ErasureReach
from engine.web.api.known_links import KnownLinks
from engine.web.api.leaving import ErasureReceipt, erase_in_log

OPERATOR = "cueline erase"  # in the audit


class Verification(msgspec.Struct, frozen=True, rename="camel"):
    """What is left of a customer. ``ok``: nothing is, in Redis, and each topic has a date.

    ``ids`` are those that were looked for. ``applied``: the workers have made the erasure; ``remembered``: they
    keep out what comes late (or it was so long ago that nothing is taken any more), and ``waiting`` are the ids of
    which that does not hold. ``left`` are places in Redis from before it, ``since`` counts those of what happened
    later. ``topics`` may hold records of before it, of the customer or of others.
    """

    ok: bool
    customer_id: str
    ids: Sequence[str]
    applied: bool
    remembered: bool
    waiting: Sequence[str]
    erased_until: int
    left: Sequence[Leftover]
    since: int
    topics: Sequence[KeptTopic]


async def erase(settings: Settings, text: str) -> ErasureReceipt:
    """Write the erasure of the customer with the id `text` to the log. Raises `BadRequest` and `Unavailable`."""
    customer = asked_for(text, "ID", words(settings.payloads.placeholder_ids))
    kafka, log = settings.kafka, KafkaLog(settings.kafka)
    await make_topics(kafka, topics_of(kafka))
    try:
        await log.open()
        async with opened(settings) as store:
            ids = await ErasureReach(KnownLinks(store), store).ids(customer)
        receipt = await erase_in_log(log, customer, ids, await engine_time(settings))
        await log.publish_audit([AuditEntry(OPERATOR, AuditAction.CUSTOMER_ERASED, customer, wall_ms())])
        return receipt
    finally:
        await log.close()


async def engine_time(settings: Settings) -> int:
    """Now, by the clock of a replay where one sets it."""
    clock = EngineClock()
    if settings.stream.clock == "replay":
        async with opened(settings) as store:
            clock.anchor = await store.clock() or clock.anchor
    return clock.now_ms()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[RedisStore]:
    """The deployment's store. Raises `Unavailable`."""
    store = RedisStore(settings.redis, settings.kafka.partitions, erased_ids_of(settings))
    try:
        async with explaining(settings.redis):
            await store.open()
        yield store
    finally:
        await store.close()


async def verify(settings: Settings, receipt: ErasureReceipt) -> Verification:
    """Look through Redis and the topics. Raises `Unavailable`, `BadEvent` for a receipt of nobody."""
    customer, at = customer_id(receipt.customer_id), receipt.recorded_at or receipt.erased_until
    ids = list(dict.fromkeys([customer, *map(customer_id, receipt.ids)]))
    async with opened(settings) as store:
        held = await store.held_after(ids, receipt.erased_until, at)
    place = LogPlace(receipt.topic, receipt.partition, receipt.offset)
    others = {partition_of(one.encode(), settings.kafka.partitions) for one in ids}
    topics = await kept_before(settings.kafka, place, at, others)
    waiting = [] if _is_past(receipt) else [one for one in ids if _waits(held[one], receipt)]
    left = [place for found in held.values() for place in found.left]
    # the customer's own record has a place; what goes to the other ids is on its way until these are remembered
    applied = held[customer].offset > receipt.offset and (customer in waiting or not waiting)
    ends = all(not topic.holds or topic.gone_by is not None for topic in topics)
    return Verification(
        applied and not waiting and ends and not left,
        customer,
        ids,
        applied,
        customer not in waiting,
        waiting,
        max(receipt.erased_until, *(found.remembered_until for found in held.values())),
        left,
        sum(found.since for found in held.values()),
        topics,
    )


def _waits(held: HeldAfterErasure, receipt: ErasureReceipt) -> bool:
    return held.remembered_until < receipt.erased_until


def _is_past(receipt: ErasureReceipt) -> bool:
    """Whether nothing that happened before is taken any more."""
    return receipt.erased_until < wall_ms() - KEPT_MS
