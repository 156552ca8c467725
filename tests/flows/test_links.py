"""Links over HTTP: announced once for each pair, signed where their sender is known, within a bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from engine.customer_id import customer_id
from engine.errors import Unavailable
from engine.events import LINKED, Kind
from engine.identity.identification import Identification
from engine.identity.link import LinkTrust, link_of
from engine.ports.link_store import CountedLink
from engine.web.api.erasure_reach import ErasureReach
from engine.web.api.known_links import KnownLinks
from tests.flows import access
from tests.flows.api import NOW, Process, calling, settings
from tests.flows.test_identities import merged, tie

MADE = Identification(b"s" * 32, "DE")
PUBLIC, SECRET = {"Authorization": f"Bearer {access.PUBLIC}"}, {"Authorization": f"Bearer {access.ADMIN}"}


def linking(**fields: Any) -> Process:
    known = settings(keys=access.RECORDS, token_keys=access.TOKEN_KEYS)
    return Process(known, identification=MADE, **fields)


def said(process: Process) -> list[tuple[str, str, str, bool]]:
    """The links in the log, in order."""
    found = [link_of(one.customer, one.event) for one in process.log.messages if one.event.kind == LINKED]
    return [(one.lower, one.upper, one.cause, one.signed) for one in found]


def identify(**fields: Any) -> dict[str, Any]:
    return {"userId": "ann", "anonymousId": "browser", **fields}


async def test_without_links_nothing_is_announced() -> None:
    process = Process(settings(keys=access.RECORDS))
    async with calling(process) as client:
        answer = await client.post("/v1/identify", json=identify(traits={"email": "x"}), headers=PUBLIC)
        assert (answer.status_code, "warnings" in answer.json()) == (200, False)
    assert [one.event.kind == LINKED for one in process.log.messages] == [False]


async def test_a_pair_is_announced_once_and_again_by_who_is_trusted_more() -> None:
    process = linking()
    async with calling(process) as client:
        for headers in (PUBLIC, PUBLIC, SECRET, SECRET, PUBLIC):
            answer = await client.post("/v1/identify", json=identify(), headers=headers)
            assert answer.json()["accepted"] == 1
    assert said(process) == [("browser", "ann", "identified", False), ("browser", "ann", "identified", True)]
    assert len(process.log.messages) == 5 + 2
    link = next(one for one in process.log.messages if one.event.kind == LINKED)
    event = process.log.messages[0].event
    assert (link.customer, link.event.at, link.event.received_at) == ("browser", event.at, event.received_at)
    assert process.meter.value("links_announced", "identified") == 2


async def test_a_batch_announces_what_its_events_show() -> None:
    process = linking()
    pages = [{"type": "page", "anonymousId": f"browser-{i % 2}", "userId": "ann"} for i in range(6)]
    email = {"type": "identify", "userId": "ann", "traits": {"email": "Ann@shop.de"}}
    bad = {"type": "page"}
    async with calling(process) as client:
        answer = await client.post("/v1/batch", json={"batch": [*pages, email, bad]}, headers=SECRET)
        assert (answer.json()["accepted"], answer.json()["rejected"]) == (7, 1)
    mail = MADE.email("ann@shop.de", "").id
    assert said(process) == [
        ("browser-0", "ann", "identified", True),
        ("browser-1", "ann", "identified", True),
        (mail, "ann", "email", True),
    ]
    links = [one for one in process.log.messages if one.event.kind == LINKED]  # traits have it, links do not
    assert not any("shop.de" in str(one) for one in links)


async def test_an_alias_of_two_users_needs_a_secret_key() -> None:
    process = linking()
    alias = {"userId": "ann", "previousId": "old"}
    async with calling(process) as client:
        answer = await client.post("/v1/alias", json=alias, headers=PUBLIC)
        assert answer.status_code == 200
        (warning,) = answer.json()["warnings"]
        assert (warning["reason"], warning["field"]) == ("link_refused", "previousId")
        assert said(process) == []
        assert process.meter.value("events_warned", "link_refused") == 1
        answer = await client.post("/v1/alias", json=alias, headers=SECRET)
        assert "warnings" not in answer.json()
    assert said(process) == [("old", "ann", "aliased", True)]


async def test_forged_links_use_up_no_room_of_true_ones() -> None:
    process = linking()
    forged = [{"type": "page", "anonymousId": f"forged-{i}", "userId": "ann"} for i in range(150)]
    async with calling(process) as client:
        answer = await client.post("/v1/batch", json={"batch": forged}, headers=PUBLIC)
        assert answer.json()["accepted"] == 150
        skipped = [(one["index"], one["reason"]) for one in answer.json()["warnings"]]
        assert skipped == [(i, "link_skipped") for i in range(100, 150)]
        answer = await client.post("/v1/page", json={"anonymousId": "forged-x", "userId": "ann"}, headers=PUBLIC)
        assert [one["reason"] for one in answer.json()["warnings"]] == ["link_skipped"]
        await client.post("/v1/identify", json=identify(), headers=SECRET)
    assert len(said(process)) == 100 + 1
    assert said(process)[-1] == ("browser", "ann", "identified", True)
    assert process.meter.value("links_skipped", "bound") == 51


@pytest.mark.parametrize(
    ("ids", "warned"),
    [
        ({"userId": "ann", "anonymousId": "ann"}, "link_refused"),
        ({"userId": "ann", "anonymousId": "contact:7"}, "reserved_id"),
        ({"userId": "email:ann@shop.de", "anonymousId": "browser"}, "reserved_id"),
        ({"userId": "ann", "anonymousId": "null"}, "placeholder_id"),
        ({"userId": "0000", "anonymousId": "browser"}, "placeholder_id"),
        ({"userId": "ann", "anonymousId": "00000000-0000-0000-0000-000000000000"}, "placeholder_id"),
        ({"userId": "ann", "anonymousId": "b" * 257}, "too_large"),
        ({"userId": "ann", "anonymousId": "b" * 300}, "too_large"),
        ({"userId": "u" * 300, "anonymousId": "browser"}, "too_large"),
    ],
)
async def test_an_id_that_is_the_other_or_none_makes_no_link_and_the_event_is_taken(
    ids: dict[str, str], warned: str
) -> None:
    process = linking()
    async with calling(process) as client:
        answer = await client.post("/v1/identify", json=ids, headers=SECRET)
        told = [one["reason"] for one in answer.json().get("warnings", [])]
        assert (answer.status_code, told) == (200, [warned])
    assert (said(process), len(process.log.messages)) == ([], 1)
    assert process.meter.value("events_warned", warned) == 1


@pytest.mark.parametrize(
    ("alias", "code"),
    [({"previousId": "b" * 300}, "too_large"), ({}, "missing_id"), ({"previousId": ""}, "missing_id")],
)
async def test_an_alias_of_no_id_is_refused(alias: dict[str, str], code: str) -> None:
    process = linking()
    async with calling(process) as client:
        answer = await client.post("/v1/alias", json={"userId": "ann", **alias}, headers=SECRET)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, code, "previousId")
    assert process.log.messages == []


async def test_an_unsigned_link_reads_no_page_no_cue_no_history_of_the_user() -> None:
    process = linking()
    await process.know("ann", recent_total=7, life_last_at=NOW, order_at=[NOW] + 11 * [0])
    await process.know("browser", recent_total=1, life_last_at=NOW)
    (own,) = await process.store.views([customer_id("browser")])
    ties = msgspec.structs.replace(merged("ann", LinkTrust.UNSIGNED), kept=own.row or b"")
    await tie(process, "browser", ties)
    await process.cue("ann")
    async with calling(process) as client:
        page = (await client.get("/v1/customers/browser", headers=SECRET)).json()
        (link,) = page["identities"]["links"]
        assert (page["customerId"], page["identities"]["ids"], link["trust"]) == ("browser", [], "unsigned")
        assert page["features"]["purchases.days_since"]["value"] is None
        assert len(page["timeline"]) == 1  # its own
        held = (await client.get("/v1/customers/browser/export", headers=SECRET)).json()
        assert (held["customerId"], held["cues"], held["offersGiven"]) == ("browser", [], {})
        asked = {"customerId": "browser", "channel": "agent", "deadlineMs": 2_000}
        decided = (await client.post("/v1/decisions", json=asked, headers=SECRET)).json()
        assert decided["customerId"] == "browser"
    assert await process.store.latest(customer_id("browser")) is None
    receipt = await ErasureReach(KnownLinks(process.store), process.store).ids(customer_id("browser"))
    assert receipt == ["browser"]


class Away:
    """A store that does not count, until it is back."""

    def __init__(self) -> None:
        self.back = False

    async def count_links(self, links: Sequence[CountedLink], most: int) -> list[bool]:
        if not self.back:
            raise Unavailable("away")
        return [True] * len(links)


async def test_without_the_store_a_link_is_skipped_and_the_event_taken_and_the_next_announces_it() -> None:
    store = Away()
    process = linking(links=store)
    async with calling(process) as client:
        answer = await client.post("/v1/identify", json=identify(), headers=SECRET)
        assert (answer.status_code, said(process)) == (200, [])
        assert [one["reason"] for one in answer.json()["warnings"]] == ["link_skipped"]
        assert process.meter.value("links_skipped", "store") == 1
        store.back = True
        answer = await client.post("/v1/identify", json=identify(), headers=SECRET)
        assert "warnings" not in answer.json()
    assert said(process) == [("browser", "ann", "identified", True)]


async def test_a_link_that_kafka_did_not_acknowledge_is_announced_again() -> None:
    process = linking()
    async with calling(process) as client:
        process.log.fault = Unavailable("away")
        answer = await client.post("/v1/identify", json=identify(), headers=SECRET)
        assert answer.status_code == 503
        process.log.fault = None
        await client.post("/v1/identify", json=identify(), headers=SECRET)
    assert said(process) == [("browser", "ann", "identified", True)]


@pytest.mark.parametrize(("ids", "signed"), [(["browser"], True), (["other"], False)])
async def test_a_visitor_vouches_for_the_ids_in_the_token_and_no_other(ids: list[str], signed: bool) -> None:
    process = linking()
    async with calling(process) as client:
        token = {"Authorization": f"Bearer {access.visitor_token(anonymousIds=ids)}"}
        answer = await client.post("/v1/identify", json=identify(), headers=token)
        assert answer.status_code == 200, answer.text
    assert said(process) == [("browser", "ann", "identified", signed)]


async def test_a_delivery_says_which_of_its_links_are_skipped() -> None:
    process = linking(links=Away())
    event = {"specversion": "1.0", "source": "pbx", "type": "com.example.contact.queued"}
    known = [{}, {"customerId": "ann"}, {}, {"customerId": "bob"}]
    events = [{**event, "id": f"{i}", "data": {"contactId": f"c-{i}", **one}} for i, one in enumerate(known)]
    async with calling(process) as client:
        head = {**SECRET, "Content-Type": "application/cloudevents-batch+json"}
        answer = (await client.post("/v1/events", content=msgspec.json.encode(events), headers=head)).json()
    assert (answer["accepted"], [(one["index"], one["reason"]) for one in answer["warnings"]]) == (
        4, [(1, "link_skipped"), (3, "link_skipped")],
    )  # fmt: skip


async def test_a_contact_is_linked_to_the_customer_whom_its_vendor_names() -> None:
    process = linking()
    event = {"specversion": "1.0", "id": "1", "source": "pbx", "type": "com.example.contact.queued"}
    async with calling(process) as client:
        for data in ({"contactId": "7"}, {"contactId": "7", "customerId": "ann"}):
            answer = await client.post(
                "/v1/contact-events/cloudevents",
                json={**event, "data": data},
                headers={**SECRET, "Content-Type": "application/cloudevents+json"},
            )
            assert answer.status_code == 200, answer.text
    assert said(process) == [("contact:7", "ann", "contact", True)]


async def test_who_unsubscribes_by_an_address_alone_is_the_customer_of_that_address() -> None:
    """Signed by the key, so it holds for whoever that address is linked to by somebody who knows."""
    process = linking()
    body = [
        {"event": "unsubscribe", "email": "Ann <ANN@shop.de>", "timestamp": NOW // 1_000, "sg_event_id": "e-1"},
        {"event": "open", "email": "ann@shop.de", "timestamp": NOW // 1_000, "sg_message_id": "m-1"},
    ]
    async with calling(process) as client:
        answer = await client.post("/v1/contact-events/email", json=body, headers=SECRET)
        assert (answer.status_code, answer.json()) == (200, {"accepted": 2, "passed": 0, "rejected": 0})
    mail = MADE.email("ann@shop.de", "").id
    revoked, opened = process.log.messages
    assert (revoked.customer, opened.customer) == (mail, mail)
    assert (revoked.event.kind, revoked.event.category, revoked.event.trust) == (Kind.CONSENT_REVOKED, "email", 1)
    assert said(process) == []
