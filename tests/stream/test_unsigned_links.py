"""What an unsigned link moves, and what not: what was viewed and the cart; no order, trait, consent or cap."""

from __future__ import annotations

import pytest

from engine.consent import name_of
from engine.customer_id import customer_id
from engine.events import Kind, More, Traits
from engine.identity.link import LinkTrust
from engine.identity.marker import Phase
from engine.kernels.row import ROW
from engine.ports.decision_store import Candidate, Reservation, Taking
from engine.ports.offer_history import FROZEN
from engine.state.joined_rows import joined_rows
from engine.state.profile import profile_of
from engine.state.row_codec import read
from engine.state.row_parts import own_part, used_part
from engine.store.followed_views import FollowedViews
from tests.state.stored import stored
from tests.stream.link_world import BESIDE, LinkWorld, as_one, home_of, named
from tests.stream.test_worker import START

A, U = customer_id(named("a", 0)), customer_id(named("u", 1))
FORGED, FORGED_TOO = customer_id(named("u", 0)), customer_id(named("u", 2))
Told = tuple[int, Kind, dict[str, object]]


def said(plan: str) -> More:
    return More(kind=int(Kind.TRAITS_SET), traits=Traits(2, "crm", {"plan": plan}))


BEFORE: list[Told] = [
    (1, Kind.ITEM_VIEWED, {"item": "i"}),
    (2, Kind.CART_ADDED, {"item": "tv", "value": 90.0, "quantity": 2}),
    (3, Kind.ORDER_COMPLETED, {"order": "o", "value": 40.0}),
    (4, Kind.TRAITS_SET, {"more": said("gold")}),
    (5, Kind.CART_ADDED, {"item": "radio", "value": 20.0}),
]
LATER: list[Told] = [
    (11, Kind.SEARCHED, {}),
    (12, Kind.ORDER_COMPLETED, {"order": "o2", "value": 5.0}),
    (13, Kind.ORDER_REFUNDED, {"order": "o", "value": 10.0}),
    (14, Kind.TRAITS_SET, {"more": said("lead")}),
    (15, Kind.CART_ADDED, {"item": "lamp", "value": 7.0}),
    (16, Kind.CONSENT_GRANTED, {"item": "marketing", "category": "web"}),
]
GIVES = (Candidate("chat", 1, 10**12),)


OWN_KINDS = {Kind.ORDER_COMPLETED, Kind.ORDER_REFUNDED, Kind.TRAITS_SET}


async def linked() -> LinkWorld:
    """A device with all there is, of whom anybody says that it is a user, and what it does from then on."""
    world = LinkWorld()
    for number, kind, fields in BEFORE:
        world.happens(A, number, kind, **fields)
    world.happens(A, 6, Kind.CONSENT_REVOKED, item="marketing", category="email")
    await world.done()
    assert await world.store.reserve([Reservation(A, f"{home_of(A)}-x", START, GIVES, b"r")]) == [[Taking.TAKEN]]
    world.linked(A, U, 10, signed=False)
    for number, kind, fields in LATER:
        world.happens(A, number, kind, **fields)
    await world.done()
    return world


async def told_alone(told: list[Told]) -> bytes:
    """The stored row of one customer with these events alone, told as a user's."""
    world = LinkWorld()
    for number, kind, fields in told:
        world.happens(U, number, kind, **fields)
    await world.done()
    row = await world.stored(U)
    assert row is not None
    return row


def fields_of(row: bytes | None) -> dict[str, bytes]:
    return {name: read([row])[name].tobytes() for name in set(ROW.names or ()) - BESIDE}


async def test_features_go_and_all_that_is_a_persons_own_stays() -> None:
    """Also what comes later: the user is who did all but that, the device who did that alone."""
    world = await linked()
    user, device = await world.row(U), await world.row(A)
    before = read([await told_alone(BEFORE)])
    later = await told_alone([one for one in LATER if one[1] not in OWN_KINDS])
    wanted = joined_rows([bytes(stored(used_part(before))[0]), later])
    assert wanted is not None
    for name, value in fields_of(wanted).items():
        assert user[name] == value, name
    owned = await told_alone([one for one in LATER if one[1] in OWN_KINDS])
    kept = joined_rows([bytes(stored(own_part(before))[0]), owned])
    for name, value in fields_of(kept).items():
        assert device[name] == value or name == "life_anonymous", name
    now = START + 30_000
    features = {name: one["value"] for name, one in profile_of(wanted, now).features.items()}
    assert (features["cart.value"], features["searches.count_7d"]) == (27.0, 1.0)
    moved = {name for name, value in features.items() if name.startswith(("orders.", "purchases.")) and value}
    assert moved == set()


async def test_consent_caps_and_words_stay_and_those_that_come_later_too() -> None:
    world = await linked()
    device = await world.given(A)
    assert device["chat"] == [START]
    assert FROZEN not in device
    assert {name_of("marketing", "email"), name_of("marketing", "web")} <= device.keys()
    assert await world.given(U) == {}
    (words,) = await world.store.words(home_of(U), [U.encode()])
    assert words == {}
    (kept,) = await world.store.words(home_of(A), [A.encode()])
    assert b"lead" in kept["plan"]
    taken = await world.store.reserve([Reservation(U, f"{home_of(U)}-y", START, GIVES, b"r")])
    again = await world.store.reserve([Reservation(A, f"{home_of(A)}-z", START, GIVES, b"r")])
    assert (taken, again) == ([[Taking.TAKEN]], [[Taking.CAPPED]])


async def test_who_reads_the_device_reads_the_device_and_its_streams_do_not_move() -> None:
    world = await linked()
    views = await FollowedViews(world.store).views([A, U])
    assert [view.customer for view in views] == [None, None]
    assert views[0].history.get("chat") == [START]
    assert not views[1].history
    assert not [one for one in world.store._partitions[home_of(A)].cues if one[2].startswith(b"> ")]


@pytest.mark.parametrize("before", [False, True])
async def test_a_forged_link_neither_hijacks_nor_blocks_a_true_one(before: bool) -> None:
    """Somebody says that the device is theirs, and another's, too, before it is linked to the user or after."""
    world = LinkWorld()
    world.happens(A, 1, Kind.ORDER_COMPLETED, order="o", value=9.0)
    forged = (2, 3) if before else (12, 13)
    for number, whose in zip(forged, (FORGED, FORGED_TOO), strict=True):
        world.linked(A, whose, number, signed=False, by="public")
    world.linked(A, U, 10)
    world.happens(A, 20)
    world.happens(A, 21, Kind.ORDER_COMPLETED, order="o2", value=9.0)
    await world.done()
    marker = (await world.ties(A)).marker
    assert (marker.phase, marker.to, marker.trust) == (Phase.MERGED, U, LinkTrust.SIGNED)
    assert (await world.row(U))["order_at"] == (
        await as_one([(1, Kind.ORDER_COMPLETED, {"order": "o", "value": 9.0}),
                      (21, Kind.ORDER_COMPLETED, {"order": "o2", "value": 9.0})])
    )["order_at"]  # fmt: skip
    nothing = (await as_one([(1, Kind.PAGE_VIEWED, {})]))["order_at"]
    for whose in (FORGED, FORGED_TOO):
        assert await world.stored(whose) is None or (await world.row(whose))["order_at"] == nothing
