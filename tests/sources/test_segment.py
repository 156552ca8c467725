"""Segment's payloads to canonical events: what is taken, what is refused and by which name."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.customer_id import customer_id
from engine.errors import BadEvent
from engine.events import Event, Kind, Message
from engine.kernels.decode import BAD_TIME, OK
from engine.kernels.wire import EARLIEST_MS, LATEST_MS
from engine.sources.segment.batch import read_batch, write_key
from engine.sources.segment.commerce import KINDS
from engine.sources.segment.limits import Limits
from engine.sources.segment.logged import logged
from engine.sources.segment.payload import UNFORESEEN, canonical, message
from engine.sources.times import TRAVEL_MS
from engine.web.auth.visitor_tokens import MOST_BYTES as LONGEST_TOKEN
from tests.kernels.values import decoded as columns

NOW = 1_700_000_000_000
HOUR, DAY = 3_600_000, 86_400_000
CODES = {
    "malformed",
    "unknown_type",
    "missing_id",
    "missing_customer",
    "too_large",
    "bad_time",
    "bad_number",
    "bad_field",
}
EXAMPLES = Path("segment_examples/examples.jsonl")


def event(**fields: Any) -> Event:
    """The event of a track call with `fields` laid over a good one."""
    payload = {"type": "track", "event": "Product Viewed", "userId": "ann", "messageId": "m1", **fields}
    return message(json.dumps(payload).encode(), NOW, NOW).event


def refusal(payload: bytes | dict[str, Any]) -> tuple[str, str]:
    """Code and field of the refusal of `payload`."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    with pytest.raises(BadEvent) as refused:
        message(raw, NOW, NOW)
    assert refused.value.detail
    return refused.value.code, refused.value.field


