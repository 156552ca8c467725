"""Customers asked for by an id that became another's: whose it is answers, in one round trip, and in full."""

from __future__ import annotations

from engine.customer_id import CustomerId, customer_id
from engine.events import Kind
from engine.identity.link import Cause
from engine.kernels.row import ROW
from engine.ports.decision_store import Candidate, Reservation, Taking
from engine.ports.offer_history import View
from engine.state.row_codec import read
from engine.store.followed_views import FollowedViews
from loadtest.links import CountedViews
from tests.stream.link_world import BESIDE, LinkWorld, as_one, home_of, named
from tests.stream.test_worker import START

A, P, U = (customer_id(named(kind, home)) for kind, home in (("a", 0), ("p", 1), ("u", 2)))
ONCE = (Candidate("chat", 1, 10**12),)


def followed(world: LinkWorld) -> tuple[FollowedViews, CountedViews]:
    counted = CountedViews(world.store)
    return FollowedViews(counted), counted


def fields(view: View) -> dict[str, bytes]:
    row = read([view.row])
    return {name: row[name].tobytes() for name in set(ROW.names or ()) - BESIDE}


async def applied(world: LinkWorld, partition: int) -> None:
    """The first records of one partition alone: what it mails, and what is mailed to it, is not read yet."""
    await world.worker.owned.own([partition])
    await world.work(len([one for one in world.logs[partition] if not one.headers]))
    world.worker = world.new_worker()


def wanted(view: View, asked: CustomerId) -> Reservation:
    whose = view.customer or asked
    return Reservation(whose, f"{home_of(whose)}-x{asked}", START, ONCE, b"r", brought=view.brought)


async def test_whoever_has_nothing_to_do_with_others_is_viewed_as_ever() -> None:
    world = LinkWorld()
    world.happens(U, 1)
    await world.done()
    views, counted = followed(world)
    assert await views.views([U, A]) == await world.store.views([U, A])
    assert counted.trips == 1


async def test_two_hops_are_three_trips_once_and_one_trip_from_then_on() -> None:
    world = LinkWorld()
    for number, key in enumerate((A, P, U)):
        world.happens(key, number)
    world.linked(A, P, 4)
    world.linked(P, U, 5)
    await world.done()
    views, counted = followed(world)
    for trips in (3, 4, 5):
        (first,) = await views.views([A])
        assert (first.customer, counted.trips) == (U, trips)
    second, own = await views.views([P, U])
    assert counted.trips == 6
    assert (second.customer, own.customer) == (U, None)
    assert fields(first) == fields(second) == fields(own) == await world.row(U)
    assert set(first.ids) == set(own.ids) == {A, P}


async def test_while_the_row_is_on_its_way_it_is_joined_and_its_history_counts() -> None:
    world = LinkWorld()
    told: list[tuple[int, Kind, dict[str, object]]] = [
        (number, Kind.ITEM_VIEWED, {"item": f"i{number}"}) for number in range(6)
    ]
    for number, kind, more in told:
        world.happens(A if number % 2 else U, number, kind, **more)
    assert await world.store.reserve([Reservation(A, f"{home_of(A)}-x", START, ONCE, b"r")]) == [[Taking.TAKEN]]
    world.linked(A, U, 6)
    for partition in (home_of(U), home_of(A)):
        await applied(world, partition)
    views, _ = followed(world)
    (view,) = await views.views([A])
    assert view.customer == U
    assert fields(view) == await as_one(told)
    assert view.given(START + 1) == {"chat": [START]}
    assert await views.reserve([wanted(view, A)]) == [[Taking.CAPPED]]
    await world.done()
    (after,) = await views.views([A])
    assert fields(after) == fields(view)
    assert (await world.given(U))["chat"] == [START]


async def test_an_unsigned_link_shows_nothing_of_the_user_and_what_the_device_did_until_then() -> None:
    world = LinkWorld()
    world.happens(A, 1)
    world.happens(U, 2, Kind.ORDER_COMPLETED, order="o", value=9.0)
    world.linked(A, U, 3, signed=False)
    await world.done()
    views, _ = followed(world)
    (view,) = await views.views([A])
    assert view.customer is None
    assert int(read([view.row])["recent_total"][0]) == 1
    assert int(read([view.row])["order_at"][0][0]) == 0


async def test_a_guess_that_holds_no_more_is_noticed_in_the_same_trip() -> None:
    world = LinkWorld()
    world.happens(A, 1)
    world.linked(A, U, 2)
    await world.done()
    views, counted = followed(world)
    await views.views([A])
    world.linked(A, customer_id(named("u", 1)), 3)  # a second user: it is nobody's
    world.happens(A, 4)
    await world.done()
    trips = counted.trips
    (view,) = await views.views([A])
    assert (view.customer, counted.trips) == (None, trips + 1)
    assert int(read([view.row])["recent_total"][0]) == 1


async def test_markers_that_go_round_lead_nowhere_until_one_has_opened() -> None:
    world = LinkWorld()
    other = customer_id(named("u", 0))
    world.happens(U, 1)
    world.happens(other, 2)
    world.linked(U, other, 3, cause=Cause.ALIASED)
    world.linked(other, U, 4, cause=Cause.ALIASED)
    for partition in (home_of(U), home_of(other)):
        await applied(world, partition)
    views, _ = followed(world)
    assert [view.customer for view in await views.views([U, other])] == [None, None]
    await world.done()
    found = [view.customer for view in await views.views([U, other])]
    assert sorted(found, key=str) == sorted([None, max(U, other)], key=str)


async def test_what_stands_frozen_is_no_offer() -> None:
    world = LinkWorld()
    world.linked(A, U, 1)
    await world.done()
    views, _ = followed(world)
    (view,) = await views.views([A])
    assert view.given(START) == {}
    assert view.brought == {}
