"""What people write in a condition by habit, and what they are asked to write instead."""

from __future__ import annotations

import pytest

from engine.errors import BadRule
from engine.rulebook.directory import compile_texts
from engine.rulebook.language import condition, slips

ALONE = ", the number alone"
MONEY = f"{ALONE}: money is in the shop's currency"
GROUPED = ", with nothing between the digits but a point"


def faults(text: str) -> list[str]:
    """``column: reason`` of each fault of a condition."""
    found: list[str] = []
    assert condition.parse(text, lambda offset, reason: found.append(f"{offset + 1}: {reason}")) is None
    return found


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("cart.items = 0", ["12: write == to compare instead of ="]),
        ("cart.items === 0", ["12: write == to compare instead of ==="]),
        ("cart.items <> 0", ["12: write != instead of <>"]),
        ("cart.items => 1", ["12: write >= instead of =>"]),
        ("cart.items > = 1", ["12: write >= instead of > ="]),
        ("cart.items ≥ 1 and cart.value ≠ 3", ["12: write >= instead of ≥", "31: write != instead of ≠"]),
        ("cart.items ≤ 1", ["12: write <= instead of ≤"]),
        ("cart.items > 0 && session.events > 2", ["16: write and instead of &&"]),
        ("cart.items>0||session.events>2", ["13: write or instead of ||"]),
        ("cart.items > 0 & session.events > 2", ["16: write and instead of &"]),
        ("cart.items >> 1", ["12: write > instead of >>"]),
        ("cart.items > 1 and", ["16: leave and away, or write another comparison after it"]),
        ("cart.items > 1 or or session.events > 2", ["16: write or once"]),
        ("cart.items in 1,2", ["12: write in (1, 2)"]),
        ("cart.items in 1, 2, 15", ["12: write in (1, 2, 15)"]),
        ("cart.value > 24.12.2026", ["14: dates cannot be compared, only now.weekday and now.hour"]),
        ("!watcher and cart.items > 0", ["1: write not instead of !"]),
        ("cart.items > –1", ["14: write - (of the keyboard) instead of –"]),
        ("cart.items > 0, session.events > 2", ["15: write and, or or, between two conditions"]),
        ("watcher AND Not other", ["9: write and in small letters", "13: write not in small letters"]),
        ("watcher Or other", ["9: write or in small letters"]),
        ("watcher und nicht other", ["9: write and instead of und", "13: write not instead of nicht"]),
        ("cart.items is 3", ["12: write == instead of is"]),
        ("cart.items is not 3", ["12: write != instead of is not"]),
        ("cart.items equals 3", ["12: write == instead of equals"]),
        ("cart.items is greater than 3", ["12: write > instead of is greater than"]),
        ("cart.items at least 3", ["12: write >= instead of at least"]),
        ("cart.items in [1..5]", ["1: write 1 <= cart.items <= 5"]),
        ("cart.items between 1 and 5", ["1: write 1 <= cart.items <= 5"]),
        ("watcher is true", ["1: write watcher alone"]),
        ("watcher == False", ["1: write not watcher alone"]),
        ("“watcher” and cart.items > 0", ["1: write watcher without quotes"]),
        ("„watcher“", ["1: write watcher without quotes"]),
        ('cart.items == "0"', ["15: write 0 without quotes"]),
        ("{cart.items} > 0", ["1: write cart.items without braces"]),
        ("if cart.items > 0", ["1: leave if away"]),
        ("Cart Items > 0", ["1: write cart.items"]),
        ("cart.value > 0,5", ["14: write 0.5, with a point"]),
        ("cart.value > 1,500", ["14: write 1500, or 1.500 with a point"]),
        ("cart.value > 1.234,50", [f"14: write 1234.50{GROUPED}"]),
        ("cart.value > 1 000", [f"14: write 1000{GROUPED}"]),
        ("cart.items > 08", ["14: write 8"]),
        ("cart.items > 010 and watcher", ["14: write 10"]),
        ("cart.value > 5k", ["14: write 5000 for 5k"]),
        ("cart.items > 5 pieces", [f"14: write 5{ALONE}"]),
        ("cart.value > 10 % and watcher", ["14: write 0.10 for 10 %"]),
        ("cart.value > 6,50 EUR", [f"14: write 6.50{MONEY}"]),
        ("cart.value > €6", [f"14: write 6{MONEY}"]),
        ("cart.value > 6 euros", [f"14: write 6{MONEY}"]),
        ("idle.seconds > 5 minutes", ["16: write minutes(5)"]),
        ("idle.seconds > 5mins", ["16: write minutes(5)"]),
        ("idle.seconds > 5 * minutes", ["16: write minutes(5)"]),
        ("idle.seconds > minutes 5", ["16: write minutes(5)"]),
        ("idle.seconds > 90 s", ["16: write minutes(1.5)"]),
        ("purchases.days_since > 2 weeks", ["24: write days(14)"]),
        ("session.seconds > 1 hour 30 minutes", ["19: write hours(1) + minutes(30)"]),
        ("session.seconds > 1h30", ["19: write hours(1) + minutes(30)"]),
        ("now.hour > 5 pm", ["12: write 17, the hour alone, and compare it with now.hour"]),
        ("now.weekday in (Sat, Sunday)", ["17: write 5 for Sat", "22: write 6 for Sunday"]),
        ("cart.items in (1;2)", ["17: write a comma between the numbers"]),
        ("cart.items in (1 - 5)", ["1: write 1 <= cart.items <= 5"]),
        ("cart.items &gt;= 3 &amp;&amp; watcher",
         ["12: write >= instead of &gt;=", "20: write and instead of &amp;&amp;"]),
        ("watcher is not true", ["1: write not watcher alone"]),
        ("$cart.items > 0;", ["1: leave $ away", "16: leave ; away"]),
        ("cart.items greater 3", ["12: write > instead of greater"]),
        ("now.hour >= 17:00", ["13: write 17, the hour alone, and compare it with now.hour"]),
        ("cart.items \u200b> = 0", ["12: write an ordinary blank here", "13: write >= instead of > ="]),
    ],
)  # fmt: skip
def test_a_slip_is_reported_with_what_to_write(written: str, expected: list[str]) -> None:
    assert faults(written) == expected
    right, _ = slips.repaired(written, slips.find(written))
    assert condition.parse(right, lambda *fault: pytest.fail(str(fault))) is not None


