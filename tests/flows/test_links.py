"""Links over HTTP: announced once for each pair, signed where their sender is known, within a bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.events import LINKED
from engine.identity.identification import Identification
from engine.identity.link import link_of
from engine.ports.link_store import CountedLink
from tests.flows import access
from tests.flows.api import Process, calling, settings

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
        await client.post("/v1/identify", json=identify(), headers=SECRET)
    assert len(said(process)) == 100 + 1
    assert said(process)[-1] == ("browser", "ann", "identified", True)
    assert process.meter.value("links_skipped", "bound") == 50


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
        assert process.meter.value("links_skipped", "store") == 1
        store.back = True
        await client.post("/v1/identify", json=identify(), headers=SECRET)
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
