"""How the ids of a customer came, as the worker left it: who vouched for which link, and whether it holds."""

from __future__ import annotations

from engine.customer_id import customer_id
from engine.events import Kind
from engine.identity.link import Cause
from engine.web.api.known_links import IdentityLink, KnownLinks
from tests.stream.link_world import LinkWorld, named
from tests.stream.test_worker import START

A, P, U = (customer_id(named(kind, home)) for kind, home in (("a", 0), ("p", 1), ("u", 2)))
OTHER = customer_id(named("u", 1))


async def links(world: LinkWorld, asked: str) -> list[IdentityLink]:
    await world.done()
    return await KnownLinks(world.store).of(customer_id(asked))


def link(key: str, into: str, number: int, **other: object) -> dict[str, object]:
    stated = {"id": key, "state": "merged", "into": into, "since": START + 1_000 * number, "trust": "signed"}
    return {**stated, "cause": "identified", "by": "shop", **other}


async def test_whoever_has_nothing_to_do_with_others_has_no_links() -> None:
    world = LinkWorld()
    world.happens(U, 1)
    assert await links(world, U) == await links(world, "never seen") == []


async def test_a_chain_is_shown_from_each_of_its_ids() -> None:
    world = LinkWorld()
    world.happens(A, 1)
    world.linked(A, P, 2)
    world.linked(P, U, 3, cause=Cause.PHONE)
    from_a, from_u = await links(world, A), await links(world, U)
    both = [link(A, P, 2), link(P, U, 3, cause="phone")]
    assert from_a == both
    assert sorted(from_u, key=lambda one: one["id"]) == both
    assert {one["id"] for one in await links(world, P)} == {A, P}


async def test_an_unsigned_link_is_shown_with_what_it_is_and_says_nothing_of_the_users_other_ids() -> None:
    world = LinkWorld()
    world.happens(A, 1)
    world.linked(P, U, 2)
    world.linked(A, U, 3, signed=False)
    assert await links(world, A) == [link(A, U, 3, trust="unsigned")]
    assert {one["id"]: one["trust"] for one in await links(world, U)} == {A: "unsigned", P: "signed"}


async def test_a_signed_link_after_an_unsigned_one_says_who_signed() -> None:
    world = LinkWorld()
    world.happens(A, 1)
    world.linked(A, U, 2, signed=False, by="public")
    world.linked(A, U, 3, by="server")
    assert await links(world, A) == [link(A, U, 3, by="server")]


async def test_a_repeat_changes_nothing_of_how_it_came() -> None:
    world = LinkWorld()
    world.linked(A, U, 2, by="first")
    world.linked(A, U, 3, by="second")
    assert await links(world, U) == [link(A, U, 2, by="first")]


async def test_a_shared_device_is_parted_and_the_first_user_still_shows_it() -> None:
    world = LinkWorld()
    world.happens(A, 1, Kind.ITEM_VIEWED)
    world.linked(A, U, 2)
    world.linked(A, OTHER, 3)
    parted = link(A, "", 3, state="parted")
    assert await links(world, A) == await links(world, U) == [parted]
    assert await links(world, OTHER) == []