def test_other_faults_are_reported_beside_slips_at_their_places() -> None:
    assert faults("cart.items = 0 && session.burst > 2,5 and cart.item > 1") == [
        "12: write == to compare instead of =",
        "16: write and instead of &&",
        "35: write 2.5, with a point",
        "19: no feature 'session.burst'; did you mean session.bursts or session.number?",
        "43: no feature 'cart.item'; did you mean cart.items or cart.value?",
    ]


def test_commas_of_a_list_are_no_slip() -> None:
    assert faults("cart.items in (0,1) and cart.value = (2)") == ["36: write == to compare instead of ="]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cart.items == 1 or 2", "20: this value is no condition: write the comparison again, "
                                 "as in cart.items == 1 or cart.items == 2"),
        ("cart.items == 1, 2", "1: this is no condition: write and, or or, between conditions, "
                               "and several numbers as in (1, 2)"),
        ("cart.items in 5", "15: `in` needs numbers in parentheses on its right, as in (1, 2); "
                            "for one number write =="),
        ("cart.items == two", "15: write 2, in digits"),
        ("cart.value > 2026-12-24", "14: dates cannot be compared, only now.weekday and now.hour"),
        ("cart.value != null", "15: a missing value cannot be compared: every comparison with it is false anyway"),
        ("watcher == 1", "1: no feature or number 'watcher'; an indicator is written alone, without a comparison"),
    ],
)  # fmt: skip
def test_what_is_read_and_means_nothing_says_what_may_be_meant(text: str, expected: str) -> None:
    assert faults(text) == [expected]


def test_truth_is_written_with_a_capital_within_a_condition() -> None:
    with pytest.raises(BadRule, match="a:1:48: x: no indicator 'true': write True"):
        compile_texts({"a": "indicators: [{name: x, when: cart.items > 0 or true}]"})


@pytest.mark.parametrize("text", ["cart.items 0", "cart.items >", "cart.items > > 0", "cart.items contains 3"])
def test_what_cannot_be_read_is_answered_in_words_of_the_rule_language(text: str) -> None:
    (fault,) = faults(text)
    assert fault.endswith("cannot be read here; write comparisons such as cart.items > 0, joined by and, or, not")


def test_words_of_slips_are_names_of_indicators_like_others() -> None:
    names = ("und", "equals", "is_true", "k", "over")
    rules = "".join(f"  - {{name: {name}, when: cart.items > {i}}}\n" for i, name in enumerate(names))
    both = f"  - name: all\n    when: {' and '.join(names)} and session.searches in (0,1)\n"
    assert len(compile_texts({"a": f"indicators:\n{rules}{both}"}).indicators) == 6
