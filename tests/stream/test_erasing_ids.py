"""An erasure reaches all ids of a customer, by signed links alone, and nothing that is another's."""

from __future__ import annotations

import pytest

from engine.customer_id import customer_id
from engine.events import Kind
from engine.identity.erased_ids import ErasedIds
from engine.identity.link import Cause
from engine.identity.marker import Phase
from engine.ports.decision_store import Candidate, Reservation, Taking
from engine.post.letter import letter_in
from engine.web.api.erasure_reach import ErasureReach
from engine.web.api.known_links import KnownLinks
from tests.stream.link_world import LinkWorld, home_of, named
from tests.stream.post_world import PARTITIONS
from tests.stream.test_worker import START

A, B, P, U, OTHER = named("a", 0), named("a", 1), named("p", 1), named("u", 2), named("u", 0)


async def linked_world() -> LinkWorld:
    """Two devices and an address of one user, each with an event and an offer."""
    world = LinkWorld()
    for number, key in enumerate((A, B, P, U, OTHER)):
        world.happens(key, number)
        offer = (Candidate(f"offer-{number}", 1, 9),)
        wanted = Reservation(key, f"{home_of(key)}-{key}", START, offer, b"r")  # type: ignore[arg-type]
        assert await world.store.reserve([wanted]) == [[Taking.TAKEN]]
    world.linked(A, P, 5)
    world.linked(P, U, 6)
    world.linked(B, U, 7)
    await world.done()
    return world


def erased(world: LinkWorld, key: str, number: int) -> None:
    world.happens(key, number, Kind.ERASED)


async def reached(world: LinkWorld, key: str) -> list[str]:
    """The ids that a receipt would name."""
    await world.done()
    links = KnownLinks(world.store)
    return [str(one) for one in await ErasureReach(links, world.store).ids(customer_id(key))]


async def remembered(world: LinkWorld, *keys: str) -> set[str]:
    """Which of `keys` were erased."""
    kept = [await world.store.tombstones(partition) for partition in range(PARTITIONS)]
    return {key for key in keys if ErasedIds().digest(key.encode()) in kept[home_of(key)]}


async def left(world: LinkWorld, key: str) -> bool:
    """Whether anything is kept of an id."""
    return await world.stored(key) is not None or bool(await world.given(key))


@pytest.mark.parametrize("by", [A, B, P, U])
async def test_all_ids_of_a_customer_are_erased_whichever_is_named_and_nobody_else(by: str) -> None:
    world = await linked_world()
    assert await world.store.ids_of(home_of(U), U.encode()) == sorted([P, B])
    named_in_receipt = await reached(world, by)
    assert (named_in_receipt[0], set(named_in_receipt)) == (by, {A, B, P, U})
    erased(world, by, 9)
    await world.done()
    assert await remembered(world, A, B, P, U, OTHER) == {A, B, P, U}
    assert [await left(world, key) for key in (A, B, P, U, OTHER)] == [False, False, False, False, True]
    for key in (A, B, P, U):
        world.happens(key, 8, id=f"late-{key}")  # it happened before
    await world.done()
    assert [await left(world, key) for key in (A, B, P, U)] == [False] * 4
    world.happens(A, 20)
    await world.done()
    assert await world.events(A) == 1
    assert [await left(world, key) for key in (B, P, U)] == [False] * 3
    assert [len(await world.store.tombstones(partition)) for partition in range(PARTITIONS)] == [1, 2, 1]


async def test_each_letter_of_one_erasure_has_a_number_of_its_own_and_a_repeat_changes_nothing() -> None:
    world = await linked_world()
    erased(world, U, 9)
    world.happens(U, 10)
    await world.work(99)
    sent = [letter_in(one.value or b"") for one in world.logs[1] if one.headers][-2:]
    assert sent[0].path == sent[1].path == (U,)
    assert sent[1].previous == sent[0].number == sent[1].number - 1
    world.store.lose = "commit"
    await world.work(99)
    world.store.lose = ""
    await world.done()
    assert await world.events(U) == 1
    assert [await left(world, key) for key in (A, B, P)] == [False] * 3


async def test_a_device_that_was_opened_since_keeps_what_is_its_own_and_nothing_of_the_user() -> None:
    world = await linked_world()
    world.linked(B, OTHER, 8)
    world.happens(B, 9)
    await world.done()
    assert (await world.ties(B)).kept
    assert set(await reached(world, U)) == {U, P, A}
    assert await reached(world, B) == [B]
    erased(world, U, 10)
    await world.done()
    assert await remembered(world, A, B, P, U, OTHER) == {A, P, U}
    assert [await left(world, key) for key in (A, P, U)] == [False] * 3
    ties = await world.ties(B)
    assert (ties.marker.phase, ties.kept, await world.events(B)) == (Phase.ALONE, b"", 1)


async def test_whoever_only_claims_to_be_a_user_erases_nothing_of_theirs() -> None:
    world = LinkWorld()
    world.happens(A, 1)
    world.happens(U, 2)
    world.linked(A, U, 3, signed=False)
    assert (await reached(world, A), await reached(world, U)) == ([A], [U])
    erased(world, A, 4)
    await world.done()
    assert await remembered(world, A, U) == {A}
    assert [await left(world, key) for key in (A, U)] == [False, True]
    assert await world.events(U) == 2


async def test_users_that_went_round_are_erased_once_each() -> None:
    world, one = LinkWorld(), named("u", 1)
    world.happens(U, 1)
    world.happens(one, 2)
    world.linked(U, one, 3, cause=Cause.ALIASED)
    world.linked(one, U, 4, cause=Cause.ALIASED)
    assert set(await reached(world, U)) == set(await reached(world, one)) == {U, one}
    erased(world, U, 5)
    await world.done()
    assert await remembered(world, U, one) == {U, one}
    assert [await left(world, key) for key in (U, one)] == [False, False]
