"""The audit of links: each that does something, once Kafka has it and not before the id is changed."""

from __future__ import annotations

import msgspec

from engine.customer_id import customer_id
from engine.identity.link import Cause
from engine.identity.split import Split, event_of_split
from engine.ports.kafka import AuditAction, AuditedLink, AuditEntry
from tests.stream.link_world import LinkWorld, named
from tests.stream.test_worker import START

A, U, OTHER = (customer_id(named(kind, home)) for kind, home in (("a", 0), ("u", 1), ("u", 2)))


def entry(number: int, link: AuditedLink, who: str = "shop", whom: str = A) -> AuditEntry:
    return AuditEntry(who, AuditAction.IDENTITY_CHANGED, whom, START + 1_000 * number, link)


def splits(world: LinkWorld, number: int) -> None:
    at = START + 1_000 * number
    world.put(A, number, msgspec.msgpack.encode(event_of_split(Split(A, at, "boss"), at)))


async def test_each_link_is_audited_with_its_cause_and_who_vouches() -> None:
    world = LinkWorld()
    world.happens(A, 1)
    world.linked(A, U, 2, signed=False, by="public")
    world.linked(A, U, 3)
    world.linked(A, U, 4)  # a repeat does nothing
    world.linked(A, OTHER, 5, signed=False, by="forger")
    splits(world, 6)
    splits(world, 7)
    world.linked(A, OTHER, 8)
    world.linked(A, A, 9)
    world.linked(A, OTHER, 10, cause=Cause.OPERATOR, by="boss")
    await world.done()
    assert world.audited == [
        entry(2, AuditedLink("merged", U, "identified", "unsigned"), "public"),
        entry(3, AuditedLink("confirmed", U, "identified", "signed")),
        entry(5, AuditedLink("overruled", OTHER, "identified", "unsigned"), "forger"),
        entry(6, AuditedLink("parted", "", "split", "operator"), "boss"),
        entry(8, AuditedLink("kept_alone", OTHER, "identified", "signed")),
        entry(9, AuditedLink("impossible", A, "identified", "signed")),
        entry(10, AuditedLink("merged", OTHER, "operator", "operator"), "boss"),
    ]
    assert world.meter.value("audit_written") == len(world.audited)


async def test_an_id_is_not_changed_before_its_audit_is_written() -> None:
    world = LinkWorld()
    world.happens(A, 1)
    await world.work(9)
    world.linked(A, U, 2)
    world.unaudited = True
    await world.work(9)
    assert (await world.ties(A)).marker.to == ""
    assert world.logs[1] == []
    world.unaudited = False
    await world.done()
    assert (await world.ties(A)).marker.to == U
    once = entry(2, AuditedLink("merged", U, "identified", "signed"))
    assert world.audited == [once, once]


async def test_a_link_that_mails_nothing_is_audited_before_its_commit_too() -> None:
    world = LinkWorld()
    world.linked(A, A, 1)
    world.unaudited = True
    await world.work(9)
    assert (await world.store.position(0)).offset == 0
    world.unaudited = False
    await world.done()
    assert [one.link.effect for one in world.audited if one.link] == ["impossible"] * 2


async def test_links_that_go_round_are_audited_where_one_opens() -> None:
    world = LinkWorld()
    world.linked(U, OTHER, 1, cause=Cause.ALIASED)
    world.linked(OTHER, U, 2, cause=Cause.ALIASED)
    await world.done()
    opened = [one.whom for one in world.audited if one.link and one.link.effect == "cycle_cut"]
    assert opened == [max(U, OTHER)]


def test_what_is_read_is_audited_as_before() -> None:
    read = AuditEntry("shop", AuditAction.CUSTOMER_READ, "", 5)
    assert msgspec.json.encode(read) == b'{"who":"shop","what":"customer.read","whom":"","at":5}'
