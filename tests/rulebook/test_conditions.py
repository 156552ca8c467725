"""Conditions as compiled, against a small interpreter of the same Python expression."""

from __future__ import annotations

import ast
import math
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadRule
from engine.kernels.catalogue import FEATURES, FIRST_WINDOW
from engine.rulebook.directory import compile_texts
from engine.rulebook.model import Rulebook
from engine.rulebook.standing import holding
from engine.state.catalogue import BY_NAME

SECONDS = {"time": 1, "s": 1, "h": 3_600, "d": 86_400}
HELPERS = {"minutes": 60, "hours": 3_600, "days": 86_400}
OPS: dict[type, Any] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
SUMS: dict[type, Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip

#: Half a day in days, and so on, are binary fractions, so the interpreter may compare in seconds.
COUNTS = ("session.bursts", "session.items", "cart.items", "purchases.count")
TIMES = {"idle.seconds": ("minutes(1)", "2 * minutes(0.5)", "61", "-minutes(1) + minutes(2)"),
         "contact.hours_since": ("hours(1)", "days(1) / 24", "minutes(90)", "0.5"),
         "purchases.days_since": ("days(1)", "hours(12)", "1 + 2 * 3", "hours(12) / hours(1)")}  # fmt: skip


def interpret(expression: str, features: dict[str, float], named: dict[str, str]) -> bool:
    def name(node: ast.expr) -> str:
        return node.id if isinstance(node, ast.Name) else f"{name(node.value)}.{node.attr}"  # type: ignore[attr-defined]

    def number(node: ast.expr) -> tuple[float, str]:
        """A value and what it is: a plain number, a time in seconds, or a feature in its unit."""
        if isinstance(node, ast.Constant):
            return node.value, "plain"  # type: ignore[return-value]
        if isinstance(node, ast.Call):
            return number(node.args[0])[0] * HELPERS[name(node.func)], "time"
        if isinstance(node, ast.UnaryOp):
            value, kind = number(node.operand)
            return -value, kind
        if isinstance(node, ast.BinOp):
            (left, one), (right, other) = number(node.left), number(node.right)
            ratio = isinstance(node.op, ast.Div) and one == other
            return SUMS[type(node.op)](left, right), "plain" if ratio else max(one, other)
        return features[name(node)], BY_NAME[name(node)].unit or "count"

    def compare(op: ast.cmpop, left: ast.expr, right: ast.expr) -> bool:
        if isinstance(op, (ast.In, ast.NotIn)):
            found = any(compare(ast.Eq(), left, element) for element in right.elts)  # type: ignore[attr-defined]
            return found is isinstance(op, ast.In)
        (a, one), (b, other) = number(left), number(right)
        if other == "time":
            a *= SECONDS[one]
        if one == "time":
            b *= SECONDS[other]
        return not math.isnan(a) and not math.isnan(b) and OPS[type(op)](a, b)

    def truth(node: ast.expr) -> bool:
        if isinstance(node, ast.BoolOp):
            return (all if isinstance(node.op, ast.And) else any)(map(truth, node.values))
        if isinstance(node, ast.UnaryOp):
            return not truth(node.operand)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            return all(compare(op, sides[i], sides[i + 1]) for i, op in enumerate(node.ops))
        if isinstance(node, ast.Constant):
            return bool(node.value)
        return interpret(named[name(node)], features, named)

    return truth(ast.parse(expression, mode="eval").body)


comparison = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
counts = st.sampled_from(COUNTS)
small = st.sampled_from(["0", "1", "2", "3", "-1", "2.5", "(1 + 1)"])


@st.composite
def times(draw: st.DrawFn) -> str:
    feature = draw(st.sampled_from(sorted(TIMES)))
    sides = [feature, draw(st.sampled_from(TIMES[feature]))]
    if draw(st.booleans()):
        sides.reverse()
    return f"{sides[0]} {draw(comparison)} {sides[1]}"


atoms = st.one_of(
    st.builds(lambda a, op, n: f"{a} {op} {n}", counts, comparison, small),
    st.builds(lambda n, op, a, o2, m: f"{n} {op} {a} {o2} {m}", small, comparison, counts, comparison, small),
    st.builds(lambda pair, op: f"{pair[0]} {op} {pair[1]}", st.permutations(COUNTS), comparison),
    st.builds(lambda a, no, some: f"{a} {no}in ({', '.join(some)},)", counts, st.sampled_from(["", "not "]),
              st.lists(small, min_size=1, max_size=3)),
    times(),
    st.sampled_from(["True", "False", "1 < 2", "hours(1) == minutes(60)"]),
)  # fmt: skip


def conditions(names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    leaves = st.one_of(atoms, st.sampled_from(names)) if names else atoms
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(lambda part: f"not ({part})", inner),
            st.builds(lambda parts, word: f"({f' {word} '.join(parts)})", st.lists(inner, min_size=2, max_size=3),
                      st.sampled_from(["and", "or"])),
        ),
        max_leaves=8,
    )  # fmt: skip


