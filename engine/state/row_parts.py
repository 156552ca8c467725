"""A row in two: what whoever uses a device does, and what is a person's own (orders and traits).

Joined again they are the row: a field lies in one of the two, and is 0 in the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.kernels.groups import order, trait
from engine.kernels.row import ROW
from engine.state.row_codec import blank

OWN = tuple(name for group in (order, trait) for name, *_ in group.FIELDS)


def own_part(row: NDArray[np.void]) -> NDArray[np.void]:
    """Orders and traits of `row` (`ROW`, 1), apart."""
    part = blank(1)
    for name in OWN:
        part[name] = row[name]
    return part


def used_part(row: NDArray[np.void]) -> NDArray[np.void]:
    """All else of it."""
    part = row.copy()
    for name in OWN:
        part[name] = np.zeros((), ROW[name])
    return part
