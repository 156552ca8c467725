"""A row put into named_hashes."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadState
from engine.events import Kind
from engine.kernels.row import RING, RING_EPOCH_S, ROW, VERSION
from engine.state.catalogue import CATALOGUE
from engine.state.profile import named_hashes, profile_of

NOW = 1_700_000_000_000


def blank() -> np.ndarray:
    rows = np.zeros(1, ROW)
    rows["version"] = VERSION
    return rows


def test_every_feature_has_its_unit_and_meaning() -> None:
    rows = blank()
    rows["last_at"], rows["events"], rows["cart_value"] = NOW - 90_000, 7, 12.5
    profile = profile_of(rows.tobytes(), NOW)
    assert list(profile.features) == [feature.name for feature in CATALOGUE]
    assert profile.features["idle.seconds"]["value"] == 90.0
    assert (profile.features["cart.value"]["value"], profile.features["cart.value"]["unit"]) == (12.5, "currency")
    assert profile.features["purchases.mean_value"]["value"] is None
    assert (profile.last_at, profile.events) == (NOW - 90_000, 7)


def test_active_are_as_many_as_are_counted() -> None:
    rows = blank()
    rows["active"][0, :3], rows["active_count"] = (11, 22, 33), 2
    assert profile_of(rows.tobytes(), NOW).active == {11, 22}


@pytest.mark.parametrize("events", [0, 1, RING - 1, RING, RING + 5])
def test_the_timeline_is_the_ring_newest_first(events: int) -> None:
    rows = blank()
    for n in range(events):
        place = n % RING
        rows["ring_at"][0, place] = NOW // 1000 - RING_EPOCH_S + n
        rows["ring_kind"][0, place], rows["ring_item"][0, place] = Kind.ITEM_VIEWED, n + 1
        rows["ring_next"] = (place + 1) % RING
    timeline = profile_of(rows.tobytes(), NOW).timeline
    assert [moment.item for moment in timeline] == list(range(events, 0, -1))[:RING]
    assert all(moment.at == NOW + (moment.item - 1) * 1000 for moment in timeline)
    assert named_hashes(timeline) == sorted(moment.item for moment in timeline)


def test_a_late_event_is_where_it_belongs() -> None:
    rows = blank()
    for place, (seconds, item) in enumerate([(100, 1), (300, 2), (200, 3)]):
        rows["ring_at"][0, place], rows["ring_item"][0, place] = seconds, item
    rows["ring_next"] = 3
    assert [moment.item for moment in profile_of(rows.tobytes(), NOW).timeline] == [2, 3, 1]


STRANGERS = [b"", b"\x01", bytes(ROW.itemsize), bytes([VERSION + 1]) + bytes(ROW.itemsize - 1)]


@pytest.mark.parametrize("row", STRANGERS)
def test_a_row_of_another_layout_is_refused(row: bytes) -> None:
    with pytest.raises(BadState):
        profile_of(row, NOW)
