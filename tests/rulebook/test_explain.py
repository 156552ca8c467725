"""What rules say: offers' texts, explanations, the shipped rulebook and its cases, the commands."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from engine.cli.rules import app
from engine.errors import BadRule
from engine.kernels.catalogue import FEATURES
from engine.kernels.predicates import match_many
from engine.rulebook.cases import load_cases, run, vector
from engine.rulebook.compile import fnv1a
from engine.rulebook.directory import compile_texts, load
from engine.rulebook.explain import clauses_of, explain, why
from engine.rulebook.language.say import duration, faults, render

SHIPPED = Path(__file__).parents[2] / "rules"


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        ("hello", "hello"),
        ("{session.bursts} and {session.seconds}", "3 and 75.25"),
        ("{session.seconds:.0f}|{session.seconds:.1f}|{cart.value:,.0f}", "75|75.2|1,234"),
        ("{cart.value:money}", "€1,234.50"),
        ("{session.seconds:duration}, {purchases.days_since:duration}", "1 minute, 36 hours"),
        ("{{cart}} {{{cart.items}}} }}{{", "{cart} {2} }{"),
        ("{contact.hours_since:.0f} h", "– h"),
    ],
)
def test_render(say: str, expected: str) -> None:
    features = vector(
        {"session.bursts": 3, "session.seconds": 75.25, "cart.value": 1234.5, "cart.items": 2,
         "purchases.days_since": 1.5, "contact.hours_since": math.nan}
    )  # fmt: skip
    assert not list(faults(say))
    assert render(say, features, "€") == expected


def test_a_currency_in_letters_stands_apart() -> None:
    assert render("{cart.value:money}", vector({"cart.value": 5}), "EUR") == "EUR 5.00"


@given(st.text(alphabet="{}: .aemnoytcrv", max_size=30))
def test_a_text_without_faults_renders(say: str) -> None:
    if not list(faults(say)):
        assert "{" not in render(say.replace("{{", "").replace("}}", ""), np.zeros(FEATURES), "€")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 seconds"), (1, "1 second"), (59.9, "59 seconds"), (60, "1 minute"), (7199, "1 hour"),
     (7200, "2 hours"), (100_000, "27 hours"), (172_800, "2 days")],
)  # fmt: skip
def test_durations_never_say_too_much(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_codes_are_fnv1a() -> None:
    # vectors of the reference implementation (Fowler, Noll, Vo)
    assert (fnv1a(""), fnv1a("a"), fnv1a("foobar")) == (0x811C9DC5, 0xE40C292C, 0xBF9CF968)


EXPLAINED = """\
indicators:
  - name: x
    when: >
      session.bursts >= 3 and idle.seconds < minutes(2)
      or cart.value > purchases.mean_value and not session.reviews > 2 and session.items == 9
  - {name: never, when: false}
  - {name: ever, when: true}
"""


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"session.bursts": 3, "idle.seconds": 61},
         ["session.bursts is 3 (needs >= 3)", "idle.seconds is 61 s (needs < 120 s)"]),
        ({"session.bursts": 2, "idle.seconds": 61}, ["needs session.bursts >= 3, has 2"]),
        ({"session.bursts": 3}, ["needs idle.seconds < 120 s, has none"]),
        ({"cart.value": 9, "purchases.mean_value": 8.5, "session.items": 9, "session.reviews": 2},
         ["cart.value is 9 (needs > purchases.mean_value (8.5))", "session.reviews is 2 (needs not > 2)",
          "session.items is 9 (needs == 9)"]),
        ({"cart.value": 9, "purchases.mean_value": 8.5, "session.items": 9, "session.reviews": 3},
         ["needs session.reviews not > 2, has 3"]),
    ],
)  # fmt: skip
def test_explanations(features: dict[str, float], expected: list[str]) -> None:
    rulebook = compile_texts({"a": EXPLAINED})
    assert [indicator.name for indicator in rulebook.indicators] == ["ever", "never", "x"]
    assert explain(rulebook, 2, vector(features)) == expected
    assert explain(rulebook, 0, vector(features)) == ["always holds"]
    assert explain(rulebook, 1, vector(features)) == ["never holds"]


READ = """\
indicators:
  - {name: six, when: session.bursts < 2 or session.items <= 2 and cart.items > 2 or not cart.value >= 2}
  - {name: other, when: cart.value != purchases.mean_value and session.reviews == 2}
  - {name: apart, when: not session.reviews != 2 or not cart.value < purchases.mean_value and session.pages != 1}
  - {name: never, when: false}
  - {name: ever, when: true}
offers:
  - {id: a, kind: sell, channels: [web], when: six and not apart, value: 1, propensity: 0.5, say: x}
