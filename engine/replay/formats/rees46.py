"""REES46 "ecommerce behavior data from multi category store", CSV as Kaggle has it.

Columns by the header: event_time (``2019-10-01 00:00:00 UTC``), event_type (view, cart,
remove_from_cart, purchase), product_id, category_id, category_code (often empty), brand, price,
user_id, user_session. A purchase is an order of one piece at its price.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

from engine.customer_id import customer_id
from engine.errors import BadEvent, BadRequest
from engine.events import WIRE_VERSION, Event, Kind, Message
from engine.replay.message_ids import MessageIds

KINDS = {
    "view": Kind.ITEM_VIEWED,
    "cart": Kind.CART_ADDED,
    "remove_from_cart": Kind.CART_REMOVED,
    "purchase": Kind.ORDER_COMPLETED,
}
NEEDED = ("event_time", "event_type", "product_id", "category_id", "category_code", "price", "user_id")


def reader(header: bytes) -> Callable[[bytes, MessageIds], list[Message]]:
    """How to read a line under `header`. Raises `BadRequest` when a column is missing."""
    names = header.decode(errors="replace").lstrip("\ufeff").strip().split(",")
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise BadRequest(f"REES46 header without {', '.join(missing)}", "FILE")
    time, kind, item, category_id, category_code, price, user = (names.index(name) for name in NEEDED)

    def read(line: bytes, identity: MessageIds) -> list[Message]:
        cells = columns(line, len(names))
        event = Event(
            WIRE_VERSION,
            int(_kind(cells[kind])),
            _epoch_ms(cells[time]),
            identity.message_id(),
            cells[item],
            cells[category_code] or cells[category_id],
            _price(cells[price]),
        )
        return [Message(customer_id(cells[user], "user_id"), event)]

    return read


def columns(line: bytes, count: int) -> list[str]:
    """The cells of a CSV line. Raises `BadEvent` when there are not `count` of them."""
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadEvent("malformed", "not UTF-8") from error
    cells = next(csv.reader([text])) if '"' in text else text.split(",")
    if len(cells) != count:
        raise BadEvent("malformed", f"{len(cells)} columns, {count} are needed")
    return cells


def _kind(name: str) -> Kind:
    kind = KINDS.get(name)
    if kind is None:
        raise BadEvent("unknown_type", f"{name!r} is none of {', '.join(KINDS)}", "event_type")
    return kind


@lru_cache(maxsize=1)  # lines of one second follow each other
def _epoch_ms(text: str) -> int:
    try:
        at = datetime.strptime(text, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadEvent("bad_time", f"{text!r} is not like 2019-10-01 00:00:00 UTC", "event_time") from error
    return int(at.timestamp()) * 1_000


def _price(text: str) -> float:
    try:
        price = float(text or 0)
    except ValueError as error:
        raise BadEvent("bad_number", f"{text!r} is no number", "price") from error
    if not math.isfinite(price) or price < 0:
        raise BadEvent("bad_number", "a price is finite and not below 0", "price")
    return price
