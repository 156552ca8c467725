"""Fields that an event does not need: one that cannot be read is left out and noted, and the event counts."""

from __future__ import annotations

from typing import Any

import pytest

from engine.events import AHEAD_MS, EARLIEST_MS, Kind
from engine.sources.segment.values import MAX_LEFT_OUT
from engine.sources.times import DAY
from tests.sources.payloads import NOW, left_out, read, refusal, track

HOUR = 3_600_000


@pytest.mark.parametrize("nothing", [[], "", "text", False, 7, [1]])
def test_properties_that_are_no_object_are_left_out(nothing: object) -> None:
    made = read(track(properties=nothing))
    assert (made.event.kind, made.event.item, made.event.value) == (Kind.ITEM_VIEWED, "", 0.0)
    assert left_out(made) == [("bad_field", "properties")]


def test_without_properties_nothing_is_left_out() -> None:
    assert left_out(read(track())) == left_out(read(track(properties=None))) == []


def test_a_discount_line_harms_no_order_that_states_its_total() -> None:
    lines = [{"product_id": "x", "price": 100}, {"sku": "DISC", "price": -10}]
    made = read(track("Order Completed", properties={"order_id": "1", "total": 90, "products": lines}))
    assert (made.event.value, made.event.order) == (90.0, "1")
    assert left_out(made) == [("bad_number", "properties.products[1].price")]
    # the total is their sum, so each has to be readable
    assert refusal(track("Order Completed", properties={"products": lines})) == (
        "bad_number",
        "properties.products[1].price",
    )


def test_products_as_one_object_are_one_line() -> None:
    line = {"sku": "G-32", "price": 14, "quantity": 2}
    made = read(track("Order Completed", properties={"order_id": "2", "total": 20, "products": line}))
    assert (made.event.value, made.event.item, made.event.quantity) == (20.0, "G-32", 2)
    assert left_out(made) == [("bad_field", "properties.products")]
    assert read(track("Order Completed", properties={"products": line})).event.value == 28.0


def test_products_as_an_object_of_numbered_lines_are_those_lines() -> None:
    lines = {"1": {"sku": "a", "price": 2}, "3": {"sku": "b", "price": 3}}
    made = read(track("Order Completed", properties={"products": lines}))
    assert (made.event.value, made.event.quantity) == (5.0, 2)


@pytest.mark.parametrize(
    ("name", "properties", "field", "reason"),
    [
        ("Product Viewed", {"quantity": -1}, "quantity", "bad_number"),
        ("Product Viewed", {"quantity": 1e9}, "quantity", "bad_number"),
        ("Product Viewed", {"quantity": "two"}, "quantity", "bad_number"),
        ("Product Viewed", {"category": {"name": "tv"}}, "category", "bad_field"),
        ("Product Viewed", {"category": [["tv"]]}, "category[0]", "bad_field"),
        ("Product Viewed", {"product_id": "x" * 257}, "product_id", "too_large"),
        ("Product Viewed", {"product_id": {}}, "product_id", "bad_field"),
        ("Product Viewed", {"price": "on request", "value": 5}, "price", "bad_number"),
        ("Product List Viewed", {"category": 1.5}, "category", "bad_field"),
        ("Order Completed", {"total": 5, "products": "p"}, "products", "bad_field"),
        ("Order Completed", {"total": 5, "products": [7]}, "products[0]", "bad_field"),
        ("Order Completed", {"total": 5, "products": [{"quantity": "?"}]}, "products[0].quantity", "bad_number"),
        ("Order Completed", {"total": "?", "revenue": 5}, "total", "bad_number"),
        ("Order Completed", {"total": "?", "products": [{"price": 5}]}, "total", "bad_number"),
        ("Order Completed", {"total": 5, "order_id": ["o"]}, "order_id", "bad_field"),
        ("Order Completed", {"total": 5, "order_id": "undefined"}, "order_id", "placeholder_id"),
    ],
)
def test_what_is_not_needed_and_cannot_be_read_is_left_out(
    name: str, properties: dict[str, Any], field: str, reason: str
) -> None:
    made = read(track(name, properties=properties))
    assert left_out(made) == [(reason, f"properties.{field}")]
    assert (made.event.value, made.event.quantity, made.event.order) == (5.0 * (len(properties) > 1), 1, "")


@pytest.mark.parametrize(
    ("name", "properties", "field"),
    [
        ("Product Viewed", {"price": "on request"}, "price"),
        ("Product Viewed", {"price": -1, "value": "?"}, "value"),
        ("Order Completed", {"total": -5, "revenue": True}, "total"),
        ("Order Completed", {"total": "?", "products": [{"sku": "a"}]}, "total"),
        ("Order Completed", {"products": [{"price": 2, "quantity": "?"}]}, "products[0].quantity"),
    ],
)
def test_what_an_event_is_worth_must_be_readable_where_it_is_stated(
    name: str, properties: dict[str, Any], field: str
) -> None:
    assert refusal(track(name, properties=properties)) == ("bad_number", f"properties.{field}")


