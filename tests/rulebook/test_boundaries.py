"""Rules at the edges of what is allowed: exactly there, one below, one above."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.errors import BadRule
from engine.rulebook.cases import load_cases, run
from engine.rulebook.directory import compile_texts, load
from engine.rulebook.faults import RuleFaults, Spot, shown, suggestion
from engine.rulebook.language.clauses import Forms, TooManyClauses
from engine.rulebook.language.condition import All, Condition, Named, Not, Some, Truth
from engine.rulebook.language.predicate import Predicate
from engine.rulebook.model import Offer, Rulebook

DAY = 86_400_000


def compiled(*, when: str = "cart.items > 0", indicator: str = "session.bursts > 0", **changes: str) -> Rulebook:
    """One indicator ``x`` and one offer, whose fields may be changed, left out (empty) or added."""
    fields = {
        "id": "one", "kind": "ask", "channels": "[web]", "when": when, "value": "1", "propensity": "0.5",
        "say": "hello", **changes,
    }  # fmt: skip
    lines = [f"    {key}: {value}" for key, value in fields.items() if value]
    text = f"indicators:\n  - name: x\n    when: {indicator}\noffers:\n  -\n" + "\n".join(lines)
    return compile_texts({"a.yaml": text})


def offer(**changes: str) -> Offer:
    return compiled(**changes).offers[0]


def refused(**changes: str) -> str:
    with pytest.raises(BadRule) as caught:
        compiled(**changes)
    return "\n".join(caught.value.faults)


def predicate(number: int) -> Predicate:
    return Predicate(0, 0, -1, float(number))


def clauses(condition: Condition, wanted: bool = True) -> list[set[tuple[Predicate, bool]]]:
    return [set(clause) for clause in Forms(condition, {}).clauses(wanted)]


def test_a_condition_branches_into_as_many_as_sixty_four_cases() -> None:
    parts = tuple(map(predicate, range(65)))
    assert clauses(Some(parts[:64])) == [{(part, True)} for part in parts[:64]]
    with pytest.raises(TooManyClauses):
        clauses(Some(parts))
    assert len(compiled(when=" or ".join(f"cart.items == {n}" for n in range(64))).program.required) == 1 + 64
    wide = " or ".join(f"cart.items == {n}" for n in range(65))
    assert "one: branches into more than 64 cases: split the rule" in refused(when=wide)


def test_and_so_does_what_negates_it() -> None:
    parts = tuple(map(predicate, range(65)))
    assert clauses(All(parts)) == [{(part, True) for part in parts}]
    assert clauses(All(parts[:64]), False) == [{(part, False)} for part in parts[:64]]
    with pytest.raises(TooManyClauses):
        clauses(All(parts), False)
    every = [f"cart.items != {n}" for n in range(65)]
    assert len(compiled(indicator=" and ".join(every[:64]), when="not x").program.required) == 1 + 64
    assert len(compiled(indicator=" and ".join(every), when="x").program.required) == 2
    fault = refused(indicator=" and ".join(every), when="not x")
    assert fault.endswith("one: branches into more than 64 cases: split the rule")


def test_cases_that_ask_for_more_than_another_does_are_left_out_of_512() -> None:
    least = predicate(0)
    wide = [All((least, predicate(number))) for number in range(1, 513)]
    assert clauses(Some((least, *wide[:511]))) == [{(least, True)}]
    with pytest.raises(TooManyClauses):
        clauses(Some((least, *wide)))


def test_who_asks_again_for_too_many_cases_is_refused_again() -> None:
    forms = Forms(Some(tuple(map(predicate, range(65)))), {})
    for _ in range(2):
        with pytest.raises(TooManyClauses):
            forms.clauses()
    assert len(forms.clauses(False)) == 1


def test_cases_by_hand() -> None:
    p, q, r = map(predicate, range(3))
    assert clauses(All((p, Some((q, r))))) == [{(p, True), (q, True)}, {(p, True), (r, True)}]
    assert clauses(Some((p, All((q, r)))), False) == [{(p, False), (q, False)}, {(p, False), (r, False)}]
    assert clauses(Not(All((p, Not(q))))) == [{(p, False)}, {(q, True)}]
    assert clauses(All((p, Not(p)))) == []
    assert clauses(All((p, Some((Not(p), q))))) == [{(p, True), (q, True)}]
    assert clauses(Some((p, p, All((p, q))))) == [{(p, True)}]
    assert clauses(Truth(True)) == clauses(Truth(False), False) == [set()]
    assert clauses(Truth(False)) == clauses(Truth(True), False) == []
    base = {"x": Forms(Some((p, q)), {})}
    assert Forms(Not(Named("x", 0)), base).clauses() == [((p, False), (q, False))]
    assert Forms(Named("x", 0), base).clauses() == [((p, True),), ((q, True),)]


@pytest.mark.parametrize(("length", "good"), [(4_000, True), (4_001, False)])
def test_a_condition_has_at_most_four_thousand_characters(length: int, good: bool) -> None:
    when = "cart.items >" + " " * (length - 13) + "0"
    assert len(when) == length
    if good:
        assert offer(when=f'"{when}"').when == "cart.items > 0"
    else:
        assert "longer than 4000 characters" in refused(when=f'"{when}"')


@pytest.mark.parametrize(("depth", "good"), [(36, True), (37, False)])
def test_a_condition_is_nested_at_most_forty_deep(depth: int, good: bool) -> None:
    """A comparison of a dotted name is four deep by itself."""
    when = "not " * depth + "cart.items > 1"
    if good:
        assert len(compiled(when=when).program.required) == 2
    else:
        assert "nested too deeply" in refused(when=when)


def test_a_condition_too_deep_for_pythons_own_parser_is_nested_too_deeply() -> None:
    assert "one: nested too deeply" in refused(when="'" + "-" * 3_900 + "1 < cart.items'")


@pytest.mark.parametrize("kind", ["3", "[ask]", "{ask: 1}", "''"])
def test_a_kind_that_is_no_text_is_one_fault(kind: str) -> None:
    (fault,) = refused(kind=kind).splitlines()
    assert fault.startswith("a.yaml:7:11: one: kind ")


def test_a_fault_at_the_first_letter_of_a_folded_text_stands_there() -> None:
    assert refused(when=">-\n      -1 / 0 < cart.items").startswith("a.yaml:10:7: one: divides by zero")


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("0.5", 0.5), ("1", 1.0), ("1e9", None), ("1.0e+9", 1e9)])
def test_a_number_may_be_nothing_or_more(text: str, value: float | None) -> None:
    for key in ("value", "boost"):
        if value is None:  # YAML 1.1 takes it for a text
            assert f"{key} must be a number" in refused(**{key: text})
        else:
            assert getattr(offer(**{key: text}), key) == value
        assert f"{key} must be a finite number, 0 or more" in refused(**{key: "-0.001"})


@pytest.mark.parametrize(("text", "good"), [("0", False), ("0.001", True), ("0.999", True), ("1", False)])
def test_a_propensity_lies_between_never_and_always(text: str, good: bool) -> None:
    if good:
        assert offer(propensity=text).propensity == float(text)
    else:
        assert "propensity must lie between 0 and 1" in refused(propensity=text)


def test_what_an_offer_does_not_say_of_itself() -> None:
    plain = offer()
    assert (plain.evidence, plain.boost, plain.cap, plain.expires_ms) == (20.0, 1.0, None, 600_000)
    assert offer(evidence="0.5").evidence == 0.5
    assert "evidence must be more than 0" in refused(evidence="0")


@pytest.mark.parametrize(
    ("times", "good"), [("0", False), ("1", True), ("10000", True), ("10001", False), ("1.5", False)]
)
def test_a_cap_is_one_to_ten_thousand_times(times: str, good: bool) -> None:
    cap = f"{{max: {times}, period: 1d}}"
    if good:
        found = offer(cap=cap).cap
        assert found is not None
        assert (found.max, found.period_ms) == (int(times), DAY)
    else:
        assert "cap.max must be a whole number, 1 to 10000" in refused(cap=cap)


def test_a_cap_has_both_of_its_parts() -> None:
    assert "period is missing" in refused(cap="{max: 1}")
    assert "max is missing" in refused(cap="{period: 1d}")


PERIODS = [
    ("1w", 7 * DAY), ("8m", 480_000),
    ("0s", None), ("1s", 1_000), ("90 s", 90_000), ("1min", 60_000), ("2h", 7_200_000), ("3660d", 3_660 * DAY),
    ("3661d", None), ("87840h", 3_660 * DAY), ("87841h", None), ("1y", None), ("s", None), ("0d", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "length"), PERIODS)
def test_a_period_lasts_a_second_to_ten_years(text: str, length: int | None) -> None:
    if length is None:
        assert "expires must be a period such as 7d" in refused(expires=text)
        assert "cap.period must be a period such as 7d" in refused(cap=f"{{max: 1, period: {text}}}")
    else:
        assert offer(expires=text).expires_ms == length


def test_a_text_is_as_long_as_two_thousand_characters() -> None:
    assert len(offer(say="x" * 2_000).say) == 2_000
    assert "say is longer than 2000 characters" in refused(say="x" * 2_001)


def test_a_name_has_at_most_sixty_four_characters() -> None:
    assert offer(id="a" * 64).id == "a" * 64
    for name in ("a" * 65, "1a", "-a", "A"):
        assert "a letter first" in refused(id=name)
    assert offer(id="a-1_b").id == "a-1_b"
    for name, good in (("a" * 64, True), ("a" * 65, False), ("a-b", False), ("a_1", True)):
        text = f"indicators: [{{name: {name}, when: cart.items > 1}}]"
        if good:
            assert compile_texts({"a": text}).indicators[0].name == name
        else:
            with pytest.raises(BadRule, match="a letter first"):
                compile_texts({"a": text})


def test_words_of_the_language_are_no_names() -> None:
    for name in ("minutes", "and", "lambda"):
        with pytest.raises(BadRule, match="is a word of the rule language"):
            compile_texts({"a": f"indicators: [{{name: {name}, when: cart.items > 1}}]"})


def test_a_file_has_at_most_a_quarter_of_a_million_characters() -> None:
    rule = "indicators: [{name: x, when: cart.items > 1}]\n"
    full = rule + "#" * ((1 << 18) - len(rule))
    assert [indicator.name for indicator in compile_texts({"a": full}).indicators] == ["x"]
    with pytest.raises(BadRule) as caught:
        compile_texts({"a": full + "#"})
    assert caught.value.faults == ["a:1:1: file: larger than 262144 characters: split it"]


def test_a_revision_is_twelve_letters_of_a_hash() -> None:
    assert re.fullmatch("[0-9a-f]{12}", compiled().revision)


def test_no_file_is_a_fault_of_the_directory(tmp_path: Path) -> None:
    with pytest.raises(BadRule) as caught:
        load(tmp_path)
    assert caught.value.faults == [f"{tmp_path}:1:1: directory: holds no rule files (*.yaml)"]


PLACES = [
    # where a character was written as an escape the beginning of the text is the best there is
    (r'"\u0063art.items > 1 and nothing"', 1),
    ('"cart.items > 1 and nothing"', 21),
    ("'cart.items > 1 and nothing'", 21),
    ("cart.items > 1 and nothing", 20),
]


@pytest.mark.parametrize(("when", "column"), PLACES)
def test_a_fault_stands_where_it_was_written(when: str, column: int) -> None:
    lead = "    when: "
    assert refused(when=when).startswith(f"a.yaml:9:{len(lead) + column}: one: no indicator 'nothing'")


def test_five_hundred_faults_are_shown_and_no_more() -> None:
    faults = RuleFaults()
    for line in range(1, 502):
        assert faults.full is (line > 500)
        faults.add(Spot("a", line, 1), "x", "is wrong")
    assert len(faults.lines()) == 500
    assert faults.lines()[-1] == "a:500:1: x: is wrong"


def test_a_long_word_is_shown_up_to_its_sixtieth_character() -> None:
    assert shown("x" * 60) == repr("x" * 60)
    assert shown("x" * 61) == repr("x" * 60 + "…")


def test_a_name_that_looks_like_none_is_not_guessed() -> None:
    known = ["cart.items", "cart.value"]
    assert suggestion("zzz", known) == ""
    assert suggestion("items", known) == "; did you mean cart.items?"
    assert suggestion("cart.item", known) == "; did you mean cart.items or cart.value?"


CASES = """\
cases:
  - {name: right, features: {cart.items: 1}, indicators: [], offers: [one], without: [x]}
  - {name: wrong, features: {session.bursts: 1, idle.seconds: 2.5}, indicators: [], offers: [one], without: [x]}
  - {name: none named, features: {}}
  - name: null lists
    features: {session.bursts: 1}
    indicators: [x]
    offers:
    without: ~
