"""An export has what is held under every id of a customer, whichever is asked for, and nothing of anybody else."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from engine.customer_id import CustomerId, customer_id
from engine.decisions.record import DecisionRecord, Given, encode_record
from engine.events import Kind, More, OutcomeName, Traits
from engine.ports.decision_store import Candidate, Reservation
from engine.ports.link_store import CountedLink
from tests.contracts.builders import outcome
from tests.flows.access import ADMIN, guarded
from tests.flows.api import Process, calling
from tests.store.test_followed_views import applied
from tests.stream.link_world import LinkWorld, home_of, named
from tests.stream.test_worker import START

A, P, U, OTHER = (customer_id(named(kind, home)) for kind, home in (("a", 0), ("p", 1), ("u", 2), ("u", 0)))
EVERY = (A, P, U, OTHER)
CHAT = (Candidate("chat", 0, 0),)


async def lived() -> LinkWorld:
    """Four ids, each with events, a trait, a consent, an offer, a decision with its outcome and a large batch."""
    world = LinkWorld()
    for number, key in enumerate(EVERY, 1):
        plan = More(kind=int(Kind.TRAITS_SET), traits=Traits(2, "crm", {"plan": f"of-{key}"}))
        world.happens(key, number, Kind.ITEM_VIEWED, item=f"item-{key}")
        world.happens(key, number + 10, Kind.TRAITS_SET, more=plan)
        world.happens(key, number + 20, Kind.CONSENT_REVOKED, item=f"purpose_{key}", category="web")
    await world.done()
    for number, key in enumerate(EVERY):
        name = decision_of(key)
        await world.store.reserve([Reservation(key, name, START + number, CHAT, record_of(key, START + number))])
        await world.store.learn(outcome(name, "chat", OutcomeName.ACCEPTED), None)
        await world.store.end_batch(b"batch", {key: key.encode()[:8].ljust(8)})
        await world.store.count_links([CountedLink(customer_id("x"), key, 24_000, True)], 9)
    return world


def record_of(key: CustomerId, at: int) -> bytes:
    """Of `OTHER` one that cannot be read."""
    if key == OTHER:
        return b"\x90"
    return encode_record(
        DecisionRecord(2, key, "web", at, "gone", (Given("chat", "", 1.0, 0.5, 1.0),), (), b"\0\0")
    )


def decision_of(key: CustomerId) -> str:
    return f"{home_of(key)}-d-{key}"


async def exported(world: LinkWorld, key: CustomerId) -> dict[str, Any]:
    process = Process(guarded().settings, store=world.store)
    process.clock.now = START + 60_000
    async with calling(process) as api:
        return await _export(api, key)


async def _export(api: httpx.AsyncClient, key: CustomerId) -> dict[str, Any]:
    answer = await api.get(f"/v1/customers/{key}/export", headers={"authorization": f"Bearer {ADMIN}"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def held_under(export: dict[str, Any]) -> dict[str, Any]:
    return {one.pop("id"): one for one in export["ids"]}


async def test_each_id_has_what_is_held_under_it_whichever_is_asked_for() -> None:
    world = await lived()
    world.linked(A, P, 40)
    world.linked(P, U, 41)
    await world.done()
    exports = [await exported(world, key) for key in (A, P, U)]
    asked = [one["ids"][0]["id"] for one in exports]
    assert asked == [A, P, U]
    ids = [held_under(one) for one in exports]
    assert ids[0] == ids[1] == ids[2]
    assert set(ids[0]) == {A, P, U}
    for key, under in ((key, ids[0][key]) for key in (A, P, U)):
        assert decision_of(key) in under["decisions"]
        assert "chat|accepted" in under["decisions"][decision_of(key)]
        assert START + EVERY.index(key) in under["history"]["chat"]
        assert f"purpose_{key}" in [one["purpose"] for one in under["consent"]]
        assert f"of-{key}" in [one["value"] for one in under["traits"]]
        assert (len(under["sentBatches"]), [one["month"] for one in under["linkCounts"]]) == (1, [24_000])
        assert bool(base64.b64decode(under["keptRow"])) == (key != U)
    assert (ids[0][A]["link"]["into"], ids[0][P]["link"]["into"], ids[0][U]["link"]) == (P, U, None)
    assert (ids[0][A]["linked"], ids[0][P]["linked"], ids[0][U]["linked"]) == ([], [A], [P])
    for one in exports:
        del one["ids"], one["customerId"]
        assert one == exports[0]
        assert {word["purpose"] for word in one["consent"]} == {f"purpose_{key}" for key in (A, P, U)}
        assert one["offersGiven"] == {"chat": [START, START + 1, START + 2]}
        assert one["features"]["customer.events"] == 3
        assert {made["customerId"] for made in one["decisions"]} == {A, P, U}


async def test_while_the_mail_about_a_link_is_on_its_way_both_ids_are_there() -> None:
    world = await lived()
    world.linked(A, U, 40)
    await applied(world, home_of(A))
    export = await exported(world, A)
    assert set(held_under(export)) == {A, U}
    assert {word["purpose"] for word in export["consent"]} == {f"purpose_{key}" for key in (A, U)}
    assert export["features"]["customer.events"] == 2


async def test_who_is_only_claimed_to_be_somebody_is_exported_apart() -> None:
    world = await lived()
    world.linked(A, U, 40, signed=False)
    world.linked(P, U, 41)
    await world.done()
    device, user = await exported(world, A), await exported(world, U)
    assert set(held_under(device)) == {A}
    assert set(held_under(user)) == {U, P}
    assert [one["purpose"] for one in device["consent"]] == [f"purpose_{A}"]
    assert {one["purpose"] for one in user["consent"]} == {f"purpose_{U}", f"purpose_{P}"}
    assert decision_of(A) not in str(user)
    assert decision_of(U) not in str(device)


async def test_what_is_exported_is_what_an_erasure_finds() -> None:
    world = await lived()
    world.linked(A, P, 40)
    world.linked(P, U, 41)
    await world.done()
    before = held_under(await exported(world, A))
    world.happens(P, 50, Kind.ERASED)
    await world.done()
    assert all(any(under[name] for name in under if name != "link") for under in before.values())
    process = Process(guarded().settings, store=world.store)
    async with calling(process) as api:
        for key in before:
            answer = await api.get(f"/v1/customers/{key}/export", headers={"authorization": f"Bearer {ADMIN}"})
            assert answer.status_code == 404
        left = await _export(api, OTHER)
    assert left["decisions"] == []  # nobody can read it
    assert decision_of(OTHER) in held_under(left)[OTHER]["decisions"]