def track(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Product Viewed", "userId": "ann", "messageId": "m1", **fields}


def test_a_product_view_keeps_what_the_shop_said() -> None:
    made = message(
        json.dumps(
            track(
                anonymousId="cookie-1",
                timestamp="2023-11-14T22:13:19.500Z",
                properties={"product_id": "p-1", "sku": "s-1", "category": "Games", "price": "18.99"},
                context={"ip": "8.8.8.8"},
            )
        ).encode(),
        NOW + 7,
        NOW,
    )
    assert made.customer == "ann"
    assert made.event == Event(1, Kind.ITEM_VIEWED, NOW - 500, "m1", "p-1", "Games", 18.99, 1, NOW + 7)


@pytest.mark.parametrize(
    ("call", "extra", "kind"),
    [
        ("page", {}, Kind.PAGE_VIEWED),
        ("screen", {}, Kind.PAGE_VIEWED),
        ("identify", {"traits": {"plan": "pro"}}, Kind.IDENTIFIED),
        ("group", {"groupId": "g"}, Kind.GROUPED),
        ("alias", {"previousId": "cookie-1"}, Kind.ALIASED),
        ("track", {"event": "Whatever Happened"}, Kind.OTHER),
    ],
)
def test_every_call_has_its_kind_whether_the_body_or_the_address_names_it(
    call: str, extra: dict[str, Any], kind: Kind
) -> None:
    body = {"anonymousId": "a", "messageId": "m", **extra}
    assert message(json.dumps(body).encode(), NOW, NOW, call=call).event.kind == kind
    assert message(json.dumps({**body, "type": call}).encode(), NOW, NOW).event.kind == kind
    assert message(json.dumps({**body, "action": call}).encode(), NOW, NOW).event.kind == kind


@pytest.mark.parametrize("name", sorted(KINDS))
def test_event_names_are_read_without_regard_to_case(name: str) -> None:
    assert event(event=name.title()).true_kind == event(event=f" {name.upper()} ").true_kind == KINDS[name]


def test_a_click_and_a_written_review_count_as_no_view_and_no_reading() -> None:
    assert event(event="Product Clicked").kind == event(event="Product Reviewed").kind == Kind.OTHER


@pytest.mark.parametrize(
    ("properties", "value", "quantity"),
    [
        ({"total": 27.5, "revenue": 22.5, "products": [{"price": 1}]}, 27.5, 1),
        ({"revenue": "22.50"}, 22.5, 1),
        ({"products": [{"price": 19, "quantity": 1}, {"price": "3", "quantity": "2"}]}, 25.0, 3),
        ({"products": [{"price": 0.1, "quantity": 3}, {"price": 0.2, "quantity": 1}]}, 0.5, 4),
        ({"products": []}, 0.0, 1),
        ({"total": 0, "products": [{"price": 5}]}, 0.0, 1),
        ({"total": 12, "quantity": 4}, 12.0, 4),
    ],
)
def test_an_order_is_worth_its_total_else_the_sum_of_its_lines(
    properties: dict[str, Any], value: float, quantity: int
) -> None:
    made = event(event="Order Completed", properties=properties)
    assert made.value == pytest.approx(value)
    assert made.quantity == quantity


@pytest.mark.parametrize("name", ["order_id", "orderId"])
def test_an_order_keeps_its_id(name: str) -> None:
    made = event(event="Order Completed", properties={name: "o-77", "total": 12})
    assert (made.order, made.value) == ("o-77", 12.0)
    assert event(properties={name: "o-77"}).order == ""  # of an order alone


def test_an_item_is_worth_one_piece() -> None:
    assert event(event="Product Added", properties={"price": 3, "quantity": 4, "value": 12}).value == 3
    assert event(event="Product Added", properties={"quantity": 4, "value": 12}).value == 3
    assert event(event="Product Added", properties={"price": 2, "quantity": 0.4}).quantity == 1


def test_whole_numbers_serve_as_identifiers() -> None:
    made = message(json.dumps(track(userId=42, properties={"product_id": 4711})).encode(), NOW, NOW)
    assert (made.customer, made.event.item) == ("42", "4711")


@pytest.mark.parametrize(
    ("ids", "customer", "anonymous"),
    [
        ({"userId": "ann"}, "ann", 0),
        ({"userId": "ann", "anonymousId": "cookie"}, "ann", 0),
        ({"anonymousId": "cookie"}, "cookie", 1),
        ({"userId": None, "anonymousId": "cookie"}, "cookie", 1),
        ({"userId": "", "anonymousId": "cookie"}, "cookie", 1),
        ({"userId": "undefined", "anonymousId": "cookie"}, "cookie", 1),
        ({"userId": "ann", "anonymousId": "null"}, "ann", 0),
        ({"userId": 7, "anonymousId": "cookie"}, "7", 0),
        ({}, "by-key", 0),
        ({"userId": "null", "anonymousId": "null"}, "by-key", 0),
    ],
)
def test_a_customer_is_anonymous_whom_an_anonymous_id_names(
    ids: dict[str, object], customer: str, anonymous: int
) -> None:
    """A record's key on Kafka names whom it names: a user, to be on the safe side."""
    payload = json.dumps({"type": "page", "messageId": "m", **ids}).encode()
    named, packed = canonical(payload, b"by-key", NOW)
    event = msgspec.msgpack.decode(packed, type=Event)
    assert (named.decode(), event.anonymous, event.trust) == (customer, anonymous, 0)


def test_the_anonymous_id_serves_until_there_is_a_user_id() -> None:
    for nobody in (None, "", "  "):
        made = message(json.dumps(track(userId=nobody, anonymousId="cookie")).encode(), NOW, NOW)
        assert made.customer == "cookie"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"userId": None}, "missing_customer", "userId"),
        ({"messageId": ""}, "missing_id", "messageId"),
        ({"messageId": "é" * 51}, "too_large", "messageId"),
        ({"messageId": ["m"]}, "bad_field", "messageId"),
        ({"userId": "é" * 129}, "too_large", "userId"),
        ({"userId": {"id": 1}}, "bad_field", "userId"),
        ({"userId": True}, "bad_field", "userId"),
        ({"userId": None, "anonymousId": 1.5}, "bad_field", "anonymousId"),
        ({"type": "dance"}, "unknown_type", "type"),
        ({"type": None}, "unknown_type", "type"),
        ({"event": None}, "bad_field", "event"),
        ({"event": {"name": "x"}}, "bad_field", "event"),
        ({"type": "group"}, "missing_id", "groupId"),
        ({"type": "alias"}, "missing_id", "previousId"),
        ({"properties": {"price": -0.01}}, "bad_number", "properties.price"),
        ({"properties": {"price": "NaN"}}, "bad_number", "properties.price"),
        ({"properties": {"price": float("nan")}}, "bad_number", "properties.price"),
        ({"properties": {"price": float("-inf")}}, "bad_number", "properties.price"),
        ({"properties": {"price": "Infinity"}}, "bad_number", "properties.price"),
        ({"properties": {"price": 10**400}}, "bad_number", "properties.price"),
        ({"properties": {"price": "1_000"}}, "bad_number", "properties.price"),
        ({"properties": {"price": "5 kg"}}, "bad_number", "properties.price"),
        ({"properties": {"price": "€1.234"}}, "bad_number", "properties.price"),
        ({"properties": {"price": True}}, "bad_number", "properties.price"),
        (
            {"event": "Order Completed", "properties": {"products": [{"price": 1}, {"price": -1}]}},
            "bad_number",
            "properties.products[1].price",
        ),
        (
            {"event": "Order Completed", "properties": {"products": [7]}},
            "bad_field",
            "properties.products[0]",
        ),
        ({"event": "Order Completed", "properties": {"products": "p"}}, "bad_field", "properties.products"),
        ({"event": "Order Completed", "properties": {"total": -5}}, "bad_number", "properties.total"),
        ({"timestamp": "yesterday"}, "bad_time", "timestamp"),
        ({"timestamp": "12:30"}, "bad_time", "timestamp"),
        ({"timestamp": "2023-02-30T00:00:00Z"}, "bad_time", "timestamp"),
        ({"timestamp": True}, "bad_time", "timestamp"),
        ({"timestamp": NOW + DAY + 1}, "bad_time", "timestamp"),
        ({"timestamp": NOW - 400 * DAY - 1}, "bad_time", "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "bad_time", "timestamp"),
        ({"timestamp": 1e300}, "bad_time", "timestamp"),
        ({"timestamp": 10**310}, "bad_time", "timestamp"),
        ({"timestamp": "1e400"}, "bad_time", "timestamp"),
        ({"timestamp": "nan"}, "bad_time", "timestamp"),
        ({"originalTimestamp": "soon"}, "bad_time", "originalTimestamp"),
        ({"timestamp": float("nan")}, "bad_time", "timestamp"),
    ],
)
def test_a_bad_field_is_named(change: dict[str, Any], code: str, field: str) -> None:
    assert refusal(track(**change)) == (code, field)


