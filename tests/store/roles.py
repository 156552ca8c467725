"""What each kind of process asks of Redis, all of it, on a server that holds nothing of ours."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from engine.access import KeyRecord, Trust
from engine.consent import ConsentState, ConsentStatement
from engine.customer_id import customer_id
from engine.errors import Unavailable
from engine.events import OutcomeName
from engine.ports.access_store import Settlement
from engine.ports.agents import MOST_AGENTS, AgentState
from engine.ports.clock import ClockAnchor
from engine.ports.cue_store import TakenCue
from engine.ports.decision_store import Candidate
from engine.ports.health import ApiReport, WorkerReport
from engine.ports.lesson_store import LessonBound
from engine.ports.link_store import CountedLink
from engine.ports.stream_store import CustomerConsent, Erasure, Pause
from engine.process.doctor.redis import of_redis
from engine.settings import Redis, Settings
from engine.store.keys import RedisKeys
from engine.store.redis import RedisStore
from engine.store.subscription import Subscription
from tests.contracts.builders import (
    PARTITIONS,
    candidate,
    change,
    choice,
    customers_of,
    outcome,
    reservation,
    too_many_traits,
)

PARTITION = 1
CUSTOMER = customers_of(PARTITION, 1)[0]
DECISION = f"{PARTITION}-x"
KEY, NOW = "key", time.time_ns() // 1_000_000
ACCEPTED = msgspec.structs.replace(outcome(DECISION), key=KEY, received_at=NOW)


async def worker(redis: Redis, store: RedisStore) -> None:
    """Claims, commits, timers, cues, tallies, outcomes, words, reports, pauses."""
    name = CUSTOMER.encode()
    at = await store.claim(PARTITION)
    await store.claim(PARTITION, at.epoch)
    at = await store.position(PARTITION)
    await store.post(PARTITION)
    await store.read(PARTITION, [name])
    recorded = candidate(CUSTOMER, cap=(1, 1_000), name=f"{PARTITION}-cue")
    cues = [choice(CUSTOMER, msgspec.structs.replace(recorded, record=b"record"))]
    rows, tallies = {name: b"row"}, {"events": 1}
    await store.commit(
        change(at.epoch, at.offset, at.offset + 1, rows=rows, timers={name: 5}, cues=cues, tallies=tallies)
    )
    await store.commit(change(at.epoch, at.offset + 1, at.offset + 1, traits=too_many_traits(CUSTOMER)))
    await store.due(PARTITION, 10, 10)
    await store.rows_from(0, 10)
    stated = CustomerConsent(name, ConsentStatement("marketing", "web", ConsentState.REVOKED, NOW))
    await store.commit(change(at.epoch, at.offset + 1, at.offset + 2, timers={name: 0}, consents=[stated]))
    await store.intake(PARTITION)
    await store.pause(PARTITION, Pause(at.offset + 2, 10, 3, "why"))
    words = redis.words_kept
    await store.name([(number, f"word-{number}") for number in range(words + 1)])
    await store.name([(words + 2, "another")])
    await store.names_begun()
    await store.learn(msgspec.structs.replace(ACCEPTED, outcome=OutcomeName.REJECTED), False)
    await store.learn(ACCEPTED, True)
    await store.propensities()
    await store.report({PARTITION: WorkerReport("one", 1, 1, 0, ())}, store.connections)
    await store.clock()
    found = await store.cues_of(PARTITION, name)
    await store.commit(change(at.epoch, at.offset + 2, at.offset + 3, erased=[Erasure(name, NOW, found)]))
    await store.drop_tombstones(PARTITION, [*await store.tombstones(PARTITION)])


async def api(redis: Redis, store: RedisStore) -> None:
    """Decisions, cues, pages, health, callers' keys and quotas, repeats of batches."""
    await store.views([CUSTOMER])
    await store.reserve([reservation(CUSTOMER, Candidate("chat", 1, 1_000))])
    await store.recorded(CUSTOMER)
    assert (await store.held_under([CUSTOMER]))[0].anything
    await store.state_consents(CUSTOMER, [ConsentStatement("marketing", "email", ConsentState.GRANTED, NOW)])
    await store.decision(DECISION)
    await store.traits(CUSTOMER)
    await store.take_cues([TakenCue(CUSTOMER, "chat", 1, DECISION)])
    assert await store.delivered(DECISION)
    await store.admit_lesson(LessonBound(7, "chat|web", "address", 5, 2))
    await store.propensities()
    subscription = Subscription(redis)
    try:
        await subscription.subscribe(RedisKeys(PARTITIONS).cues)
        await subscription.messages(0)
    finally:
        await subscription.close()
    await store.newest(10)
    await store.since(CUSTOMER, "", 10)
    await store.since(None, "", 10)
    await store.latest(CUSTOMER)
    await store.tallies()
    await store.commit_points()
    await store.names([1, 2])
    await store.reports()
    await store.clock()
    await store.access_keys()
    await store.spend_quotas(1, Settlement("process", 1, {"key": 1}))
    await store.keep_ticket("digest", b"grant")
    await store.take_ticket("digest")
    await store.begin_batch(b"batch", [CUSTOMER])
    await store.end_batch(b"batch", {CUSTOMER: b"id"})
    await store.keep_agents([AgentState(f"agent-{number}", NOW) for number in range(MOST_AGENTS + 1)], NOW)
    assert len(await store.agents(NOW)) == MOST_AGENTS * 9 // 10
    links = [CountedLink(customer_id(name), CUSTOMER, 1, True) for name in ("a", "b")]
    assert await store.count_links(links, 1) == [True, False]
    await store.ids_linked([CUSTOMER])
    await store.report_api(ApiReport("gone", 1, True))
    await store.report_api(ApiReport("one", 1, True))


