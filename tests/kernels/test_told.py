"""What a server says of a customer: indicators rise by it at once, whatever else happens, and never backwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.events import WIRE_VERSION, Event, Kind, More, Traits
from engine.kernels import row as layout
from engine.kernels.catalogue import INDEX
from engine.kernels.provenance import SIGNED
from engine.state.vector import vectors_of, vectors_of_activations
from engine.stream.evaluator import IndicatorEvaluator, named_traits
from engine.traits import TraitValue
from tests.kernels.builders import DAY, HOUR, MINUTE, SECOND, START, rulebook
from tests.kernels.values import decoded

encode = msgspec.msgpack.Encoder().encode

RULES = rulebook(
    gold="trait.plan == 'gold'",
    gold_and_busy="trait.plan == 'gold' and customer.events >= 2",
    modern="trait.app_version >= '2.10'",
    quiet_reader="member.news and idle.seconds >= 3600",
)
EVALUATOR = IndicatorEvaluator(RULES)
GOLD, BUSY, MODERN, QUIET = range(4)
SERVER = 2


def told(at: int, number: int, values: Mapping[str, TraitValue]) -> bytes:
    """What ``PUT /v1/customers/{id}`` writes."""
    more = More(kind=int(Kind.TRAITS_SET), traits=Traits(SERVER, "crm", dict(values)))
    return encode(Event(WIRE_VERSION, int(Kind.IDENTIFIED), at, f"told-{number}", trust=1, more=more))


def viewed(at: int, number: int) -> bytes:
    return encode(Event(WIRE_VERSION, int(Kind.PAGE_VIEWED), at, f"viewed-{number}"))


def applied(
    values: Sequence[bytes], cuts: Sequence[int] = (), evaluator: IndicatorEvaluator = EVALUATOR
) -> tuple[NDArray[np.void], list[NDArray[np.void]]]:
    """One customer's row after these records, in batches cut at `cuts`, and what became active."""
    rows, found = np.zeros(1, layout.ROW), []
    for start, stop in zip([0, *cuts], [*cuts, len(values)], strict=True):
        some = values[start:stop]
        if some:
            _, activations = evaluator.advance(
                rows, np.zeros(len(some), np.int32), decoded(some, 2 * START), b"".join(some)
            )
            found.append(activations)
    return rows, found


def risen(found: Sequence[NDArray[np.void]]) -> list[tuple[int, int]]:
    return [(int(one["indicator"]), int(one["at"])) for part in found for one in part]


def test_a_trait_alone_activates_at_the_moment_it_was_said() -> None:
    rows, found = applied([told(START, 1, {"plan": "gold", "app_version": "2.10"})])
    assert risen(found) == [(GOLD, START), (MODERN, START)]
    assert (rows["life_last_at"][0], rows["recent_total"][0], rows["session_events"][0]) == (0, 0, 0)
    assert found[0]["provenance"].tolist() == [SIGNED, SIGNED]
    rows, found = applied([viewed(START, 1), told(START + 3 * DAY, 1, {"plan": "gold"})])
    assert risen(found) == [(GOLD, START + 3 * DAY)]
    assert found[0]["features"][0][INDEX.idle_seconds] == 3 * DAY / SECOND
    assert rows["life_last_at"][0] == START


def test_a_trait_that_is_taken_back_ends_the_indicator_and_set_again_activates_it_again() -> None:
    words: list[TraitValue] = ["gold", "gold", "basic", "gold", None, "gold"]
    _, found = applied([told(START + i, i, {"plan": plan}) for i, plan in enumerate(words)])
    assert risen(found) == [(GOLD, START), (GOLD, START + 3), (GOLD, START + 5)]


def test_an_older_word_that_comes_late_ends_nothing_and_nothing_is_evaluated_backwards() -> None:
    late = [told(START + HOUR, 1, {"plan": "gold"}), told(START, 2, {"plan": "basic"}), viewed(START, 3),
            viewed(START + 1, 4)]  # fmt: skip
    rows, found = applied(late)
    assert risen(found) == [(GOLD, START + HOUR), (BUSY, START + HOUR)]
    assert rows["life_last_at"][0] + rows["silence_ms"][0] == START + HOUR


