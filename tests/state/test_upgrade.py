"""Rows of version 1, as its last release wrote them (`write_rows.py`): what this one reads, and goes on from."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.events import Kind
from engine.kernels.advance import APPLIED, DUPLICATE
from engine.kernels.row import VERSION
from engine.state.profile import named_hashes, profile_of
from engine.state.row_codec import read
from tests.kernels.builders import DAY, HOUR, MINUTE, NOTHING, Happening, columns, features
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
    got = features(rows, was["now"])
    for feature, value in was["features"].items():
        if feature not in OTHERWISE:
            assert got[feature] == pytest.approx(math.nan if value is None else value, nan_ok=True), feature
    assert profile_of(old(name), was["now"]).active == frozenset(was["active"])


@pytest.mark.parametrize("name", NAMES)
def test_panes_of_five_minutes_become_two_of_half(name: str) -> None:
    """So a window is wrong by half a pane at most, and right as long as none is half in it."""
    rows, was = read([old(name)]), ROWS[name]
    assert features(rows, was["now"])["events.count_1h"] <= was["features"]["events.count_1h"]
    assert rows["window_150s"].sum() == rows["window_150s"][:, 0].sum() >= was["features"]["events.count_1h"]


def test_the_rhythm_of_orders_goes_on() -> None:
    rows, was = read([old("regular")]), ROWS["regular"]["features"]
    got = features(rows, ROWS["regular"]["now"])
    assert got["purchases.gap_mean"] == pytest.approx(was["purchases.gap_mean"], rel=1e-6)
    assert got["purchases.gap_spread"] == pytest.approx(was["purchases.gap_spread"], rel=1e-6)
    last = START + LIVES["regular"][-1][1]
    again = Happening(last + 30 * DAY, Kind.ORDER_COMPLETED, 5 << 44, value=10.0, order=99)
    NOTHING.advance(rows, np.zeros(1, np.int32), columns([again]))
    got = features(rows, again.at)
    assert got["purchases.count"] == was["purchases.count"] + 1
    assert got["purchases.gap_mean"] == pytest.approx((3 * was["purchases.gap_mean"] + 30) / 4, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_timeline_is_kept_to_the_second_and_finds_its_words(name: str) -> None:
    was = sorted(ROWS[name]["timeline"], key=lambda moment: (moment["at"], moment["kind"]))
    timeline = profile_of(old(name), ROWS[name]["now"]).timeline
    now = sorted(timeline, key=lambda moment: (moment.at, moment.kind))
    assert [(one.at, one.kind, one.item, one.category) for one in now] == [
        (one["at"], one["kind"], one["item"], one["category"]) for one in was
    ]
    assert [one.value for one in now] == pytest.approx([one["value"] for one in was], abs=0.01)
    if name == "shopper":
        assert set(WORDS.values()) <= set(named_hashes(timeline))


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


def test_a_contact_that_goes_on_is_ended_by_the_next_end_or_by_time() -> None:
    rows = read([old("caller")] * 2)
    at = START + 3 * HOUR + 10 * MINUTE
    NOTHING.advance(rows, np.zeros(1, np.int32), columns([Happening(at, Kind.CONTACT_ENDED, 9 << 44)]))
    assert [features(rows[place:], at + 1)["contact.open"] for place in (0, 1)] == [0, 1]
    assert features(rows[1:], at + 2 * DAY)["contact.open"] == 0
    assert features(rows[:1], at)["contact.count"] == 2


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
