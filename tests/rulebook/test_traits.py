"""Traits in rules: against a plain oracle of values, with the places of faults, in words, and in cases."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from engine.cli.rules import app
from engine.errors import BadRule
from engine.kernels.catalogue import FEATURES
from engine.kernels.groups.trait import ANY, NUMBER, VERSION
from engine.rulebook.cases import vector
from engine.rulebook.directory import check, compile_texts
from engine.rulebook.explain import explain
from engine.rulebook.language.traits import TraitColumn
from engine.rulebook.model import Rulebook
from engine.rulebook.standing import holding
from engine.rulebook.wire import from_bytes, to_bytes
from engine.steps import finish
from engine.traits import TraitValue

OPS: dict[str, Any] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
PARTS = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,5}){1,3}")
WIDTHS = (4_096, 4_096, 65_536, 8_192)


def version(value: TraitValue) -> tuple[int, ...] | None:
    """The four numbers of a version."""
    if not isinstance(value, str) or not PARTS.fullmatch(value):
        return None
    parts = [*map(int, value.split(".")), 0, 0][:4]
    return tuple(parts) if all(part < width for part, width in zip(parts, WIDTHS, strict=True)) else None


def compared(known: TraitValue, op: str, asked: TraitValue) -> bool:
    """What is not known is nothing; values of two types differ, and have no order."""
    if known is None:
        return False
    one, other = version(known), version(asked)
    if one and other:
        return bool(OPS[op](one, other))
    if not one and not other and isinstance(known, str) == isinstance(asked, str):
        return bool(OPS[op](known, asked))
    return op == "!="


def rulebook(*conditions: str, offers: tuple[str, ...] = ()) -> Rulebook:
    lines = ["indicators:"]
    lines += [f"  - {{name: r{i}, when: {json.dumps(when)}}}" for i, when in enumerate(conditions)]
    lines += ["offers:"] if offers else []
    for i, when in enumerate(offers):
        lines += [f"  - {{id: o{i}, kind: sell, channels: [web], when: {json.dumps(when)}, value: 1,"]
        lines += ["     propensity: 0.1, say: Hello}"]
    return compile_texts({"a.yaml": "\n".join(lines)})


def which(rules: Rulebook, traits: Mapping[str, TraitValue]) -> list[bool]:
    found: list[bool] = holding(rules, vector({}, traits, rules.columns)).tolist()
    return found


NUMBERS = st.sampled_from([0, -0.0, 1, 2, 2.1, -3, 1e12]) | st.integers(-(10**9), 10**9)
VERSIONS = st.sampled_from(
    ["2.9", "2.10", "2.10.0", "02.10", "2.1", "10.0.19045.3803", "0.0", "4095.4095.65535.8191"]
)
WORDS = st.sampled_from(
    ["gold", "Gold", "", "2", "1.2.3.4.5", "4096.0", "v2.10", "#1", "a  b", "2024-05-01", "mañana"]
)
KNOWN = st.none() | st.booleans() | NUMBERS | VERSIONS | WORDS | st.text("ab 1.", max_size=8)


@settings(deadline=None)
@given(KNOWN, st.sampled_from(sorted(OPS)), NUMBERS | VERSIONS)
def test_numbers_and_versions_have_an_order(known: TraitValue, op: str, asked: TraitValue) -> None:
    rules = rulebook(f"trait.x {op} {asked!r}", f"not trait.x {op} {asked!r}", f"{asked!r} {op} trait.x")
    truth = compared(known, op, asked)
    assert which(rules, {"x": known})[:2] == [truth, not truth]
    flipped = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(op, op)
    assert which(rules, {"x": known})[2] == compared(known, flipped, asked)


@settings(deadline=None)
@given(
    KNOWN, st.booleans() | NUMBERS | VERSIONS | WORDS, st.lists(WORDS | VERSIONS | NUMBERS, min_size=1, max_size=3)
)
def test_any_value_is_equal_to_itself_alone(known: TraitValue, asked: TraitValue, some: list[TraitValue]) -> None:
    among = f"({', '.join(map(repr, some))},)"
    rules = rulebook(
        f"trait.x == {asked!r}", f"trait.x != {asked!r}", f"trait.x in {among}", f"trait.x not in {among}"
    )
    inside = any(compared(known, "==", one) for one in some)
    assert which(rules, {"x": known, "y": asked}) == [
        compared(known, "==", asked), compared(known, "!=", asked), inside, not inside,
    ]  # fmt: skip


def test_a_trait_that_nobody_set_or_that_was_taken_back_is_missing() -> None:
    rules = rulebook('trait.x == ""', 'trait.x != ""', "trait.x < 1", "trait.x >= 1", 'not trait.x != ""')
    assert which(rules, {}) == which(rules, {"x": None}) == [False, False, False, False, True]
    assert which(rules, {"x": 0}) == [False, True, True, False, False]


def test_names_are_as_they_were_sent() -> None:
    rules = rulebook(
        'trait.plan == "gold"', 'trait["plan"] == "gold"', 'trait["first name"] == "Ann"', "trait.co.size > 9",
        "member.vip", 'member["Big spenders"]', 'trait["member:vip"] == True', "not member.vip", "member.vip == 1",
    )  # fmt: skip
    known: dict[str, TraitValue] = {"plan": "gold", "first name": "Ann", "co.size": 10, "member:vip": True}
    assert which(rules, known) == [True, True, True, True, True, False, True, False, True]
    assert which(rules, {"Plan": "gold", "member:vip": False}) == [False] * 7 + [True, False]


def test_a_trait_may_be_compared_with_a_feature() -> None:
    rules = rulebook("cart.value > trait.budget", "trait.budget <= cart.items", "trait.budget != cart.items")
    for budget, expected in ((1, [True, True, True]), (5, [False, False, True]), ("much", [False, False, True])):
        values = vector({"cart.value": 3, "cart.items": 2}, {"budget": budget}, rules.columns)
        assert holding(rules, values).tolist() == expected
    assert which(rules, {}) == [False, False, False]


def test_the_indicators_traits_come_first_and_the_order_of_files_is_nothing() -> None:
    rules = rulebook('trait.z == "a"', "trait.y > 1", offers=("trait.b > 2", 'trait.z == "c"', 'trait.a >= "1.2"'))
    assert rules.traits == (
        TraitColumn("y", NUMBER), TraitColumn("z", ANY), TraitColumn("a", VERSION), TraitColumn("b", NUMBER),
    )  # fmt: skip
    assert sorted(rules.program.feature.tolist()) == [FEATURES, *[FEATURES + 1] * 2, FEATURES + 2, FEATURES + 3]
    texts = {f"{name}.yaml": f"indicators: [{{name: {name}, when: trait.{name} > 1}}]" for name in "abc"}
    one, other = compile_texts(texts), compile_texts(dict(reversed(texts.items())))
    assert (one.revision, one.traits) == (other.revision, other.traits)


def test_what_a_child_compiles_is_what_its_parent_reads() -> None:
    rules = rulebook('trait.plan == "gold"', 'trait.v >= "2.10"', "member.vip", "cart.items > 0")
    read = finish(from_bytes(to_bytes(rules)))
    assert (read.traits, read.words, read.revision) == (rules.traits, rules.words, rules.revision)
    assert [one.tolist() for one in read.columns] == [one.tolist() for one in rules.columns]
    assert which(read, {"plan": "gold", "v": "2.11"}) == [True, True, False, False]


def test_blanks_within_a_text_are_part_of_it() -> None:
    one, other = rulebook('trait.x == "a b"'), rulebook('trait.x == "a  b"')
    assert one.revision != other.revision
    assert [which(rules, {"x": "a  b"}) for rules in (one, other)] == [[False], [True]]
    assert which(rulebook('trait.x == "a\u00a0b"'), {"x": "a\u00a0b"}) == [True]
    assert which(rulebook("trait.x == 'it is #1, 2024-05-01'"), {"x": "it is #1, 2024-05-01"}) == [True]


VERSIONLESS = "is no version, and texts have no order"


@pytest.mark.parametrize(
    ("when", "column", "reason"),
    [
        ("trait.plan", 1, 'trait.plan is a value: compare it, as in trait.plan == "gold" or trait.plan == True'),
        ("cart.items > 0 and trait.plan == gold", 34,
         'write "gold", in quotes: a trait is compared with a text, a number, True or False'),
        ("trait.vip == true", 14, "write True"),
        ("trait.vip != no", 14, "write False"),
        ("trait.vip > True", 13, "True is not more or less than something: use == or !="),
        ("trait.plan == None", 15,
         'every comparison with a missing value is false: write trait.plan != "" for one that is known, '
         "whatever it is"),
        ("trait.plan != null", 15,
         'every comparison with a missing value is false: write trait.plan != "" for one that is known, '
         "whatever it is"),
        ('trait.v >= "gold"', 12, f"'gold' {VERSIONLESS}: use == or !="),
        ('trait.v >= "2"', 12, f"'2' {VERSIONLESS}: write 2 for a number, \"2.0\" for a version"),
        ('trait.v >= "v2.10-rc1"', 12,
         f"'v2.10-rc1' {VERSIONLESS}: write \"2.10\", two to four whole numbers with points"),
        ("trait.age > days(3)", 13, "trait.age is not a time: compare it with a plain number"),
        ("trait.age > 1e300", 13, "is larger than any number that a trait may have"),
        ("trait.a == trait.b", 12, "compares two traits: compare each with a value"),
        (f'trait.a == "{"x" * 257}"', 12, "no trait has this text: longer than 256 bytes"),
        ("trait[plan] == 1", 1, 'write the name in quotes, as in trait["first name"]'),
        ('trait[" a"] == 1', 1, "no trait can be called ' a': up to 64 bytes, no blanks around it"),
        ("traits.plan == 1", 1, "no feature 'traits.plan'; did you mean trait.plan?"),
        ("members.vip", 1, "no feature 'members.vip'; did you mean member.vip?"),
        ("trait.plan is 1", 12, "write == instead of is"),
        ("trait.v in (1, cart.items)", 16,
         'write "cart.items", in quotes: a trait is compared with a text, a number, True or False'),
        ('cart.items == "3" and trait.a == 1', 15, "this value is no number"),
        ('trait.plan = "gold"', 12, "write == to compare instead of ="),
        ('trait.plan == “gold”', 15, 'write "gold", with straight quotes'),
        ("trait.v >= 2.10.3", 12, 'write "2.10.3", in quotes, for a version'),
        ("idle.seconds > trait.patience", None, "idle.seconds grows with inactivity: compare it with a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_at_its_place(when: str, column: int | None, reason: str) -> None:
    text = f"indicators:\n  - name: x\n    when: >-\n      {when}\n"
    with pytest.raises(BadRule) as found:
        compile_texts({"a.yaml": text})
    place = "a.yaml:2:11" if column is None else f"a.yaml:4:{column + 6}"
    assert found.value.faults == [f"{place}: x: {reason}"]


def test_a_text_shows_no_trait() -> None:
    with pytest.raises(BadRule) as found:
        compile_texts({"a.yaml": "offers: [{id: o, kind: sell, channels: [web], when: true, value: 1, "
                                 'propensity: 0.1, say: "Hi {trait.name}"}]'})  # fmt: skip
    assert found.value.faults[0].endswith(
        "say: 'trait.name' cannot be shown: what rules read of a trait is no text"
    )


@pytest.mark.parametrize(
    ("when", "traits", "expected"),
    [
        ('trait.plan == "gold"', {"plan": "gold"}, 'trait.plan is "gold" (needs == "gold")'),
        ('trait.plan == "gold"', {"plan": "basic"}, 'needs trait.plan == "gold", has another text'),
        ('trait.plan == "gold" or trait.plan == "silver" and cart.items > 0', {"plan": "silver"},
         'needs trait.plan == "gold", has "silver"'),
        ('trait.plan == "gold"', {}, 'needs trait.plan == "gold", has none'),
        ('trait.plan == "gold"', {"plan": 3}, 'needs trait.plan == "gold", has 3'),
        ('trait.plan == "gold"', {"plan": "1.20"}, 'needs trait.plan == "gold", has "1.20"'),
        ('trait.v >= "2.10"', {"v": "2.9"}, 'needs trait.v >= "2.10", has "2.9"'),
        ('trait.v >= "2.10"', {"v": "2.10.1"}, 'trait.v is "2.10.1" (needs >= "2.10")'),
        ('trait.v == "0.0"', {"v": "0.0"}, 'trait.v is "0.0" (needs == "0.0")'),
        ("trait.age > 30", {"age": 30.5}, "trait.age is 30.5 (needs > 30)"),
        ("member.vip", {"member:vip": True}, "member.vip is true (needs == true)"),
        ("member.vip", {"member:vip": False}, "needs member.vip == true, has false"),
        ("member.vip", {}, "needs member.vip == true, has none"),
        ('not trait["a b"] == ""', {"a b": 1}, 'trait["a b"] is 1 (needs not == "")'),
        ("cart.items >= trait.least", {"least": 0}, "cart.items is 0 (needs >= trait.least (0))"),
        ("cart.items >= trait.least", {"least": "x"}, "needs cart.items >= trait.least (none), has 0"),
    ],
)  # fmt: skip
def test_reasons_are_words(when: str, traits: dict[str, TraitValue], expected: str) -> None:
    rules = rulebook(when)
    assert explain(rules, 0, vector({}, traits, rules.columns)) == [expected]


def test_a_vector_without_the_traits_is_refused_before_compiled_code_reads_beyond_it() -> None:
    with pytest.raises(ValueError, match="values are needed"):
        holding(rulebook("trait.age > 30"), vector({}))


RULES = """\
indicators:
  - name: gold
    when: trait.plan == "gold" and trait.app_version >= "2.10"
  - {name: reader, when: member.news}
