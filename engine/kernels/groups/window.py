"""Sliding windows of the second layout of a row: rings of panes for all events and for kinds of them, declared in
tables from which fields, kernels and features follow.

A ring holds the newest panes of one width, up to that of `window_at`, the latest event of any kind. A late event
counts into its own pane while that is among them, a join adds panes to panes of the same time, and a pane that is
full stays full (``min(sum, most)``). So the group is a function of the set of events, in whatever order or rows
they came. A window is the newest panes of a ring, the one that still fills included: its true length is less than
its name by at most one pane.

Events are counted as they come: an order or a contact that is sent twice, under two message ids, counts twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from engine.kernels.entry import Entry, spoken
from engine.kernels.jit import in_turn, kernel, specialised
from engine.kernels.money import hundredths
from engine.kernels.row_limits import U2_MAX
from engine.kernels.units import DAY, HOUR, SECOND
from engine.kernels.wire import Kind

#: What a pane holds, by its type; hundredths as long as they are exact as a float64.
_MOST = {"u1": 0xFF, "u2": U2_MAX, "i8": 2**53}


class Width(NamedTuple):
    """Panes of `ms` of event time, of which a ring has `panes`."""

    ms: int
    panes: int


WIDTHS = {
    "5s": Width(5 * SECOND, 12),
    "30s": Width(30 * SECOND, 12),
    "150s": Width(150 * SECOND, 24),
    "1h": Width(HOUR, 24),
    "1d": Width(DAY, 32),
    "4w": Width(28 * DAY, 13),
}

#: A window's name, which is its length: of which panes it is, and of how many.
LENGTHS = {
    "1m": ("5s", 12),
    "5m": ("30s", 10),
    "1h": ("150s", 24),
    "24h": ("1h", 24),
    "7d": ("1d", 7),
    "30d": ("1d", 30),
    "52w": ("4w", 13),
}


class Windowed(NamedTuple):
    """What is counted: events of `kinds`, or their money. Features are called ``<feature>_<length>``."""

    feature: str
    meaning: str
    kinds: tuple[int, ...]
    is_money: bool = False


ALL = Windowed("events.count", "events", tuple(range(256)))
VIEWS = Windowed(
    "views.count", "pages, lists and items viewed", (Kind.PAGE_VIEWED, Kind.LIST_VIEWED, Kind.ITEM_VIEWED)
)
SEARCHES = Windowed("searches.count", "searches", (Kind.SEARCHED,))
CART_ADDS = Windowed("cart_adds.count", "times something was put into the cart", (Kind.CART_ADDED,))
ORDERS = Windowed("orders.count", "order events", (Kind.ORDER_COMPLETED,))
TROUBLES = Windowed(
    "troubles.count",
    "orders refunded or cancelled, and contacts given up",
    (Kind.ORDER_REFUNDED, Kind.ORDER_CANCELLED, Kind.CONTACT_ABANDONED),
)
VALUE = Windowed("orders.value", "value of order events", (Kind.ORDER_COMPLETED,), is_money=True)


class Rings(NamedTuple):
    """One field of the row: a ring of one width for each of some things that are counted, of panes of one type.
    What is money is in hundredths."""

    field: str
    width: str
    type: str
    counted: tuple[Windowed, ...]


_ODD = (
    Rings("window_value_4w", "4w", "i8", (VALUE,)),
    Rings("window_5s", "5s", "u2", (ALL,)),
    Rings("window_30s", "30s", "u2", (ALL,)),
    Rings("window_150s", "150s", "u2", (ALL,)),
    Rings("window_1h", "1h", "u2", (ALL,)),
    Rings("window_1d", "1d", "u2", (ALL,)),
    Rings("window_4w", "4w", "u2", (ALL, VIEWS, ORDERS)),
    Rings("window_kinds_30s", "30s", "u1", (VIEWS,)),
)
#: Each of whole words, and behind a whole word: most of these rings are all 0, and take no room in the store then.
_WHOLE = (
    Rings("window_kinds_150s", "150s", "u1", (VIEWS, SEARCHES, TROUBLES)),
    Rings("window_kinds_1h", "1h", "u1", (CART_ADDS,)),
    Rings("window_kinds_1d", "1d", "u1", (VIEWS, SEARCHES, CART_ADDS, ORDERS, TROUBLES)),
)
RINGS = (*_ODD, *_WHOLE)


def _fields(rings: tuple[Rings, ...]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(of.field, of.type, (len(of.counted), WIDTHS[of.width].panes)) for of in rings]


FIELDS = [
    ("window_at", "i8"),
    *_fields(_ODD),
    ("window_spare", "u1", (-np.dtype(_fields(_ODD)).itemsize % 8,)),
    *_fields(_WHOLE),
]


def _lengths(of: Rings) -> list[int]:
    """In panes, of the windows over this width."""
    return [panes for width, panes in LENGTHS.values() if width == of.width]


ENTRIES = tuple(
    Entry(
        f"{counted.feature}_{length}",
        "currency" if counted.is_money else "",
        f"{counted.meaning} in the last {spoken(length)}",
    )
    for of in RINGS
    for length, (width, _) in LENGTHS.items()
    if width == of.width
    for counted in of.counted
)


def _firsts() -> Iterator[int]:
    """Of the features of each of `RINGS`, the first one's place."""
    return accumulate((len(_lengths(of)) * len(of.counted) for of in RINGS), initial=0)