def test_silence_is_evaluated_up_to_the_word_and_goes_on_behind_it() -> None:
    _, found = applied([viewed(START, 1), told(START + 30 * MINUTE, 2, {"member:news": True})])
    assert risen(found) == []
    rows, _ = applied([viewed(START, 1), told(START + 30 * MINUTE, 2, {"member:news": True})])
    slots, scheduled = np.zeros(1, np.int32), np.zeros(1, np.int64)
    EVALUATOR.timers(rows, slots, scheduled)
    assert scheduled[0] == START + HOUR
    assert risen([EVALUATOR.fire(rows, slots, START + HOUR)]) == [(QUIET, START + HOUR)]
    _, found = applied([viewed(START, 1), told(START + 2 * HOUR, 2, {"member:news": True})])
    assert risen(found) == [(QUIET, START + 2 * HOUR)]


@st.composite
def records(draw: st.DrawFn) -> list[bytes]:
    found, at = [], START
    for number in range(draw(st.integers(1, 12))):
        at += draw(st.sampled_from([-MINUTE, 0, 1, MINUTE, 2 * HOUR, DAY]))
        plan, version = draw(st.sampled_from(["gold", "basic", None])), draw(st.sampled_from(["2.9", "2.10", "x"]))
        said = told(at, number, {"plan": plan, "app_version": version, "member:news": draw(st.booleans())})
        found.append(draw(st.sampled_from([viewed(at, number), said])))
    return found


@settings(deadline=None)
@given(records(), st.data())
def test_batches_change_nothing(values: list[bytes], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(values)))))
    rows, found = applied(values)
    again, others = applied(values, cuts)
    assert again.tobytes() == rows.tobytes()
    assert risen(others) == risen(found)


@settings(deadline=None)
@given(records())
def test_an_activation_carries_the_traits_of_its_moment(values: list[bytes]) -> None:
    """They are those of the row right after its event, whatever else is in the batch."""
    _, (activations,) = applied(values)
    for one in activations[activations["event"] >= 0]:
        rows, _ = applied(values[: one["event"] + 1])
        expected = vectors_of(rows, one["at"].reshape(1), RULES.columns)
        got = vectors_of_activations(one.reshape(1), [0], RULES.columns)
        np.testing.assert_array_equal(got, expected)


@settings(deadline=None)
@given(st.permutations([("plan", "gold"), ("plan", "basic"), ("plan", None), ("member:news", True)]), st.data())
def test_two_rows_of_words_alone_join_to_what_one_would_be(
    words: list[tuple[str, TraitValue]], data: st.DataObject
) -> None:
    """But for the indicators, which are evaluated anew then, not before either row was."""
    values = [told(START + i, i, {name: value}) for i, (name, value) in enumerate(words)]
    cut = data.draw(st.integers(0, len(values)))
    whole, _ = applied(values)
    (one, _), (other, _) = applied(values[:cut]), applied(values[cut:])
    layout.join(one[0], other[0])
    for name in ("trait_name", "trait_mark", "trait_value", "life_last_at", "silence_ms"):
        assert one[name].tobytes() == whole[name].tobytes()


def test_the_stream_reads_the_traits_that_indicators_name_and_no_others() -> None:
    traits = named_traits(RULES.program.head(1), RULES.columns)
    place = [trait.name for trait in RULES.traits].index("plan")
    assert traits.names.tolist() == RULES.columns.names[: place + 1].tolist()
    assert len(named_traits(RULES.program, RULES.columns).names) == len(RULES.traits) == 3
    nothing = rulebook(never="customer.events < 0")
    assert named_traits(nothing.program, nothing.columns).width == nothing.columns.width == len(INDEX)
