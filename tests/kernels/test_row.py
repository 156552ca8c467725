"""The row's bytes: what is stored must mean something to the last byte."""

from __future__ import annotations

import hashlib

import numpy as np

from engine.kernels import row as layout
from engine.kernels.catalogue import FEATURES
from engine.state.catalogue import CATALOGUE


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
    places = [(name, kind.base.str, kind.shape, offset) for name, (kind, offset, *_) in fields.items()]
    assert (layout.VERSION, layout.ROW_BYTES) == (1, 1_448)
    assert hashlib.sha256(repr(sorted(places)).encode()).hexdigest()[:16] == "aed4d413ef4a9d00"


def test_the_catalogue_names_every_feature_once() -> None:
    assert sorted(feature.index for feature in CATALOGUE) == list(range(FEATURES))
    assert len({feature.name for feature in CATALOGUE}) == FEATURES
    assert all(feature.meaning for feature in CATALOGUE)