def _marks(of: Rings) -> Any:
    """For each kind a bit for each of the rings that it counts in."""
    marks = np.zeros(256, np.uint8)
    for place, counted in enumerate(of.counted):
        marks[list(counted.kinds)] |= 1 << place
    return marks


@kernel
def _clear(rings, place, count):
    """Empty `count` panes (fewer than a ring has) behind the one at `place`, which are another time's."""
    for _ in range(count):
        place = place + 1 if place + 1 < rings.shape[1] else 0
        for k in range(rings.shape[0]):
            rings[k, place] = 0


@kernel
def _add(rings, others, place, count, most):
    """Add `count` panes from `place` on, going back in time, to those of the same places."""
    for _ in range(count):
        for k in range(rings.shape[0]):
            rings[k, place] = min(np.int64(rings[k, place]) + np.int64(others[k, place]), most)
        place = place - 1 if place > 0 else rings.shape[1] - 1


@kernel
def _total(panes, place, count):
    """The sum of `count` panes, from `place` on, going back in time."""
    found = np.int64(0)
    for i in range(place, max(place - count, -1), -1):
        found += panes[i]
    for i in range(panes.shape[0] - 1, panes.shape[0] - 1 - (count - place - 1), -1):
        found += panes[i]
    return found


@cache  # it is two kernels' part
def _moving(of: Rings) -> Any:
    """A part that makes room for the pane of `at`, if that is later than `before`, the latest event until now."""
    field, (width, size) = of.field, WIDTHS[of.width]

    @specialised
    def move(row, at, before):
        newest = before // width
        later = at // width - newest
        if later >= size:
            row[field][:, :] = 0
        elif later > 0:
            _clear(row[field], newest % size, later)

    return move


def _counting(of: Rings) -> Any:
    """A part that counts an event; the latest of all was at `before` until then."""
    field, (width, size), most, move = of.field, WIDTHS[of.width], _MOST[of.type], _moving(of)
    marks, rings, is_money = _marks(of), len(of.counted), of.counted[0].is_money

    @specialised
    def count(row, at, before, kind, amount):
        move(row, at, before)
        mark, pane = marks[kind], at // width
        if mark == 0 or pane <= before // width - size:
            return
        one, place = amount if is_money else 1, pane % size
        for k in range(rings):
            if mark >> k & 1:
                row[field][k, place] = min(np.int64(row[field][k, place]) + one, most)

    return count


