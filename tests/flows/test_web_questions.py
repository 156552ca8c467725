"""Questions about nobody, and questions with a slip in them, are refused with the place, not half answered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from engine.placeholder_ids import words
from tests.flows.api import AGENT, WRITER, Process, calling, frames, next_cue, serving, settings

NOBODY = ["undefined", "NULL", "[object Object]", "0", "00000000-0000-0000-0000-000000000000", "kiosk"]


@pytest.fixture
def process() -> Process:
    return Process(settings(), placeholders=words(["Kiosk"]))


def refused(answer: httpx.Response, field: str) -> str:
    """The detail of a 400 that names `field`."""
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["field"]) == (400, field), document
    return str(document["detail"])


@pytest.mark.parametrize("nobody", NOBODY)
async def test_nobody_has_a_page_a_stream_or_a_decision(
    process: Process, api: httpx.AsyncClient, nobody: str
) -> None:
    await process.know(nobody)
    await process.cue(nobody)
    why = "stands for nobody: a placeholder, as programs write it that know no id"
    for path in ("", "/cues"):
        assert refused(await api.get(f"/v1/customers/{nobody}{path}", headers=AGENT), "id") == why
    agents = await api.get("/v1/agents/me/cues", params={"customer": nobody}, headers=AGENT)
    assert refused(agents, "customer") == why
    for field in ("customerId", "anonymousId"):
        answer = await api.post("/v1/decisions", json={field: nobody, "channel": "web"}, headers=AGENT)
        assert refused(answer, field) == why


async def test_an_outcome_of_a_decision_for_nobody_is_refused(process: Process, api: httpx.AsyncClient) -> None:
    """One that was made before the word stood in the settings."""
    await process.know("kiosk", recent_total=3)
    earlier = Process(process.settings, store=process.store)
    async with calling(earlier) as client:
        question = {"customerId": "kiosk", "channel": "web"}
        decision = (await client.post("/v1/decisions", json=question, headers=AGENT)).json()
    report = {"decisionId": decision["decisionId"], "offerId": "newsletter", "outcome": "accepted"}
    assert decision["offers"][0]["offerId"] == "newsletter"
    assert "nobody" in refused(await api.post("/v1/outcomes", json=report, headers=AGENT), "decisionId")
    assert process.log.outcomes == []


async def test_an_empty_customer_is_no_wish_for_the_cues_of_all(api: httpx.AsyncClient) -> None:
    for query in ("customer=", "customer"):
        assert refused(await api.get(f"/v1/agents/me/cues?{query}", headers=AGENT), "customer") == "empty"


async def test_an_empty_last_id_is_none(process: Process) -> None:
    """As the website of a visitor sends it who has seen no cue yet."""
    await process.cue("ann")
    path = "/v1/customers/ann/cues?lastEventId="
    async with serving(process) as api, api.stream("GET", path, headers=AGENT) as answer:
        assert answer.status_code == 200
        assert (await next_cue(frames(answer))).data["customer"] == "ann"


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        (
            "/v1/agents/me/cues?custmer=7",
            "unknown query field 'custmer'; did you mean customer? (there are customer, lastEventId, ticket)",
        ),
        (
            "/v1/customers/ann/cues?lasteventid=1",
            "unknown query field 'lasteventid'; did you mean lastEventId? (there are lastEventId, ticket)",
        ),
        ("/v1/customers/ann?full", "unknown query field 'full' (this address takes none)"),
        ("/v1/rulebook?x=%ff", "unknown query field 'x' (this address takes none)"),
        ("/v1/decisions/1-1?" + "y" * 99 + "=", f"unknown query field '{'y' * 60}…' (this address takes none)"),
        ("/v1/agents/me/cues?" + "&".join("customer=a" for _ in range(21)), "more than 20 fields"),
        ("/metrics?a=1", "unknown query field 'a' (this address takes none)"),
        ("/openapi.json?v", "unknown query field 'v' (this address takes none)"),
    ],
)
async def test_an_unknown_query_field_is_refused(api: httpx.AsyncClient, address: str, detail: str) -> None:
    assert refused(await api.get(address, headers=AGENT), "query") == detail


async def test_a_field_given_twice_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/agents/me/cues?customer=a&customer=b", headers=AGENT)
    assert refused(answer, "customer") == "is given twice"


async def test_a_slip_in_a_question_is_no_way_around_the_key(api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/rulebook?x=1")).status_code == 401
    nowhere = await api.get("/nowhere?x=1")
    assert (nowhere.status_code, nowhere.json()["detail"]) == (
        404,
        "nothing is served here; /docs lists all calls",
    )


async def test_no_query_loses_an_event(process: Process, api: httpx.AsyncClient) -> None:
    event = {"type": "page", "userId": "ann"}
    assert (await api.post("/v1/page?_=17000&v=2", json=event, headers=WRITER)).status_code == 200
    assert (await api.post("/v1/batch?_=1", json={"batch": [event]}, headers=WRITER)).status_code == 200
    assert len(process.log.messages) == 2
