"""What becomes of the windows of a row of version 1, and what its last 32 events and its session say of kinds."""

from __future__ import annotations

import numpy as np

from engine.kernels.groups.life import count_kind
from engine.kernels.groups.recent import RECENT
from engine.kernels.groups.window import count_event
from engine.kernels.jit import kernel
from engine.kernels.money import hundredths
from engine.kernels.row_limits import U2_MAX
from engine.kernels.units import SECOND
from engine.kernels.wire import EARLIEST_S, Kind


@kernel
def count_recent(old, row):
    """What the last 32 events show, in windows and over the whole life; the session may know of more."""
    row.window_at = old.last_at
    for i in range(RECENT):
        if old.ring_at[i] != 0:
            at, kind = (np.int64(old.ring_at[i]) + EARLIEST_S) * SECOND, np.int64(old.ring_kind[i])
            count_event(row, at, kind, hundredths(np.float64(old.ring_value[i])))
            count_kind(row, kind, 1)
    _add_session(old, row, Kind.ITEM_VIEWED, old.session_items)
    _add_session(old, row, Kind.SEARCHED, old.session_searches)
    _add_session(old, row, Kind.REVIEW_READ, old.session_reviews)
    _add_session(old, row, Kind.CART_ADDED, old.session_cart_adds)


@kernel
def _add_session(old, row, kind, events):
    """Count those of the session's `events` of a kind that are not among the last 32 events."""
    started, shown = old.session_started // SECOND - EARLIEST_S, np.int64(0)
    for i in range(RECENT):
        if old.ring_at[i] != 0 and old.ring_kind[i] == kind and np.int64(old.ring_at[i]) >= started:
            shown += 1
    count_kind(row, np.int64(kind), max(np.int64(events) - shown, 0))


@kernel
def count_windows(old, row):
    """All events, of which the last 32 are counted already: into panes of the same width; of the others of 5
    minutes half into each of two, and those of days into 4 weeks, too."""
    newest, size = old.last_at // (150 * SECOND), old.pane_5m.shape[0]
    panes = row.window_150s[0]
    for pane in range(max(old.pane_5m_newest - size + 1, 0), old.pane_5m_newest + 1):
        if 2 * pane == newest:  # its second half has not begun: that place is another time's
            _add(panes, newest, _more(old.pane_5m, pane, _of(panes, newest)))
            continue
        more = _more(old.pane_5m, pane, _of(panes, 2 * pane) + _of(panes, 2 * pane + 1))
        _add(panes, 2 * pane, more // 2)
        _add(panes, 2 * pane + 1, more - more // 2)
    size = old.pane_1d.shape[0]
    for day in range(max(old.pane_1d_newest - size + 1, 0), old.pane_1d_newest + 1):
        _add(row.window_4w[0], day // 28, _more(old.pane_1d, day, _of(row.window_1d[0], day)))
    _panes(old.pane_30s, old.pane_30s_newest, row.window_30s[0])
    _panes(old.pane_1h, old.pane_1h_newest, row.window_1h[0])
    _panes(old.pane_1d, old.pane_1d_newest, row.window_1d[0])


@kernel
def _panes(old, newest, panes):
    size = old.shape[0]
    for pane in range(max(newest - size + 1, 0), newest + 1):
        _add(panes, pane, _more(old, pane, _of(panes, pane)))


@kernel
def _more(old, pane, counted):
    """How many events an old pane has that are not `counted` yet."""
    return max(np.int64(old[pane % old.shape[0]]) - counted, 0)


@kernel
def _of(panes, pane):
    return np.int64(panes[pane % panes.shape[0]])


@kernel
def _add(panes, pane, count):
    panes[pane % panes.shape[0]] = min(_of(panes, pane) + count, U2_MAX)