@pytest.mark.parametrize("at", [EARLIEST_MS, EARLIEST_MS + 1, LATEST_MS - 1, LATEST_MS])
@pytest.mark.parametrize("fields", [{}, {"timestamp": "stated"}])
def test_what_a_row_can_hold_is_taken(at: int, fields: dict[str, str]) -> None:
    """Under a replay's clock, which may stand anywhere."""
    made = message(json.dumps(track(**dict.fromkeys(fields, at))).encode(), NOW, at)
    assert made.event.at == at
    assert decoded(made.event)["status"] == OK


@pytest.mark.parametrize(
    ("at", "detail"), [(EARLIEST_MS - 1, "before 2000-01-01, "), (LATEST_MS + 1, "after 2136-02-07, ")]
)
@pytest.mark.parametrize("fields", [{}, {"timestamp": "stated"}])
def test_what_no_row_can_hold_is_refused_and_not_left_to_the_worker(
    at: int, detail: str, fields: dict[str, str]
) -> None:
    with pytest.raises(BadEvent) as refused:
        message(json.dumps(track(**dict.fromkeys(fields, at))).encode(), NOW, at)
    assert (refused.value.code, refused.value.field) == ("bad_time", "timestamp")
    assert refused.value.detail.startswith(detail)
    # a log may hold it, for a replay may shift it; written past the API it is a dead letter
    logged_event = logged(json.dumps(track(timestamp=at)).encode()).event
    assert logged_event.at == at
    assert decoded(logged_event)["status"] == BAD_TIME


