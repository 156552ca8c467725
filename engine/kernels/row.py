"""Row layout v2: a head, and groups of fields, each of which is a module of `engine.kernels.groups`.

Every time is event time in epoch milliseconds (0: never). Every group is whole words and its fields lie by falling
width, so no byte is padding; a row of zeros is a customer never seen, but for the version. Equal states are equal
bytes: all groups but the ids of messages and the indicators are functions of the set of a customer's events,
within the bounds that each module states.

*One join.* `join` adds one row to another: two ids of one customer, or one late event.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from engine.kernels.groups import (
    cart,
    category,
    contact,
    indicator,
    item,
    life,
    message_id,
    order,
    recent,
    session,
    trait,
    window,
)
from engine.kernels.jit import in_turn, kernel
from engine.kernels.wire import Kind

VERSION = 2

HEAD = [("version", "u1"), ("active_count", "u1"), ("spare", "u1", (6,))]


class Group(NamedTuple):
    """Some fields, and what adds an event (None: another group's does) and another row's fields."""

    fields: list[Any]
    apply: Any
    join: Any
    reads: bool = False  # `apply` reads the batch's bytes, too


#: In the order of the row. The session adds to the recent events, and keeps both in step; the cart reads orders.
GROUPS = (
    Group(life.FIELDS, life.apply_life, life.join_life),
    Group(window.FIELDS, window.apply_window, window.join_window),
    Group(recent.FIELDS, None, None),
    Group(session.FIELDS, None, session.join_session),
    Group(indicator.FIELDS, None, indicator.join_indicator),
    Group(message_id.FIELDS, None, message_id.join_message_id),
    Group(order.FIELDS, order.apply_order, order.join_order),
    Group(cart.FIELDS, cart.apply_cart, cart.join_cart, reads=True),
    Group(contact.FIELDS, contact.apply_contact, contact.join_contact),
    Group(item.FIELDS, item.apply_item, item.join_item),
    Group(category.FIELDS, category.apply_category, category.join_category),
    Group(trait.FIELDS, trait.apply_trait, trait.join_trait, reads=True),
)

ROW = np.dtype([*HEAD, *(field for group in GROUPS for field in group.fields)])

ROW_BYTES: int = ROW.itemsize

_apply = in_turn(*(group.apply for group in GROUPS if group.apply and not group.reads))
_apply_read = in_turn(*(group.apply for group in GROUPS if group.reads))
_join = in_turn(*(group.join for group in GROUPS if group.join), inline=False)


@kernel
def apply(row, event, other, data):
    """Change `row` (one `ROW`) by `event` (one `decode.COLUMNS` record), wherever in time it lies; `other` is a
    row to work with, whatever it holds, and `data` (uint8) what the event points into. What is said of a customer
    is nothing that they did: it counts as traits alone."""
    row.version = VERSION
    if event.kind == Kind.TRAITS_SET:
        trait.apply_trait(row, event, data)
        return
    session.apply_session(row, event, other)
    _apply(row, event)
    _apply_read(row, event, data)


@kernel
def join(into, other):
    """Add the row `other` to `into`; it stays as it is. Indicators must be evaluated anew then, not before the
    later moment to which those of either row were: ``life_last_at + silence_ms``."""
    into.version = max(into.version, other.version)
    evaluated = max(into.life_last_at + into.silence_ms, other.life_last_at + other.silence_ms)
    if other.recent_total > 0:
        _join(into, other)
    else:  # what no event made: orders and traits may lie apart from the events
        window.join_window(into, other)
        order.join_order(into, other)
        cart.join_cart(into, other)
        item.join_item(into, other)
        category.join_category(into, other)
        trait.join_trait(into, other)
        indicator.join_indicator(into, other)
    into.silence_ms = max(evaluated - into.life_last_at, 0)
