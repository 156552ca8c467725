"""Erasure and export over HTTP."""

from __future__ import annotations

import base64

from engine.clock import wall_ms
from engine.errors import Unavailable
from engine.events import Kind
from engine.kernels.partition import partition_of
from tests.flows.access import ADMIN, guarded
from tests.flows.api import NOW, PARTITIONS, serving

HEADERS = {"authorization": f"Bearer {ADMIN}"}


async def test_a_receipt_names_the_offset_of_the_erasure() -> None:
    made = guarded()
    async with serving(made) as api:
        answer = await api.delete("/v1/customers/ann", headers=HEADERS)
        again = await api.delete("/v1/customers/ann", headers=HEADERS)
    receipt = {"customerId": "ann", "erasedUntil": NOW, "topic": "cueline.events"}
    receipt["ids"] = ["ann"]
    receipt["partition"] = partition_of(b"ann", PARTITIONS)
    said = answer.json()
    assert abs(said.pop("recordedAt") - wall_ms()) < 60_000
    assert (answer.status_code, said) == (202, {**receipt, "offset": 0})
    assert again.json()["offset"] == 1
    one = made.log.messages[0]
    assert (one.customer, one.event.kind, one.event.at, one.event.trust) == ("ann", Kind.ERASED, NOW, 1)


async def test_without_kafka_there_is_no_receipt() -> None:
    made = guarded()
    made.log.fault = Unavailable("Kafka is away")
    async with serving(made) as api:
        assert (await api.delete("/v1/customers/ann", headers=HEADERS)).status_code == 503
        assert (await api.delete("/v1/customers/guest", headers=HEADERS)).status_code == 400


async def test_an_export_has_all_that_is_held() -> None:
    made = guarded()
    await made.know("ann", recent_total=3, life_last_at=NOW - 5, session_bursts=3)
    cue = await made.cue("ann")
    async with serving(made) as api:
        question = {"customerId": "ann", "channel": "web", "deadlineMs": 2_000}
        decided = (await api.post("/v1/decisions", json=question, headers=HEADERS)).json()
        stated = {"consent": [{"channel": "email", "state": "revoked"}]}
        await api.put("/v1/customers/ann/consent", json=stated, headers=HEADERS)
        held = (await api.get("/v1/customers/ann/export", headers=HEADERS)).json()
    assert (held["customerId"], held["features"]["customer.events"]) == ("ann", 3)
    assert len(base64.b64decode(held["row"])) > 100
    assert [one["say"] for one in held["cues"]] == [cue.say]
    assert decided["decisionId"] in [one["decisionId"] for one in held["decisions"]]
    assert held["consent"][0]["state"] == "revoked"
    assert held["offersGiven"]


async def test_consent_alone_is_exported_and_nothing_is_a_404() -> None:
    made = guarded()
    async with serving(made) as api:
        assert (await api.get("/v1/customers/bob/export", headers=HEADERS)).status_code == 404
        stated = {"consent": [{"channel": "email", "state": "granted"}]}
        await api.put("/v1/customers/bob/consent", json=stated, headers=HEADERS)
        held = (await api.get("/v1/customers/bob/export", headers=HEADERS)).json()
    assert (held["row"], held["features"], held["consent"][0]["state"]) == ("", {}, "granted")