def decoded(event: Event) -> Any:
    """What the worker's decoder makes of it."""
    return columns([msgspec.msgpack.encode(event)], event.at)[0]


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b"[" * 200_000, b"{}x", b'{"a":}'],
)
def test_what_is_no_json_object_is_malformed(payload: bytes) -> None:
    assert refusal(payload[: 32 * 1024])[0] == "malformed"


@given(st.text(st.characters(exclude_categories=[]), max_size=12))
@example("cut in an emoji \ud83d")
@example("\udc4d and \ud83d\udc4d and \\ud83d")
def test_half_an_emoji_spoils_neither_its_event_nor_a_batch(title: str) -> None:
    whole = title.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    payload = json.dumps(track(context={"page": {"title": title}}, properties={"product_id": f"p{title}p"}))
    assert message(payload.encode(), NOW, NOW).event.item == f"p{whole}p"
    (one,) = read_batch(b'{"batch":[' + payload.encode() + b"]}").batch
    assert message(one, NOW, NOW).event.item == f"p{whole}p"


def test_properties_of_other_events_are_the_senders_own_business() -> None:
    made = event(event="Filter Applied", properties={"value": "under-$25", "price": -3, "category": ["a"]})
    assert (made.kind, made.value, made.category) == (Kind.OTHER, 0.0, "")


def test_an_event_may_weigh_32_kilobytes_and_no_more() -> None:
    def padded(size: int) -> bytes:
        empty = json.dumps(track(context="")).encode()
        return json.dumps(track(context="x" * (size - len(empty)))).encode()

    assert len(padded(32 * 1024)) == 32 * 1024
    assert message(padded(32 * 1024), NOW, NOW).customer == "ann"
    assert refusal(padded(32 * 1024 + 1)) == ("too_large", "")


@pytest.mark.parametrize(
    "stated",
    [
        "2023-11-14T21:13:20Z",
        "2023-11-14T21:13:20.000+00:00",
        "2023-11-14t22:13:20+01:00",
        "2023-11-14T21:13:20+0000",
        "2023-11-14 21:13:20",
        1_699_996_400,
        1_699_996_400.0,
        1_699_996_400_000,
        "1699996400",
        "1699996400000",
    ],
)
def test_times_are_read_as_rfc_3339_or_epoch(stated: object) -> None:
    assert event(timestamp=stated).at == NOW - HOUR


def test_without_a_time_the_event_is_of_now() -> None:
    assert event().at == NOW


def test_a_time_slightly_ahead_is_now() -> None:
    assert event(timestamp=NOW + 30_000).at == NOW
    assert event(timestamp=NOW + DAY).at == NOW


def test_the_senders_skew_is_taken_out() -> None:
    """A clock a year behind: the event lay 90 s in the SDK's queue, and that is all that is believed."""
    behind = NOW - 365 * DAY
    assert event(originalTimestamp=behind, sentAt=behind + 90_000).at == NOW - 90_000
    assert event(timestamp=behind, sentAt=behind + 90_000).at == NOW - 90_000
    assert event(timestamp=NOW - HOUR, originalTimestamp=behind, sentAt=behind + 90_000).at == NOW - 90_000


def test_the_batchs_sent_at_counts_for_events_without_their_own() -> None:
    payload = json.dumps(track(timestamp=NOW - DAY)).encode()
    assert message(payload, NOW, NOW, sent_at=NOW - DAY + 5_000).event.at == NOW - 5_000
    own = json.dumps(track(timestamp=NOW - DAY, sentAt=NOW - DAY + 1_000)).encode()
    assert message(own, NOW, NOW, sent_at=NOW).event.at == NOW - 1_000


@given(st.integers(-3 * 365 * DAY, 3 * 365 * DAY), st.integers(0, 300 * DAY), st.sampled_from(["iso", "epoch"]))
def test_any_skew_leaves_only_the_time_in_the_queue(skew: int, queued: int, form: str) -> None:
    def shown(at: int) -> object:
        return at if form == "epoch" else datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")

    made = event(timestamp=shown(NOW + skew - queued), sentAt=shown(NOW + skew))
    assert made.at == (NOW - queued if abs(skew) > TRAVEL_MS else min(NOW + skew - queued, NOW))


