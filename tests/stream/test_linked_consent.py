"""Consent out of the log under ids that are one customer's: it holds for all of them, and where each was said."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.consent import name_of
from engine.customer_id import CustomerId, customer_id
from engine.events import Kind
from engine.ports.decision_store import Candidate, Reservation, Taking
from engine.store.followed_views import FollowedViews
from tests.stream.link_world import LinkWorld, home_of, named
from tests.stream.test_splits import splits
from tests.stream.test_worker import START

A, P, U = (customer_id(named(kind, home)) for kind, home in (("a", 0), ("p", 1), ("u", 2)))
EMAIL = name_of("marketing", "email")
SALE = (Candidate("sale", 0, 0, f"0{EMAIL}"),)
HELD = {"item": "marketing", "category": "email"}


async def gives(world: LinkWorld, *keys: CustomerId) -> list[Taking]:
    """What becomes of a sale to each, as a decision asks."""
    followed = FollowedViews(world.store)
    found = []
    for view, key in zip(await followed.views(keys), keys, strict=True):
        whose = view.customer or key
        name = f"{home_of(whose)}-x{key}"
        wanted = Reservation(whose, name, START + 10**6, SALE, b"r", brought=view.brought)
        found += (await followed.reserve([wanted]))[0]
    return found


async def linked() -> LinkWorld:
    world = LinkWorld()
    for number, key in enumerate((A, P, U), 1):
        world.happens(key, number)
    world.linked(A, P, 5)
    world.linked(P, U, 6)
    await world.done()
    return world


ALL: Sequence[CustomerId] = (A, P, U)


@pytest.mark.parametrize("by", ALL)
async def test_a_word_under_any_id_holds_for_every_id(by: CustomerId) -> None:
    world = await linked()
    world.happens(by, 10, Kind.CONSENT_REVOKED, **HELD)
    await world.done()
    assert await gives(world, *ALL) == [Taking.UNCONSENTED] * 3
    world.happens(U, 11, Kind.CONSENT_GRANTED, **HELD)
    await world.done()
    assert await gives(world, *ALL) == [Taking.TAKEN] * 3


async def test_it_holds_for_the_id_itself_before_the_mail_of_it_is_there() -> None:
    world = await linked()
    world.happens(A, 10, Kind.CONSENT_REVOKED, **HELD)
    await world.worker.owned.own([home_of(A)])
    await world.work(99)
    assert await gives(world, A) == [Taking.UNCONSENTED]


async def test_what_an_id_said_while_it_was_another_holds_when_it_is_its_own_again() -> None:
    world = await linked()
    world.happens(A, 10, Kind.CONSENT_REVOKED, **HELD)
    splits(world, A, 11)
    world.happens(A, 12)
    await world.done()
    assert await gives(world, A, U) == [Taking.UNCONSENTED] * 2


async def test_a_word_that_was_said_before_the_link_and_comes_behind_it_is_not_lost() -> None:
    world = await linked()
    world.happens(A, 2, Kind.CONSENT_REVOKED, **HELD)
    world.happens(U, 3, Kind.CONSENT_GRANTED, **HELD)
    await world.done()
    assert await gives(world, *ALL) == [Taking.TAKEN] * 3
    world.happens(P, 3, Kind.CONSENT_REVOKED, id="another", **HELD)  # of the same moment: the one that allows less
    await world.done()
    assert await gives(world, *ALL) == [Taking.UNCONSENTED] * 3


async def test_nobody_moves_the_consent_of_a_user_with_a_public_key() -> None:
    world = await linked()
    world.happens(A, 10, Kind.CONSENT_REVOKED, trust=0, **HELD)
    await world.done()
    assert await gives(world, *ALL) == [Taking.TAKEN] * 3
    assert world.meter.value("stream_warned", "unsigned_instruction") == 1


PHONE, ADDRESS, CALL = "phone:" + "0" * 32, "email:" + "1" * 32, "contact:call-1"


def states(world: LinkWorld, key: str, number: int, kind: Kind, channel: str = "email") -> None:
    world.happens(key, number, kind, item="marketing", category=channel, id=f"{kind}-{number}")


async def held(world: LinkWorld, key: str) -> list[tuple[str, str]]:
    (view,) = await world.store.views([customer_id(key)])
    return [(one.channel, one.state) for one in view.consents()]


async def test_who_calls_from_a_number_or_knows_one_may_revoke_and_grants_nothing() -> None:
    """Nobody checks whose number a call says it comes from."""
    world = LinkWorld()
    for key in (PHONE, CALL):
        states(world, key, 1, Kind.CONSENT_REVOKED, "agent")
        for number, kind in ((2, Kind.CONSENT_GRANTED), (3, Kind.CONSENT_CONFIRMED)):
            states(world, key, number, kind, "agent")
            states(world, key, number + 10, kind)
    await world.done()
    assert [await held(world, key) for key in (PHONE, CALL)] == [[("agent", "revoked")]] * 2
    assert world.meter.value("stream_warned", "address_alone") == 8
    assert (await world.store.tallies())["deadletters"] == 0


async def test_an_address_opts_in_by_e_mail_alone_and_by_both_steps() -> None:
    world = LinkWorld()
    states(world, ADDRESS, 1, Kind.CONSENT_REVOKED)
    states(world, ADDRESS, 2, Kind.CONSENT_GRANTED)
    for channel in ("web", "app", "agent"):
        states(world, ADDRESS, 2, Kind.CONSENT_GRANTED, channel)
        states(world, ADDRESS, 3, Kind.CONSENT_CONFIRMED, channel)
    await world.done()
    assert await held(world, ADDRESS) == [("email", "revoked")]
    assert world.meter.value("stream_warned", "address_alone") == 6
    states(world, ADDRESS, 4, Kind.CONSENT_CONFIRMED)
    await world.done()
    assert await held(world, ADDRESS) == [("email", "confirmed")]


@pytest.mark.parametrize("key", [PHONE, ADDRESS])
async def test_what_an_address_says_is_no_more_for_the_user_whose_it_is(key: str) -> None:
    """Mail brings it with the id under which it was said."""
    world = LinkWorld()
    world.happens(key, 1)
    world.linked(key, U, 2)
    states(world, U, 3, Kind.CONSENT_REVOKED)
    states(world, key, 4, Kind.CONSENT_GRANTED)
    await world.done()
    assert await held(world, U) == [("email", "revoked")]
    assert await gives(world, customer_id(key), U) == [Taking.UNCONSENTED] * 2
    states(world, key, 5, Kind.CONSENT_CONFIRMED)
    await world.done()
    allowed = Taking.TAKEN if key == ADDRESS else Taking.UNCONSENTED
    assert await gives(world, customer_id(key), U) == [allowed] * 2


async def test_a_user_who_is_named_opts_in_by_one_step() -> None:
    world = LinkWorld()
    for key in (U, "e-mail:ann", "telephone:" + "0" * 32):  # ids of a company's own that only look alike
        states(world, key, 1, Kind.CONSENT_GRANTED)
    await world.done()
    assert [await held(world, key) for key in (U, "e-mail:ann", "telephone:" + "0" * 32)] == [
        [("email", "granted")]
    ] * 3
