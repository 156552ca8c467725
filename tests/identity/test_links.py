"""Links: which an event's ids make, as records on the log, and announced once."""

from __future__ import annotations

from itertools import product

import msgspec
import numpy as np
import pytest

from engine.customer_id import CustomerId, customer_id
from engine.errors import BadEvent
from engine.events import LINKED, WIRE_VERSION, Event, Kind, Message, Name, Rank
from engine.identity.announced import AnnouncedLinks
from engine.identity.link import Cause, Link, LinkTrust, event_of, link_of
from engine.identity.linking import REFUSED, links_of
from engine.kernels import decode as kernels
from engine.kernels.partition import partition_of
from engine.ports.records import as_columns
from engine.sources.registry import sources
from engine.stream.decode import decode
from tests.stream.test_worker import KafkaRecord

NOW = 1_700_000_000_000
DEVICE, ADDRESS, USER = Rank


def name(text: str, rank: Rank, vouched: bool = True, alias: bool = False) -> Name:
    return Name(customer_id(text), rank, f"field of {text}", vouched, alias)


ANN, BEN = name("ann", USER), name("ben", USER, alias=True)
BROWSER, CALL = name("browser", DEVICE), name("contact:7", DEVICE)
EMAIL, PHONE = name("email:" + "0" * 32, ADDRESS), name("phone:" + "1" * 32, ADDRESS)
CALLER = name("phone:" + "1" * 32, ADDRESS, vouched=False)


def message(*names: Name, trust: int = 1) -> Message:
    return Message(names[0].id, Event(WIRE_VERSION, int(Kind.PAGE_VIEWED), NOW, "e", trust=trust), (), names)


def anybody(customer: CustomerId) -> bool:
    return True


def made(*names: Name, trust: int = 1) -> list[tuple[str, str, str, bool]]:
    links, refused = links_of(message(*names, trust=trust), anybody)
    assert not refused
    return [(one.lower, one.upper, one.cause, one.signed) for one in links]


def test_an_event_of_one_id_makes_no_link() -> None:
    assert links_of(message(ANN), anybody) == ([], [])
    assert links_of(msgspec.structs.replace(message(ANN), names=()), anybody) == ([], [])


def test_all_ids_go_up_to_the_first_of_the_highest_rank() -> None:
    assert made(ANN, BROWSER) == made(BROWSER, ANN) == [("browser", "ann", "identified", True)]
    assert made(ANN, BROWSER, EMAIL, PHONE) == [
        ("browser", "ann", "identified", True),
        (EMAIL.id, "ann", "email", True),
        (PHONE.id, "ann", "phone", True),
    ]
    assert made(CALL, PHONE) == [("contact:7", PHONE.id, "phone", True)]
    assert made(ANN, CALL) == [("contact:7", "ann", "contact", True)]


def test_ids_of_one_rank_do_not_become_one_by_standing_in_one_event() -> None:
    assert made(BROWSER, EMAIL, PHONE) == [("browser", EMAIL.id, "email", True)]
    assert made(BROWSER, CALL) == []


def test_an_explicit_alias_links_two_users_where_somebody_trusted_says_so() -> None:
    assert made(ANN, BEN) == [("ben", "ann", "aliased", True)]
    links, (refused,) = links_of(message(ANN, BEN, BROWSER, trust=0), anybody)
    assert [(one.lower, one.upper, one.signed) for one in links] == [("browser", "ann", False)]
    assert (refused.reason, refused.field) == (REFUSED, "field of ben")
    assert "secret key" in refused.detail


@pytest.mark.parametrize(("trust", "vouched", "both"), [*product([0, 1], [False, True], [False, True])])
def test_a_link_is_signed_where_its_sender_vouches_for_both_ids(trust: int, vouched: bool, both: bool) -> None:
    other = name("browser", DEVICE, vouched=vouched)
    for known in ({"ann"}, {"browser"}):
        ids = known | ({"ann", "browser"} if both else set())
        (link,), _ = links_of(message(ANN, other, trust=trust), ids.__contains__)
        assert link.signed is (trust == 1 and vouched and both)


def test_the_number_of_a_caller_is_unsigned_whoever_reports_it() -> None:
    assert made(ANN, CALLER) == [(CALLER.id, "ann", "phone", False)]
    assert made(CALL, CALLER) == [("contact:7", CALLER.id, "phone", False)]


def test_an_id_is_not_linked_to_itself() -> None:
    assert made(ANN, name("ann", DEVICE), name("ann", USER, alias=True)) == []


