"""Events of the contact centre over HTTP: taken, passed over or refused, each counted, and nothing else lost."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest

from engine.access import Scope
from engine.clock import wall_ms
from engine.errors import Unavailable
from engine.events import Event, Kind
from engine.kernels.decode import OK
from engine.ports.records import as_columns
from engine.settings import ContactCentre
from engine.sources.registry import sources
from engine.stream.decode import decode
from tests.flows.access import ADMIN, guarded, key_for
from tests.flows.api import NOW, PARTITIONS, Process, calling, serving
from tests.patience import PATIENCE_S
from tests.stream.test_worker import KafkaRecord

WRITER = {"x-api-key": key_for(Scope.CONTACTS_WRITE)}
CONVERSATION = "c0ffee00-0000-4000-8000-000000000001"
PATH = "/v1/contact-events/genesys"


def detail(topic: str = "acd.start", conversation: str = CONVERSATION, **body: Any) -> dict[str, Any]:
    return {
        "topicName": f"v2.detail.events.conversation.{conversation}.{topic}",
        "version": "2",
        "eventBody": {"conversationId": conversation, "eventTime": NOW, "mediaType": "VOICE", **body},
    }


@pytest.fixture
def process() -> Process:
    return guarded()


async def test_a_delivery_lands_in_the_log(process: Process, api: httpx.AsyncClient) -> None:
    answer = await api.post(PATH, json=detail(queueId="q-1"), headers=WRITER)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "passed": 0, "rejected": 0})
    (message,) = process.log.messages
    assert (message.customer, message.event.kind) == (f"contact:{CONVERSATION}", Kind.CONTACT_QUEUED)
    assert (message.event.at, message.event.trust) == (NOW, 1)
    assert process.meter.value("events_accepted") == 1


async def test_of_a_list_each_event_stands_for_itself(process: Process, api: httpx.AsyncClient) -> None:
    body = [
        detail(),
        detail("user.end"),
        detail(eventTime=5),
        detail(conversation="x" * 300),
        7,
        detail(conversation="c-2", queueId=["odd"]),
    ]
    answer = (await api.post(PATH, json=body, headers=WRITER)).json()
    assert (answer["accepted"], answer["passed"], answer["rejected"]) == (2, 1, 3)
    assert [(one["index"], one["code"], one["field"]) for one in answer["errors"]] == [
        (2, "bad_time", "eventTime"),
        (3, "too_large", "conversationId"),
        (4, "malformed", ""),
    ]
    assert [(one["index"], one["reason"]) for one in answer["warnings"]] == [(1, "unknown_type"), (5, "bad_field")]
    assert [message.customer for message in process.log.messages] == [f"contact:{CONVERSATION}", "contact:c-2"]
    assert process.meter.value("events_passed", "unknown_type") == 1
    assert process.meter.value("events_warned", "bad_field") == 1
    for code in ("bad_time", "too_large", "malformed"):
        assert process.meter.value("events_rejected", code) == 1


async def test_places_are_those_of_what_was_sent(process: Process, api: httpx.AsyncClient) -> None:
    """A conversation that begins by waiting is two events of one payload."""
    begun = {
        "event": "conversation_created",
        "id": 1,
        "status": "open",
        "created_at": NOW // 1_000,
        "labels": [[]],
    }
    body = [begun, {"event": "conversation_created", "id": None}, begun | {"id": 2}, {"event": "other"}]
    answer = (await api.post("/v1/contact-events/chatwoot", json=body, headers=WRITER)).json()
    assert (answer["accepted"], answer["passed"], answer["rejected"]) == (4, 1, 1)
    assert [one["index"] for one in answer["errors"]] == [1]
    assert sorted({(one["index"], one["reason"]) for one in answer["warnings"]}) == [
        (0, "bad_field"),
        (2, "bad_field"),
        (3, "unknown_type"),
    ]


async def test_what_is_passed_over_alone_is_no_mistake(process: Process, api: httpx.AsyncClient) -> None:
    answer = await api.post(PATH, json={"topicName": "channel.metadata", "eventBody": {}}, headers=WRITER)
    assert (answer.status_code, answer.json()["passed"], process.log.messages) == (200, 1, [])
    empty = await api.post(PATH, json=[], headers=WRITER)
    assert (empty.status_code, empty.json()) == (200, {"accepted": 0, "passed": 0, "rejected": 0})


async def test_where_nothing_could_be_taken_it_is_the_senders_mistake(
    process: Process, api: httpx.AsyncClient
) -> None:
    one = await api.post(PATH, json=detail(eventTime=0), headers=WRITER)
    assert (one.status_code, one.json()["code"], one.json()["field"]) == (400, "bad_time", "eventTime")
    two = await api.post(PATH, json=[detail(eventTime=0), 7], headers=WRITER)
    assert (two.status_code, two.json()["rejected"], two.json()["field"]) == (400, 2, "[0].eventTime")
    for body in (b"", b"{", b"\xff\xfe", b"[" * 50_000):
        answer = await api.post(PATH, content=body, headers=WRITER)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert process.log.messages == []
    assert process.meter.value("events_rejected", "malformed") == 5


async def test_it_is_acknowledged_once_kafka_has_it(process: Process, api: httpx.AsyncClient) -> None:
    process.log.open.clear()
    asked = asyncio.ensure_future(api.post(PATH, json=detail(), headers=WRITER))
    await asyncio.wait_for(process.log.asked.acquire(), PATIENCE_S)
    assert not asked.done()
    process.log.open.set()
    assert (await asked).status_code == 200
    process.log.fault = Unavailable("Kafka: no broker")
    lost = await api.post(PATH, json=detail(), headers=WRITER)
    assert (lost.status_code, "retry-after" in lost.headers) == (503, True)
    assert process.meter.value("events_accepted") == 1


async def test_a_source_that_is_not_there_is_named(process: Process, api: httpx.AsyncClient) -> None:
    for name in ("nobody", "segment", "Genesys", "x" * 300, "%00"):
        answer = await api.post(f"/v1/contact-events/{name}", json=detail(), headers=WRITER)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "genesys" in (await api.post("/v1/contact-events/nobody", json={}, headers=WRITER)).json()["detail"]


async def test_the_key_is_known_before_the_source_is_looked_for(api: httpx.AsyncClient) -> None:
    for path in (PATH, "/v1/contact-events/nobody"):
        answer = await api.post(path, json=detail())
        assert answer.status_code == 401
        asked = answer.headers.get_list("www-authenticate")
        assert 'Basic realm="cueline"' in asked  # some vendors show a key only when they are asked for one so
        assert (await api.post(path, json=detail(), headers={"x-api-key": key_for(Scope.EVENTS_WRITE)})).is_error


async def test_a_key_may_stand_in_the_vendors_address(process: Process, api: httpx.AsyncClient) -> None:
    basic = base64.b64encode(f"{ADMIN}:".encode()).decode()
    answer = await api.post(
        f"{PATH}?tenant=eu&x=1&x=2", json=detail(), headers={"authorization": f"Basic {basic}"}
    )
    assert (answer.status_code, len(process.log.messages)) == (200, 1)


async def test_a_body_that_is_too_large_is_counted(process: Process, api: httpx.AsyncClient) -> None:
    answer = await api.post(PATH, content=b" " * 600_000, headers=WRITER)
    assert (answer.status_code, process.meter.value("events_rejected", "too_large")) == (413, 1)


async def test_many_events_of_one_customer_that_are_sent_again_count_once(
    process: Process, api: httpx.AsyncClient
) -> None:
    body = [detail(queueId=f"q-{number}") for number in range(40)]
    for _ in range(2):
        assert (await api.post(PATH, json=body, headers=WRITER)).json()["accepted"] == 40
    assert len(process.log.messages) == 40
    assert process.meter.value("events_repeated") == 40


CLOUD = {"specversion": "1.0", "id": "e-1", "source": "/calls", "type": "shop.contact.queued", "subject": "c-1"}


@pytest.mark.parametrize("path", ["/v1/events", "/v1/contact-events/cloudevents"])
async def test_cloudevents_in_headers_in_a_body_and_in_a_batch(
    process: Process, api: httpx.AsyncClient, path: str
) -> None:
    data = {"customerId": "ann", "queue": "Rückfragen"}
    binary = {f"ce-{name}": value for name, value in CLOUD.items()}
    structured, batch = "application/cloudevents+json", "application/cloudevents-batch+json"
    for body, headers in (
        (data, {**binary, "content-type": "application/json"}),
        ({**CLOUD, "data": data}, {"content-type": structured}),
        ([{**CLOUD, "data": data}], {"content-type": batch}),
        ({**CLOUD, "data": data}, {}),
    ):
        answer = await api.post(path, content=json.dumps(body), headers={**WRITER, **headers})
        assert answer.json() == {"accepted": 1, "passed": 0, "rejected": 0}
    first, *others = [(one.customer, one.event.id, one.event.contact) for one in process.log.messages]
    assert others == [first] * 3
    assert (first[0], first[2] and first[2].queue) == ("ann", "Rückfragen")
    broken = await api.post(path, content=b"{}", headers={**WRITER, **binary, "ce-specversion": "0.3"})
    assert (broken.status_code, broken.json()["field"]) == (400, "specversion")
    for format in ("avro", "xml", "protobuf"):
        head = {**WRITER, "content-type": f"application/cloudevents+{format}"}
        other = await api.post(path, content=b"{}", headers=head)
        assert (other.status_code, other.json()["field"]) == (400, "content-type")


async def test_the_conformance_suite_of_cloudevents(process: Process, api: httpx.AsyncClient, data: Path) -> None:
    structured, batch = "application/cloudevents+json", "application/cloudevents-batch+json; charset=utf-8"

    async def post(name: str, part: str, media: str) -> list[httpx.Response]:
        cases = json.loads((data / "cloudevents" / name).read_text())["tests"]
        head = {**WRITER, "content-type": media}
        return [await api.post("/v1/events", content=json.dumps(one[part]), headers=head) for one in cases]

    valid = await post("valid-events.json", "event", structured)
    assert {(one.status_code, one.json()["passed"]) for one in valid} == {(200, 1)}
    invalid = await post("invalid-events.json", "event", structured)
    assert {one.status_code for one in invalid} == {400}
    assert all(one.json()["field"] for one in invalid)
    batches = await post("valid-batches.json", "batch", batch)
    assert {(one.status_code, one.json()["rejected"]) for one in batches} == {(200, 0)}
    for one in await post("invalid-batches.json", "batch", batch):
        assert one.json()["rejected"] == len(one.json()["errors"]) >= 1
    assert process.log.messages == []


SECRET = "the-auth-token-of-the-twilio-account"
PUBLIC = "https://cueline.example"
TASK = {
    "EventType": "task.created",
    "TaskSid": "WT1",
    "Timestamp": str(NOW // 1_000),
    "TaskChannelUniqueName": "sms",
}


def signed(fields: dict[str, str], url: str) -> str:
    text = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()


async def test_what_a_vendor_signs_is_checked_over_the_public_address() -> None:
    secrets = [{"source": "twilio", "secret": SECRET}]
    contacts = ContactCentre.model_validate({"public_url": f"{PUBLIC}/", "secrets": secrets})
    process = Process(guarded().settings.model_copy(update={"contacts": contacts}))
    path = "/v1/contact-events/twilio?region=eu"
    body = urlencode(TASK).encode()
    async with serving(process) as api:  # by the real server: what it says of path and query is signed
        head = {**WRITER, "content-type": "application/x-www-form-urlencoded"}
        good = {**head, "x-twilio-signature": signed(TASK, PUBLIC + path)}
        assert (await api.post(path, content=body, headers=good)).json()["accepted"] == 1
        for wrong in (head, {**head, "x-twilio-signature": signed(TASK, "http://127.0.0.1" + path)}):
            answer = await api.post(path, content=body, headers=wrong)
            assert (answer.status_code, answer.json()["field"]) == (401, "X-Twilio-Signature")
        unread = await api.post(path, content=b"{" * 90_000, headers=wrong)
        assert unread.status_code == 401
    assert len(process.log.messages) == 1
    assert process.meter.value("events_rejected", "bad_signature") == 3


async def test_what_was_signed_an_hour_ago_is_not_taken() -> None:
    contacts = ContactCentre.model_validate({"secrets": [{"source": "zendesk", "secret": SECRET}]})
    process = Process(guarded().settings.model_copy(update={"contacts": contacts}))
    name, body = "x-zendesk-webhook-signature", b'{"type":"zen:event-type:ticket.created","detail":{"id":"7"}}'
    async with calling(process) as api:
        for age, status in ((0, 200), (3_600_000, 401)):
            at = datetime.fromtimestamp((wall_ms() - age) / 1_000, UTC).isoformat()
            digest = hmac.new(SECRET.encode(), at.encode() + body, hashlib.sha256).digest()
            headers = {**WRITER, name: base64.b64encode(digest).decode(), f"{name}-timestamp": at}
            answer = await api.post("/v1/contact-events/zendesk", content=body, headers=headers)
            assert answer.status_code == status
    assert answer.json()["field"] == "X-Zendesk-Webhook-Signature-Timestamp"
    assert process.meter.value("events_rejected", "bad_signature") == 1


async def test_the_same_payload_on_kafka_is_the_same_event(process: Process, api: httpx.AsyncClient) -> None:
    payloads = [detail(), detail("user.end"), detail("customer.end", disconnectType="PEER"), detail(eventTime=0)]
    await api.post(PATH, json=payloads, headers=WRITER)
    records = [
        KafkaRecord(number, json.dumps(one).encode(), b"any key", NOW, (("source", b"genesys"),))
        for number, one in enumerate(payloads)
    ]
    known = sources(contacts=process.services.contacts)
    batches = [decode(as_columns(records), mine, PARTITIONS, "events", known) for mine in range(PARTITIONS)]
    here = [batch for batch in batches if len(batch.events)]
    assert len(here) == 1
    assert here[0].events["status"].tolist() == [OK, OK]
    assert here[0].events["kind"].tolist() == [message.event.kind for message in process.log.messages]
    assert {name.decode() for name in here[0].customers} == {f"contact:{CONVERSATION}"}
    for batch in batches:
        assert [letter.reason for letter in batch.dead] == ["bad_time"]
        assert (batch.tombstones.tolist(), batch.warned["unknown_type"]) == ([1], 1)
    forwarded = next(batch.forward for batch in batches if batch is not here[0])
    told = [msgspec.msgpack.decode(value, type=Event) for _, value in forwarded]
    assert [(one.id, one.contact) for one in told] == [
        (message.event.id, message.event.contact) for message in process.log.messages
    ]
