"""Ids that an operator takes back: they are their own again, with what they had, and the other keeps that, too."""

from __future__ import annotations

import msgspec
import pytest

from engine.customer_id import customer_id
from engine.errors import BadEvent
from engine.events import LINKED, WIRE_VERSION, Event, Kind
from engine.identity.link import Cause
from engine.identity.marker import Phase
from engine.identity.split import Split, event_of_split, said_of
from engine.identity.ties import KEPT_MS, Provenance
from engine.ports.decision_store import Candidate, Reservation
from engine.ports.offer_history import FROZEN
from tests.stream.link_world import LinkWorld, as_one, home_of, named
from tests.stream.test_worker import START

A, U = customer_id(named("a", 0)), customer_id(named("u", 1))
OTHER = customer_id(named("u", 2))
LATER = KEPT_MS // 1_000  # s


def splits(world: LinkWorld, key: str, number: int) -> None:
    at = START + 1_000 * number
    world.put(key, number, msgspec.msgpack.encode(event_of_split(Split(customer_id(key), at, "shop"), at)))


async def test_a_split_gives_back_what_was_and_the_other_keeps_it() -> None:
    world = LinkWorld()
    told: list[tuple[int, Kind, dict[str, object]]] = [
        (1, Kind.ITEM_VIEWED, {"item": "i"}),
        (2, Kind.SEARCHED, {}),
    ]
    for number, kind, fields in told:
        world.happens(A, number, kind, **fields)
    world.linked(A, U, 3)
    world.happens(A, 4)
    splits(world, A, 5)
    world.happens(A, 6)
    await world.done()
    assert await world.row(A) == await as_one([*told, (6, Kind.PAGE_VIEWED, {})], A) | await anonymous(world, A)
    assert await world.events(U) == 3
    ties = await world.ties(A)
    assert (ties.marker.phase, ties.kept) == (Phase.ALONE, b"")
    assert ties.provenance == Provenance("split", "shop", 0)
    assert [world.meter.value("stream_links", effect) for effect in ("merged", "parted")] == [1, 1]


async def anonymous(world: LinkWorld, key: str) -> dict[str, bytes]:
    """What was mailed counts as a user's, and does when it is back."""
    row = await world.row(key)
    return {"life_anonymous": row["life_anonymous"]}


async def test_what_an_unsigned_link_took_before_a_signed_one_is_back_too() -> None:
    world = LinkWorld()
    told: list[tuple[int, Kind, dict[str, object]]] = [
        (1, Kind.ITEM_VIEWED, {"item": "i"}),
        (2, Kind.ORDER_COMPLETED, {"order": "o", "value": 5.0}),
    ]
    for number, kind, fields in told:
        world.happens(A, number, kind, **fields)
    world.linked(A, U, 3, signed=False)
    world.linked(A, U, 4)
    await world.done()
    assert [await world.events(key) for key in (A, U)] == [0, 2]
    splits(world, A, 5)
    await world.done()
    assert await world.row(A) == await as_one(told, A) | await anonymous(world, A)
    assert await world.row(U) == await as_one(told)


async def test_the_offers_that_were_given_count_again_and_more_can_be_given() -> None:
    world = LinkWorld()
    world.happens(A, 1)
    await world.done()
    once = (Candidate("chat", 1, 10**12),)
    await world.store.reserve([Reservation(A, f"{home_of(A)}-x", START, once, b"r")])
    world.linked(A, U, 2)
    await world.done()
    assert FROZEN in await world.given(A)
    splits(world, A, 3)
    await world.done()
    assert await world.given(A) == {"chat": [START]}
    assert (await world.given(U))["chat"] == [START]


@pytest.mark.parametrize(("late", "events"), [(0, 1), (1, 0)])
async def test_a_row_is_kept_for_thirty_days(late: int, events: int) -> None:
    world = LinkWorld()
    world.happens(A, 1)
    world.linked(A, U, 2)
    splits(world, A, 2 + LATER + late)
    await world.done()
    assert await world.events(A) == events
    assert (await world.ties(A)).marker.phase is Phase.ALONE


async def test_what_is_split_is_linked_by_operators_alone() -> None:
    world = LinkWorld()
    world.happens(A, 1)
    world.linked(A, U, 2)
    splits(world, A, 3)
    splits(world, A, 4)
    world.linked(A, U, 5)
    await world.done()
    assert await world.events(A) == 1
    world.linked(A, OTHER, 6, cause=Cause.OPERATOR)
    world.happens(A, 7)
    await world.done()
    assert [await world.events(key) for key in (A, OTHER)] == [0, 2]
    effects = ("parted", "repeated", "kept_alone")
    assert [world.meter.value("stream_links", effect) for effect in effects] == [1, 1, 1]


async def test_a_split_of_what_is_nobodys_changes_nothing() -> None:
    world = LinkWorld()
    world.happens(U, 1)
    splits(world, U, 2)
    await world.done()
    assert await world.events(U) == 1
    assert (await world.ties(U)).marker.phase is Phase.OPEN


async def test_a_split_that_is_applied_again_after_a_lost_commit_gives_back_once() -> None:
    world = LinkWorld()
    world.happens(A, 1)
    world.linked(A, U, 2)
    await world.done()
    splits(world, A, 3)
    world.store.lose = "commit"
    await world.work(9)
    world.store.lose = ""
    await world.done()
    assert await world.events(A) == 1


def test_nobody_splits_without_being_vouched_for() -> None:
    event = msgspec.structs.replace(event_of_split(Split(A, START), START), trust=0)
    with pytest.raises(BadEvent, match="nobody vouches"):
        said_of(A, event)


def test_what_is_neither_link_nor_split_is_refused() -> None:
    with pytest.raises(BadEvent):
        said_of(A, Event(WIRE_VERSION, LINKED, START, "x", "", "splitting"))