@pytest.mark.parametrize(
    ("signed", "cause", "trust"),
    [
        (False, Cause.IDENTIFIED, LinkTrust.UNSIGNED),
        (True, Cause.IDENTIFIED, LinkTrust.SIGNED),
        (True, Cause.OPERATOR, LinkTrust.OPERATOR),
        (False, Cause.OPERATOR, LinkTrust.UNSIGNED),
    ],
)
def test_a_link_comes_back_from_the_event_it_is_written_as(signed: bool, cause: Cause, trust: LinkTrust) -> None:
    said = Link(BROWSER.id, DEVICE, ANN.id, USER, NOW, cause, signed)
    event = event_of(said, NOW + 5)
    assert (event.kind, event.at, event.received_at, event.trust, event.anonymous) == (
        LINKED,
        NOW,
        NOW + 5,
        signed,
        1,
    )
    assert link_of("browser", event) == said
    assert said.trust is trust
    again = event_of(msgspec.structs.replace(said, at=NOW + 1), NOW + 9)
    assert again.id == event.id  # the same is said, whenever


def test_links_that_say_different_things_have_different_ids() -> None:
    said = Link(BROWSER.id, DEVICE, ANN.id, USER, NOW, Cause.IDENTIFIED, True)
    others = [said, msgspec.structs.replace(said, signed=False), msgspec.structs.replace(said, upper=BEN.id)]
    assert len({event_of(one, 0).id for one in others}) == 3


@pytest.mark.parametrize("category", ["", "identified", "identified 0", "identified 0 3", "guess 0 2"])
def test_what_is_no_link_is_refused(category: str) -> None:
    event = Event(WIRE_VERSION, LINKED, NOW, "e", "ann", category)
    with pytest.raises(BadEvent, match="malformed"):
        link_of("browser", event)


@pytest.mark.parametrize("by", ["", "shop", "a key"])
def test_a_link_says_which_key_told_it(by: str) -> None:
    said = Link(BROWSER.id, DEVICE, ANN.id, USER, NOW, Cause.IDENTIFIED, True, by)
    assert link_of("browser", event_of(said, NOW)) == said
    assert event_of(said, NOW).id == event_of(msgspec.structs.replace(said, by="other"), NOW).id


@pytest.mark.parametrize("upper", ["", "u" * 257])
def test_the_ids_of_a_link_are_bounded(upper: str) -> None:
    with pytest.raises(BadEvent, match=r"missing_customer|too_large"):
        link_of("browser", Event(WIRE_VERSION, LINKED, NOW, "e", upper, "identified 0 2"))


def test_a_worker_that_does_not_know_links_keeps_them_as_dead_letters_and_applies_the_rest() -> None:
    value = msgspec.msgpack.encode(
        event_of(Link(BROWSER.id, DEVICE, ANN.id, USER, NOW, Cause.IDENTIFIED, True), NOW)
    )
    page = msgspec.msgpack.encode(Event(WIRE_VERSION, int(Kind.PAGE_VIEWED), NOW, "page"))
    records = [KafkaRecord(i, one, b"browser", timestamp=NOW) for i, one in enumerate((page, value, page))]
    home = partition_of(b"browser", 4)
    batch = decode(as_columns(records), home, 4, "events", sources())
    (dead,) = batch.dead
    assert (dead.reason, dead.offset, dead.key, dead.value) == ("unknown_type", 1, b"browser", value)
    assert batch.offsets.tolist() == [0, 2]
    assert not kernels.KNOWN[LINKED]
    assert np.flatnonzero(kernels.KNOWN).tolist() == sorted(Kind)


# announced once


def link(lower: str, upper: str = "ann", signed: bool = True) -> Link:
    return Link(customer_id(lower), DEVICE, customer_id(upper), USER, NOW, Cause.IDENTIFIED, signed)


def test_a_pair_is_announced_once_and_again_by_somebody_who_is_trusted_more() -> None:
    announced = AnnouncedLinks()
    assert announced.new([link("a", signed=False)]) == [link("a", signed=False)]
    assert announced.new([link("a", signed=False)]) == [link("a", signed=False)]  # Kafka does not have it yet
    announced.add([link("a", signed=False)])
    assert announced.new([link("a", signed=False), link("a", "ben", signed=False)]) == [
        link("a", "ben", signed=False)
    ]
    assert announced.new([link("a")]) == [link("a")]
    announced.add([link("a")])
    announced.add([link("a", signed=False)])  # a late acknowledgement takes nothing back
    assert announced.new([link("a"), link("a", signed=False)]) == []


def test_of_several_that_say_the_same_the_most_trusted_is_announced() -> None:
    announced = AnnouncedLinks()
    assert announced.new([link("a", signed=False), link("a"), link("a")]) == [link("a")]


def test_the_pairs_that_were_seen_last_are_remembered() -> None:
    announced = AnnouncedLinks(2)
    announced.add([link("a"), link("b")])
    assert announced.new([link("a")]) == []
    announced.add([link("c")])
    assert len(announced) == 2
    assert announced.new([link("a"), link("b"), link("c")]) == [link("b")]