def _joining(of: Rings) -> Any:
    """A part that adds what another row has in panes that are not over."""
    field, (width, size), most, move = of.field, WIDTHS[of.width], _MOST[of.type], _moving(of)

    @specialised
    def join(into, other):
        newest = other.window_at // width
        move(into, other.window_at, into.window_at)
        count = size - max(into.window_at // width - newest, 0)
        if count > 0:
            _add(into[field], other[field], newest % size, count, most)

    return join


@kernel
def _read_rings(rings, newest, current, lengths, unit, wanted, out, place):
    """Read windows of `lengths` panes (int64, L) as of the pane `current`, each of all rings, into `out` from
    `place` on: those whose bit `wanted` has, the lowest first."""
    size, last = rings.shape[1], min(newest, current)
    for i in range(lengths.shape[0]):
        count = last - max(current - lengths[i], newest - size)
        for k in range(rings.shape[0]):
            if wanted & np.uint64(1):
                out[place] = _total(rings[k], last % size, count) / unit if count > 0 else 0.0
            wanted >>= np.uint64(1)
            place += 1


def _reading(of: Rings, first: int) -> Any:
    """A part that reads all windows of a field into the places from ``start + first`` on."""
    field, width, unit = of.field, WIDTHS[of.width].ms, 100.0 if of.counted[0].is_money else 1.0
    lengths, shift = np.array(_lengths(of), np.int64), np.uint64(first)

    @specialised
    def read(row, now, wanted, out, start):
        rings, newest = row[field], row.window_at // width
        _read_rings(rings, newest, now // width, lengths, unit, wanted >> shift, out, start + first)

    return read


@kernel
def _falls(panes, newest, current, length, unit, value, bound):
    """The first pane after `current` as of which a window of `length` panes, which is `value` now, lies below
    `bound`, whatever it falls to if that is infinite; -1: never, or it does already."""
    if value <= 0.0 or (value < bound and bound != np.inf):
        return np.int64(-1)
    size, bound = panes.shape[0], min(bound, value)
    for pane in range(current + 1, newest + length + 1):
        last = min(newest, pane)
        count = last - max(pane - length, newest - size)
        total = _total(panes, last % size, count) / unit if count > 0 else 0.0
        if total < bound:
            return np.int64(pane)
    return np.int64(-1)


def _falling(of: Rings, first: int) -> Any:
    """A part that finds when windows of a field next fall below bounds, and keeps the earliest in ``found[0]``."""
    field, width, unit = of.field, WIDTHS[of.width].ms, 100.0 if of.counted[0].is_money else 1.0
    lengths, rings = np.array(_lengths(of), np.int64), len(of.counted)
    behind = first + len(lengths) * rings

    @specialised
    def fall(row, at, places, bounds, values, start, found):
        for i in range(places.shape[0]):
            if first <= places[i] < behind:
                panes, length = row[field][(places[i] - first) % rings], lengths[(places[i] - first) // rings]
                newest, value = row.window_at // width, values[start + places[i]]
                pane = _falls(panes, newest, at // width, length, unit, value, bounds[i])
                if pane >= 0 and (found[0] == 0 or pane * width < found[0]):
                    found[0] = pane * width

    return fall


_count = in_turn(*map(_counting, RINGS))
_join = in_turn(*map(_joining, RINGS))
_read = in_turn(*map(_reading, RINGS, _firsts()))
_fall = in_turn(*map(_falling, RINGS, _firsts()))


@kernel
def apply_window(row, event):
    """Add one `event` (`decode.COLUMNS`), wherever in time it lies."""
    count_event(row, event.at, np.int64(event.kind), hundredths(event.value))


@kernel
def count_event(row, at, kind, amount):
    """Add an event of `kind` that is worth `amount` (hundredths)."""
    before = row.window_at
    row.window_at = max(before, at)
    _count(row, at, before, kind, amount)


@kernel
def join_window(into, other):
    """Add the events of another row."""
    _join(into, other)
    into.window_at = max(into.window_at, other.window_at)


@kernel
def read_window(row, now, wanted, out, start):
    """Fill `out` (float64) from the place `start` on with those features of `ENTRIES`, in their order, whose bits
    `wanted` (uint64) has, the lowest for the first."""
    _read(row, now, wanted, out, start)


@kernel
def window_due(row, at, places, bounds, values, start, found):
    """Bring ``found[0]`` (epoch ms; 0: never) forward to when, after `at`, the first of the windows at `places`
    (int32, among `ENTRIES`) falls below its bound (float64; inf: whatever it falls to). ``values`` are the
    features at `at`, windows from the place `start` on."""
    _fall(row, at, places, bounds, values, start, found)
