"""Blanks around an id are no part of it: whoever states it, wherever, names one and the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.decisions.request import read_request
from engine.errors import BadRequest
from engine.events import Kind
from engine.web.api.customers import asked_for
from tests.imports.builders import HEADER, imported, table
from tests.sources.payloads import left_out, read, refusal, track

AROUND = [" {} ", "\t{}", "{}\r\n", "\u00a0{}", "\u3000{} "]


@pytest.mark.parametrize("written", AROUND)
def test_an_event_names_the_same_customer_order_and_product(written: str) -> None:
    lines = [{"sku": written.format("p1"), "price": 5}]
    stated = {"order_id": written.format("o1"), "total": 5, "products": lines}
    fields: dict[str, Any] = {"userId": written.format("ann"), "messageId": written.format("m1")}
    made = read(track("Order Completed", properties=stated, **fields))
    assert (made.customer, made.event.id, made.event.order, made.event.item) == ("ann", "m1", "o1", "p1")
    viewed = {"product_id": written.format("p1"), "category": written.format("tv")}
    seen = read(track("Product Viewed", properties=viewed)).event
    assert (seen.item, seen.category) == ("p1", "tv")


@pytest.mark.parametrize("name", ["Order Completed", "Order Cancelled", "Order Refunded", "Order Updated"])
@pytest.mark.parametrize("written", [7, 7.0, "7", " 7 "])
def test_a_number_is_the_id_that_its_text_is(name: str, written: object) -> None:
    assert read(track(name, properties={"order_id": written, "total": 5})).event.order == "7"
    assert read(track(properties={"product_id": written})).event.item == "7"


@pytest.mark.parametrize("blank", ["", " ", "\t\r\n", "\u00a0"])
def test_blanks_alone_are_no_id(blank: str) -> None:
    both = {"order_id": blank, "orderId": "o1", "total": 5}
    assert read(track("Order Completed", properties=both)).event.order == "o1"
    assert read(track("Order Completed", properties={"order_id": blank, "total": 5})).event.order == ""
    assert read(track(properties={"product_id": blank, "sku": "p1"})).event.item == "p1"
    lines = [{"product_id": blank, "sku": "p1", "price": 5}]
    assert read(track("Order Completed", properties={"total": 5, "products": lines})).event.item == "p1"
    assert read(track(userId=blank, anonymousId=" visitor ")).customer == "visitor"
    assert refusal(track(userId=blank)) == ("missing_customer", "userId")


def test_a_correction_of_a_blank_order_says_that_its_id_is_missing() -> None:
    made = read(track("Order Cancelled", properties={"order_id": "  "}))
    assert (made.event.kind, left_out(made)) == (Kind.ORDER_CANCELLED, [("missing_id", "properties.order_id")])


@pytest.mark.parametrize("written", AROUND)
def test_whoever_asks_names_the_same_customer(written: str) -> None:
    assert asked_for(written.format("ann"), "id", frozenset()) == "ann"
    body = {"customerId": written.format("ann"), "channel": "web"}
    assert read_request(msgspec.json.encode(body)).customer == "ann"
    unnamed = {"customerId": written.format(""), "anonymousId": written.format("visitor"), "channel": "web"}
    assert read_request(msgspec.json.encode(unnamed)).customer == "visitor"


def test_a_line_of_an_import_names_the_same_customer(tmp_path: Path) -> None:
    (only,), _ = imported(table(tmp_path, HEADER + '" ann ",gold,,,,,\n'))
    assert only.customer == read(track(userId=" ann ")).customer == "ann"


def test_who_asks_for_nobody_is_refused() -> None:
    with pytest.raises(BadRequest):
        asked_for("  ", "id", frozenset())
    with pytest.raises(BadRequest):
        read_request(b'{"customerId": "  ", "channel": "web"}')
