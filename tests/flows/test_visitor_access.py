"""Every address, asked with visitor tokens: what they open of their own visitor's, and nothing else."""

from __future__ import annotations

import httpx
import pytest

from engine.access import VISITOR_SCOPES, Scope
from tests.flows.access import (
    ADMIN,
    EVENT,
    NEEDED,
    PUBLIC_PEM,
    REFUNDED,
    SECRET,
    forged,
    guarded,
    status,
    visitor_token,
)
from tests.flows.api import Process


@pytest.fixture
def process() -> Process:
    return guarded()


#: What a visitor token opens for its own ids, and the answer about somebody else's; all else is 403.
OF_VISITORS = {
    **{address: (200, 400) for address, needed in NEEDED.items() if needed[0] is Scope.EVENTS_WRITE},
    ("POST", "/v1/decisions"): (200, 403),
    ("POST", "/v1/outcomes"): (404, 404),  # of no decision: those of decisions follow below
    ("GET", "/v1/customers/{id}/cues"): (503, 403),
    ("POST", "/v1/stream-tickets"): (200, 403),
}


async def test_a_token_that_others_signed_is_taken(api: httpx.AsyncClient) -> None:
    """Made by hand, from RFC 7515 alone."""
    token = forged({"typ": "JWT", "alg": "HS256", "kid": "shop"}, SECRET)
    assert await status(api, "POST", "/v1/decisions", token) == 200


@pytest.mark.parametrize("place", [0, 1])
async def test_what_a_visitor_token_opens(process: Process, api: httpx.AsyncClient, place: int) -> None:
    process.app.end_streams()
    token = visitor_token(userId=("ann", "bob")[place], scope=" ".join(Scope))
    for address, (scope, _, good) in NEEDED.items():
        expected = good if scope is None else OF_VISITORS.get(address, (403, 403))[place]
        assert await status(api, *address, token) == expected, address


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(visitor_token(exp=1_700_000_000), id="expired"),
        pytest.param(visitor_token(aud="another"), id="wrong aud"),
        pytest.param(visitor_token(secret="another" * 7), id="wrong signature"),
        pytest.param(visitor_token(kid="another"), id="unknown kid"),
        pytest.param(forged({"alg": "none", "kid": "shop"}), id="alg none"),
        pytest.param(forged({"alg": "HS256", "kid": "sso"}, PUBLIC_PEM), id="alg confusion"),
        pytest.param(forged({"alg": "HS384", "kid": "shop"}, SECRET), id="another alg"),
    ],
)
async def test_a_token_that_is_not_good_opens_nothing(api: httpx.AsyncClient, token: str) -> None:
    for address, (scope, _, good) in NEEDED.items():
        assert await status(api, *address, token) == (good if scope is None else 401), address


@pytest.mark.parametrize("scope", sorted(VISITOR_SCOPES))
async def test_a_token_opens_what_its_scope_says(process: Process, api: httpx.AsyncClient, scope: Scope) -> None:
    process.app.end_streams()
    token = visitor_token(scope=scope)
    for address in OF_VISITORS:
        expected = OF_VISITORS[address][0] if NEEDED[address][0] is scope else 403
        assert await status(api, *address, token) == expected, address


async def test_a_visitor_asks_for_itself_on_its_channels_and_not_why_not(api: httpx.AsyncClient) -> None:
    bearer = {"authorization": f"Bearer {visitor_token(userId=None, anonymousIds=['v-1', 'v-2'])}"}
    for question, seen in (
        ({"anonymousId": "v-2", "channel": "web"}, 200),
        ({"customerId": "v-1", "channel": "app"}, 200),
        ({"customerId": "v-1", "channel": "agent"}, 403),
        ({"customerId": "v-1", "channel": "email"}, 403),
        ({"customerId": "ann", "anonymousId": "v-1", "channel": "web"}, 403),
        ({"customerId": "v-1", "channel": "web", "explain": True}, 403),
    ):
        answer = await api.post("/v1/decisions", json=question, headers=bearer)
        assert answer.status_code == seen, question
        if seen == 200:
            assert answer.json()["suppressed"] == []


