"""Rows of version 1, as its last release wrote them (`write_rows.py`): what this one reads, and goes on from."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.events import Kind
from engine.kernels.advance import APPLIED, DUPLICATE
from engine.kernels.groups.life import COUNTED
from engine.kernels.groups.recent import RECENT
from engine.kernels.row import VERSION
from engine.state.profile import active_codes, profile_of
from engine.state.row_codec import read
from tests.kernels.builders import DAY, HOUR, MINUTE, NOTHING, SECOND, Happening, columns, features
from tests.kernels.oracle import of_life, of_windows
from tests.state.stored import stored
from tests.state.write_rows import LIVES, START, hash_of

_FOUND = json.loads((Path(__file__).parent / "rows_v1.json").read_text())
ROWS: Mapping[str, Any] = _FOUND["rows"]
WORDS: Mapping[str, int] = _FOUND["names"]

#: What becomes of these is said below.
OTHERWISE = {"events.count_1h", "purchases.gap_mean", "purchases.gap_spread"}
NAMES = list(ROWS)


def old(name: str) -> bytes:
    return base64.b64decode(ROWS[name]["row"])


@pytest.mark.parametrize("name", NAMES)
def test_features_are_those_of_before(name: str) -> None:
    rows, was = read([old(name)]), ROWS[name]
    assert rows["version"].tolist() == [VERSION]
    got, expected = features(rows, was["now"]), dict(was["features"])
    if expected["cart.items"] == 0:
        expected["cart.idle_seconds"] = None  # nothing is left there
    for feature, value in expected.items():
        if feature not in OTHERWISE:
            assert got[feature] == pytest.approx(math.nan if value is None else value, nan_ok=True), feature
    assert active_codes(rows[0]) == frozenset(was["active"])


def happened(name: str) -> list[Happening]:
    """What a customer did, as kernels see it."""
    return [
        Happening(START + after, kind, hash_of(f"{name}-{i}"), value=float(str(about.get("value", 0))))
        for i, (kind, after, about) in enumerate(LIVES[name])
    ]


def windows_and_counts(events: Sequence[Happening], now: int) -> dict[str, float]:
    return {**of_windows(events, now), **of_life(events, now)}


@pytest.mark.parametrize("name", [name for name in NAMES if len(LIVES[name]) <= RECENT])
@pytest.mark.parametrize("later", [0, 4 * MINUTE, 50 * MINUTE, 20 * HOUR, 25 * DAY, 200 * DAY])
def test_of_few_events_windows_and_counts_of_kinds_are_of_all(name: str, later: int) -> None:
    events = happened(name)
    now = max(event.at for event in events) + MINUTE + later
    got = features(read([old(name)]), now)
    for feature, value in windows_and_counts(events, now).items():
        assert got[feature] == pytest.approx(value), feature


@pytest.mark.parametrize("name", [name for name in NAMES if len(LIVES[name]) > RECENT])
@pytest.mark.parametrize("later", [0, 50 * MINUTE, 25 * DAY])
def test_of_many_events_they_are_of_the_last_ones_at_least(name: str, later: int) -> None:
    events, now = happened(name), ROWS[name]["now"] + later
    most, least = windows_and_counts(events, now), windows_and_counts(events[-RECENT:], now)
    got = features(read([old(name)]), now)
    for feature in most.keys() - {"events.count_1h"}:
        assert least[feature] <= got[feature] <= most[feature], feature
    pane = max(Counter(event.at // (5 * MINUTE) for event in events).values())
    assert abs(got["events.count_1h"] - most["events.count_1h"]) <= math.ceil(pane / 2)
    for length in ("24h", "7d", "30d"):
        assert got[f"events.count_{length}"] == most[f"events.count_{length}"]


def test_what_the_session_counted_is_counted_over_the_whole_life() -> None:
    got, life = features(read([old("searcher")]), ROWS["searcher"]["now"]), LIVES["searcher"]
    for kind in (Kind.ITEM_VIEWED, Kind.SEARCHED, Kind.REVIEW_READ, Kind.CART_ADDED):
        (name,) = [counted.name for counted in COUNTED if counted.kind == kind]
        assert got[name] == sum(done == kind for done, *_ in life)


@pytest.mark.parametrize("name", NAMES)
def test_of_panes_of_five_minutes_half_is_in_each_of_two(name: str) -> None:
    """So a window is wrong by half a pane at most, and right as long as none is half in it."""
    rows, was = read([old(name)]), ROWS[name]
    assert features(rows, was["now"])["events.count_1h"] <= was["features"]["events.count_1h"]
    assert rows["window_150s"][:, 0].sum() >= was["features"]["events.count_1h"]


def test_the_rhythm_of_orders_goes_on() -> None:
    rows, was = read([old("regular")]), ROWS["regular"]["features"]
    got = features(rows, ROWS["regular"]["now"])
    assert got["purchases.gap_mean"] == pytest.approx(was["purchases.gap_mean"], rel=1e-6)
    assert got["purchases.gap_spread"] == pytest.approx(was["purchases.gap_spread"], rel=1e-6)
    last = START + LIVES["regular"][-1][1]
    got = after("regular", Happening(last + 30 * DAY, Kind.ORDER_COMPLETED, 1, value=10.0, order=99))
    assert got["purchases.count"] == was["purchases.count"] + 1
    assert got["purchases.gap_mean"] == pytest.approx((3 * was["purchases.gap_mean"] + 30) / 4, rel=1e-6)


def after(name: str, *events: Happening) -> dict[str, float]:
    """The features of a customer whose row was upgraded, after some more events, at the last."""
    rows = read([old(name)])
    NOTHING.advance(rows, np.zeros(len(events), np.int32), columns(events))
    return features(rows, events[-1].at)


#: The last order of some, and what that is worth.
LAST = [("told_twice", "t-2", 30.3), ("regular", "o-92", 111.99), ("mixed", "m-24", 7.25)]


@pytest.mark.parametrize(("name", "order", "value"), LAST)
def test_the_last_order_is_known_again(name: str, order: str, value: float) -> None:
    was, at = ROWS[name]["features"], ROWS[name]["now"]
    again = Happening(at, Kind.ORDER_COMPLETED, 1, value=value, order=hash_of(order))
    got = after(name, again, replace(again, id=2))
    for feature in ("count", "value", "days_since", "gap_mean"):
        expected = math.nan if was[f"purchases.{feature}"] is None else was[f"purchases.{feature}"]
        assert got[f"purchases.{feature}"] == pytest.approx(expected, nan_ok=True), feature
    cancelled = Happening(at, Kind.ORDER_CANCELLED, 3, order=hash_of(order))
    for told in ([cancelled], [again, cancelled]):
        got = after(name, *told)
        assert got["purchases.count"] == was["purchases.count"] - 1
        assert got["purchases.value"] == pytest.approx(was["purchases.value"] - value)


def test_of_an_order_that_came_late_the_id_is_not_taken_for_the_newest_ones() -> None:
    was, at = ROWS["order_came_late"]["features"], ROWS["order_came_late"]["now"]
    for order in ("l-2", "l-3"):
        got = after("order_came_late", Happening(at, Kind.ORDER_COMPLETED, 1, value=1.0, order=hash_of(order)))
        assert got["purchases.count"] == was["purchases.count"] + 1


def test_a_further_line_of_an_order_without_an_id_is_one() -> None:
    was, last = ROWS["lines"]["features"], START + LIVES["lines"][-1][1]
    got = after("lines", Happening(last + 50 * SECOND, Kind.ORDER_COMPLETED, 1, value=5.5))
    assert (got["purchases.count"], got["purchases.value"]) == (1, was["purchases.value"] + 5.5)
    got = after("lines", Happening(last + 70 * SECOND, Kind.ORDER_COMPLETED, 1, value=5.5))
    assert got["purchases.count"] == 2


@pytest.mark.parametrize("name", NAMES)
def test_the_timeline_is_kept_to_the_second_and_finds_its_words(name: str) -> None:
    was = sorted(ROWS[name]["timeline"], key=lambda moment: (moment["at"], moment["kind"]))
    profile = profile_of(old(name), ROWS[name]["now"])
    timeline = profile.timeline
    now = sorted(timeline, key=lambda moment: (moment.at, moment.kind))
    assert [(one.at, one.kind, one.item, one.category) for one in now] == [
        (one["at"], one["kind"], one["item"], one["category"]) for one in was
    ]
    assert [one.value for one in now] == pytest.approx([one["value"] for one in was], abs=0.01)
    if name == "shopper":
        assert set(WORDS.values()) <= set(profile.hashes)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_sent_again_is_still_known(name: str) -> None:
    rows, life = read([old(name)]), list(enumerate(LIVES[name]))[-32:]
    again = [Happening(START + after, kind, hash_of(f"{name}-{i}")) for i, (kind, after, _) in life]
    new = Happening(again[-1].at + 1, Kind.PAGE_VIEWED, 1)
    outcomes, _ = NOTHING.advance(rows, np.zeros(len(again) + 1, np.int32), columns([*again, new]))
    assert outcomes.tolist() == [DUPLICATE] * len(again) + [APPLIED]


def test_a_session_that_is_known_whole_is_told_again_and_the_cart_goes_on() -> None:
    rows, was = read([old("shopper")]), ROWS["shopper"]["features"]
    late = Happening(START + 75_000, Kind.SEARCHED, 7 << 44)
    out = Happening(START + 100_000, Kind.CART_REMOVED, 8 << 44, value=0.1, item=5)
    NOTHING.advance(rows, np.zeros(2, np.int32), columns([late, out]))
    got = features(rows, START + 2 * MINUTE)
    assert (got["session.events"], got["session.number"]) == (was["session.events"] + 2, 1)
    assert (got["session.searches"], got["session.distinct_items"]) == (2, 3)
    assert got["cart.items"] == was["cart.items"] - 1
    assert got["cart.value"] == pytest.approx(was["cart.value"] - 0.1)


#: What ends the contact "c-2", which went on when its row was upgraded, or does not: kind, and the contact's id.
ENDS: list[tuple[list[tuple[Kind, str]], list[float]]] = [
    ([(Kind.CONTACT_ENDED, "")], [0]),
    ([(Kind.CONTACT_ENDED, "c-2")], [0]),
    ([(Kind.CONTACT_ABANDONED, "c-2")], [0]),
    ([(Kind.CONTACT_CONNECTED, "c-2"), (Kind.CONTACT_WRAPPED_UP, "c-2")], [2, 0]),
    ([(Kind.CONTACT_STARTED, "c-3"), (Kind.CONTACT_ENDED, "c-3")], [2, 1]),
    ([(Kind.CONTACT_STARTED, ""), (Kind.CONTACT_ENDED, ""), (Kind.CONTACT_ENDED, "")], [2, 1, 0]),
]


@pytest.mark.parametrize(("told", "still_open"), ENDS)
def test_a_contact_that_goes_on_is_ended_by_its_end_or_by_time(
    told: list[tuple[Kind, str]], still_open: list[float]
) -> None:
    rows, at = read([old("caller")] * 2), START + 3 * HOUR + 10 * MINUTE
    for number, ((kind, contact), open_then) in enumerate(zip(told, still_open, strict=True), 1):
        event = Happening(at + number, kind, number, contact=hash_of(contact))
        NOTHING.advance(rows, np.zeros(1, np.int32), columns([event]))
        assert features(rows, event.at)["contact.open"] == open_then
    assert features(rows[1:], at)["contact.open"] == 1
    assert features(rows[1:], at + 2 * DAY)["contact.open"] == 0
    assert features(rows[1:], at)["contact.count"] == 2


def test_an_upgraded_row_is_stored_as_one_of_today_and_takes_less() -> None:
    for name in NAMES:
        rows = read([old(name)])
        (row,) = stored(rows)
        assert row[0] == VERSION
        assert read([row]).tobytes() == rows.tobytes()
    assert len(stored(read([old("visitor")]))[0]) < len(old("visitor")) / 3


def test_old_and_new_rows_are_read_side_by_side() -> None:
    new = stored(read([old("shopper")]))[0]
    rows = read([old("visitor"), None, new, old("caller")])
    assert rows["recent_total"].tolist() == [1, 0, len(LIVES["shopper"]), len(LIVES["caller"])]