"""


def test_a_case_is_tried_on_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "a.cases.yaml").write_text(CASES)
    rulebook = compiled()
    verdicts = {verdict.name: verdict.misses for verdict in run(rulebook, load_cases(tmp_path, rulebook))}
    assert verdicts == {
        "right": [],
        "wrong": [
            "x holds: session.bursts is 1 (needs > 0)",
            "one does not hold: needs cart.items > 0, has 0",
        ],
        "none named": [],
        "null lists": [],
    }


FAULTY = """\
cases:
  - {name: a, features: {cart.items: -1}}
  - {name: b, features: [1], offers: [x], indicators: [one, x]}
  - {name: c, features: {cart.items: many, [1]: 2}, offers: one}
  - {features: {}}
  - {name: d}
  - 3
  - {name: LONG, features: {}}
"""


def test_every_fault_of_a_case_has_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.cases.yaml").write_text(FAULTY.replace("LONG", "x" * 201))
    (tmp_path / "b.cases.yaml").write_text("cases: {}")
    (tmp_path / "c.cases.yaml").write_text("")
    (tmp_path / "d.cases.yaml").write_text(f"cases: [{{name: {'x' * 200}, features: {{}}}}]")
    with pytest.raises(BadRule) as caught:
        load_cases(tmp_path, compiled())
    assert [fault.removeprefix(f"{tmp_path}/") for fault in caught.value.faults] == [
        "a.cases.yaml:2:38: a: cart.items must be a finite number, 0 or more",
        "a.cases.yaml:3:25: b: features must be a mapping of names to numbers",
        "a.cases.yaml:3:39: b: no rule 'x'",
        "a.cases.yaml:3:56: b: no rule 'one'",
        "a.cases.yaml:4:38: c: cart.items must be a number, such as 10 or 0.5",
        "a.cases.yaml:4:44: c: no feature '?'",
        "a.cases.yaml:4:61: c: names must be a list: write [one]",
        "a.cases.yaml:5:5: case: name is missing",
        "a.cases.yaml:6:5: d: features is missing",
        "a.cases.yaml:7:5: case: must be a mapping with name, features",
        "a.cases.yaml:8:12: case: name is longer than 200 characters",
        "b.cases.yaml:1:8: cases: cases must be a list",
    ]
