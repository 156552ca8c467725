"""What a link does to a key, and where what comes for it goes: every case at its boundary."""

from __future__ import annotations

import msgspec
import pytest

from engine.customer_id import customer_id
from engine.events import Rank
from engine.identity.link import Cause, Link, LinkTrust
from engine.identity.marker import (
    OPEN,
    Effect,
    HistoryTurn,
    Marker,
    Parts,
    Phase,
    change_of,
    split,
)
from engine.identity.route import MOST_HOPS, MOST_KEEP_HOPS, Passage, Turn, route

A, B, U, V = (customer_id(name) for name in ("a", "b", "u", "v"))
RANKS = {A: Rank.DEVICE, B: Rank.DEVICE, U: Rank.USER, V: Rank.USER}
UNSIGNED, SIGNED, OPERATOR = LinkTrust
STAYS, FREEZES, THAWS = HistoryTurn


def link(trust: LinkTrust = SIGNED, lower: str = A, upper: str = U, cause: Cause = Cause.IDENTIFIED) -> Link:
    cause = Cause.OPERATOR if trust is OPERATOR else cause
    return Link(customer_id(lower), RANKS[customer_id(lower)], customer_id(upper), RANKS[customer_id(upper)], 7, cause, trust > UNSIGNED)  # fmt: skip  # noqa: E501


def merged(trust: LinkTrust, to: str = U) -> Marker:
    return Marker(Phase.MERGED, customer_id(to), trust, 7)


def alone(trust: LinkTrust) -> Marker:
    return Marker(Phase.ALONE, trust=trust, since=7)


@pytest.mark.parametrize(
    ("marker", "said", "effect", "after", "mails", "history", "owes"),
    [
        (OPEN, link(UNSIGNED), "merged", merged(UNSIGNED), Parts.FEATURES, STAYS, False),
        (OPEN, link(SIGNED), "merged", merged(SIGNED), Parts.ALL, FREEZES, True),
        (OPEN, link(OPERATOR), "merged", merged(OPERATOR), Parts.ALL, FREEZES, True),
        # the same again
        (merged(UNSIGNED), link(UNSIGNED), "repeated", merged(UNSIGNED), Parts.NOTHING, STAYS, False),
        (merged(SIGNED), link(UNSIGNED), "repeated", merged(SIGNED), Parts.NOTHING, STAYS, False),
        (merged(UNSIGNED), link(SIGNED), "confirmed", merged(SIGNED), Parts.REST, FREEZES, True),
        (merged(SIGNED), link(OPERATOR), "confirmed", merged(OPERATOR), Parts.NOTHING, STAYS, False),
        # a second customer
        (merged(UNSIGNED), link(UNSIGNED, upper=V), "parted", alone(UNSIGNED), Parts.NOTHING, STAYS, False),
        (merged(SIGNED), link(SIGNED, upper=V), "parted", alone(SIGNED), Parts.NOTHING, THAWS, False),
        (merged(SIGNED), link(UNSIGNED, upper=V), "overruled", merged(SIGNED), Parts.NOTHING, STAYS, False),
        (merged(OPERATOR), link(SIGNED, upper=V), "overruled", merged(OPERATOR), Parts.NOTHING, STAYS, False),
        (merged(UNSIGNED), link(SIGNED, upper=V), "moved", merged(SIGNED, V), Parts.REST, FREEZES, True),
        (merged(SIGNED), link(OPERATOR, upper=V), "moved", merged(OPERATOR, V), Parts.ALL, STAYS, True),
        # never again, unless somebody is trusted more
        (alone(UNSIGNED), link(UNSIGNED), "kept_alone", alone(UNSIGNED), Parts.NOTHING, STAYS, False),
        (alone(SIGNED), link(SIGNED), "kept_alone", alone(SIGNED), Parts.NOTHING, STAYS, False),
        (alone(UNSIGNED), link(SIGNED), "merged", merged(SIGNED), Parts.ALL, FREEZES, True),
        (alone(SIGNED), link(OPERATOR), "merged", merged(OPERATOR), Parts.ALL, FREEZES, True),
    ],
)
def test_what_a_link_does(
    marker: Marker, said: Link, effect: str, after: Marker, mails: Parts, history: HistoryTurn, owes: bool
) -> None:
    change = change_of(marker, said)
    assert change.effect == Effect(effect)
    assert (change.marker, change.mails, change.history, change.owes) == (after, mails, history, owes)


@pytest.mark.parametrize(
    "said",
    [
        link(lower=A, upper=A),
        link(lower=U, upper=A),
        link(OPERATOR, lower=U, upper=A),
        link(lower=A, upper=B),
        link(lower=U, upper=V),
        link(UNSIGNED, lower=U, upper=V, cause=Cause.ALIASED),
    ],
)
@pytest.mark.parametrize("marker", [OPEN, merged(UNSIGNED), merged(SIGNED), alone(UNSIGNED)])
def test_an_impossible_link_does_nothing(marker: Marker, said: Link) -> None:
    change = change_of(marker, said)
    assert change.effect is Effect.IMPOSSIBLE
    assert (change.marker, change.mails, change.history, change.owes) == (marker, Parts.NOTHING, STAYS, False)


@pytest.mark.parametrize("said", [link(OPERATOR, A, B), link(SIGNED, U, V, Cause.ALIASED), link(OPERATOR, U, V)])
def test_ids_of_one_rank_become_one_by_an_explicit_alias_of_somebody_trusted(said: Link) -> None:
    assert change_of(OPEN, said).effect is Effect.MERGED


