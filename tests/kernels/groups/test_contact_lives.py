"""Contacts as they go in contact centres: after each step, in whatever order events come, features say what is
so."""

from __future__ import annotations

import math
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import Kind
from tests.kernels.builders import HOUR, MINUTE, SECOND, START
from tests.kernels.groups.contact_lives import Life, Now, lives
from tests.kernels.groups.contact_oracle import Told, features, folded

CONTACT = 7 << 50
A, B = 5 << 40, 9 << 40
FIRST, SECOND_QUEUE = 11 << 40, 13 << 40

#: A call that agent A hands on to another queue, and wraps up while B has it.
HANDED_ON = [
    Told(START, Kind.CONTACT_STARTED, 1, CONTACT, 1),
    Told(START + 10 * SECOND, Kind.CONTACT_QUEUED, 2, CONTACT, queue=FIRST),
    Told(START + 30 * SECOND, Kind.CONTACT_CONNECTED, 3, CONTACT, queue=FIRST, agent=A),
    Told(START + 60 * SECOND, Kind.CONTACT_TRANSFERRED, 4, CONTACT, queue=FIRST, agent=A),
    Told(START + 61 * SECOND, Kind.CONTACT_QUEUED, 5, CONTACT, queue=SECOND_QUEUE),
    Told(START + 91 * SECOND, Kind.CONTACT_CONNECTED, 6, CONTACT, queue=SECOND_QUEUE, agent=B),
    Told(START + 95 * SECOND, Kind.CONTACT_WRAPPED_UP, 7, CONTACT, queue=FIRST, agent=A),
    Told(START + 200 * SECOND, Kind.CONTACT_ENDED, 8, CONTACT),
]


def so(events: list[Told], now: int) -> tuple[float, ...]:
    """Open, waiting and since when, agent and queue."""
    found = features(folded(events), now)
    named = [found[f"contact_{name}_now"] for name in ("agent", "queue")]
    return (
        found["contact_open"],
        found["contact_waiting"],
        found["contact_waiting_seconds"],
        *(0 if math.isnan(word) else int(word) << 11 for word in named),
    )


NO = math.nan
RIGHT = [
    (1, 0, NO, 0, 0),
    (1, 1, 1, 0, FIRST),
    (1, 0, NO, A, FIRST),
    (1, 0, NO, A, FIRST),
    (1, 1, 1, 0, SECOND_QUEUE),
    (1, 0, NO, B, SECOND_QUEUE),
    (1, 0, NO, B, SECOND_QUEUE),
    (0, 0, NO, 0, 0),
]


@pytest.mark.parametrize("steps", range(1, len(HANDED_ON) + 1))
def test_a_call_that_is_handed_on_is_open_until_it_ends(steps: int) -> None:
    told = HANDED_ON[:steps]
    orders = list(permutations(told)) if steps < 6 else [Random(n).sample(told, steps) for n in range(200)]
    for order in orders:
        found = so(list(order), told[-1].at + SECOND)
        assert found == pytest.approx(RIGHT[steps - 1], nan_ok=True), order


def test_a_wrap_up_before_the_next_agent_answers_leaves_it_waiting() -> None:
    wrapped = Told(START + 70 * SECOND, Kind.CONTACT_WRAPPED_UP, 7, CONTACT, agent=A)
    early = [*HANDED_ON[:5], wrapped]
    assert so(early, START + 71 * SECOND) == (1, 1, 10, 0, SECOND_QUEUE)


def test_without_an_end_the_last_wrap_up_ends_it() -> None:
    last = Told(START + 210 * SECOND, Kind.CONTACT_WRAPPED_UP, 9, CONTACT, agent=B)
    told = [*HANDED_ON[:-1], last]
    found = features(folded(told), last.at + HOUR)
    assert (found["contact_open"], found["contact_hours_since"], found["contact_unresolved"]) == (0, 1, 0)
    alone = [*HANDED_ON[:3], HANDED_ON[6]]
    assert features(folded(alone), START + HOUR)["contact_open"] == 0


def test_a_wrap_up_before_anyone_but_the_customer_was_transferred_ends_it() -> None:
    """By the menu, say: nobody had it before."""
    told = [
        Told(START, Kind.CONTACT_STARTED, 1, CONTACT),
        Told(START + 1, Kind.CONTACT_TRANSFERRED, 2, CONTACT),
        Told(START + 2, Kind.CONTACT_QUEUED, 3, CONTACT),
        Told(START + 3, Kind.CONTACT_CONNECTED, 4, CONTACT),
        Told(START + 4, Kind.CONTACT_WRAPPED_UP, 5, CONTACT),
    ]
    assert [so(told[:steps], START + 9)[0] for steps in (4, 5)] == [1, 0]


def test_who_wraps_up_twice_without_a_hand_over_is_done_each_time() -> None:
    """A chat that goes on after it was closed: the wrap-up that counts is the last."""
    kinds = [Kind.CONTACT_CONNECTED, Kind.CONTACT_WRAPPED_UP] * 2
    told = [Told(START + n * MINUTE, kind, n + 1, CONTACT, 2) for n, kind in enumerate(kinds)]
    assert [so(told[: n + 1], told[n].at)[0] for n in range(4)] == [1, 0, 1, 0]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_of_one_moment_the_agent_who_was_connected_has_it(order: tuple[int, ...]) -> None:
    for leaving, coming in ((A, B), (B, A)):
        told = [
            *HANDED_ON[:2],
            Told(START + 60 * SECOND, Kind.CONTACT_TRANSFERRED, 4, CONTACT, agent=leaving, queue=FIRST),
            Told(START + 60 * SECOND, Kind.CONTACT_QUEUED, 5, CONTACT, agent=leaving, queue=SECOND_QUEUE),
            Told(START + 60 * SECOND, Kind.CONTACT_CONNECTED, 6, CONTACT, agent=coming, queue=FIRST),
        ]
        arrived = [*told[:2], *(told[2 + place] for place in order)]
        assert so(arrived, START + 61 * SECOND) == pytest.approx((1, 0, NO, coming, SECOND_QUEUE), nan_ok=True)


def longest(now: Now) -> float:
    return max(now.waits) / SECOND if now.waits else NO


def assert_so(life: Life, moment: int, told: list[Told]) -> None:
    now, found = life.at_moment(moment), features(folded(told), moment)
    word = {name: NO if not (hashed := getattr(now, name)) else hashed >> 11 for name in ("agent", "queue")}
    right = {
        "contact_count": 1,
        "contact_open": int(now.open),
        "contact_waiting": int(now.waits_since != 0),
        "contact_waiting_seconds": (moment - now.waits_since) / SECOND if now.waits_since else NO,
        "contact_transfers": now.transfers,
        "contact_unresolved": int(now.unresolved),
        "contact_hours_since": (moment - (now.ended or START)) / HOUR,
        "contact_agent_now": word["agent"],
        "contact_queue_now": word["queue"],
        "contact_abandoned": sum(one.kind == Kind.CONTACT_ABANDONED for one in told),
    }
    assert {name: found[name] for name in right} == pytest.approx(right, nan_ok=True)
    if life.are_waits_kept(moment):
        assert found["contact_longest_wait"] == pytest.approx(longest(now), nan_ok=True)
    else:
        assert not found["contact_longest_wait"] > longest(now)


@given(lives(CONTACT), st.randoms(use_true_random=False))
def test_after_each_step_features_say_what_is_so(life: Life, random: object) -> None:
    for moment in sorted({event.at for event in life.events}):
        told = [event for event in life.events if event.at <= moment]
        random.shuffle(told)  # type: ignore[attr-defined]
        assert_so(life, moment, told)
