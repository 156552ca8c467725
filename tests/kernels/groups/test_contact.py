"""Contacts in a row: a function of the set of events, against an oracle that knows them all."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import ContactChannel, Kind
from engine.kernels.groups import contact
from engine.kernels.groups.contact import apply_contact, join_contact
from engine.kernels.groups.contact_entry import HEARD, KEPT
from engine.kernels.groups.contact_features import ENTRIES, UNRESOLVED, contact_due
from engine.kernels.groups.contact_starts import STARTS
from engine.kernels.groups.contact_state import CLOSED_AFTER_MS
from engine.kernels.hashing import word_hash
from engine.kernels.wire import EARLIEST_MS, LATEST_MS
from tests.kernels.builders import DAY, HOUR, MINUTE, SECOND, START
from tests.kernels.groups.contact_oracle import (
    EARLIEST,
    ENDS,
    Told,
    columns,
    contacts_of,
    expected,
    features,
    folded,
    starts_of,
)
from tests.kernels.groups.rows import CONTACTS as ROW

KINDS = [kind for kind in Kind if kind >= Kind.CONTACT_STARTED]  # and some behind the contact centre's
BEGIN = [Kind.CONTACT_STARTED, Kind.CONTACT_QUEUED]
LOOSE = [Kind.CONTACT_STARTED, Kind.CONTACT_ENDED, Kind.CONTACT_ABANDONED]
ARRIVAL = st.tuples(st.integers(0, 30 * DAY), st.booleans())
MILESTONES = [ENDS if kind == Kind.CONTACT_HELD else (kind,) for kind in EARLIEST]  # by place
NAMES = [(number << 50) + number for number in range(1, 40)]
WORD = st.sampled_from([0, 3 << 60, 5 << 60])
OFFSET = st.integers(0, 20) | st.integers(0, 40 * DAY) | st.sampled_from([HOUR, 4 * HOUR, DAY, 7 * DAY])


def events(names: list[int], most: int) -> st.SearchStrategy[list[Told]]:
    one = st.builds(
        Told,
        at=OFFSET.map(START.__add__),
        kind=st.sampled_from(KINDS)
        | st.sampled_from([Kind.CONTACT_STARTED, Kind.CONTACT_QUEUED, Kind.PAGE_VIEWED]),
        id=st.integers(2**62, 2**64 - 1),
        contact=st.sampled_from(names),
        channel=st.sampled_from([0, 0, 1, 2, 3, 4]),
        queue=WORD,
        agent=WORD,
        reason=WORD,
        value=st.sampled_from([0.0, 4.0, 9.995, 0.004, 0.005]),
    )
    return st.lists(one, max_size=most, unique_by=lambda event: event.id)


FEW = events(NAMES[:KEPT], 24)
MANY = events(NAMES, 60)


def distinct_moments(told: list[Told]) -> bool:
    """Whether no two contacts begin at one moment: which is the newest would be a matter of their ids."""
    begun = Counter(at for one in contacts_of(told) if (at := one.begun()))
    return max(begun.values(), default=0) <= 1


def joined(into: list[Told], other: list[Told]) -> bytes:
    rows = folded(into)
    join_contact(rows[0], folded(other)[0])
    return rows.tobytes()


def test_a_group_is_whole_words_and_nothing_is_all_zeros() -> None:
    size = np.dtype(contact.FIELDS).itemsize
    assert (size, size % 8) == (920, 0)
    assert all(name.startswith("contact_") for name in np.dtype(contact.FIELDS).names or ())
    assert folded([Told(START, Kind.PAGE_VIEWED, 1, NAMES[0])]).tobytes() == bytes(ROW.itemsize)


@given(FEW, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_bytes(told: list[Told], random: object) -> None:
    shuffled = list(told)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert folded(shuffled).tobytes() == folded(told).tobytes()


@given(FEW, st.data())
def test_any_split_joins_to_the_whole(told: list[Told], data: st.DataObject) -> None:
    first = data.draw(st.lists(st.booleans(), min_size=len(told), max_size=len(told)))
    one = [event for event, mine in zip(told, first, strict=True) if mine]
    other = [event for event, mine in zip(told, first, strict=True) if not mine]
    assert joined(one, other) == joined(other, one) == folded(told).tobytes()


@given(FEW, st.integers(0, 20) | st.integers(0, 60 * DAY), st.integers(0, 2 * HOUR))
def test_the_features_are_what_the_events_say(told: list[Told], after: int, before: int) -> None:
    if not distinct_moments(told):
        return
    now = START + after
    rows = folded(told)
    rows[0]["session_struggled_at"] = START + HOUR - before
    assert features(rows, now) == pytest.approx(expected(told, now, [START + HOUR - before]), nan_ok=True)


@given(st.lists(st.sampled_from(LOOSE), max_size=KEPT))
def test_ends_without_an_id_close_what_began_last(kinds: list[Kind]) -> None:
    told = [Told(START + place * MINUTE, kind, NAMES[place]) for place, kind in enumerate(kinds)]
    found = features(folded(told), START + HOUR)
    right = expected(told, START + HOUR)
    assert found == pytest.approx(right, nan_ok=True)
    assert found["contact_count"] == kinds.count(Kind.CONTACT_STARTED)


def test_two_chats_without_an_id_and_one_end_leave_one_open() -> None:
    kinds = (Kind.CONTACT_STARTED, Kind.CONTACT_STARTED, Kind.CONTACT_ENDED)
    told = [Told(START + place * MINUTE, kind, place + 1) for place, kind in enumerate(kinds)]
    assert features(folded(told), START + 2 * MINUTE)["contact_open"] == 1
    other = Told(START + 3 * MINUTE, Kind.CONTACT_QUEUED, 9)
    assert folded([*told, other]).tobytes() == folded(told).tobytes()


@given(MANY, st.randoms(use_true_random=False))
def test_of_more_contacts_the_newest_stay_whatever_the_order(told: list[Told], random: object) -> None:
    random.shuffle(told)  # type: ignore[attr-defined]
    row = folded(told)[0]
    newest = contacts_of(told)[:KEPT]
    assert [int(name) for name in row["contact_id"] if name] == [one.id for one in newest]
    for place, one in enumerate(newest):
        assert row["contact_latest"][place, HEARD] == one.heard()
        for milestone, kinds in enumerate(MILESTONES):
            found = int(row["contact_first"][place, milestone])
            assert found == 0 or found in one.times(*kinds)
        assert row["contact_transfers"][place] <= len(one.times(Kind.CONTACT_TRANSFERRED))


@given(MANY, st.data())
def test_of_more_contacts_in_two_rows_the_newest_stay(told: list[Told], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(told)))
    rows = folded(told[:cut])
    join_contact(rows[0], folded(told[cut:])[0])
    assert [int(name) for name in rows[0]["contact_id"] if name] == [one.id for one in contacts_of(told)[:KEPT]]


@given(
    st.lists(ARRIVAL, min_size=1, max_size=30, unique_by=lambda one: one[0]),
    st.integers(0, 31 * DAY),
    st.randoms(use_true_random=False),
)
def test_starts_are_counted_in_any_order(arrivals: list[tuple[int, bool]], after: int, random: object) -> None:
    told = []
    for number, (offset, left) in enumerate(arrivals):
        caller, at = (number + 1 << 50) + 1, START + offset
        told.append(Told(at, Kind.CONTACT_STARTED, 2 * number + 1, caller))
        if left:
            told.append(Told(at, Kind.CONTACT_ABANDONED, 2 * number + 2, caller))
    right = expected(told, START + after)
    random.shuffle(told)  # type: ignore[attr-defined]
    cut = random.randrange(len(told) + 1)  # type: ignore[attr-defined]
    rows = folded(told)
    found = features(rows, START + after)
    for name in ("contact_count", "contact_abandoned"):
        assert found[name] == right[name]
    for name, window in (("contact_count_24h", DAY), ("contact_count_7d", 7 * DAY)):
        if sum(START + after - at < window for at, _ in starts_of(told)) <= STARTS:
            assert found[name] == right[name]
    two = folded(told[:cut])
    join_contact(two[0], folded(told[cut:])[0])
    assert two[0]["contact_starts"].tobytes() == rows[0]["contact_starts"].tobytes()


def test_a_thirteenth_start_leaves_the_window_and_stays_in_the_count() -> None:
    told = [Told(START + n * MINUTE, Kind.CONTACT_STARTED, n + 1, NAMES[n]) for n in range(STARTS + 1)]
    found = features(folded(told), START + HOUR)
    assert (found["contact_count"], found["contact_count_24h"]) == (STARTS + 1, STARTS)
    nobody_said = [Told(one.at, Kind.CONTACT_QUEUED, one.id, one.contact) for one in told]
    assert features(folded(nobody_said), START + HOUR)["contact_count"] == STARTS


@pytest.mark.parametrize("at", [EARLIEST_MS, EARLIEST_MS + 1, LATEST_MS])
def test_the_ends_of_time_fit_a_start(at: int) -> None:
    found = features(folded([Told(at, Kind.CONTACT_STARTED, 1, NAMES[0])]), at)
    assert (found["contact_count"], found["contact_count_24h"], found["contact_hours_since"]) == (1, 1, 0)


@pytest.mark.parametrize(("window", "name"), [(DAY, "contact_count_24h"), (7 * DAY, "contact_count_7d")])
def test_a_start_leaves_its_window_when_it_is_as_old(window: int, name: str) -> None:
    rows = folded([Told(START, Kind.CONTACT_STARTED, 1, NAMES[0]), Told(START, Kind.CONTACT_ENDED, 2, NAMES[0])])
    assert [features(rows, START + window + more)[name] for more in (-1, 0)] == [1, 0]


@pytest.mark.parametrize("channel", list(ContactChannel))
def test_without_an_end_a_contact_is_closed_when_nothing_was_heard_for_long(channel: ContactChannel) -> None:
    patience = int(CLOSED_AFTER_MS[channel])
    rows = folded([Told(START, Kind.CONTACT_QUEUED, 1, NAMES[0], channel)])
    last, over = (features(rows, START + patience + more) for more in (0, 1))
    assert (last["contact_open"], last["contact_waiting"]) == (1, 1)
    assert last["contact_quiet_seconds"] == last["contact_waiting_seconds"] == patience / SECOND
    assert (over["contact_open"], over["contact_waiting"], over["contact_unresolved"]) == (0, 0, 1)
    assert math.isnan(over["contact_quiet_seconds"])
    assert math.isnan(over["contact_longest_wait"])


@given(FEW, st.integers(0, 50 * DAY))
def test_between_now_and_the_moment_that_is_due_values_only_grow(told: list[Told], after: int) -> None:
    rows, now = folded(told), START + 41 * DAY - after
    due = contact_due(rows[0], now)
    assert due == 0 or due > now
    growing = {entry.name.replace(".", "_") for entry in ENTRIES if entry.grows_ms}
    still = {name: value for name, value in features(rows, now).items() if name not in growing}
    for moment in (due - 1, now + (due - now) // 2) if due else (now + 400 * DAY,):
        later = features(rows, moment)
        assert {name: later[name] for name in still} == pytest.approx(still, nan_ok=True)


def test_a_queue_after_a_transfer_is_waited_in_again() -> None:
    told = [
        Told(START, Kind.CONTACT_STARTED, 1, NAMES[0], 1, reason=7 << 40),
        Told(START + 10 * SECOND, Kind.CONTACT_QUEUED, 2, NAMES[0], queue=11 << 40),
        Told(START + 70 * SECOND, Kind.CONTACT_CONNECTED, 3, NAMES[0], agent=5 << 40),
        Told(START + 200 * SECOND, Kind.CONTACT_TRANSFERRED, 4, NAMES[0]),
        Told(START + 201 * SECOND, Kind.CONTACT_QUEUED, 5, NAMES[0], queue=13 << 40),
    ]
    waits = [features(folded(told[: n + 1]), told[n].at + 5 * SECOND)["contact_waiting_seconds"] for n in range(5)]
    assert waits == pytest.approx([math.nan, 5, math.nan, math.nan, 5], nan_ok=True)
    found = features(folded(told), told[-1].at)
    assert (found["contact_longest_wait"], found["contact_transfers"]) == (60, 1)
    assert found["contact_queue_now"] == (13 << 40) >> 11
    assert math.isnan(found["contact_agent_now"])


def test_what_goes_on_after_its_end_is_open_again() -> None:
    told = [
        Told(START, Kind.CONTACT_STARTED, 1, NAMES[0], 3),
        Told(START + HOUR, Kind.CONTACT_ENDED, 2, NAMES[0]),
        Told(START + HOUR, Kind.CONTACT_CONNECTED, 3, NAMES[0]),
    ]
    assert features(folded(told), START + HOUR)["contact_open"] == 0
    again = Told(START + HOUR + 1, Kind.CONTACT_QUEUED, 4, NAMES[0])
    assert features(folded([again, *told]), START + HOUR + 1)["contact_open"] == 1


def test_outcomes_that_say_that_nothing_came_of_it_are_these_words() -> None:
    assert UNRESOLVED.tolist() == [word_hash(word) for word in ("unresolved", "Unresolved", "UNRESOLVED")]


def test_what_became_of_an_email_is_no_outcome_of_a_contact() -> None:
    opened = Told(START, Kind.CONTACT_OUTCOME, 1, NAMES[0], ContactChannel.EMAIL, reason=3 << 60)
    assert folded([opened]).tobytes() == bytes(ROW.itemsize)
    said = Told(START, Kind.CONTACT_OUTCOME, 1, NAMES[0], ContactChannel.VOICE, reason=int(UNRESOLVED[0]))
    begun = Told(START - 9, Kind.CONTACT_CONNECTED, 2, NAMES[0])
    ended = Told(START - 1, Kind.CONTACT_ENDED, 3, NAMES[0])
    found = features(folded([said, begun, ended]), START)
    assert (found["contact_unresolved"], found["contact_last_outcome"]) == (1, int(UNRESOLVED[0]) >> 11)


def test_a_count_of_transfers_stays_where_it_is_full() -> None:
    told = [Told(START, Kind.CONTACT_TRANSFERRED, n + 1, NAMES[0]) for n in range(260)]
    rows = folded(told)
    join_contact(rows[0], folded(told)[0])
    assert rows[0]["contact_transfers"].tolist() == [255, 0, 0, 0]


def test_no_event_that_is_no_contacts_changes_anything() -> None:
    row = folded([])
    for code in [*range(30), *range(42, 256)]:
        event = columns([Told(START, Kind.OTHER, 1, NAMES[0], 1, 1, 1, 1)])
        event[0]["kind"] = code
        apply_contact(row[0], event[0])
    assert row.tobytes() == bytes(ROW.itemsize)