values = st.sampled_from([math.nan, math.inf, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0, 12.0, 60.0, 61.0])
vectors = st.fixed_dictionaries(dict.fromkeys((*COUNTS, *TIMES), values))


def compiled(base: str, second: str, when: str) -> Rulebook:
    offer = "kind: ask\n    channels: [web]\n    value: 1\n    propensity: 0.5\n    say: hello"
    return compile_texts(
        {
            "a.yaml": f"indicators:\n  - name: base\n    when: {base}\n  - name: second\n    when: {second}\n",
            "b.yaml": f"offers:\n  - id: one\n    when: {when}\n    {offer}\n",
        }
    )


@settings(deadline=None, max_examples=300)
@given(
    conditions(), conditions(("base",)), conditions(("base", "second")), st.lists(vectors, min_size=1, max_size=6)
)
def test_a_condition_means_what_python_means(
    base: str, second: str, when: str, table: list[dict[str, float]]
) -> None:
    rules = {"base": base, "second": second, "one": when}
    try:
        rulebook = compiled(base, second, when)
    except BadRule as bad:
        only_contradictions(bad, rules, table)
        return
    for row in table:
        vector = np.zeros(FEATURES)
        for name, value in row.items():
            vector[BY_NAME[name].index] = value
        assert holding(rulebook, vector).tolist() == [interpret(text, row, rules) for text in rules.values()]


def only_contradictions(bad: BadRule, rules: dict[str, str], table: list[dict[str, float]]) -> None:
    assert all("it can never hold" in fault or "branches into" in fault for fault in bad.faults)
    for name, text in rules.items():
        if f" {name}: contradicts" in str(bad):
            assert not any(interpret(text, row, rules) for row in table)


@pytest.mark.filterwarnings("error")
def test_a_condition_that_python_grumbles_at_compiles_in_silence() -> None:
    compiled("cart.items > 1", "cart.items > 2", "cart.items > 3and cart.value > 1")


def test_predicates_are_shared_and_numbered_by_first_use() -> None:
    rulebook = compiled("cart.items > 0", "0 < cart.items and cart.items != 3", "base and second")
    program = rulebook.program
    assert program.feature.size == 2
    assert program.op.tolist() == [2, 5]
    assert program.head(1).feature.size == 1
    assert rulebook.mentions == (frozenset({0, 1}),)


def test_a_negated_comparison_is_forbidden_not_turned_around() -> None:
    rulebook = compiled("not (idle.seconds > 3)", "idle.seconds <= 3", "False")
    assert holding(rulebook, np.full(FEATURES, np.nan)).tolist() == [True, False, False]


def test_silences_are_the_moments_at_which_growing_features_change_an_indicator() -> None:
    rulebook = compiled(
        "cart.items > 0 and idle.seconds >= minutes(15) and contact.hours_since > minutes(20)",
        "not base and purchases.days_since == 2 and events.count_1h > 5",
        "idle.seconds > 77",  # offers set no timers
    )
    moments = rulebook.moments
    found = [
        (int(feature), round(threshold * grows))
        for feature, threshold, grows in zip(moments.feature, moments.threshold, moments.grows_ms, strict=True)
    ]
    idle, since, days = (BY_NAME[n].index for n in ("idle.seconds", "contact.hours_since", "purchases.days_since"))
    assert sorted(found) == sorted([(idle, 900_000), (since, 1_200_001), (days, 172_800_000), (days, 172_800_001)])