"""


def tried(folder: Path, cases: str) -> tuple[int, str]:
    (folder / "a.yaml").write_text(RULES)
    (folder / "a.cases.yaml").write_text(f"cases:\n{cases}")
    result = CliRunner().invoke(app, ["test", str(folder)])
    return result.exit_code, result.output.replace(f"{folder}/", "")


def test_cases_have_traits_as_they_are_sent(tmp_path: Path) -> None:
    good = """\
  - {name: new, traits: {plan: gold, app_version: "2.11"}, indicators: [gold]}
  - {name: old, features: {cart.items: 1}, traits: {plan: gold, app_version: "2.9", "member:news": yes},
     indicators: [reader]}
"""
    assert tried(tmp_path, good) == (0, "2 of 2 cases pass\n")
    assert tried(tmp_path, '  - {name: c, traits: {plan: basic, app_version: "3.0"}, indicators: [gold]}\n') == (
        1,
        'a.cases.yaml:2:5: c: gold (a.yaml:2:11) does not hold: needs trait.plan == "gold", has another text\n'
        "0 of 1 cases pass\n",
    )


@pytest.mark.parametrize(
    ("case", "fault"),
    [
        ("traits: {pln: gold}", "a.cases.yaml:2:24: c: no rule names the trait 'pln'; did you mean plan?"),
        ("traits: {zzz: 1}",
         "a.cases.yaml:2:24: c: no rule names the trait 'zzz'; they name app_version, member:news, plan"),
        ("traits: {app_version: 2.10}",
         'a.cases.yaml:2:37: c: app_version is compared with a version: write "2.10", in quotes'),
        ("traits: {plan: [gold]}",
         "a.cases.yaml:2:30: c: plan cannot be so: a text, a number, true, false or null is needed"),
        ("traits: [plan]", "a.cases.yaml:2:23: c: traits must be a mapping of names to values"),
        ("features: {trait.plan: 1}",
         "a.cases.yaml:2:26: c: no feature 'trait.plan': write it below traits, as plan"),
        ("features: {member.news: 1}",
         "a.cases.yaml:2:26: c: no feature 'member.news': write it below traits, as member:news"),
        ("indicators: []", "a.cases.yaml:2:5: c: features is missing"),
    ],
)  # fmt: skip
def test_a_case_that_cannot_be_is_said_at_its_place(tmp_path: Path, case: str, fault: str) -> None:
    code, output = tried(tmp_path, f"  - {{name: c, {case}}}\n")
    assert (code, output.splitlines()) == (1, [fault])


def test_the_commands_name_the_traits(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(RULES)
    printed = json.loads(CliRunner().invoke(app, ["check", str(tmp_path), "--json"]).stdout)
    assert printed["traits"] == ["member.news", "trait.app_version", "trait.plan"]
    assert "Traits: member.news" in CliRunner().invoke(app, ["show", str(tmp_path)]).stdout
    assert 'trait["any name"]' in CliRunner().invoke(app, ["features"]).stdout


def test_a_trait_that_one_rule_names_and_others_nearly_is_probably_a_slip(tmp_path: Path) -> None:
    names = ("app_version", "app_version", "appVersion", "line1", "line1", "line2")
    lines = [f'  - {{name: r{i}, when: trait.{name} == "1.0"}}' for i, name in enumerate(names)]
    (tmp_path / "a.yaml").write_text("\n".join(["indicators:", *lines]))
    assert check(tmp_path).warnings == [
        f"{tmp_path}/a.yaml:4:12: r2: warning: no other rule names the trait trait.appVersion; "
        "did you mean trait.app_version?"
    ]


def test_a_version_without_quotes_is_probably_a_slip(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("indicators:\n  - {name: x, when: trait.v >= 2.10 and trait.w > 1.5}\n")
    (warning,) = check(tmp_path).warnings
    assert warning == (
        f'{tmp_path}/a.yaml:2:32: x: warning: 2.10 is 2.1: write "2.10", in quotes, if it is a version'
    )


def test_an_indicator_on_a_trait_may_rise_in_any_silence(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        'indicators: [{name: gold, when: trait.plan == "gold"}]\n'
        "offers: [{id: o, kind: sell, channels: [web], when: gold and idle.seconds > 300, value: 1, "
        "propensity: 0.1, say: Hello}]\n"
    )
    assert check(tmp_path).warnings == []