@pytest.mark.parametrize("travelled", [0, TRAVEL_MS, -TRAVEL_MS])
def test_the_way_here_is_no_skew(travelled: int) -> None:
    assert event(timestamp=NOW - HOUR, sentAt=NOW - travelled).at == NOW - HOUR


@pytest.mark.parametrize("off", [TRAVEL_MS + 1, -TRAVEL_MS - 1])
def test_what_is_more_than_the_way_here_is_skew(off: int) -> None:
    assert event(timestamp=NOW - HOUR, sentAt=NOW - off).at == NOW - HOUR + off


def test_requests_that_travel_at_different_speeds_leave_a_visit_in_its_order() -> None:
    """The first one opens a connection: its event came to lie behind the second's."""
    first = event(timestamp=NOW - 900, sentAt=NOW - 900)
    second = message(json.dumps(track(timestamp=NOW - 895, sentAt=NOW - 2)).encode(), NOW, NOW).event
    assert (first.at, second.at) == (NOW - 900, NOW - 895)


def test_json_on_kafka_becomes_the_canonical_record() -> None:
    payload = json.dumps(track(properties={"price": 2})).encode()
    customer, record = canonical(payload, b"ann", NOW - 5, now=NOW)
    made = msgspec.msgpack.decode(record, type=Event)
    assert customer == b"ann"
    assert (made.kind, made.at, made.value, made.received_at) == (Kind.ITEM_VIEWED, NOW, 2.0, NOW - 5)


def test_json_on_kafka_falls_back_on_key_and_place() -> None:
    payload = b'{"type":"page"}'
    customer, record = canonical(payload, "josé".encode(), NOW, fallback_id="cueline.events-3-17")
    assert customer.decode() == "josé"
    assert msgspec.msgpack.decode(record, type=Event).id == "cueline.events-3-17"


@pytest.mark.parametrize(
    ("key", "fallback", "code"),
    [(None, "x", "missing_customer"), (b"k", "", "missing_id"), (b"\xff", "x", "bad_field")],
)
def test_json_on_kafka_needs_a_customer_and_an_id(key: bytes | None, fallback: str, code: str) -> None:
    with pytest.raises(BadEvent) as refused:
        canonical(b'{"type":"page"}', key, NOW, fallback_id=fallback)
    assert refused.value.code == code


def test_a_batch_is_taken_apart_without_reading_its_events() -> None:
    batch = read_batch(b'{"batch":[{"a":1},7],"sentAt":"2023-11-14T22:13:20Z","writeKey":"k"}')
    assert [bytes(item) for item in batch.batch] == [b'{"a":1}', b"7"]
    assert batch.sent_at == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("payload", "code", "field"),
    [
        (b"{}", "malformed", "batch"),
        (b'{"batch":[]}', "malformed", "batch"),
        (b'{"batch":{}}', "bad_field", "batch"),
        (b'{"batch":[1,1,1]}', "too_large", "batch"),
        (b"[]", "malformed", ""),
        (b"\x00", "malformed", ""),
    ],
)
def test_what_is_no_batch_is_refused(payload: bytes, code: str, field: str) -> None:
    with pytest.raises(BadEvent) as refused:
        read_batch(payload, Limits(batch_events=2))
    assert (refused.value.code, refused.value.field) == (code, field)


def test_the_write_key_may_lie_in_the_body() -> None:
    assert write_key(b'{"writeKey":"abc","x":[1]}') == "abc"
    assert write_key(b'{"writeKey":7}') == write_key(b"{") == write_key(b"[]") == ""


