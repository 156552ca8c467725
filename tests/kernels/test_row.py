"""The row's bytes: what is stored must mean something to the last byte."""

from __future__ import annotations

import math

import numpy as np

from engine.kernels import row as layout
from engine.kernels.catalogue import FEATURES
from engine.state.catalogue import CATALOGUE

#: Row v1 as it lies in Redis: name, type, how many, first byte. A change of it is a new version.
V1 = [
    ("version", "u1", 1, 0),
    ("ring_next", "u1", 1, 1),
    ("id_next", "u1", 1, 2),
    ("session_category_count", "u1", 1, 3),
    ("session_item_count", "u1", 1, 4),
    ("active_count", "u1", 1, 5),
    ("contact_open", "u1", 1, 6),
    ("provenance", "u1", 1, 7),
    ("first_at", "i8", 1, 8),
    ("last_at", "i8", 1, 16),
    ("silence_due", "i8", 1, 24),
    ("pane_30s_newest", "i8", 1, 32),
    ("pane_5m_newest", "i8", 1, 40),
    ("pane_1h_newest", "i8", 1, 48),
    ("pane_1d_newest", "i8", 1, 56),
    ("session_started", "i8", 1, 64),
    ("session_last", "i8", 1, 72),
    ("session_last_view", "i8", 1, 80),
    ("session_max_price", "f8", 1, 88),
    ("cart_changed", "i8", 1, 96),
    ("cart_value", "f8", 1, 104),
    ("purchase_value", "f8", 1, 112),
    ("purchase_first", "i8", 1, 120),
    ("purchase_last", "i8", 1, 128),
    ("purchase_gap_mean", "f8", 1, 136),
    ("purchase_gap_m2", "f8", 1, 144),
    ("contact_started", "i8", 1, 152),
    ("contact_previous", "i8", 1, 160),
    ("contact_ended", "i8", 1, 168),
    ("recent_id", "u8", 32, 176),
    ("events", "u4", 1, 432),
    ("late", "u4", 1, 436),
    ("session_number", "u4", 1, 440),
    ("session_events", "u4", 1, 444),
    ("session_pages", "u4", 1, 448),
    ("session_items", "u4", 1, 452),
    ("session_pause_ms", "u4", 1, 456),
    ("cart_items", "u4", 1, 460),
    ("purchases", "u4", 1, 464),
    ("purchase_gaps", "u4", 1, 468),
    ("contacts", "u4", 1, 472),
    ("purchase_order", "u4", 1, 476),
    ("silence_ms", "u4", 1, 480),
    ("session_category", "u4", 16, 484),
    ("session_item", "u4", 16, 548),
    ("active", "u4", 24, 612),
    ("ring_at", "u4", 32, 708),
    ("ring_item", "u4", 32, 836),
    ("ring_category", "u4", 32, 964),
    ("ring_value", "f4", 32, 1092),
    ("pane_30s", "u2", 10, 1220),
    ("pane_5m", "u2", 12, 1240),
    ("pane_1h", "u2", 24, 1264),
    ("pane_1d", "u2", 30, 1312),
    ("session_burst_run", "u2", 1, 1372),
    ("session_bursts", "u2", 1, 1374),
    ("session_reviews", "u2", 1, 1376),
    ("session_searches", "u2", 1, 1378),
    ("session_searches_alone", "u2", 1, 1380),
    ("session_cart_adds", "u2", 1, 1382),
    ("session_category_views", "u2", 16, 1384),
    ("ring_kind", "u1", 32, 1416),
]


def test_no_byte_of_a_row_is_padding() -> None:
    fields = layout.ROW.fields
    assert fields is not None
    covered = np.zeros(layout.ROW_BYTES, int)
    for kind, offset, *_ in fields.values():
        covered[offset : offset + kind.itemsize] += 1
    assert (covered == 1).all()


def test_the_version_is_the_first_byte() -> None:
    row = np.zeros(1, layout.ROW)
    row["version"] = layout.VERSION
    assert row.tobytes()[0] == layout.VERSION


def test_rows_are_read_by_the_version_that_wrote_them() -> None:
    """Rows are stored as they lie in memory: who changes the layout gives it a new version, and these lines."""
    fields = layout.ROW.fields
    assert fields is not None
    assert (layout.VERSION, layout.ROW_BYTES) == (1, 1_448)
    assert [
        (name, kind.base.str.lstrip("<|"), math.prod(kind.shape), offset)
        for name, (kind, offset, *_) in fields.items()
    ] == V1


def test_the_catalogue_names_every_feature_once() -> None:
    assert sorted(feature.index for feature in CATALOGUE) == list(range(FEATURES))
    assert len({feature.name for feature in CATALOGUE}) == FEATURES
    assert all(feature.meaning for feature in CATALOGUE)
