"""Identities over HTTP: whose an id is, how it came, links and splits by operators."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from engine.customer_id import customer_id
from engine.events import LINKED, Rank
from engine.identity.identification import Identification
from engine.identity.link import Cause, Link, LinkTrust
from engine.identity.marker import Marker, Phase
from engine.identity.split import SPLIT, Split, said_of
from engine.identity.ties import Provenance, Ties, packed
from engine.kernels.partition import partition_of
from engine.ports.kafka import AuditAction
from engine.ports.stream_store import Commit, Timers
from engine.state.tied_rows import tied
from tests.flows import access
from tests.flows.api import NOW, PARTITIONS, Process, calling

ADMIN = {"Authorization": f"Bearer {access.ADMIN}"}
MADE = Identification(b"s" * 32, "DE")


@pytest.fixture
def process() -> Process:
    guarded = access.guarded()
    return Process(guarded.settings, identification=MADE)


@pytest.fixture
async def api(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(process) as client:
        client.headers.update(ADMIN)
        yield client


async def tie(process: Process, key: str, ties: Ties) -> None:
    """What a worker commits of `key`."""
    customer = key.encode()
    partition = partition_of(customer, PARTITIONS)
    at = await process.store.position(partition)
    row = tied(packed(ties), b"")
    await process.store.commit(
        Commit(partition, at.epoch, at.offset, at.offset, [customer], [row], Timers([], []), [], {})
    )


def merged(into: str, trust: LinkTrust = LinkTrust.SIGNED, rank: Rank = Rank.DEVICE) -> Ties:
    marker = Marker(Phase.MERGED, customer_id(into), trust, NOW - 5)
    return Ties(marker, provenance=Provenance(Cause.IDENTIFIED, "shop", rank))


def said(process: Process) -> list[Link | Split]:
    return [said_of(one.customer, one.event) for one in process.log.messages if one.event.kind == LINKED]


async def refused(api: httpx.AsyncClient, path: str, status: int, **body: str) -> str:
    answer = await api.post(f"/v1/customers/{path}", json=body or None)
    assert answer.status_code == status, answer.text
    return str(json.loads(answer.content)["detail"])


async def test_the_page_of_an_id_that_became_a_user_answers_as_the_user_and_says_how(
    process: Process, api: httpx.AsyncClient
) -> None:
    await process.know("ann", life_last_at=NOW, recent_total=1)
    await tie(process, "browser", merged("ann"))
    page = (await api.get("/v1/customers/browser")).json()
    link = {"id": "browser", "state": "merged", "into": "ann", "since": NOW - 5}
    link |= {"trust": "signed", "cause": "identified", "by": "shop"}
    assert page["identities"] == {"customerId": "ann", "ids": ["browser"], "links": [link]}
    assert page["lastAt"] == NOW
    shown = await api.get("/v1/customers/browser/identities")
    assert (shown.status_code, shown.json()) == (200, page["identities"])
    assert [(one.what, one.whom) for one in process.log.audited] == []  # written in the background
    assert (await api.get("/v1/customers/stranger/identities")).status_code == 404


async def test_an_operator_links_an_anonymous_id_to_a_user(process: Process, api: httpx.AsyncClient) -> None:
    await process.know("browser", recent_total=2, life_anonymous=2)
    await process.know("ann", recent_total=1)
    answer = await api.post("/v1/customers/browser/link", json={"into": "ann"})
    assert answer.status_code == 202, answer.text
    assert (answer.json()["customerId"], answer.json()["into"], answer.json()["at"]) == ("browser", "ann", NOW)
    (link,) = said(process)
    assert isinstance(link, Link)
    assert (link.lower, link.lower_rank, link.upper, link.upper_rank) == ("browser", Rank.DEVICE, "ann", Rank.USER)
    assert (link.cause, link.trust, link.by, link.at) == (Cause.OPERATOR, LinkTrust.OPERATOR, access.ADMIN, NOW)


async def test_an_operator_takes_an_id_back(process: Process, api: httpx.AsyncClient) -> None:
    await tie(process, "browser", merged("ann"))
    answer = await api.post("/v1/customers/browser/split")
    assert answer.status_code == 202, answer.text
    assert (answer.json()["customerId"], answer.json()["into"]) == ("browser", "")
    assert said(process) == [Split(customer_id("browser"), NOW, access.ADMIN)]


async def test_a_split_is_shown_as_the_operators_that_it_is(process: Process, api: httpx.AsyncClient) -> None:
    parted = Marker(Phase.ALONE, trust=LinkTrust.SIGNED, since=NOW)
    await tie(process, "browser", Ties(parted, provenance=Provenance(SPLIT, "kim", Rank.DEVICE)))
    (link,) = (await api.get("/v1/customers/browser/identities")).json()["links"]
    assert (link["state"], link["trust"], link["cause"], link["by"]) == ("parted", "operator", "split", "kim")


async def test_what_operators_do_is_audited(process: Process) -> None:
    await tie(process, "browser", merged("ann"))
    await process.know("ann", recent_total=1)
    async with calling(process) as client:
        await client.post("/v1/customers/browser/split", headers=ADMIN)
        await client.post("/v1/customers/browser/link", json={"into": "ann"}, headers=ADMIN)
    audited = [(one.who, one.what, one.whom) for one in process.log.audited]
    assert audited == [
        (access.ADMIN, AuditAction.SPLIT_ASKED, "browser"),
        (access.ADMIN, AuditAction.LINK_ASKED, "browser"),
    ]


async def test_an_operators_word_stands_over_a_signed_link(process: Process, api: httpx.AsyncClient) -> None:
    await tie(process, "browser", merged("ann"))
    await process.know("ben", recent_total=1)
    assert (await api.post("/v1/customers/browser/link", json={"into": "ben"})).status_code == 202


async def test_links_that_cannot_be_are_refused_with_the_reason(process: Process, api: httpx.AsyncClient) -> None:
    await process.know("browser", recent_total=1, life_anonymous=1)
    for user in ("ann", "ben"):
        await process.know(user, recent_total=1)
    assert await refused(api, "ann/link", 400, into="ann") == "an id cannot be linked to itself"
    assert "stands for nobody" in await refused(api, "ann/link", 400, into="anonymous")
    assert "stands for nobody" in await refused(api, "null/link", 400, into="ann")
    assert "less certain id to the more certain one (ann is a user's, browser an anonymous one)" in await refused(
        api, "ann/link", 400, into="browser"
    )
    assert await refused(api, "typo/link", 404, into="ann") == "nothing of typo has been seen"
    assert await refused(api, "ann/link", 404, into="typo") == "nothing of typo has been seen"
    assert await refused(api, "ann/split", 400) == "ann is nobody else's"
    assert await refused(api, "typo/split", 404) == "nothing of typo has been seen"
    await refused(api, "ann/link", 400, onto="ben")
    await refused(api, "ann/link", 400, into="x" * 300)
    assert said(process) == []


async def test_links_that_would_not_do_what_they_say_are_refused(process: Process, api: httpx.AsyncClient) -> None:
    await process.know("ben", recent_total=1)
    await tie(process, "ann", Ties(merged=("browser",)))
    await tie(process, "browser", merged("ann", LinkTrust.OPERATOR))
    await tie(process, "old", merged("ann", rank=Rank.USER))
    assert await refused(api, "browser/link", 400, into="ann") == "it is ann's already"
    assert "an operator linked it to ann: split it first" in await refused(api, "browser/link", 400, into="ben")
    assert "old is ann's already: split old first" in await refused(api, "ann/link", 400, into="old")
    assert "split themselves: browser" in await refused(api, "ann/split", 400)
    await tie(process, "browser", Ties(Marker(Phase.ALONE, trust=LinkTrust.SIGNED, since=NOW)))
    assert "its own already" in await refused(api, "browser/split", 400)


async def test_where_links_are_off_none_is_written(process: Process) -> None:
    off = access.guarded()
    async with calling(off) as client:
        for path, body in (("link", {"into": "ann"}), ("split", None)):
            answer = await client.post(f"/v1/customers/ben/{path}", json=body, headers=ADMIN)
            assert (answer.status_code, "identity.links" in answer.text) == (400, True)
    assert off.log.messages == []