@pytest.mark.parametrize("beside", [b"1", b"NaN"])
def test_of_a_field_that_is_there_twice_the_last_counts(beside: bytes) -> None:
    twice = b'{"type":"track","x":%b,"userId":"bob","userId":"ann","event":"a","event":"Product Viewed"}' % beside
    made = message(twice, NOW, NOW, fallback_id="m")
    assert (made.customer, made.event.kind) == ("ann", Kind.ITEM_VIEWED)
    first, last = b'{"userId":"bob"}', b'{"userId":"ann","x":%b}' % beside
    for begin in (b"[]", b"[%b]" % first, b"[%b,%b]" % (first, last)):
        batch = read_batch(b'{"batch":%b,"sentAt":1,"batch":[%b],"sentAt":2}' % (begin, last))
        assert [b"ann" in bytes(one) for one in batch.batch] == [True]
        assert batch.sent_at == 2
    keys = b'{"batch":[{"writeKey":"events"}],"x":%b,"writeKey":"first","writeKey":"last"}' % beside
    assert write_key(keys) == "last"
    assert write_key(keys[:-1] + b',"name":"writeKey"}') != ""


@pytest.mark.parametrize("beside", [b"1", b"NaN"])
def test_a_key_is_as_long_as_a_visitor_token_may_be(beside: bytes) -> None:
    for size, found in ((LONGEST_TOKEN, LONGEST_TOKEN), (LONGEST_TOKEN + 1, 0)):
        assert len(write_key(b'{"x":%b,"writeKey":"%b"}' % (beside, b"k" * size))) == found


def test_segments_own_examples_are_taken_or_refused_by_name(data: Path) -> None:
    kinds, refusals = [], []
    for line in (data / EXAMPLES).read_text().splitlines():
        payload = {"anonymousId": "reader", **json.loads(line)["payload"]}  # most examples leave the ids out
        try:
            kinds.append(Kind(message(json.dumps(payload).encode(), NOW, NOW, fallback_id="m").event.kind))
        except BadEvent as fault:
            refusals.append((fault.code, fault.field))
    assert len(kinds) + len(refusals) == 132
    assert sorted(refusals) == [  # an alias and a group without ids, an object as name, a bare integrations object
        ("bad_field", "event"),
        ("missing_id", "groupId"),
        ("missing_id", "previousId"),
        ("unknown_type", "type"),
    ]
    assert len(set(kinds)) >= 17
    assert kinds.count(Kind.ORDER_COMPLETED) == 2


def test_segments_examples_without_ids_are_refused_for_that(data: Path) -> None:
    for line in (data / EXAMPLES).read_text().splitlines():
        payload = json.loads(line)["payload"]
        if "userId" not in payload and "anonymousId" not in payload and payload.get("type") in ("track", "page"):
            assert refusal({**payload, "messageId": "m", "event": "x"}) == ("missing_customer", "userId")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
names = st.sampled_from(["product_id", "sku", "id", "category", "price", "value", "revenue", "total", "quantity"])
lines = st.lists(st.dictionaries(names, scalars, max_size=4) | scalars, max_size=3)
properties = st.dictionaries(names, scalars, max_size=6) | st.builds(
    lambda some, products: {**some, "products": products}, st.dictionaries(names, scalars, max_size=3), lines
)
payloads = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "page", "identify", "group", "alias", "screen"]) | anything,
        "event": st.sampled_from(sorted(KINDS)) | anything,
        "messageId": st.text(max_size=120) | anything,
        "userId": st.text(max_size=300) | anything,
        "anonymousId": anything,
        "groupId": anything,
        "previousId": anything,
        "timestamp": st.integers(NOW - 500 * DAY, NOW + 2 * DAY) | anything,
        "originalTimestamp": anything,
        "sentAt": st.integers(NOW - DAY, NOW + DAY) | anything,
        "category": anything,
        "properties": properties | anything,
    },
)


def check(raw: bytes, key: bytes | None = None) -> None:
    """Whatever `raw` is, over HTTP and on Kafka: a sound event or a refusal by a known code, and nothing else."""
    try:
        made = message(raw, NOW, NOW, fallback_id="made")
    except BadEvent as fault:
        known(fault)
    else:
        sound(made)
    try:
        customer, record = canonical(raw, key, NOW, "made")
    except BadEvent as fault:
        known(fault)
    else:
        sound(Message(customer_id(customer.decode()), msgspec.msgpack.decode(record, type=Event)))


def known(fault: BadEvent) -> None:
    assert fault.code in CODES
    assert fault.detail
    assert UNFORESEEN not in fault.detail


