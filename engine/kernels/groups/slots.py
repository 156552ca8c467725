"""Bounded sets that a row keeps in canonical order: the newest of what a customer had to do with.

A set is several arrays of K places, one of them the ids (uint64, ascending, 0: a free place, all behind the
others). Of more than K the newest stay, by their mark (a time, or what begins with one) and then by their id: a
total order, so that which stay does not depend on the order in which they came.
"""

from __future__ import annotations

from engine.kernels.jit import kernel


@kernel
def place_of(ids, wanted):
    """The place of `wanted` in `ids`, or where it would have to stand; K for behind the last."""
    place = 0
    for i in range(ids.shape[0]):  # no early exit: it is mispredicted, and slower than to look at all of them
        place += ids[i] != 0 and ids[i] < wanted
    return place


@kernel
def room(ids, marks, wanted, mark, place):
    """(place given up, place to fill) for the new id `wanted` of `mark`, which belongs at `place`; (-1, -1) when
    the set is full of newer ones."""
    size = ids.shape[0]
    if ids[size - 1] == 0:
        free = place
        while ids[free] != 0:
            free += 1
        return free, place
    oldest, least = 0, marks[0]
    for other in range(1, size):
        if marks[other] < least:  # of the same mark the least id, which stands first
            oldest, least = other, marks[other]
    if mark < least or (mark == least and wanted < ids[oldest]):
        return -1, -1
    return oldest, place - 1 if oldest < place else place


@kernel
def move(values, free, place):
    """Give up ``values[free]`` and make room at `place`: what stands between moves by one."""
    if free > place:
        for i in range(free, place, -1):
            values[i] = values[i - 1]
    else:
        for i in range(free, place):
            values[i] = values[i + 1]
