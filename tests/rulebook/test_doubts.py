"""What `rules check` warns of: rules that compile, and hardly do what was meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli.rules import app
from engine.errors import BadRule
from engine.rulebook.directory import check, load

OFFER = """\
  - id: help
    kind: chat
    channels: [web]
    when: {when}
    value: {value}
    propensity: 0.1
    say: {say}
"""


def warnings(
    folder: Path, when: str = "cart.items > 0", say: str = "Hello", value: str = "6", indicators: str = ""
) -> list[str]:
    """What is doubtful of one offer and `indicators`: each without its file."""
    text = f"indicators: [{indicators}]\noffers:\n" + OFFER.format(when=when, say=say, value=value)
    (folder / "a.yaml").write_text(text)
    return [warning.removeprefix(f"{folder}/a.yaml:") for warning in check(folder).warnings]


def indicator(when: str, name: str = "full") -> str:
    return f"{{name: {name}, when: {when}}}"


def never(names: str) -> list[str]:
    silence = f"it asks for a silence that has not passed when {names} activates"
    put = "put the silence into the indicator (idle.seconds is 0 at an event)"
    return [f"3:9: help: warning: never goes out as a cue: {silence}; {put}"]


@pytest.mark.parametrize(
    ("when", "of_indicator"),
    [
        ("full and idle.seconds > minutes(5)", "cart.items >= 3"),
        ("full and idle.seconds >= 1", "cart.items >= 3"),
        ("full and not idle.seconds < 1", "cart.items >= 3"),
        ("full and idle.seconds > 300", "cart.items >= 3 and idle.seconds > 60"),
        ("full and idle.seconds > 300", "idle.seconds < 60"),
        ("full and idle.seconds > 3600", "session.searches == 0"),  # which it is when the session ends
        ("full and (idle.seconds > 300 or idle.seconds > 400)", "cart.items >= 3"),
    ],
)
def test_an_offer_that_asks_for_a_silence_no_event_has_is_no_cue(
    tmp_path: Path, when: str, of_indicator: str
) -> None:
    assert warnings(tmp_path, when, indicators=indicator(of_indicator)) == never("full")


@pytest.mark.parametrize(
    ("when", "of_indicator"),
    [
        ("full", "cart.items >= 3"),
        ("cart.items > 0 and idle.seconds > 300", "cart.items >= 3"),  # names none: given when asked for
        ("full and idle.seconds > 300", "cart.items >= 3 and idle.seconds > 300"),
        ("full and idle.seconds > 300", "cart.items >= 3 and idle.seconds >= 600"),
        ("full and idle.seconds > 300", "session.searches == 0"),
        ("full and idle.seconds > 300", "purchases.days_since > 3"),
        ("full and idle.seconds > 300", "events.count_5m < 3"),  # which falls in silence
        ("full and idle.seconds > 300", "now.hour >= 9"),
        ("full and (idle.seconds > 300 or cart.value > 5)", "cart.items >= 3"),
        ("full and idle.seconds < 300", "cart.items >= 3"),
        ("full and cart.idle_seconds > 300", "session.events >= 3"),
    ],
)
def test_one_that_may_hold_then_is(tmp_path: Path, when: str, of_indicator: str) -> None:
    assert warnings(tmp_path, when, indicators=indicator(of_indicator)) == []


def test_one_of_the_indicators_is_enough(tmp_path: Path) -> None:
    both = f"{indicator('cart.items >= 3')}, {indicator('idle.seconds > 600', 'gone')}"
    assert warnings(tmp_path, "(full or gone) and idle.seconds > 300", indicators=both) == []
    two = f"{indicator('cart.items >= 3')}, {indicator('cart.value > 9', 'dear')}"
    assert warnings(tmp_path, "(full or dear) and idle.seconds > 300", indicators=two) == never("dear or full")


def test_a_window_may_empty_whenever_another_indicator_is_looked_at(tmp_path: Path) -> None:
    both = f"{indicator('events.count_5m < 3')}, {indicator('idle.seconds > 600', 'gone')}"
    assert warnings(tmp_path, "full and idle.seconds > 300", indicators=both) == []


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        ("You have cart.items things", "19: {} cart.items as it stands: write {{cart.items}} for the number"),
        ('"{{cart.items}} things"', "11: {} {{cart.items}} as it stands: write {{cart.items}} for the number"),
        ('"%cart.value%"', "12: {} cart.value as it stands: write {{cart.value}} for the number"),
    ],
)
def test_a_number_that_is_shown_as_its_name(tmp_path: Path, say: str, expected: str) -> None:
    assert warnings(tmp_path, say=say) == ["9:" + expected.format("help: warning: say: shows")]


@pytest.mark.parametrize("say", ["“Hello”", "„Hello“", "«Hello»", "‘Hello’"])
def test_typographic_quotes_are_part_of_the_text(tmp_path: Path, say: str) -> None:
    (warning,) = warnings(tmp_path, say=say)
    assert warning.endswith(
        f'say: the quotes {say[0]} and {say[-1]} are shown, too: write " around the text instead'
    )


@pytest.mark.parametrize(
    "say",
    [
        '"{cart.items} things"',
        '"{cart.value:money} in it"',
        "Ask cart.itemsize.example",
        "Say “yes” now",
        '"{{x}}"',
    ],
)
def test_a_text_that_shows_what_was_meant(tmp_path: Path, say: str) -> None:
    assert warnings(tmp_path, say=say) == []


def test_a_thousand_with_a_point_is_one(tmp_path: Path) -> None:
    reason = "is 1.5: write 1500 if you mean that"
    assert warnings(tmp_path, value="1.500") == [f"7:12: help: warning: 1.500 {reason}"]
    assert warnings(tmp_path, "cart.value > 1.500") == [f"6:24: help: warning: 1.500 {reason}"]
    assert warnings(tmp_path, "cart.value > 0.125", value="12.50") == []


@pytest.mark.parametrize("name", ["spring.YAML", "spring.Yml", "spring.yml"])
def test_a_rule_file_is_known_by_its_ending_in_any_case(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("offers:\n" + OFFER.format(when="cart.items > 0", value=6, say="Hi"))
    (tmp_path / "a.Cases.YAML").write_text("cases: []\n")
    assert [offer.id for offer in load(tmp_path).offers] == ["help"]


@pytest.mark.parametrize("name", ["spring.yaml.txt", "spring.yml.bak", "spring.yaml~", "Spring.YAML.TXT"])
def test_a_file_that_only_looks_like_one_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("offers: []\n")
    with pytest.raises(BadRule, match=f"holds no rule files .*; rename '{name}', so that it ends with .yaml"):
        load(tmp_path)
    (tmp_path / ".hidden.yaml.swp").touch()
    (tmp_path / "notes.txt").touch()
    assert warnings(tmp_path) == [
        f"{tmp_path}/{name}:1:1: file: warning: is not read: the name of a rule file ends with .yaml"
    ]


def test_a_warning_is_said_and_refuses_nothing(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, value="1.000")
    result = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [f"{tmp_path}/a.yaml:{warning}"]
    assert result.stdout.startswith(f"{tmp_path}: good: 1 file")
    printed = json.loads(CliRunner().invoke(app, ["check", str(tmp_path), "--json"]).stdout)
    assert (printed["ok"], printed["warnings"]) == (True, [f"{tmp_path}/a.yaml:{warning}"])
