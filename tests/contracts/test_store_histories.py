"""Offer histories of ids that became one customer's: frozen, thawed, and added to one another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

import msgspec
import pytest
import redis

from engine.consent import ConsentState, ConsentStatement
from engine.customer_id import CustomerId
from engine.ports.cue_store import CueEntry, StreamMoved
from engine.ports.decision_store import Candidate, Taking
from engine.ports.stream_store import CueCandidate, CustomerConsent, Erasure, HistoryChange, NewIds
from engine.store.keys import HISTORY
from engine.store.redis import RedisStore
from tests.contracts.builders import TAKEN, AnyStore, candidate, change, choice, cue, customers_of, reservation

EMAIL = "!marketing/email"
Told = Mapping[str, Sequence[int]]
UNCAPPED, ONCE = Candidate("chat", 0, 0), Candidate("chat", 1, 100_000)


class Commits:
    """Commits of partition 1, one after the other."""

    def __init__(self, store: AnyStore) -> None:
        self.store = store
        self.epoch = 0
        self.offset = 0

    async def __call__(self, *histories: HistoryChange, **fields: object) -> None:
        if not self.epoch:
            self.epoch = (await self.store.claim(1)).epoch
        commit = change(self.epoch, self.offset, self.offset + 1)
        self.offset += 1
        await self.store.commit(msgspec.structs.replace(commit, histories=histories, **fields))


def frozen(customer: CustomerId, so: bool = True) -> HistoryChange:
    return HistoryChange(customer.encode(), so)


def added(customer: CustomerId, other: Told) -> HistoryChange:
    return HistoryChange(customer.encode(), None, other)


async def history(store: AnyStore, customer: CustomerId) -> Told:
    (found,) = await store.histories(1, [customer.encode()])
    (view,) = await store.views([customer])
    assert view.history == found
    return found


async def test_a_frozen_history_gives_nothing_until_it_thaws_and_keeps_what_it_has(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    commits = Commits(store)
    assert await store.reserve([reservation(customer, ONCE, at=5, name="first")]) == [[TAKEN]]
    await commits(frozen(customer))
    await commits(frozen(customer))
    (view,) = await store.views([customer])
    assert view.frozen
    assert view.given(9) == view.offers_given(9) == {"chat": [5]}
    refused = reservation(customer, UNCAPPED, ONCE, at=6, name="second")
    assert await store.reserve([refused]) == [[Taking.MOVED] * 2]
    assert await store.decision("1-second") is None
    await commits(frozen(customer, False))
    assert await history(store, customer) == {"chat": [5]}
    assert await store.reserve([refused]) == [[TAKEN, Taking.CAPPED]]


async def test_what_thaws_with_nothing_in_it_is_gone(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    commits = Commits(store)
    await commits(frozen(customer))
    await commits(frozen(customer, False))
    assert await history(store, customer) == {}


@pytest.mark.parametrize(
    ("own", "other", "both"),
    [
        ({}, {"chat": [5, 5, 7]}, {"chat": [5, 5, 7]}),
        ({"chat": [5, 6]}, {"chat": [5, 5, 4], "call": [9]}, {"chat": [4, 5, 5, 6], "call": [9]}),
        ({"chat": [5]}, {"chat?": [5, 9], ">": [1]}, {"chat": [5]}),
        ({EMAIL: [3, 8, 0]}, {EMAIL: [5, 7, 1]}, {EMAIL: [5, 8, 1]}),
        ({}, {EMAIL: [0, 4, 0]}, {EMAIL: [0, 4, 0]}),
        ({}, {"chat": [*range(1, HISTORY + 5)]}, {"chat": [*range(1, HISTORY + 5)]}),
        ({"chat": [*range(1, HISTORY + 1)]}, {"chat": [50, 51]}, {"chat": [*range(3, HISTORY + 1), 50, 51]}),
    ],
)
async def test_a_history_is_added_to_another_as_a_set_whose_repeats_add_nothing(
    store: AnyStore, own: Told, other: Told, both: Told
) -> None:
    (customer,) = customers_of(1, 1)
    commits = Commits(store)
    await commits(added(customer, own))
    await commits(added(customer, other), added(customer, other))
    await commits(added(customer, other))
    assert await history(store, customer) == both


async def test_what_was_before_an_erasure_is_not_added(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    commits = Commits(store)
    await commits(erased=[Erasure(customer.encode(), 5)])
    await commits(added(customer, {"chat": [4, 5, 6], "call": [5], EMAIL: [5, 6, 0]}))
    assert await history(store, customer) == {"chat": [6], EMAIL: [0, 6, 0]}


async def test_a_cue_that_no_stream_had_stays_given_with_the_other_id_and_open_with_its_own(
    store: AnyStore,
) -> None:
    one, other = customers_of(1, 2)
    commits = Commits(store)
    web = msgspec.structs.replace(candidate(one, at=5), ends=9)
    await commits(cues=[choice(one, CueCandidate("chat", 1, 1_000, (1,), ends=9, payload=web.payload), at=5)])
    had = await history(store, one)
    assert had == {"chat": [5], "chat?": [5, 9]}
    await commits(added(other, had))
    assert await history(store, other) == {"chat": [5]}


async def test_histories_change_after_the_consents_of_a_commit(store: AnyStore) -> None:
    one, other = customers_of(1, 2)
    commits = Commits(store)
    said = CustomerConsent(one.encode(), ConsentStatement("marketing", "email", ConsentState.GRANTED, 4))
    await commits(frozen(one), added(other, {EMAIL: [0, 2, 0]}), consents=[said], tallies={"events": 3})
    assert await history(store, one) == {EMAIL: [0, 4, 0], ">": [1]}
    assert await history(store, other) == {EMAIL: [0, 2, 0]}
    assert (await store.tallies())["events"] == 3


async def test_a_refused_commit_changes_no_history(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    commits = Commits(store)
    await commits()
    commits.offset += 7
    with pytest.raises(Exception, match="partition 1 is at"):
        await commits(frozen(customer))
    assert await history(store, customer) == {}


async def test_what_another_id_was_given_counts_in_a_reservation_and_comes_by_mail_alone(
    store: AnyStore,
) -> None:
    (customer,) = customers_of(1, 1)
    brought = {"chat": [4], "chat?": [4, 5], EMAIL: [3, 0, 0], ">": [1]}
    refused = msgspec.structs.replace(reservation(customer, ONCE, at=5, name="one"), brought=brought)
    assert await store.reserve([refused]) == [[Taking.CAPPED]]
    assert await history(store, customer) == {}
    call = Candidate("call", 1, 100_000)
    taken = msgspec.structs.replace(reservation(customer, ONCE, call, at=5, name="two"), brought=brought)
    assert await store.reserve([taken]) == [[Taking.CAPPED, TAKEN]]
    assert await history(store, customer) == {"call": [5]}
    needs = Candidate("mail", 0, 0, "0" + EMAIL)
    unconsented = msgspec.structs.replace(reservation(customer, needs, at=5, name="three"), brought=brought)
    assert await store.reserve([unconsented]) == [[Taking.UNCONSENTED]]


async def test_listeners_are_told_once_that_a_customer_moved_and_moved_back(store: AnyStore) -> None:
    one, other = customers_of(1, 2)
    commits, tail = Commits(store), store.tail()
    told = asyncio.ensure_future(anext(tail))
    await asyncio.sleep(0)
    await commits(frozen(one))
    await commits(frozen(one), added(other, {"chat": [4]}))
    moved = await told
    assert moved == StreamMoved(moved.id, one)
    await commits(frozen(one, False), frozen(other, False))
    await commits(cues=[choice(other)])
    entries = [await anext(tail), await anext(tail)]
    assert entries == [StreamMoved(entries[0].id, one), CueEntry(entries[1].id, cue(other))]
    await tail.aclose()
    passed = await store.passed(moved.id)
    assert passed == entries
    assert [one.id for one in await store.passed("")] == [moved.id, *(one.id for one in entries)]
    assert await store.passed(moved.id, 1) == entries[:1]
    assert await store.passed(entries[1].id) == []
    assert [entry.cue.customer for entry in await store.since(None, "")] == [other]
    assert [entry.cue.customer for entry in await store.newest(9)] == [other]
    assert len(await store.cues_of(1, one.encode())) == 2


async def test_the_ids_of_a_customer_are_kept_until_it_is_erased(store: AnyStore) -> None:
    one, other = customers_of(1, 2)
    commits = Commits(store)
    await commits(ids=[NewIds(one.encode(), ["b", "ä"]), NewIds(other.encode(), ["c"])], tallies={"events": 1})
    await commits(ids=[NewIds(one.encode(), ["b"])], cues=[choice(one)])
    assert await store.ids_of(1, one.encode()) == ["b", "ä"]
    await commits(erased=[Erasure(one.encode(), 5)])
    assert [await store.ids_of(1, name.encode()) for name in (one, other)] == [[], ["c"]]


async def test_a_reservation_of_a_release_before_thaws_nothing(redis_store: RedisStore, look: redis.Redis) -> None:
    """It knows of no link, and gives: `cueline doctor` says so while such a process is there. The history still
    answers that it moved."""
    (customer,) = customers_of(1, 1)
    await Commits(redis_store)(frozen(customer))
    text = Path(__file__).with_name("cueline_11.lua").read_text()
    look.function_load(Template(text).substitute(HISTORY=32, RECENT_CUES=32, DAY_S=86_400), replace=True)
    keys = f"{{p1}}:h:{customer}", "{p1}:d:1-old"
    assert look.fcall("cueline_11_reserve", 2, *keys, "7", "record", "1", "sale", "1", "100") == [b"1"]
    look.function_delete("cueline_11")
    wanted = reservation(customer, Candidate("chat", 1, 1_000))
    assert await redis_store.reserve([wanted]) == [[Taking.MOVED]]
