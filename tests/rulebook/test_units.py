"""Numbers with units mean what the calls say that they stand for, and faults beside them keep their columns."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rulebook.language import condition, units

SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def parsed(text: str) -> condition.Condition | None:
    return condition.parse(text, lambda *fault: pytest.fail(str(fault)))


def faults(text: str) -> list[str]:
    found: list[tuple[int, str]] = []
    assert condition.parse(text, lambda offset, reason: found.append((offset, reason))) is None
    return [f"{offset + 1}: {reason}" for offset, reason in found]


@pytest.mark.parametrize(
    ("written", "plainly"),
    [
        ("idle.seconds >= 8m", "idle.seconds >= 480"),
        ("idle.seconds>=8min", "idle.seconds >= 480"),
        ("90s < idle.seconds", "90 < idle.seconds"),
        ("contact.hours_since < 24h", "contact.hours_since < 24"),
        ("purchases.days_since >= 7d", "purchases.days_since >= 7"),
        ("purchases.days_since >= 2w", "purchases.days_since >= 14"),
        ("idle.seconds >= 1h + 30m", "idle.seconds >= 5400"),
        ("idle.seconds in (15m, 2 * 1h)", "idle.seconds in (900, 7200)"),
        ("trait.share > 20%", "trait.share > 0.2"),
        ("trait.share > 12.5%", "trait.share > 0.125"),
        ("trait.share > 0.1%", "trait.share > 0.001"),
        ("idle.seconds > seconds(90)", "idle.seconds > 90"),
    ],
)
def test_a_unit_is_the_call_that_it_stands_for(written: str, plainly: str) -> None:
    assert parsed(written) == parsed(plainly)


@given(st.integers(0, 10**6), st.sampled_from(sorted(SECONDS)), st.sampled_from(["idle", "session"]))
def test_whole_times_are_exact(count: int, unit: str, feature: str) -> None:
    assert parsed(f"{feature}.seconds >= {count}{unit}") == parsed(f"{feature}.seconds >= {count * SECONDS[unit]}")


@given(st.decimals(0, 1_000, places=3))
def test_a_percentage_is_the_nearest_number(share: Decimal) -> None:
    assert parsed(f"trait.share >= {share:f}%") == parsed(f"trait.share >= {share / 100:f}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("idle.seconds > 8m and cart.item > 1",
         ["23: no feature 'cart.item'; did you mean cart.items or cart.value?"]),
        ("8m < idle.seconds and 8m < cart.items", ["23: cart.items is not a time (a count)"]),
        ("idle.seconds > 8m and cart.items = 0", ["34: write == to compare instead of ="]),
        ("idle.seconds > 8x", ["16: write 8, the number alone"]),
        ("idle.seconds > 8m and 90s < cart.items", ["23: cart.items is not a time (a count)"]),
        ("idle.seconds > 1 hour and 30 minutes", ["16: write hours(1) + minutes(30)"]),
        ("idle.seconds > 8m.", ["16: write minutes(8)"]),
        ("idle.seconds > 1 + 8m", ["16: adds a time and a plain number"]),
        ("idle.seconds > 8m8", ["16: write minutes(8) + minutes(8)"]),
    ],
)  # fmt: skip
def test_faults_beside_units_keep_their_places(text: str, expected: list[str]) -> None:
    assert faults(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        'trait.size == "8m"',
        'contact.queue_now == "20%"',
        'trait.size == "5\\" 8m"',
        "trait.size == '8m \\' 9m'",
        'trait.size == "8m\n9m"',
        "trait.menü2d == 1",
        "trait.x8m == 1",
        "cart.items > 8.m",
    ],
)
def test_what_is_quoted_or_named_has_no_units(text: str) -> None:
    assert units.plain(text)[0] == text


@given(st.text(alphabet="8 0.mhd%s<>=andix()'\"", max_size=40))
def test_every_offset_lies_in_what_was_written(text: str) -> None:
    plain, origin = units.plain(text)
    places = [origin(offset) for offset in range(len(plain) + 1)]
    assert places == sorted(places)
    assert all(0 <= place <= len(text) for place in places)
    untouched = [(one, text[place]) for one, place in zip(plain, places, strict=False) if one.isspace()]
    assert all(place.isspace() or place.isdigit() for _, place in untouched)
