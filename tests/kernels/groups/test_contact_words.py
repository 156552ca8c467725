"""What is said of contacts: reasons, outcomes, scores, callbacks, and that they were abandoned."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import ContactChannel, Kind
from engine.kernels.groups.contact import join_contact
from engine.kernels.groups.contact_entry import AGENT, IS_ABOUT, OUTCOME, QUEUE
from engine.kernels.groups.contact_features import RESOLVED, UNRESOLVED
from engine.kernels.hashing import word_hash
from engine.kernels.wire import MAX_VALUE
from tests.kernels.builders import DAY, HOUR, MINUTE, SECOND, START
from tests.kernels.groups.contact_oracle import Told, features, folded
from tests.kernels.groups.rows import CONTACTS as ROW

CALL, EARLIER = 7 << 50, 3 << 50
WHY, ELSE = 5 << 40, 9 << 40
KINDS = [kind for kind in Kind if Kind.CONTACT_STARTED <= kind <= Kind.CONTACT_SURVEYED]
WORD = st.sampled_from([0, WHY, ELSE])
EVENTS = st.lists(
    st.builds(
        Told,
        at=st.integers(START, START + DAY),
        kind=st.sampled_from(KINDS),
        id=st.integers(1, 2**62),
        contact=st.sampled_from([0, CALL, EARLIER]),
        channel=st.integers(0, 4),
        queue=WORD,
        agent=WORD,
        reason=WORD,
    ),
    max_size=12,
    unique_by=lambda event: event.id,
)


def at(minutes: float, kind: Kind, reason: int = 0, contact: int = CALL, value: float = 0.0) -> Told:
    moment = START + round(minutes * MINUTE)
    return Told(moment, kind, moment << 8 | int(kind), contact, ContactChannel.VOICE, reason=reason, value=value)


@given(EVENTS, EVENTS, st.randoms(use_true_random=False))
def test_what_became_of_an_email_changes_nothing_whatever_it_comes_with(
    told: list[Told], others: list[Told], random: object
) -> None:
    mails = [
        Told(o.at, Kind.CONTACT_OUTCOME, o.id + 2**62, o.contact, ContactChannel.EMAIL, o.queue, o.agent, o.reason)
        for o in others
    ]
    told = [one for one in told if one.kind != Kind.CONTACT_OUTCOME or one.channel != ContactChannel.EMAIL]
    mixed = [*told, *mails]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    rows = folded([one for one in mixed if one in told])
    assert folded(mixed).tobytes() == rows.tobytes()
    join_contact(rows[0], folded(mails)[0])
    assert rows.tobytes() == folded(mixed).tobytes()


def test_events_about_contacts_are_those_that_a_row_takes() -> None:
    for kind in Kind:
        for channel in ContactChannel:
            taken = folded([Told(START, kind, 1, CALL, channel)]).tobytes() != bytes(ROW.itemsize)
            assert IS_ABOUT[kind, channel] == taken, (kind, channel)
    assert not IS_ABOUT[[code for code in range(256) if code not in KINDS]].any()


@pytest.mark.parametrize("kind", [Kind.CONTACT_TRANSFERRED, Kind.CONTACT_HELD, Kind.CONTACT_SURVEYED])
def test_why_a_call_was_handed_on_is_not_why_they_called(kind: Kind) -> None:
    told = [
        at(0, Kind.CONTACT_STARTED, WHY, EARLIER),
        at(60, Kind.CONTACT_STARTED, WHY),
        at(61, kind, ELSE),
    ]
    assert features(folded(told), START + DAY)["contact_same_reason"] == 1
    told[0] = at(0, kind, ELSE, EARLIER)
    assert features(folded(told), START + DAY)["contact_same_reason"] == 0


def asked(*told: Told, after: float = 100) -> tuple[float, float]:
    found = features(folded(told), START + round(after * MINUTE))
    return found["contact_callback_asked"], found["contact_callback_hours"] * 60


def test_a_callback_that_is_asked_for_again_after_they_were_spoken_to_is_open() -> None:
    first, spoken = at(1, Kind.CALLBACK_ASKED), at(10, Kind.CONTACT_CONNECTED)
    again = at(40, Kind.CALLBACK_ASKED)
    assert asked(first) == (1, 99)
    assert asked(first, spoken) == pytest.approx((0, math.nan), nan_ok=True)
    for order in ((first, spoken, again), (again, spoken, first), (spoken, again, first)):
        assert asked(*order) == (1, 60)
    elsewhere = at(50, Kind.CONTACT_CONNECTED, contact=EARLIER)
    assert asked(first, spoken, again, elsewhere)[0] == 0
    assert asked(first, again) == (1, 60)


#: What happens, and what is so then: unresolved, abandoned, the longest wait, how long it has been over (minutes).
NO = math.nan
LEFT = {
    "in the queue": ([(1, "QUEUED"), (3, "ABANDONED")], (1, 1, 2, 97)),
    "at once": ([(1, "ABANDONED")], (1, 1, NO, 99)),
    "after a transfer": (
        [(1, "QUEUED"), (2, "CONNECTED"), (5, "TRANSFERRED"), (5, "QUEUED"), (9, "ABANDONED")],
        (1, 1, 4, 91),
    ),
    "after a transfer, said as an end": (
        [(1, "QUEUED"), (2, "CONNECTED"), (5, "TRANSFERRED"), (5, "QUEUED"), (9, "ENDED")],
        (1, 0, 4, 91),
    ),
    "on hold": ([(1, "QUEUED"), (2, "CONNECTED"), (5, "HELD"), (9, "ABANDONED")], (1, 1, 1, 91)),
    "and was called back": ([(1, "QUEUED"), (3, "ABANDONED"), (9, "CONNECTED"), (12, "ENDED")], (0, 1, 2, 88)),
    "and came back": (
        [(1, "QUEUED"), (3, "ABANDONED"), (9, "QUEUED"), (10, "CONNECTED"), (12, "ENDED")],
        (0, 1, 2, 88),
    ),
    "twice": ([(1, "QUEUED"), (3, "ABANDONED"), (9, "QUEUED"), (14, "ABANDONED")], (1, 1, 5, 86)),
    "as they were answered": ([(1, "QUEUED"), (3, "CONNECTED"), (3, "ABANDONED")], (1, 1, 2, 97)),
    "never": ([(1, "QUEUED"), (3, "CONNECTED"), (5, "ENDED")], (0, 0, 2, 95)),
}


@pytest.mark.parametrize(("steps", "right"), LEFT.values(), ids=LEFT)
def test_what_was_given_up_is_said_alike_by_all_features(
    steps: list[tuple[int, str]], right: tuple[float, ...]
) -> None:
    told = [at(minute, Kind[f"CONTACT_{name}"]) for minute, name in steps]
    for order in (told, told[::-1]):
        found = features(folded(order), START + 100 * MINUTE)
        names = ("unresolved", "abandoned", "longest_wait", "hours_since")
        values = [found[f"contact_{name}"] for name in names]
        given = (*values[:2], values[2] * SECOND / MINUTE, values[3] * HOUR / MINUTE)
        assert given == pytest.approx(right, nan_ok=True)
        assert (found["contact_count"], found["contact_open"]) == (1, 0)
        assert found["contact_abandoned_7d"] == found["contact_abandoned"]


def test_outcomes_say_of_themselves_whether_something_came_of_it() -> None:
    for said, name in ((RESOLVED, "resolved"), (UNRESOLVED, "unresolved")):
        assert said.tolist() == [word_hash(word) for word in (name, name.title(), name.upper())]
    chat = [at(0, Kind.CONTACT_QUEUED), at(5, Kind.CONTACT_ENDED, int(RESOLVED[0]))]
    again = [at(6, Kind.CONTACT_QUEUED), at(9, Kind.CONTACT_ABANDONED)]
    spoken = [at(7, Kind.CONTACT_CONNECTED), at(8, Kind.CONTACT_OUTCOME, int(UNRESOLVED[2]))]
    now = START + HOUR
    assert features(folded(chat), now)["contact_unresolved"] == 0
    assert features(folded([*chat, *again]), now)["contact_unresolved"] == 1
    assert features(folded([*chat, *spoken, at(9, Kind.CONTACT_ENDED)]), now)["contact_unresolved"] == 1


@pytest.mark.parametrize("score", [0.0, 0.005, 4.5, 10.0, MAX_VALUE])
def test_the_last_survey_counts_whatever_its_score(score: float) -> None:
    ended, survey = at(5, Kind.CONTACT_ENDED), at(9, Kind.CONTACT_SURVEYED, value=score)
    before = at(1, Kind.CONTACT_SURVEYED, contact=EARLIER, value=7.0)
    found = features(folded([survey, at(0, Kind.CONTACT_CONNECTED), ended, before]), START + HOUR)
    assert found["contact_last_survey"] == math.floor(score * 100 + 0.5) / 100
    assert (found["contact_open"], found["contact_count"]) == (0, 1)


def test_a_score_that_comes_after_the_end_opens_nothing() -> None:
    told = [at(0, Kind.CONTACT_CONNECTED), at(5, Kind.CONTACT_ENDED), at(6, Kind.CONTACT_SURVEYED, value=3)]
    late = [at(7, Kind.CONTACT_OUTCOME, ELSE), at(8, Kind.CALLBACK_ASKED), at(9, Kind.CONTACT_WRAPPED_UP, WHY)]
    found = features(folded([*late, *told]), START + HOUR)
    assert (found["contact_open"], found["contact_last_survey"], found["contact_callback_asked"]) == (0, 3, 1)
    assert found["contact_last_outcome"] == WHY >> 11
    assert found["contact_hours_since"] * 60 == 55


def test_queue_agent_and_outcome_are_kept_as_the_hashes_that_words_are_found_by() -> None:
    odd, even = WHY | 1, ELSE
    for queue, agent, outcome in ((odd, even, odd), (even, odd, even)):
        told = [
            Told(START, Kind.CONTACT_QUEUED, 1, CALL, queue=queue),
            Told(START + 1, Kind.CONTACT_CONNECTED, 2, CALL, agent=agent),
            Told(START + 2, Kind.CONTACT_HELD, 3, CALL, queue=queue, agent=agent),
            Told(START + 3, Kind.CONTACT_OUTCOME, 4, CALL, reason=outcome),
        ]
        for steps in (2, 3, 4):
            said = folded(told[:steps])[0]["contact_said"][0]
            assert (said[QUEUE], said[AGENT]) == (queue, agent)
        assert said[OUTCOME] == outcome
