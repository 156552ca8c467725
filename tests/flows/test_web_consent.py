"""`PUT /v1/customers/{id}/consent`: what is stated is in the log, on the page, and in the next decision."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from engine.access import Scope
from engine.consent import MOST_CONSENTS
from engine.customer_id import customer_id
from engine.decisions.policy import make_policy
from engine.decisions.record import DecisionRecord, Given, encode_record
from engine.errors import Unavailable
from engine.events import Kind
from engine.ports.stream_store import CueCandidate, CueChoice
from engine.rulebook.directory import compile_texts
from tests.flows.access import ADMIN, guarded, key_for
from tests.flows.api import NOW, Process, serving, settings

RULES = """
offers:
  - {id: sale, kind: sell, channels: [email], when: true, value: 9, propensity: 0.5, say: Buy}
  - {id: help, kind: serve, channels: [email], when: true, value: 1, propensity: 0.5, say: Help}
"""
HEADERS = {"authorization": f"Bearer {ADMIN}"}


def process() -> Process:
    made = guarded()
    made.policy = make_policy(compile_texts({"rules.yaml": RULES}), {})
    return made


async def put(api: httpx.AsyncClient, *stated: dict[str, Any], customer: str = "ann") -> httpx.Response:
    body = {"consent": list(stated)}
    return await api.put(f"/v1/customers/{customer}/consent", json=body, headers=HEADERS)


async def offers(api: httpx.AsyncClient) -> list[str]:
    question = {"customerId": "ann", "channel": "email", "limit": 5, "deadlineMs": 2_000}
    answer = (await api.post("/v1/decisions", json=question, headers=HEADERS)).json()
    assert not answer["fallback"]
    return [offer["offerId"] for offer in answer["offers"]]


async def test_what_is_revoked_is_not_in_the_next_decision() -> None:
    made = process()
    await made.know("ann", recent_total=1, life_last_at=NOW)
    async with serving(made) as api:
        assert await offers(api) == ["sale", "help"]
        answer = await put(api, {"channel": "email", "state": "revoked", "at": NOW - 5})
        assert answer.status_code == 200
        word: dict[str, Any] = {"purpose": "marketing", "channel": "email", "state": "revoked"}
        word |= {"revokedAt": NOW - 5, "grantedAt": 0, "confirmedAt": 0}
        assert answer.json() == {"customerId": "ann", "consent": [word]}
        assert await offers(api) == ["help"]
        page = (await api.get("/v1/customers/ann", headers=HEADERS)).json()
        assert page["consent"] == [word]
        assert set(page["offersGiven"]) == {"sale", "help"}
        await put(api, {"channel": "email", "state": "granted"})
        assert await offers(api) == ["sale", "help"]
    ((old, new),) = [made.log.messages]
    assert (old.customer, old.event.kind, old.event.at) == ("ann", Kind.CONSENT_REVOKED, NOW - 5)
    assert (old.event.item, old.event.category, old.event.trust) == ("marketing", "email", 1)
    assert (new.event.kind, new.event.at) == (Kind.CONSENT_GRANTED, NOW)


async def test_a_cue_that_is_withheld_is_on_the_page_and_explained_and_no_outcome_of_it_counts() -> None:
    made = process()
    await made.know("ann", recent_total=1, life_last_at=NOW)
    ann, given = customer_id("ann"), (Given("sale", "", 9.0, 0.5, 1.0),)
    record = DecisionRecord(
        2, ann, "web", NOW, made.rulebook.revision, given, (), b"\0\0", "looking", ("looking",)
    )
    cue = CueCandidate("sale", 0, 0, (1,), "x", b"{}", encode_record(record), needs="1!marketing/web")
    await made.commit("ann", {}, (CueChoice(b"ann", NOW, (cue,)),))
    async with serving(made) as api:
        (held,) = (await api.get("/v1/customers/ann", headers=HEADERS)).json()["withheld"]
        name = held.pop("decisionId")
        told = (await api.get(f"/v1/decisions/{name}", headers=HEADERS)).json()
        report = {"decisionId": name, "offerId": "sale", "outcome": "accepted"}
        refused = await api.post("/v1/outcomes", json=report, headers=HEADERS)
    why = {"offerId": "sale", "purpose": "marketing", "channel": "web"}
    why["detail"] = "was not sent: there is no consent to marketing on web, or it was revoked"
    assert held == {"at": NOW, **why}
    assert (told["withheld"], told["offers"]) == ([why], [])
    assert (refused.status_code, refused.json()["field"]) == (400, "offerId")


async def test_a_record_of_another_release_hides_no_page() -> None:
    made = process()
    await made.know("ann", recent_total=1, life_last_at=NOW)
    record = DecisionRecord(99, customer_id("ann"), "web", NOW, "r", (), (), b"\0\0")
    cue = CueCandidate("sale", 0, 0, (1,), "x", b"{}", encode_record(record), needs="1!marketing/web")
    await made.commit("ann", {}, (CueChoice(b"ann", NOW, (cue,)),))
    async with serving(made) as api:
        page = await api.get("/v1/customers/ann", headers=HEADERS)
    assert (page.status_code, page.json()["withheld"]) == (200, [])


async def test_nothing_is_kept_that_the_log_does_not_have() -> None:
    made = process()
    made.log.fault = Unavailable("Kafka is away")
    async with serving(made) as api:
        assert (await put(api, {"channel": "email", "state": "revoked"})).status_code == 503
        assert await offers(api) == ["sale", "help"]


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        ({"channel": "fax", "state": "granted"}, "consent[0].channel"),
        ({"channel": "web", "state": "maybe"}, "consent[0].state"),
        ({"channel": "web", "state": "granted", "purpose": "service"}, "consent[0].purpose"),
        ({"channel": "web", "state": "granted", "purpose": "A b"}, "consent[0].purpose"),
        ({"channel": "web", "state": "granted", "at": NOW + 1}, "consent[0].at"),
        ({"channel": "web", "state": "granted", "at": 5}, "consent[0].at"),
        ({"channel": "web", "state": "granted", "why": "x"}, "consent[0].why"),
    ],
)
async def test_what_is_no_consent_is_refused_by_its_field(stated: dict[str, Any], field: str) -> None:
    made = process()
    async with serving(made) as api:
        answer = await put(api, {"channel": "web", "state": "granted"}, stated)
        assert answer.status_code == 400
        assert answer.json()["field"] == field.replace("[0]", "[1]")
        assert (await put(api)).json()["field"] == "consent"
        assert (await put(api, *[{"channel": "web", "state": "granted"}] * 65)).json()["field"] == "consent"
        assert (await put(api, {"channel": "web", "state": "granted"}, customer="guest")).status_code == 400
    assert made.log.messages == []


async def test_a_hash_of_an_address_states_what_its_owner_can() -> None:
    made = process()
    phone, email = "phone:" + "0" * 32, "email:" + "0" * 32
    async with serving(made) as api:
        for customer, channel in ((phone, "email"), (phone, "agent"), (email, "web"), ("contact:c-1", "agent")):
            for state in ("granted", "confirmed"):
                answer = await put(api, {"channel": channel, "state": state}, customer=customer)
                assert (answer.status_code, answer.json()["field"]) == (400, "consent[0].state")
        assert made.log.messages == []
        assert (await put(api, {"channel": "agent", "state": "revoked"}, customer=phone)).status_code == 200
        assert (await put(api, {"channel": "email", "state": "granted"}, customer=email)).json()["consent"] == []
        (word,) = (await put(api, {"channel": "email", "state": "confirmed"}, customer=email)).json()["consent"]
        assert word["state"] == "confirmed"


async def test_more_purposes_than_are_kept_are_refused_before_the_log_has_them() -> None:
    made = process()
    async with serving(made) as api:
        stated = [{"channel": "web", "state": "granted", "purpose": f"p{i}"} for i in range(MOST_CONSENTS)]
        for start in range(0, MOST_CONSENTS, 64):
            assert (await put(api, *stated[start : start + 64])).status_code == 200
        answer = await put(api, {"channel": "email", "state": "granted"})
        assert (answer.status_code, answer.json()["field"]) == (400, "consent")
        assert (await put(api, {**stated[0], "state": "revoked"})).status_code == 200
    assert len(made.log.messages) == MOST_CONSENTS + 1


async def test_an_address_says_which_methods_it_has() -> None:
    async with serving(Process(settings())) as api:
        answer = await api.get("/v1/customers/ann/consent")
        assert (answer.status_code, answer.headers["allow"]) == (405, "PUT")


async def test_the_scope_alone_opens_it() -> None:
    async with serving(process()) as api:
        for scope, status in ((Scope.CUSTOMERS_WRITE, 200), (Scope.CUSTOMERS_READ, 403)):
            headers = {"authorization": f"Bearer {key_for(scope)}"}
            body = {"consent": [{"channel": "web", "state": "granted"}]}
            answer = await api.put("/v1/customers/ann/consent", json=body, headers=headers)
            assert answer.status_code == status
