"""The 64-bit hashes under which the second layout knows items and categories."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel


@kernel
def item_of(event):
    """The hash of the event's item (`decode.COLUMNS`); 0 for none."""
    return np.uint64(event.item) << np.uint64(32) | np.uint64(event.item_check)


@kernel
def category_of(event):
    """The hash of the event's category; 0 for none."""
    return np.uint64(event.category) << np.uint64(32) | np.uint64(event.category_check)
