"""A struggle on the website and then a call: whatever is done on the website while the call goes on, and in
whatever order the events come."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import ContactChannel, Kind
from engine.kernels import row as layout
from engine.kernels.decode import COLUMNS
from engine.kernels.groups.recent import RECENT
from engine.kernels.groups.struggle import struggled_between
from tests.kernels.builders import HOUR, MINUTE, NOTHING, SECOND, START, features
from tests.kernels.groups import sessions

#: (when, what, a contact's channel)
Step = tuple[int, Kind, int]

SEARCHES: list[Step] = [(START + n * MINUTE, Kind.SEARCHED, 0) for n in range(3)]
STRUGGLED = SEARCHES[-1][0]
BURST: list[Step] = [(STRUGGLED + n * SECOND, Kind.LIST_VIEWED, 0) for n in (-2, -1, 0)]


def call(at: int, channel: ContactChannel = ContactChannel.VOICE) -> Step:
    return (at, Kind.CONTACT_STARTED, int(channel))


def row_of(steps: list[Step]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """After what was done, as it came."""
    columns, rows = np.zeros(len(steps), COLUMNS), np.zeros(1, layout.ROW)
    for number, (column, (at, kind, channel)) in enumerate(zip(columns, steps, strict=True), 1):
        column["id"], column["at"], column["kind"], column["quantity"] = number, at, kind, 1
        if kind >= Kind.CONTACT_STARTED:
            column["contact"], column["contact_channel"] = number << 44, channel
    NOTHING.advance(rows, np.zeros(len(steps), np.int32), columns)
    return rows


def hops(steps: list[Step], chance: Random | None = None) -> float:
    arrived = chance.sample(steps, len(steps)) if chance else steps
    return features(row_of(arrived), max(at for at, *_ in steps) + SECOND)["contact.channel_hop"]


@pytest.mark.parametrize("struggle", [SEARCHES, BURST], ids=["searches", "burst"])
@pytest.mark.parametrize(
    ("after", "hop"), [(-1, 0), (0, 1), (10 * MINUTE, 1), (30 * MINUTE, 1), (30 * MINUTE + 1, 0)]
)
def test_a_call_within_half_an_hour_of_a_struggle_is_a_hop(struggle: list[Step], after: int, hop: int) -> None:
    assert hops([*struggle, call(STRUGGLED + after)]) == hop


#: What the customer does while the call goes on that began 10 min after the struggle.
CALLED = STRUGGLED + 10 * MINUTE
MEANWHILE = {
    "nothing": [],
    "goes on": [(CALLED + MINUTE, Kind.PAGE_VIEWED, 0)],
    "searches on": [(CALLED + n * MINUTE, Kind.SEARCHED, 0) for n in (1, 2)],
    "struggles anew": [
        (CALLED + MINUTE, Kind.ITEM_VIEWED, 0),
        *((CALLED + (2 + n) * MINUTE, Kind.SEARCHED, 0) for n in range(3)),
    ],
    "is in a burst": [(CALLED + n * SECOND, Kind.LIST_VIEWED, 0) for n in range(1, 6)],
    "comes again": [(CALLED + HOUR, Kind.PAGE_VIEWED, 0)],
    "comes again and struggles": [(CALLED + HOUR + n * SECOND, Kind.SEARCHED, 0) for n in range(4)],
}


@pytest.mark.parametrize("meanwhile", MEANWHILE.values(), ids=MEANWHILE)
@pytest.mark.parametrize("struggle", [SEARCHES, BURST], ids=["searches", "burst"])
def test_a_hop_stays_one_whatever_is_done_meanwhile(struggle: list[Step], meanwhile: list[Step]) -> None:
    steps = [*struggle, call(CALLED), *meanwhile]
    assert hops(steps) == 1
    assert hops([*meanwhile, call(CALLED), *struggle]) == 1  # the struggle comes late
    assert [hops(steps, Random(seed)) for seed in range(20)] == [1] * 20
    assert hops([call(CALLED), *meanwhile]) == 0
    chat = [*struggle, call(CALLED, ContactChannel.CHAT), *meanwhile]
    assert hops(chat) == 0


def test_a_hop_is_known_as_long_as_the_struggle_is_among_the_recent_events() -> None:
    def viewed(number: int) -> list[Step]:
        return [(CALLED + (1 + n) * MINUTE, Kind.SEARCHED, 0) for n in range(number)]

    least = RECENT - 4  # the call and three searches
    assert hops([*SEARCHES, call(CALLED), *viewed(least)]) == 1
    assert hops([*SEARCHES, call(CALLED), *viewed(least + 1)]) == 0


VIEWS = [Kind.PAGE_VIEWED, Kind.LIST_VIEWED, Kind.ITEM_VIEWED, Kind.SEARCHED, Kind.SEARCHED, Kind.CART_VIEWED]
GAPS = st.sampled_from([0, 1, SECOND, SECOND + 1, 10 * SECOND, 10 * SECOND + 1, 30 * MINUTE, 30 * MINUTE + 1])


@given(
    st.lists(st.tuples(GAPS, st.sampled_from([*VIEWS, Kind.CONTACT_QUEUED])), min_size=1, max_size=RECENT),
    st.data(),
)
def test_struggles_among_recent_events_are_those_of_the_sessions(
    steps: list[tuple[int, Kind]], data: st.DataObject
) -> None:
    done, at = [], START
    for gap, kind in steps:
        at += gap
        done.append((at, kind, 0))
    did = [sessions.Did(at, kind) for at, kind, _ in done]
    rows = row_of(done)
    moments = st.sampled_from([at + more for at, *_ in done for more in (-1, 0, 1)])
    since, until = sorted((data.draw(moments), data.draw(moments)))
    known = [one for one in did if one.at <= until]
    right = any(at >= since for session in sessions.sessions(known) for at in sessions.struggles(session))
    assert struggled_between(rows[0], since, until) == right