@pytest.mark.parametrize(
    ("when", "looked_at"),
    [
        ("session.events == 0 and cart.items > 0", True),
        ("not (session.items > 2)", True),
        ("session.events > 2 and session.searches < 2", True),
        ("idle.seconds > 2", False),
        ("session.number < 2", False),
    ],
)
def test_the_end_of_a_session_is_a_moment_where_rules_ask_for_one(when: str, looked_at: bool) -> None:
    moments = compiled(when, "False", "True").moments
    assert (1_800_001 in [round(threshold * 1_000) for threshold in moments.threshold]) is looked_at


@pytest.mark.parametrize(
    ("when", "bounds"),
    [
        ("events.count_1h >= 3", [3]),
        ("events.count_1h < 3", [3]),
        ("events.count_1h > 3", [math.nextafter(3, 4)]),
        ("events.count_1h <= 3", [math.nextafter(3, 4)]),
        ("events.count_1h == 3", [3, math.nextafter(3, 4)]),
        ("events.count_1h != 3", [3, math.nextafter(3, 4)]),
        ("events.count_1h >= 0", []),
        ("events.count_1h > cart.items", [math.inf]),
    ],
)
def test_windows_are_waited_for_until_they_fall_across_a_threshold(when: str, bounds: list[float]) -> None:
    moments = compiled(when, "False", "True").moments
    place = BY_NAME["events.count_1h"].index - FIRST_WINDOW
    assert list(zip(moments.window.tolist(), moments.bound.tolist(), strict=True)) == [(place, b) for b in bounds]


@pytest.mark.parametrize(
    ("when", "hours"),
    [
        ("now.hour >= 9", {0, 9}),
        ("now.hour > 9", {0, 10}),
        ("now.hour == 23", {0, 23}),
        ("9 <= now.hour < 17", {0, 9, 17}),
        ("now.hour >= 9.5", {0, 10}),
        ("now.hour < 24 and now.hour >= 0", {0}),
        ("now.weekday in (5, 6)", {0}),
        ("now.hour == now.weekday", set(range(24))),
        ("cart.items > 0", set()),
    ],
)
def test_clocks_are_waited_for_where_an_hour_changes_a_condition(when: str, hours: set[int]) -> None:
    (bits,) = compiled(when, "False", "True").moments.hours.tolist()
    assert {hour for hour in range(32) if bits >> hour & 1} == hours


@pytest.mark.parametrize(("when", "asked"), [("contact.open > 0", True), ("cart.items > 0", False)])
def test_contacts_are_waited_for_where_rules_ask_for_them(when: str, asked: bool) -> None:
    assert compiled(when, "False", "True").moments.contacts.tolist() == [asked]


def test_the_revision_depends_on_content_alone() -> None:
    one, other = "indicators: [{name: a, when: cart.items > 1}]", "indicators: [{name: b, when: a}]"
    whole = "# said so\nindicators:\n  - {when: a, name: b}\n  - name: a\n    when:  'cart.items  >  1'\n"
    first, second = compile_texts({"x": one, "y": other}), compile_texts({"z": whole})
    assert first.revision == second.revision
    assert [i.name for i in second.indicators] == ["a", "b"]
    assert compile_texts({"x": one.replace("> 1", "> 2"), "y": other}).revision != first.revision


def test_a_thousand_chained_indicators_compile() -> None:
    names = [f"i{n}" for n in range(1_000)]
    lines = [
        f"  - {{name: {name}, when: {names[n - 1] if n else 'cart.items > 1'}}}" for n, name in enumerate(names)
    ]
    rulebook = compile_texts({"a": "indicators:\n" + "\n".join(reversed(lines))})
    assert rulebook.program.feature.size == 1
    assert len(rulebook.indicators) == 1_000