async def operator(redis: Redis, store: RedisStore) -> None:
    """`cueline doctor`, `cueline erase`, `cueline keys`, `cueline lessons`, `cueline resume`, a replay's clock."""
    findings, _ = await of_redis(Settings.model_validate({"redis": redis.model_dump()}))
    if bad := [finding.detail for finding in findings if not finding.good]:
        raise Unavailable("\n".join(bad))
    await store.add_key(KeyRecord("id", "hash", Trust.SECRET, ()))
    await store.access_keys()
    await store.revoke_key("id")
    await store.position(PARTITION)
    await store.intakes()
    await store.reports()
    await store.post(PARTITION)
    await store.api_reports()
    await store.listeners()
    await store.ids_linked([CUSTOMER])
    await store.let_pass(PARTITION, 7)
    await store.propensities()
    assert await store.forget_lessons(KEY, NOW - 1)
    assert len((await store.held_after([CUSTOMER], NOW, NOW))[CUSTOMER].left) >= 4
    await store.set_clock(ClockAnchor(1, 0, 1))
    await store.set_clock(None)


ROLES: Mapping[str, Callable[[Redis, RedisStore], Awaitable[None]]] = {
    "cueline-worker": worker,
    "cueline-api": api,
    "cueline-operator": operator,
}


async def everything(user: str, redis: Redis) -> None:
    """All that this user's processes ask, over new connections. Raises `Unavailable`. An outcome's decision has to
    be there: `decided`."""
    store = RedisStore(redis, PARTITIONS)
    try:
        await store.open()
        await ROLES[user](redis, store)
    finally:
        await store.close()


async def decided(redis: Redis) -> None:
    """Reserve the decision that an outcome is of, and learn another outcome of it. The customer has a timer, too,
    and a cue."""
    store = RedisStore(redis, PARTITIONS)
    name, epoch = CUSTOMER.encode(), (await store.claim(PARTITION)).epoch
    await store.commit(change(epoch, 0, 1, timers={name: 5}, cues=[choice(CUSTOMER, candidate(CUSTOMER, "sale"))]))
    await store.reserve([reservation(CUSTOMER)])
    await store.learn(msgspec.structs.replace(ACCEPTED, offer_id="other"), True)
    await store.close()