@pytest.mark.parametrize("name", ["Product Added", "Product Viewed"])
def test_the_item_may_lie_in_products(name: str) -> None:
    line = {"product_id": "p", "category": "tv", "price": "9", "quantity": 2}
    event = read(track(name, properties={"products": [line]})).event
    assert (event.item, event.category, event.value, event.quantity) == ("p", "tv", 9.0, 2)
    event = read(track(name, properties={"products": [line, {"sku": "q", "price": 3}]})).event
    assert (event.item, event.value, event.quantity) == ("p", 7.0, 3)  # the first, at the mean price
    event = read(track(name, properties={"sku": "s", "price": 4, "products": [line]})).event
    assert (event.item, event.value, event.quantity) == ("s", 4.0, 1)


@pytest.mark.parametrize(("stated", "first"), [(["Games", "Board"], "Games"), ([], ""), ([7], "7")])
def test_the_first_of_several_categories_counts(stated: list[object], first: str) -> None:
    made = read(track(properties={"category": stated}))
    assert (made.event.category, left_out(made)) == (first, [])
    assert read({"type": "page", "userId": "ann", "messageId": "m", "category": stated}).event.category == first


def test_whole_numbers_with_a_point_serve_as_identifiers() -> None:
    made = read(track(userId=12.0, messageId=7.0, properties={"product_id": 4711.0}))
    assert (made.customer, made.event.id, made.event.item) == ("12", "7", "4711")
    assert read(track(userId=123456789012345678901)).customer == "123456789012345678901"
    assert refusal(track(userId=12.5)) == refusal(track(userId=1e300)) == ("bad_field", "userId")


@pytest.mark.parametrize("sent", ["", "  ", None, False])
def test_a_blank_sent_at_states_nothing(sent: object) -> None:
    made = read(track(timestamp=NOW - HOUR, sentAt=sent))
    assert (made.event.at, left_out(made)) == (NOW - HOUR, [])


@pytest.mark.parametrize("sent", ["soon", [], {}, True, 1e300, 10**310, "1e400"])
def test_a_sent_at_that_cannot_be_read_corrects_no_clock(sent: object) -> None:
    made = read(track(timestamp=NOW - HOUR, sentAt=sent))
    assert (made.event.at, left_out(made)) == (NOW - HOUR, [("bad_time", "sentAt")])
    assert read(track(timestamp=NOW - HOUR), sent_at=sent).event.at == NOW - HOUR  # the batch's alike
    assert read(track(sentAt=sent)).event.at == NOW


@pytest.mark.parametrize("sent", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 0, -5, NOW - 401 * DAY])
def test_nor_does_one_of_another_age(sent: object) -> None:
    made = read(track(timestamp=NOW - HOUR, sentAt=sent))
    assert (made.event.at, left_out(made)) == (NOW - HOUR, [("bad_time", "sentAt")])
    assert read(track(timestamp=NOW - HOUR), sent_at=sent).event.at == NOW - HOUR


def test_but_a_clock_that_begins_with_each_start_is_corrected() -> None:
    made = read(track(timestamp=5, sentAt=65))
    assert (made.event.at, left_out(made)) == (NOW - 60_000, [])
    assert refusal(track(timestamp=5, sentAt=NOW)) == ("bad_time", "timestamp")
    assert refusal(track(timestamp=NOW - 401 * DAY, sentAt="0001-01-01T00:00:00Z")) == ("bad_time", "timestamp")


def test_the_timestamp_serves_for_an_original_one_that_cannot_be_read() -> None:
    made = read(track(timestamp=NOW - HOUR, originalTimestamp="soon"))
    assert (made.event.at, left_out(made)) == (NOW - HOUR, [("bad_time", "originalTimestamp")])
    assert read(track(timestamp=NOW - HOUR, originalTimestamp="")).event.at == NOW - HOUR
    assert read(track(timestamp="")).event.at == NOW


ZEROS = ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", 0, -5, "0", EARLIEST_MS - 1, NOW + AHEAD_MS + 1]


@pytest.mark.parametrize("zero", [*ZEROS, "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("sent", [None, NOW])
def test_and_for_one_that_can_be_no_time(zero: object, sent: int | None) -> None:
    """Go's zero, PHP's, or the end of all times: the time of another field is there."""
    made = read(track(timestamp=NOW - HOUR, originalTimestamp=zero, sentAt=sent))
    assert (made.event.at, left_out(made)) == (NOW - HOUR, [("bad_time", "originalTimestamp")])
    for other in (None, "soon", "", False):
        assert refusal(track(timestamp=other, originalTimestamp=zero)) == ("bad_time", "originalTimestamp")


@pytest.mark.parametrize("at", [EARLIEST_MS, NOW - 400 * DAY - 1])
def test_but_not_for_one_that_was_so_long_ago(at: int) -> None:
    assert refusal(track(timestamp=NOW, originalTimestamp=at)) == ("bad_time", "originalTimestamp")


@pytest.mark.parametrize("stated", ["2023-11-14T21:13:20z", "2023-11-14t21:13:20z", "2023-11-14T21:13:20.000z"])
def test_a_time_may_end_in_a_small_z(stated: str) -> None:
    assert read(track(timestamp=stated)).event.at == NOW - HOUR


def test_no_more_than_a_few_things_are_noted_of_one_event() -> None:
    lines = [{"price": -1}] * 100
    made = read(track("Order Completed", properties={"total": 1, "products": lines}))
    assert len(made.left_out) == MAX_LEFT_OUT
