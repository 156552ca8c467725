"""Sliding windows: rings of panes, declared in one table, and the kernels that count into them and add them up.

The row's fields, the features and the catalogue follow from `RINGS`; a new window is one line of it (and a new
version of the row). A window covers the newest, still filling pane and those before it, so its true length lies
within one pane of the nominal one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.kernels.jit import in_turn, kernel, specialised
from engine.kernels.row_limits import U2_MAX
from engine.kernels.units import DAY, HOUR, MINUTE, SECOND


class Window(NamedTuple):
    """A feature ``events.count_<name>``: the events of the newest `panes` panes of a ring. The name is its length:
    a number and s, m, h, d or w."""

    name: str
    panes: int


class Ring(NamedTuple):
    """`panes` counters, each of `width_ms` of event time. In the row: ``pane_<name>`` (uint16, `panes`) and
    ``pane_<name>_newest`` (the newest pane's number, event time // width)."""

    name: str
    width_ms: int
    panes: int
    windows: tuple[Window, ...]

    @property
    def field(self) -> str:
        """The row's field with the panes."""
        return f"pane_{self.name}"

    @property
    def newest(self) -> str:
        """The row's field with the number of the newest pane."""
        return f"pane_{self.name}_newest"


RINGS: tuple[Ring, ...] = (
    Ring("30s", 30 * SECOND, 10, (Window("5m", 10),)),
    Ring("5m", 5 * MINUTE, 12, (Window("1h", 12),)),
    Ring("1h", HOUR, 24, (Window("24h", 24),)),
    Ring("1d", DAY, 30, (Window("7d", 7), Window("30d", 30))),
)


@kernel
def count(panes, newest, width_ms, at):
    """Count one event at `at` in a ring of panes; returns the newest pane's number."""
    size = panes.shape[0]
    pane = at // width_ms
    if pane > newest:
        if pane - newest >= size:
            panes[:] = 0
        else:
            for empty in range(newest + 1, pane + 1):
                panes[empty % size] = 0
        newest = pane
    if pane > newest - size and panes[pane % size] < U2_MAX:
        panes[pane % size] += 1
    return newest


@kernel
def total(panes, newest, width_ms, length, now):
    """Sum of the last `length` panes as of `now`; panes past `newest` are empty, older ones have left."""
    size = panes.shape[0]
    current = now // width_ms
    oldest = max(current - length + 1, newest - size + 1)
    held = min(current, newest) - oldest + 1
    if held <= 0:
        return 0
    # two straight runs instead of a modulo per pane: 83 divisions an event were most of this kernel
    first = oldest % size
    found = 0
    for i in range(first, min(first + held, size)):
        found += panes[i]
    for i in range(first + held - size):
        found += panes[i]
    return found


def _counter(ring: Ring) -> Any:
    """`count` for one ring: its width is a constant there, so that no division is left."""
    field, newest, width_ms = ring.field, ring.newest, ring.width_ms

    @specialised
    def count_in_ring(row, at):
        row[newest] = count(row[field], row[newest], width_ms, at)

    return count_in_ring


def _reader(ring: Ring, window: Window, index: int) -> Any:
    """`total` for one window, into place `index` of a vector of features."""
    field, newest, width_ms, length = ring.field, ring.newest, ring.width_ms, window.panes

    @specialised
    def read_window(row, now, out):
        out[index] = total(row[field], row[newest], width_ms, length, now)

    return read_window


def _wanted_reader(ring: Ring, window: Window, index: int) -> Any:
    """`_reader`, if ``wanted[index]``."""
    read_window = _reader(ring, window, index)

    @specialised
    def read_if_wanted(row, now, wanted, out):
        if wanted[index]:
            read_window(row, now, out)

    return read_if_wanted


def counting(rings: tuple[Ring, ...]) -> Any:
    """A kernel ``(row, at)`` that counts one event in each of `rings`."""
    return in_turn(*map(_counter, rings))


def reading(rings: tuple[Ring, ...], first: int) -> Any:
    """A kernel ``(row, now, out)`` that fills `out` (float64) with all windows, from place `first` on."""
    return in_turn(*(_reader(*place) for place in _places(rings, first)))


def reading_wanted(rings: tuple[Ring, ...], first: int) -> Any:
    """A kernel ``(row, now, wanted, out)``: as `reading`, but a place that `wanted` (bool, as long as `out`) has
    not stays as it is."""
    return in_turn(*(_wanted_reader(*place) for place in _places(rings, first)))


def _places(rings: tuple[Ring, ...], first: int) -> list[tuple[Ring, Window, int]]:
    pairs = [(ring, window) for ring in rings for window in ring.windows]
    return [(*pair, index) for index, pair in enumerate(pairs, first)]
