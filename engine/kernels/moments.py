"""When something that rules look at next changes about a customer who does nothing.

Exact in both directions: what becomes true, and what ceases to be. In silence times grow past thresholds, the
session ends, panes of windows expire, contacts are closed or leave their windows, and clocks strike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.kernels.groups.contact_features import contact_due
from engine.kernels.groups.window import window_due
from engine.kernels.jit import kernel
from engine.kernels.units import DAY, HOUR

#: So long after a customer's last event clocks are looked at: rules on hours are about those who may come back.
CLOCK_MS = 30 * DAY
WEEK_MS = 7 * DAY


class Moments(NamedTuple):
    """What of a silent customer the indicators wait for. T thresholds on features that grow, W on windows."""

    feature: np.ndarray  #: int32[T], a growing feature's place
    threshold: np.ndarray  #: float64[T]
    grows_ms: np.ndarray  #: int64[T], ms in which it grows by 1
    window: np.ndarray  #: int32[W], a window's place among `window.ENTRIES`
    bound: np.ndarray  #: float64[W], below which it falls; inf: whatever it falls to
    hours: np.ndarray  #: uint32[1], a bit for each hour of the day (UTC) at whose beginning something may change
    contacts: np.ndarray  #: bool[1], whether anything of contacts is asked for


_NONE = np.zeros(0, np.int32)
#: Of rules that wait for nothing.
NO_MOMENTS = Moments(
    _NONE, np.zeros(0), np.zeros(0, np.int64), _NONE, np.zeros(0), np.zeros(1, np.uint32), np.zeros(1, np.bool_)
)


@kernel
def sooner(one, other):
    """The earlier of two moments, of which 0 is never."""
    if one == 0 or other == 0:
        return max(one, other)
    return min(one, other)


@kernel
def next_moment(row, values, at, moments, first_window, found):
    """When, after `at`, something changes next, but for what a clock shows; 0: never. ``values`` are the features
    of `row` at `at`, windows from the place `first_window` on; ``found`` (int64, 1) is scratch."""
    due = next_growth(values, at, moments)
    if moments.window.shape[0] > 0:
        found[0] = 0
        window_due(row, at, moments.window, moments.bound, values, first_window, found)
        due = sooner(due, found[0])
    if moments.contacts[0]:
        due = sooner(due, contact_due(row, at))
    return due


@kernel
def next_growth(values, at, moments):
    """When, after `at`, the first growing feature reaches one of its thresholds; 0: none will."""
    due = np.int64(0)
    for k in range(moments.feature.shape[0]):
        gap = moments.threshold[k] - values[moments.feature[k]]
        if gap > 0.0:  # false for NaN: what never began does not grow
            # both sides are whole milliseconds over grows_ms
            moment = at + max(np.int64(np.rint(gap * moments.grows_ms[k])), np.int64(1))
            due = sooner(due, moment)
    return due


@kernel
def next_hour(at, last, moments):
    """When, after `at`, a clock next shows what is asked for, not later than `CLOCK_MS` after the `last` event; 0:
    never."""
    hours = np.int64(moments.hours[0])
    if hours == 0:
        return np.int64(0)
    hour = at // HOUR + 1
    while hours >> (hour % 24) & 1 == 0:
        hour += 1
    return hour * HOUR if hour * HOUR <= last + CLOCK_MS else np.int64(0)
