"""Traits: the greatest word of each name stays, whatever came before or comes again, and no more than 16 names."""

from __future__ import annotations

import random

import pytest
import redis

from engine.customer_id import CustomerId
from engine.errors import Fenced
from engine.ports.traits import Trait, TraitChange, TraitWord
from engine.store.keys import RedisKeys
from engine.store.redis import RedisStore
from engine.traits import MOST_TRAITS, TraitValue
from tests.contracts.builders import PARTITIONS, AnyStore, change, customers_of, too_many_traits, word

ANNA, BERT = customers_of(1, 2)


async def say(store: AnyStore, *changes: tuple[CustomerId, list[TraitWord]]) -> None:
    """In one commit."""
    at = await store.claim(1)
    traits = [TraitChange(customer.encode(), words) for customer, words in changes]
    await store.commit(change(at.epoch, at.offset, at.offset + 1, traits=traits))


async def values(store: AnyStore, customer: CustomerId = ANNA) -> dict[str, TraitValue]:
    return {one.name: one.value for one in await store.traits(customer)}


async def test_a_customer_of_whom_nothing_was_said_has_none(store: AnyStore) -> None:
    assert await store.traits(ANNA) == []


async def test_words_are_kept_as_they_were_said(store: AnyStore) -> None:
    said: list[TraitValue] = ['größe L "x"', "", 1.5, -3, True, False, "01"]
    names = [f"näme {i}" for i in range(len(said))]
    await say(
        store, (ANNA, [word(name, value, 7, since=9, by="k") for name, value in zip(names, said, strict=True)])
    )
    assert await store.traits(ANNA) == [Trait(name, v, 9, "k") for name, v in zip(names, said, strict=True)]
    assert [type(one.value) for one in await store.traits(ANNA)] == list(map(type, said))
    assert await store.traits(BERT) == []


async def test_the_greatest_word_of_a_name_stays(store: AnyStore) -> None:
    await say(store, (ANNA, [word("plan", "gold", 5), word("age", 30, 5)]), (BERT, [word("plan", "basic", 1)]))
    await say(store, (ANNA, [word("plan", "late", 4), word("age", 31, 6)]))
    assert await values(store) == {"plan": "gold", "age": 31}
    await say(store, (ANNA, [word("plan", "same", 5), word("age", 32, 6, bits=1)]))
    assert await values(store) == {"plan": "gold", "age": 32}
    assert await values(store, BERT) == {"plan": "basic"}


async def test_what_is_taken_back_is_gone_and_an_older_word_does_not_bring_it_back(store: AnyStore) -> None:
    await say(store, (ANNA, [word("plan", "gold", 5)]))
    await say(store, (ANNA, [word("plan", None, 6)]))
    await say(store, (ANNA, [word("plan", "gold", 5)]))
    assert await values(store) == {}
    await say(store, (ANNA, [word("plan", "silver", 7)]))
    assert await values(store) == {"plan": "silver"}


async def test_no_more_than_the_greatest_16_names_stay(store: AnyStore) -> None:
    await say(store, (ANNA, list(too_many_traits(ANNA)[0].words)))
    assert set(await values(store)) == {f"t{i}" for i in range(1, MOST_TRAITS + 1)}
    await say(store, (ANNA, [word("oldest", 1, 0)]))
    assert set(await values(store)) == {f"t{i}" for i in range(1, MOST_TRAITS + 1)}
    await say(store, (ANNA, [word("newest", 1, 2**63)]))
    assert set(await values(store)) == {"newest", *(f"t{i}" for i in range(2, MOST_TRAITS + 1))}


async def test_of_the_same_mark_the_greater_places_stay(store: AnyStore) -> None:
    await say(store, (ANNA, [word(f"n{i:02}", i, 3, bits=99 - i, place=i) for i in range(20)]))
    assert set(await values(store)) == {f"n{i:02}" for i in range(4, 20)}


@pytest.mark.parametrize("seed", range(5))
async def test_neither_order_nor_commits_nor_repeats_matter(store: AnyStore, seed: int) -> None:
    dice = random.Random(seed)
    said = [
        word(f"t{name}", value, dice.randrange(40), dice.randrange(2), place=name)
        for value, name in enumerate(dice.choices(range(24), k=150))
    ]
    greatest: dict[str, TraitWord] = {}
    for one in said:
        if one.trait.name not in greatest or one.order > greatest[one.trait.name].order:
            greatest[one.trait.name] = one
    kept = sorted(greatest.values(), key=lambda one: (one.order[:16], one.place))[-MOST_TRAITS:]
    shuffled = dice.sample(said, len(said))
    for start in range(0, len(said), 30):
        await say(store, (ANNA, shuffled[start : start + 30]), (BERT, said[start : start + 30]))
    orders = {
        one.trait.name: {(o.order, str(o.trait.value)) for o in said if o.trait.name == one.trait.name}
        for one in kept
    }
    for customer in (ANNA, BERT):
        found = {one.name: str(one.value) for one in await store.traits(customer)}
        assert set(found) == {one.trait.name for one in kept}
        for one in kept:
            # of two words of one order whichever came first stays: in the stream such words are the same
            assert (one.order, found[one.trait.name]) in orders[one.trait.name]


async def test_a_refused_commit_says_nothing(store: AnyStore) -> None:
    at = await store.claim(1)
    with pytest.raises(Fenced):
        await store.commit(change(at.epoch, 9, 10, traits=[TraitChange(ANNA.encode(), [word("plan", "gold", 5)])]))
    assert await store.traits(ANNA) == []


async def test_the_layout_is_as_documented(redis_store: RedisStore, look: redis.Redis) -> None:
    await say(redis_store, (ANNA, [word("plan", "gold", 5, 6, 7)]))
    key = RedisKeys(PARTITIONS).traits_prefix[1] + ANNA.encode()
    assert key == f"{{p1}}:p:{ANNA}".encode()
    assert look.hgetall(key) == {b"plan": b"0" * 15 + b"5" + b"0" * 15 + b"6" + b"0" * 15 + b'7 ["gold",5,"crm"]'}
    look.hset(key, "odd", "no word of ours")
    assert [one.name for one in await redis_store.traits(ANNA)] == ["plan"]