def test_a_users_id_stays_that_of_the_first() -> None:
    first, second = link(SIGNED, V, U, Cause.ALIASED), link(SIGNED, V, customer_id("a"), Cause.ALIASED)
    taken = change_of(OPEN, first).marker
    other = msgspec.structs.replace(second, upper=customer_id("w"), upper_rank=Rank.USER)
    assert change_of(taken, other).effect is Effect.CONTRADICTED
    assert change_of(taken, other).marker == taken


def test_a_link_to_what_went_into_the_row_is_refused_there() -> None:
    said = link(SIGNED, U, V, Cause.ALIASED)
    assert change_of(OPEN, said, ("x", "v")).effect is Effect.CIRCULAR
    assert change_of(OPEN, said, ("x",)).effect is Effect.MERGED


def test_an_operator_opens_a_key_and_only_an_operator_closes_it() -> None:
    opened = split(merged(SIGNED), 9)
    assert (opened.effect, opened.history) == (Effect.PARTED, THAWS)
    assert split(merged(UNSIGNED), 9).history is STAYS
    assert change_of(opened.marker, link(SIGNED)).effect is Effect.KEPT_ALONE
    assert change_of(opened.marker, link(OPERATOR)).effect is Effect.MERGED
    for marker in (OPEN, alone(SIGNED)):
        assert (split(marker, 9).effect, split(marker, 9).marker) == (Effect.REPEATED, marker)


def test_a_marker_is_stored_as_an_array_to_which_later_releases_may_append() -> None:
    stored = msgspec.msgpack.encode(merged(SIGNED))
    assert msgspec.msgpack.decode(stored) == [1, "u", 1, 7]
    longer = msgspec.msgpack.encode([1, "u", 1, 7, "later"])
    assert msgspec.msgpack.decode(longer, type=Marker) == merged(SIGNED)


# where what comes for a key goes


@pytest.mark.parametrize("marker", [OPEN, alone(UNSIGNED), alone(OPERATOR)])
@pytest.mark.parametrize("numbered", [True, False])
def test_what_comes_for_an_open_key_is_applied_there(marker: Marker, numbered: bool) -> None:
    path = tuple(f"x{i}" for i in range(MOST_KEEP_HOPS + 1))
    assert route(A, marker, Parts.ALL, path, numbered) == Passage(Parts.ALL, marker=marker)


@pytest.mark.parametrize(
    ("trust", "parts", "here", "on"),
    [
        (SIGNED, Parts.ALL, Parts.NOTHING, Parts.ALL),
        (OPERATOR, Parts.REST, Parts.NOTHING, Parts.REST),
        (UNSIGNED, Parts.ALL, Parts.REST, Parts.FEATURES),
        (UNSIGNED, Parts.FEATURES, Parts.NOTHING, Parts.FEATURES),
        (UNSIGNED, Parts.REST, Parts.REST, Parts.NOTHING),
    ],
)
def test_an_unsigned_marker_keeps_all_but_the_features(
    trust: LinkTrust, parts: Parts, here: Parts, on: Parts
) -> None:
    found = route(A, merged(trust), parts, ("x",), True)
    assert (found.here, found.on, found.marker) == (here, on, merged(trust))
    assert (found.to, found.path) == ((U, ("x", "a")) if on else ("", ()))


@pytest.mark.parametrize(
    ("key", "path", "opens"),
    [
        ("c", ("a", "b"), True),  # the greatest of a, b, c
        ("b", ("a", "c"), False),
        ("b", ("z", "a"), True),  # z leads there, and is not of the cycle
        ("a", ("z", "b"), None),  # a's marker leads to a itself below
        ("B", ("a",), False),  # as bytes compare
    ],
)
def test_the_greatest_id_of_a_cycle_opens(key: str, path: tuple[str, ...], opens: bool | None) -> None:
    marker = merged(SIGNED, "a")
    found = route(customer_id(key), marker, Parts.ALL, path, True)
    if opens:
        assert found == Passage(Parts.ALL, turn=Turn.CYCLE_CUT)
        assert found.opens
    elif opens is False:
        assert (found.on, found.to, found.path, found.marker) == (Parts.ALL, "a", (*path, key), marker)
    else:
        assert found.opens  # linked to itself, which no link does: it ends all the same


@pytest.mark.parametrize("path", [("a", "b"), ("a",)])
def test_what_may_come_twice_opens_no_marker(path: tuple[str, ...]) -> None:
    marker = merged(SIGNED, "a")
    assert route(customer_id("c"), marker, Parts.REST, path, False) == Passage(
        Parts.NOTHING, marker=marker, turn=Turn.DROPPED
    )


@pytest.mark.parametrize("hops", [MOST_HOPS - 1, MOST_HOPS])
def test_after_eight_hops_a_marker_opens(hops: int) -> None:
    found = route(A, merged(SIGNED), Parts.ALL, tuple(f"x{i}" for i in range(hops)), True)
    assert found.opens is (hops == MOST_HOPS)
    assert found.turn is (Turn.HOPS_CUT if hops == MOST_HOPS else Turn.NONE)


@pytest.mark.parametrize("hops", [MOST_HOPS, MOST_KEEP_HOPS - 1, MOST_KEEP_HOPS])
def test_what_may_come_twice_goes_on_for_longer_and_ends(hops: int) -> None:
    found = route(A, merged(SIGNED), Parts.REST, tuple(f"x{i}" for i in range(hops)), False)
    assert (found.turn is Turn.DROPPED) is (hops == MOST_KEEP_HOPS)
    assert found.marker == merged(SIGNED)
