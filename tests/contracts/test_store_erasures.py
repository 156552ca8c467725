"""Erasure in the store: every key of the customer goes, in the commit, and no other's."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b

import msgspec
import pytest
import redis

from engine.consent import ConsentState, ConsentStatement
from engine.customer_id import customer_id
from engine.identity.erased_ids import ErasedIds
from engine.ports.cue_store import TakenCue
from engine.ports.decision_store import Candidate, Taking
from engine.ports.held_store import CountedLinks
from engine.ports.link_store import CountedLink
from engine.ports.stream_store import Erasure, HistoryChange, NewIds
from engine.ports.traits import TraitChange
from engine.settings import Redis
from engine.store.keys import RECENT_CUES
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from tests.contracts.builders import (
    PARTITIONS,
    TAKEN,
    AnyStore,
    candidate,
    change,
    choice,
    customers_of,
    outcome,
    reservation,
    word,
)


async def fill(store: AnyStore) -> tuple[int, list[str]]:
    """Let the store have all kinds of keys of two customers; the epoch, and the customers."""
    names = customers_of(1, 2)
    epoch = (await store.claim(1)).epoch
    for place, name in enumerate(names):
        sale = msgspec.structs.replace(candidate(name, "sale", name=f"1-cue{place}"), record=b"\x90")
        await store.commit(
            change(
                epoch, place, place + 1, rows={name.encode(): b"row"}, timers={name.encode(): 5},
                cues=[choice(name, sale)], tallies={"events": 1},
            )
        )  # fmt: skip
        wanted = reservation(name, Candidate("chat", 1, 1_000), name=f"d{place}")
        assert await store.reserve([wanted]) == [[TAKEN]]
        statement = ConsentStatement("marketing", "web", ConsentState.GRANTED, 5)
        await store.state_consents(name, [statement])
        await store.begin_batch(b"batch", [name])
        await store.end_batch(b"batch", {name: b"ids"})
    return epoch, list(names)


async def test_nothing_is_left_of_one_and_all_of_the_other(store: AnyStore) -> None:
    epoch, (gone, other) = await fill(store)
    cues = await store.cues_of(1, gone.encode())
    assert len(cues) == 1
    await store.commit(change(epoch, 2, 3, erased=[Erasure(gone.encode(), 77, cues)]))
    left, kept = await store.views(customers_of(1, 2))
    assert (left.row, left.history) == (None, {})
    assert (kept.row, set(kept.history)) == (b"row", {"sale", "chat", "!marketing/web"})
    records = [await store.decision(f"1-{name}{place}") for name in ("cue", "d") for place in (0, 1)]
    assert [record is None for record in records] == [True, False, True, False]
    one, two = customers_of(1, 2)
    assert [len(await store.since(name, "")) for name in (one, two)] == [0, 1]
    assert [entry.cue.customer for entry in await store.newest(9)] == [other]
    assert await store.due(1, 99, 9) == [other.encode()]
    assert await store.begin_batch(b"next", [one, two]) == [b"", b"ids"]
    assert await store.tombstones(1) == {ErasedIds().digest(gone.encode()): 77}


async def test_what_is_held_under_an_id_is_all_that_was_written_and_goes_with_it(store: AnyStore) -> None:
    epoch, (gone, other) = await fill(store)
    name, other_name = customer_id(gone), customer_id(other)
    now = datetime.now(UTC)
    month, x = now.year * 12 + now.month - 1, customer_id("x")
    await store.count_links([CountedLink(x, name, month, signed) for signed in (True, False)], 9)
    words = [TraitChange(gone.encode(), [word("plan", "gold", 2), word("gone", None, 1)])]
    await store.commit(change(epoch, 2, 3, traits=words, ids=[NewIds(gone.encode(), ["browser"])]))
    await store.learn(outcome("1-d0"), None)
    await store.take_cues([TakenCue(name, "sale", 1_000, "1-cue0")])
    held, others = await store.held_under([name, other_name])
    assert held.anything
    assert (held.row, dict(held.history)) == (
        b"row",
        {"chat": [1_000], "sale": [1_000], "!marketing/web": [0, 5, 0]},
    )
    assert [(one.name, one.value) for one in held.traits] == [("gone", None), ("plan", "gold")]
    assert [(cue.customer, cue.offer_id) for cue in held.cues] == [(gone, "sale")]
    assert (held.linked, held.decisions) == (["browser"], {"1-cue0": ["delivered"], "1-d0": ["chat|accepted"]})
    digest = blake2b(b"x", digest_size=8).hexdigest()
    assert sorted(held.link_counts, key=lambda one: one.signed) == [
        CountedLinks(month, False, [digest]), CountedLinks(month, True, [digest]),
    ]  # fmt: skip
    assert held.sent_batches == [b"ids".hex()]
    assert (list(others.decisions), others.linked, others.link_counts) == (["1-cue1", "1-d1"], [], [])
    cues = await store.cues_of(1, gone.encode())
    await store.commit(change(epoch, 3, 4, erased=[Erasure(gone.encode(), 77, cues)]))
    nothing, left = await store.held_under([name, other_name])
    assert not nothing.anything
    assert left == others
    assert await store.held_under([]) == []


async def test_cues_that_are_not_among_the_newest_are_held_in_the_stream(store: AnyStore) -> None:
    (name,) = customers_of(1, 1)
    epoch = (await store.claim(1)).epoch
    for at in range(RECENT_CUES + 2):
        await store.commit(change(epoch, at, at + 1, cues=[choice(name, candidate(name, at=at), at=at)]))
    (held,) = await store.held_under([name])
    assert [cue.at for cue in held.cues] == [*range(RECENT_CUES + 2)]


async def test_the_later_of_two_erasures_counts_and_it_can_be_forgotten(store: AnyStore) -> None:
    epoch, (gone, _) = await fill(store)
    for place, at in enumerate((99, 55)):
        await store.commit(change(epoch, 2 + place, 3 + place, erased=[Erasure(gone.encode(), at)]))
    assert await store.tombstones(1) == {ErasedIds().digest(gone.encode()): 99}
    await store.drop_tombstones(1, [])
    await store.drop_tombstones(1, [ErasedIds().digest(gone.encode()), "unknown"])
    assert [await store.tombstones(partition) for partition in (1, 2)] == [{}, {}]


async def test_what_comes_after_the_commit_of_an_erasure_is_answered_as_ever(store: AnyStore) -> None:
    """Cues, an erasure and tallies in one commit: each reply is taken for what it is."""
    epoch, (gone, other) = await fill(store)
    commit = change(
        epoch, 2, 3, cues=[choice(other)], erased=[Erasure(gone.encode(), 7), Erasure(b"nobody", 8)],
        tallies={"events": 2},
    )  # fmt: skip
    assert await store.commit(commit) == [[0]]
    assert (await store.tallies())["events"] == 4


async def test_no_key_of_redis_names_who_was_erased(redis_store: RedisStore, look: redis.Redis) -> None:
    epoch, (gone, other) = await fill(redis_store)
    now = datetime.now(UTC)
    months = [now.year * 12 + now.month - back for back in (0, 1, 2)]
    linked = [CountedLink(customer_id("x"), customers_of(1, 1)[0], month, bool(month % 2)) for month in months]
    await redis_store.count_links(linked, 9)
    named = [key for key in look.keys("*") if gone.encode() in key]
    assert len(named) >= 6
    cues = await redis_store.cues_of(1, gone.encode())
    await redis_store.commit(change(epoch, 2, 3, erased=[Erasure(gone.encode(), 77, cues)]))
    assert [key for key in look.keys("*") if gone.encode() in key] == []
    assert [key for key in look.keys("*") if other.encode() in key]
    for key in look.keys("{p1}:d:*"):
        assert key in (b"{p1}:d:1-cue1", b"{p1}:d:1-d1")


async def test_cues_are_found_through_many_pages(redis_store: RedisStore, look: redis.Redis) -> None:
    for place in range(1_201):
        look.xadd("{p2}:q", {"customer": f"c{place % 3}", "cue": "{}"}, id=f"{1 + place}-0")
    assert len(await redis_store.cues_of(2, b"c1")) == 400
    assert len(await redis_store.cues_of(2, b"c0")) == 401


BEFORE, AT, AFTER = 76, 77, 78


@pytest.mark.parametrize(
    ("at", "row_at", "stored"),
    [(AFTER, 0, True), (AFTER, AFTER, True), (AT, 0, False), (AFTER, AT, False), (AFTER, BEFORE, False)],
)
async def test_a_decision_that_rests_on_what_was_erased_is_not_stored(
    store: AnyStore, at: int, row_at: int, stored: bool
) -> None:
    """It was made while the erasure was committed: nothing of it may lie there afterwards."""
    epoch, (gone, other) = await fill(store)
    await store.commit(change(epoch, 2, 3, erased=[Erasure(gone.encode(), AT)]))
    chat, free = Candidate("chat", 1, 1_000), Candidate("free", 0, 0)
    late = [
        msgspec.structs.replace(reservation(name, *offers, at=at, name=f"late{i}"), row_at=row_at)
        for i, (name, offers) in enumerate(((gone, (chat, free)), (other, (free,)), (gone, ())))
    ]
    expected = [[TAKEN, TAKEN] if stored else [Taking.ERASED] * 2, [TAKEN], []]
    assert await store.reserve(late) == expected
    records = [await store.decision(f"1-late{i}") for i in range(3)]
    assert [record is not None for record in records] == [stored, True, stored]
    view, _ = await store.views(customers_of(1, 2))
    assert bool(view.history) == stored
    assert bool(await store.recorded(customer_id(gone))) == stored


async def test_who_was_erased_before_there_was_a_secret_is_remembered(store: AnyStore) -> None:
    epoch, (gone, _) = await fill(store)
    await store.commit(change(epoch, 2, 3, erased=[Erasure(gone.encode(), AT)]))
    store._erased_ids = ErasedIds("secret")
    early, late = (ConsentStatement("marketing", "email", ConsentState.GRANTED, at) for at in (AT, AFTER))
    assert await store.state_consents(customer_id(gone), [early]) == 0
    kept = HistoryChange(gone.encode(), None, {"chat": [AT, AFTER], "!marketing/web": [0, AT, 0]})
    await store.commit(msgspec.structs.replace(change(epoch, 3, 4), histories=[kept]))
    assert (await store.views(customers_of(1, 1)))[0].history == {"chat": [AFTER]}
    assert await store.state_consents(customer_id(gone), [late]) == 1


async def test_what_was_stated_before_an_erasure_is_not_kept_after_it(store: AnyStore) -> None:
    epoch, (gone, other) = await fill(store)
    await store.commit(change(epoch, 2, 3, erased=[Erasure(gone.encode(), AT)]))
    stated = [ConsentStatement("marketing", "email", ConsentState.GRANTED, at) for at in (BEFORE, AT)]
    assert await store.state_consents(customer_id(gone), stated) == 0
    assert (await store.views(customers_of(1, 2)))[0].history == {}
    assert await store.state_consents(customer_id(other), stated) == 2
    later = ConsentStatement("marketing", "email", ConsentState.REVOKED, AFTER)
    assert await store.state_consents(customer_id(gone), [*stated, later]) == 1


async def test_with_a_secret_tombstones_are_keyed(store_settings: Redis | None) -> None:
    ids = ErasedIds("a deployment's secret")
    store: AnyStore = MemoryStore(PARTITIONS, erased_ids=ids)
    if store_settings:
        store = RedisStore(store_settings, PARTITIONS, ids)
    epoch, (gone, _) = await fill(store)
    await store.commit(change(epoch, 2, 3, erased=[Erasure(gone.encode(), AT)]))
    assert await store.tombstones(1) == {ids.digest(gone.encode()): AT}
    assert ids.digest(gone.encode()) != ErasedIds().digest(gone.encode())
    assert await store.reserve([reservation(gone, Candidate("chat", 1, 1_000), at=AT)]) == [[Taking.ERASED]]
    await store.close()
