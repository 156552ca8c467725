"""Sessions in plain Python, from all events of a customer at once: what the kernels are held against."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.kernels.decode import COLUMNS
from engine.kernels.wire import Kind

GAP = 30 * 60_000
BURST = 10_000
MOMENT = 1_000
KEPT = 32
SETS = 16

CLIENT = {
    "PAGE_VIEWED",
    "ITEM_VIEWED",
    "LIST_VIEWED",
    "SEARCHED",
    "REVIEW_READ",
    "CART_ADDED",
    "CART_REMOVED",
    "CART_VIEWED",
    "WISHLISTED",
    "CHECKOUT_STARTED",
    "CHECKOUT_STEP",
    "COUPON_APPLIED",
    "SHARED",
}


class Did(NamedTuple):
    """One event; sorted they are in the order of rows. ``value`` is in hundredths."""

    at: int
    kind: Kind
    value: int = 0
    item: int = 0
    category: int = 0


def columns(events: Sequence[Did]) -> NDArray[np.void]:
    """As the kernels get them."""
    out = np.zeros(len(events), COLUMNS)
    for got, event in zip(out, events, strict=True):
        got["at"], got["kind"], got["value"] = event.at, event.kind, event.value / 100
        got["item"], got["category"] = event.item, event.category
    return out


def activities(events: Sequence[Did]) -> list[Did]:
    """What was done on a client, in order."""
    return sorted(event for event in events if event.kind.name in CLIENT)


def sessions(events: Sequence[Did]) -> list[list[Did]]:
    """The activities, cut where nothing was done for more than half an hour."""
    found: list[list[Did]] = []
    for event in activities(events):
        if not found or event.at - found[-1][-1].at > GAP:
            found.append([])
        found[-1].append(event)
    return found


def newest(events: Sequence[Did]) -> list[Did]:
    """Those that a row keeps."""
    return sorted(events)[-KEPT:]


def left_at(events: Sequence[Did]) -> int:
    """When the newest activity happened that a row does not keep; 0: it keeps all."""
    return max((event.at for event in activities(sorted(events)[:-KEPT])), default=0)


def is_rebuilt(events: Sequence[Did]) -> bool:
    """Whether the present session lies among the events that are kept, whole."""
    all_of = sessions(events)
    return not all_of or all_of[-1][0].at > left_at(events)


def views(session: Sequence[Did]) -> list[int]:
    """When something was viewed: a page and what is on it once, at the first of both."""
    left = [event for event in session if event.kind in (Kind.PAGE_VIEWED, Kind.ITEM_VIEWED, Kind.LIST_VIEWED)]
    found = []
    while left:
        first = left.pop(0)
        found.append(first.at)
        if left and left[0].at - first.at <= MOMENT:
            pages = [one.kind is Kind.PAGE_VIEWED for one in (first, left[0])]
            if pages[0] != pages[1]:
                left.pop(0)
    return found


def bursts(times: Sequence[int]) -> list[int]:
    """How many views each run of views has, none more than 10 s after the one before."""
    runs = [1] if times else []
    for one, other in pairwise(times):
        if other - one <= BURST:
            runs[-1] += 1
        else:
            runs.append(1)
    return runs


def struggles(session: Sequence[Did]) -> list[int]:
    """When a customer struggled: at each view of a burst from its third on, and at each search from the third in a
    row that led to no item."""
    times, alone = views(session), 0
    near = [other - one <= BURST for one, other in pairwise(times)]
    found = [times[place] for place in range(2, len(times)) if near[place - 2] and near[place - 1]]
    for event in session:
        alone = 0 if event.kind is Kind.ITEM_VIEWED else alone + (event.kind is Kind.SEARCHED)
        if event.kind is Kind.SEARCHED and alone >= 3:
            found.append(event.at)
    return found


def state(events: Sequence[Did]) -> dict[str, Any]:
    """The fields of a row's session, lists for the sets."""
    all_of = sessions(events)
    if not all_of:
        return {"session_number": 0, "session_events": 0}
    session = all_of[-1]
    items = [event for event in session if event.kind is Kind.ITEM_VIEWED]
    after = session[session.index(items[-1]) :] if items else session
    if items:
        last = max(place for place, event in enumerate(session) if event.kind is Kind.ITEM_VIEWED)
        after = session[last:]
    times, kinds = views(session), [event.kind for event in session]
    categories = [event.category for event in items if event.category]
    different = list(dict.fromkeys(categories))[:SETS]
    return {
        "session_number": len(all_of),
        "session_started": session[0].at,
        "session_last": session[-1].at,
        "session_events": len(session),
        "session_pages": len(times),
        "session_items": len(items),
        "session_pause_ms": max((other.at - one.at for one, other in pairwise(session)), default=0),
        "session_bursts": sum(run >= 3 for run in bursts(times)),
        "session_burst_run": bursts(times)[-1] if times else 0,
        "session_view_at": times[-1] if times else 0,
        "session_struggled_at": max(struggles(session), default=0),
        "session_reviews": kinds.count(Kind.REVIEW_READ),
        "session_searches": kinds.count(Kind.SEARCHED),
        "session_searches_alone": sum(event.kind is Kind.SEARCHED for event in after),
        "session_cart_adds": kinds.count(Kind.CART_ADDED),
        "session_max_price": max((event.value for event in items), default=0),
        "session_category": different,
        "session_category_views": [categories.count(category) for category in different],
        "session_item": list(dict.fromkeys(event.item for event in items if event.item))[:SETS],
    }