def sound(made: Message) -> None:
    assert 0 < len(made.customer.encode()) <= 256
    assert 0 < len(made.event.id.encode()) <= 100
    assert NOW - 400 * DAY <= made.event.at <= NOW
    assert 0.0 <= made.event.value <= 1e12
    assert 0 <= made.event.quantity <= 1_000_000
    assert made.event.kind in set(Kind)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made.event), type=Event) == made.event


@given(st.binary(max_size=200))
@example(b"[" * 30_000)
@example(b'{"type":"page","userId":"\\ud800"}')
@example(b'{"userId":"a","type":"track","event":"Order Completed","properties":{"total":1' + b"0" * 5_000 + b"}}")
def test_any_bytes_make_an_event_or_a_refusal(raw: bytes) -> None:
    check(raw)


@given(payloads, st.none() | st.binary(max_size=8))
def test_any_json_makes_an_event_or_a_refusal(payload: dict[str, Any], key: bytes | None) -> None:
    check(json.dumps(payload).encode(), key)
    check(json.dumps(payload, ensure_ascii=False).encode(errors="surrogatepass"), key)


# numbers as nobody writes them, in every place
odd = st.one_of(
    st.builds("{}{}{}".format, st.sampled_from(["", "-"]), st.integers(0, 10**400), st.sampled_from(["", ".5"])),
    st.builds("{}e{}".format, st.integers(-9, 9), st.integers(-(10**12), 10**12)),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1" * 310, "1" * 4_301, "[" * 2_000 + "]" * 2_000]),
    st.sampled_from(["-0", "01", "1.", ".1", "+1", "1e", "--1"]),
    st.sampled_from(['"\\ud800"', '"\x00"', '"\x7f"', "'a'", "undefined", "{", "]", '"', "\\", "\ufeff", ""]),
    st.text(max_size=6).map(json.dumps),
)  # fmt: skip
fields = st.sampled_from([
    "type", "event", "userId", "anonymousId", "messageId", "timestamp", "originalTimestamp", "sentAt", "category",
    "properties", "groupId", "previousId", "context", "properties.price", "properties.quantity",
    "properties.total", "properties.products", "properties.order_id", "properties.category",
    "properties.product_id",
])  # fmt: skip


@given(st.dictionaries(fields, odd, max_size=5), st.sampled_from(sorted(KINDS)))
def test_any_token_in_any_field_makes_an_event_or_a_refusal(tokens: dict[str, str], name: str) -> None:
    inner = ",".join(f'"{field[11:]}":{token}' for field, token in tokens.items() if "." in field)
    given = {
        "type": '"track"',
        "event": json.dumps(name),
        "userId": '"ann"',
        "properties": f"{{{inner}}}",
        **tokens,
    }
    body = ",".join(f'"{field}":{token}' for field, token in given.items() if "." not in field)
    check(f"{{{body}}}".encode(), b"ann")


@pytest.mark.parametrize(
    ("ahead", "brought"), [(0, False), (999, False), (1_000, True), (-1_000, True), (DAY, True)]
)
def test_an_event_brings_the_engines_time_where_it_is_not_the_walls(ahead: int, brought: bool) -> None:
    payload = json.dumps(track()).encode()
    made = message(payload, NOW, NOW + ahead).event
    assert (made.received_at, made.engine_at) == (NOW, NOW + ahead if brought else 0)
    # a log does not say when its events came in
    assert message(payload, 0, NOW + ahead).event.engine_at == 0


@pytest.mark.parametrize("wrapped", [b"%b", b'{"payload":%b}', b'\xef\xbb\xbf{"x":NaN,"payload":%b}'])
def test_a_logged_payload_is_read_as_it_would_have_been_on_arrival(wrapped: bytes) -> None:
    payload = b'{"type":"page","userId":"ann","sentAt":"","timestamp":%d,"context":NaN}' % NOW
    made = logged(wrapped % payload, "made")
    assert (made.event.at, made.event.id) == (NOW, "made")
    for bad in (
        b'{"sentAt":%b}' % (b"1" * 310),
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"timestamp":""}',
        b"[",
    ):
        with pytest.raises(BadEvent):
            logged(wrapped % bad)
