"""Events in over HTTP of which something cannot be read: they count without it, and the answer says so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.flows.api import WRITE, WRITER, Process


def brief(warnings: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    assert all(one["detail"] for one in warnings)
    return [(one.get("index"), one["reason"], one["field"]) for one in warnings]


SIDE_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"anonymousId": "a1", "event": "Product Viewed", "properties": []}, "bad_field", "properties"),
    (
        {
            "userId": "a2",
            "event": "Order Completed",
            "properties": {
                "order_id": "1",
                "total": 90,
                "products": [{"product_id": "x", "price": 100}, {"sku": "DISC", "price": -10}],
            },
        },
        "bad_number",
        "properties.products[1].price",
    ),
    (
        {
            "userId": "a2",
            "event": "Order Completed",
            "properties": {"order_id": "2", "total": 20, "products": {"sku": "G-32", "price": 14}},
        },
        "bad_field",
        "properties.products",
    ),
    ({"userId": False, "anonymousId": "a1", "event": "Product Viewed"}, "bad_field", "userId"),
    ({"userId": "undefined", "anonymousId": "a1", "event": "Product Viewed"}, "placeholder_id", "userId"),
    ({"anonymousId": "a1", "event": "Product Veiwed"}, "misspelt_event", "event"),
]


@pytest.mark.parametrize(("body", "reason", "field"), SIDE_FIELDS)
async def test_what_could_not_be_read_is_a_warning_in_the_answer_and_counted(
    process: Process, api: httpx.AsyncClient, body: dict[str, Any], reason: str, field: str
) -> None:
    answer = await api.post("/v1/track", json={"messageId": "e1", **body}, headers=WRITER)
    assert answer.status_code == 200
    assert brief(answer.json()["warnings"]) == [(None, reason, field)]
    assert (answer.json()["messageId"], answer.json()["accepted"]) == ("e1", 1)
    assert len(process.log.messages) == 1
    assert process.meter.value("events_warned", reason) == process.meter.value("events_warned") == 1
    assert process.meter.value("events_accepted") == 1


async def test_a_warning_is_in_plain_words(api: httpx.AsyncClient) -> None:
    body = {"anonymousId": "a1", "event": "Product Viewed", "properties": []}
    (warning,) = (await api.post("/v1/track", json=body, headers=WRITER)).json()["warnings"]
    assert warning == {
        "reason": "bad_field", "field": "properties", "detail": "an object is needed, not an array"
    }  # fmt: skip


async def test_a_batch_names_the_event_of_each_warning(process: Process, api: httpx.AsyncClient) -> None:
    good = {"type": "page", "userId": "ann"}
    batch = [good, *({"type": "track", **body} for body, _, _ in SIDE_FIELDS), {"type": "dance"}, good]
    answer = (await api.post("/v1/batch", json={"batch": batch}, headers=WRITER)).json()
    assert (answer["accepted"], answer["rejected"]) == (len(batch) - 1, 1)
    assert brief(answer["warnings"]) == [
        (i + 1, reason, field) for i, (_, reason, field) in enumerate(SIDE_FIELDS)
    ]
    assert [error["index"] for error in answer["errors"]] == [len(SIDE_FIELDS) + 1]
    assert process.meter.value("events_warned", "bad_field") == 3
    assert process.meter.value("events_rejected") == 1


async def test_an_answer_without_warnings_has_none(process: Process, api: httpx.AsyncClient) -> None:
    body = {"userId": "ann", "messageId": "m"}
    assert (await api.post("/v1/page", json=body, headers=WRITER)).json() == {"messageId": "m", "accepted": 1}
    answer = await api.post("/v1/batch", json={"batch": [{**body, "type": "page"}]}, headers=WRITER)
    assert answer.json() == {"accepted": 1, "rejected": 0, "errors": []}
    assert process.meter.value("events_warned") == 0


async def test_a_number_of_310_digits_is_a_400_that_names_the_field(
    process: Process, api: httpx.AsyncClient
) -> None:
    huge = b'{"type":"track","anonymousId":"v1","event":"Product Viewed","timestamp":%b}' % (b"1" * 310)
    good = b'{"type":"track","anonymousId":"v1","event":"Product Viewed"}'
    alone = await api.post("/v1/track", content=huge, headers=WRITER)
    assert (alone.status_code, alone.json()["field"]) == (400, "timestamp")
    answer = (await api.post("/v1/batch", content=b'{"batch":[%b,%b]}' % (huge, good), headers=WRITER)).json()
    assert (answer["accepted"], answer["errors"][0]["field"]) == (1, "timestamp")


@pytest.mark.parametrize("number", [10**310, 1 << 64, -(1 << 63) - 1])
async def test_nor_does_one_among_traits_lose_anything(
    process: Process, api: httpx.AsyncClient, number: int
) -> None:
    """It is more than Kafka's form of an event can hold."""
    told = b'{"type":"identify","userId":"ann","traits":{"plan":"gold","size":%d}}' % number
    assert (await api.post("/v1/identify", content=told, headers=WRITER)).status_code == 200
    answer = (await api.post("/v1/batch", content=b'{"batch":[%b,%b]}' % (told, told), headers=WRITER)).json()
    assert (answer["accepted"], answer["errors"]) == (2, [])
    assert [(one["reason"], one["field"]) for one in answer["warnings"]] == [("bad_field", "traits.size")] * 2
    assert len(process.log.messages) == 3


async def test_nan_in_one_event_stops_no_other(process: Process, api: httpx.AsyncClient) -> None:
    event = b'{"type":"track","anonymousId":"b1","messageId":"n%d","event":"Product Viewed","properties":{%b}}'
    unread, read = event % (2, b'"price":1,"weight":NaN'), event % (3, b'"price":NaN')
    batch = b'{"batch":[%b,%b,%b]}' % (event % (1, b'"price":1'), unread, read)
    answer = (await api.post("/v1/batch", content=batch, headers=WRITER)).json()
    assert (answer["accepted"], answer["rejected"]) == (2, 1)
    assert [(e["index"], e["code"], e["field"]) for e in answer["errors"]] == [
        (2, "bad_number", "properties.price")
    ]
    assert (await api.post("/v1/track", content=unread, headers=WRITER)).status_code == 200


async def test_a_key_in_a_body_that_has_to_be_repaired_is_found(process: Process, api: httpx.AsyncClient) -> None:
    body = b'{"userId":"ann","context":{"x":NaN},"writeKey":"%b"}'
    assert (await api.post("/v1/page", content=body % WRITE.encode())).status_code == 200
    assert (await api.post("/v1/page", content=body % b"guess")).status_code == 401


async def test_the_document_has_the_warnings(api: httpx.AsyncClient) -> None:
    schemas = (await api.get("/openapi.json")).json()["components"]["schemas"]
    assert "warnings" in schemas["Accepted"]["properties"]
    assert set(schemas["ItemWarning"]["required"]) == {"index", "reason", "field", "detail"}