"""


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan, math.inf]), min_size=FEATURES, max_size=FEATURES))
def test_clauses_read_one_by_one_say_what_the_kernel_says(values: list[float]) -> None:
    rulebook, features = compile_texts({"a": READ}), np.array([values])
    program = rulebook.program
    holds = np.empty((1, len(program.first) - 1), np.bool_)
    truth = np.empty(program.required.shape[1], np.uint64)
    match_many(features, truth, holds, *program)
    assert [bool(why(rule, values)) for rule in clauses_of(rulebook)] == holds[0].tolist()


@pytest.mark.parametrize(
    ("when", "idle", "expected"),
    [
        ("idle.seconds > 60", 60.001, "idle.seconds is 60.001 s (needs > 60 s)"),
        ("idle.seconds > 60", 60.0, "needs idle.seconds > 60 s, has 60 s"),
        ("idle.seconds >= 60", 60.0, "idle.seconds is 60 s (needs >= 60 s)"),
        ("idle.seconds >= 60", 59.9996, "needs idle.seconds >= 60 s, has 59.9996 s"),
        ("idle.seconds > 60", 60.25, "idle.seconds is 60.25 s (needs > 60 s)"),
        ("idle.seconds > cart.value", 2.001, "idle.seconds is 2.001 s (needs > cart.value (2))"),
    ],
)
def test_a_number_at_a_boundary_shows_on_which_side_it_is(when: str, idle: float, expected: str) -> None:
    rulebook = compile_texts({"a": f"offers: [{{id: x, kind: ask, channels: [web], when: {when}, value: 1, "
                                   "propensity: 0.5, say: hi}]"})  # fmt: skip
    assert explain(rulebook, 0, vector({"idle.seconds": idle, "cart.value": 2})) == [expected]


def test_the_shipped_rulebook_passes_its_cases() -> None:
    rulebook = load(SHIPPED)
    verdicts = run(rulebook, load_cases(SHIPPED, rulebook))
    assert len(verdicts) >= len(rulebook.indicators)
    assert [verdict for verdict in verdicts if verdict.misses] == []


def test_the_shipped_rulebook_has_a_cue_for_every_indicator() -> None:
    rulebook = load(SHIPPED)
    live = [offer for offer in rulebook.offers if {"web", "agent"} & set(offer.channels)]
    cued = {i for i, offer in enumerate(rulebook.offers) if offer in live}
    assert {i for offer in cued for i in rulebook.mentions[offer]} == set(range(len(rulebook.indicators)))
    assert len(live) >= 10
    for offer in rulebook.offers:
        assert render(offer.say, np.full(FEATURES, 3.0), "€")


def test_a_case_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("indicators: [{name: x, when: cart.items > 2}]")
    (tmp_path / "a.cases.yaml").write_text("cases: [{name: two, features: {cart.items: 2}, indicators: [x]}]")
    rulebook = load(tmp_path)
    (verdict,) = run(rulebook, load_cases(tmp_path, rulebook))
    assert verdict.misses == ["x does not hold: needs cart.items > 2, has 2"]
    result = CliRunner().invoke(app, ["test", str(tmp_path)])
    assert result.exit_code == 1
    where = f"x ({tmp_path}/a.yaml:1:21)"
    expected = f"{tmp_path}/a.cases.yaml:1:9: two: {where} does not hold: needs cart.items > 2, has 2"
    assert expected in result.output


def test_faults_of_cases(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("indicators: [{name: x, when: cart.items > 2}]")
    (tmp_path / "a.cases.yaml").write_text(
        "cases: [{name: two, features: {cart.item: 2}, without: [y], offer: []}]"
    )
    rulebook = load(tmp_path)
    with pytest.raises(BadRule) as caught:
        load_cases(tmp_path, rulebook)
    assert [fault.split("a.cases.yaml:1:")[1] for fault in caught.value.faults] == [
        "32: two: no feature 'cart.item'; did you mean cart.items or cart.value?",
        "57: two: no rule 'y'",
        "61: two: unknown key 'offer'; did you mean offers?",
    ]


def test_check_and_features_in_json(tmp_path: Path) -> None:
    sound = CliRunner().invoke(app, ["check", str(SHIPPED), "--json"])
    content = json.loads(sound.stdout)
    assert sound.exit_code == 0
    assert content["ok"] is True
    assert content["revision"] == load(SHIPPED).revision
    assert len(content["indicators"]) >= 6
    (tmp_path / "a.yaml").write_text("offers: 1")
    bad = CliRunner().invoke(app, ["check", str(tmp_path), "--json"])
    assert bad.exit_code == 1
    assert json.loads(bad.stdout) == {
        "ok": False,
        "faults": [f"{tmp_path}/a.yaml:1:9: offers: offers must be a list"],
    }
    assert len(json.loads(CliRunner().invoke(app, ["features", "--json"]).stdout)["features"]) == FEATURES


def test_commands_for_people(tmp_path: Path) -> None:
    checked = CliRunner().invoke(app, ["check", str(SHIPPED)])
    assert checked.exit_code == 0
    revision = load(SHIPPED).revision
    assert checked.output == f"{SHIPPED}: good: 1 file, 7 indicators, 11 offers, revision {revision}\n"
    assert "bursty_session" in CliRunner().invoke(app, ["show", str(SHIPPED)]).output
    assert json.loads(CliRunner().invoke(app, ["show", str(SHIPPED), "--json"]).stdout)["revision"] == revision
    tested = CliRunner().invoke(app, ["test", str(SHIPPED)])
    assert tested.exit_code == 0
    assert "cases pass" in tested.output
    bad = CliRunner().invoke(app, ["check", str(tmp_path / "away")])
    assert bad.exit_code == 1
    assert "cannot be read" in bad.output
    assert "session.bursts" in CliRunner().invoke(app, ["features"]).output
