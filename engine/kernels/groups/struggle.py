"""When a customer struggled on the website before some moment, as the newest events of the row say.

The session keeps only when they struggled last (``session_struggled_at``), and begins anew after a pause. What
went before is found among the recent events (`groups.recent`), counted as `groups.session_steps` counts: exact
where those reach back to the views or searches that it is made of.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.groups.activity import is_activity
from engine.kernels.groups.recent import at_of, kept, place_of
from engine.kernels.groups.session_steps import PAGE, PAIRED, PRODUCT, SAME_VIEW_MS, SEARCHES_ALONE
from engine.kernels.jit import kernel
from engine.kernels.row_limits import BURST_GAP_MS, BURST_VIEWS, SESSION_GAP_MS
from engine.kernels.wire import Kind


@kernel
def struggled_between(row, since, until):
    """Whether they did, by the third view of a burst or a later one, or the third search alone or a later one,
    from `since` to `until` (epoch ms, both included)."""
    last = viewed = np.int64(0)
    view, run, alone = PAIRED, 0, 0
    for rank in range(kept(row)):
        place = place_of(row, rank)
        at, kind = at_of(row, place), row.recent_kind[place]
        if at > until:
            break
        if not is_activity(kind):
            continue
        if at - last > SESSION_GAP_MS:
            viewed, view, run, alone = np.int64(0), PAIRED, 0, 0
        last = at
        struggled = False
        if kind == Kind.PAGE_VIEWED or kind == Kind.ITEM_VIEWED or kind == Kind.LIST_VIEWED:
            which = PAGE if kind == Kind.PAGE_VIEWED else PRODUCT
            if viewed != 0 and view == PAGE + PRODUCT - which and at - viewed <= SAME_VIEW_MS:
                view = PAIRED
            else:
                run = run + 1 if viewed != 0 and at - viewed <= BURST_GAP_MS else 1
                viewed, view = at, which
                struggled = run >= BURST_VIEWS
        if kind == Kind.ITEM_VIEWED:
            alone = 0
        elif kind == Kind.SEARCHED:
            alone += 1
            struggled = alone >= SEARCHES_ALONE
        if struggled and at >= since:
            return True
    return False