async def test_a_visitor_is_given_the_offers_that_an_agent_would_see_without_what_they_are_worth(
    process: Process, api: httpx.AsyncClient
) -> None:
    await process.know("ann", life_last_at=process.clock.now, recent_total=1)
    asked = {"customerId": "ann", "channel": "web", "peek": True}
    known, told = [
        (await api.post("/v1/decisions", json=asked, headers={"authorization": f"Bearer {shown}"})).json()
        for shown in (ADMIN, visitor_token())
    ]
    assert known["offers"][0]["why"] != []
    shown = {"offerId", "kind", "placement", "rank", "say", "expiresAt"}
    assert told["offers"] == [{name: offer[name] for name in shown} for offer in known["offers"]]
    assert {**told, "offers": [], "decisionId": ""} == {**known, "offers": [], "decisionId": ""}
    assert told.keys() == known.keys()


async def test_a_visitor_reports_on_what_it_was_given_alone(process: Process, api: httpx.AsyncClient) -> None:
    await process.know("ann", life_last_at=process.clock.now, recent_total=1)
    for channel, reported in (("web", [202, 404]), ("agent", [403, 404])):
        asked = {"customerId": "ann", "channel": channel, "explain": True}
        decision = (await api.post("/v1/decisions", json=asked, headers={"x-api-key": ADMIN})).json()
        offers = [offer["offerId"] for offer in decision["offers"]] or ["none"]
        report = {"decisionId": decision["decisionId"], "offerId": offers[0], "outcome": "accepted"}
        seen = []
        for user in ("ann", "bob"):
            bearer = {"authorization": f"Bearer {visitor_token(userId=user)}"}
            seen.append((await api.post("/v1/outcomes", json=report, headers=bearer)).status_code)
        assert seen == reported, channel
    assert [outcome.customer for outcome in process.log.outcomes] == ["ann"]


@pytest.mark.parametrize("padding", [0, 4_000])  # claims of others' make a token long
@pytest.mark.parametrize("beside", [b"1", b"NaN", b'"\n"', b'"\xff"'])
async def test_a_token_in_a_body_is_read_in_whatever_json(
    process: Process, api: httpx.AsyncClient, beside: bytes, padding: int
) -> None:
    token = visitor_token(groups="g" * padding).encode()
    event = b'{"type":"track","userId":"ann","event":"Product Viewed","context":{"x":%b}}' % beside
    for path, body in (
        ("track", event[:-1] + b',"writeKey":"%b"}'),
        ("batch", b'{"batch":[' + event + b'],"writeKey":"%b"}'),
    ):
        answer = await api.post(f"/v1/{path}", content=body % token)
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert [message.event.trust for message in process.log.messages] == [1, 1]


async def test_what_a_visitor_writes_of_itself_is_signed(process: Process, api: httpx.AsyncClient) -> None:
    token = visitor_token(anonymousIds=["v-1"])
    bearer = {"authorization": f"Bearer {token}"}
    other, own = {**EVENT, "userId": "bob"}, {"anonymousId": "v-1", "event": "Product Viewed"}
    assert (await api.post("/v1/track", json=EVENT, headers=bearer)).status_code == 200
    assert (await api.post("/v1/track", json={**EVENT, "writeKey": token})).status_code == 200
    refused = (await api.post("/v1/track", json=other, headers=bearer)).json()
    assert (refused["code"], refused["field"]) == ("not_allowed", "userId")
    mixed = {"batch": [{"type": "track", **one} for one in (other, own, REFUNDED)]}
    answer = (await api.post("/v1/batch", json=mixed, headers=bearer)).json()
    assert (answer["accepted"], [one["index"] for one in answer["errors"]]) == (1, [0, 2])
    seen = [(message.customer, message.event.trust) for message in process.log.messages]
    assert seen == [("ann", 1), ("ann", 1), ("v-1", 1)]
