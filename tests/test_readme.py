"""What the README shows of the rule language is what the engine takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.events import Contact, ContactChannel, Kind, Message
from engine.ports.sources import Delivery, Receipt
from engine.rulebook.directory import compile_texts
from engine.rulebook.language.say import faults
from engine.sources.contacts.mapping import MappedSource
from engine.sources.contacts.mapping_file import read_texts

NOW = 1_700_000_000_000
README = (Path(__file__).parent.parent / "README.md").read_text()

RULE = """
indicators:
  - {{name: price_watcher, description: Comes again., when: session.number >= 3}}
  - name: example
    description: One of the README's conditions.
    when: {when}
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def conditions() -> list[str]:
    """The first column of the table of the language, without the rows that explain words or parts of one."""
    table = README.split("**The language of `when`.**")[1].split("\n* **Units.**")[0]
    rows = re.findall(r"^\| `([^`]+)` \| ", table, re.MULTILINE)
    return [
        row
        for row in rows
        if any(sign in row for sign in ("<", ">", "==", " in ")) or row in ("true", "price_watcher")
    ]


def test_the_readmes_rules_are_good_and_its_cases_hold(tmp_path: Path) -> None:
    shown = [block for block in blocks("yaml") if not block.startswith("source:")]
    assert [block.startswith("cases:") for block in shown] == [False, True] * 2
    for number, (rules, cases) in enumerate(zip(shown[::2], shown[1::2], strict=True)):
        (tmp_path / f"{number}.yaml").write_text(rules)
        (tmp_path / f"{number}.cases.yaml").write_text(cases)
    for command in ("check", "test"):
        result = CliRunner().invoke(app, ["rules", command, str(tmp_path)])
        assert result.exit_code == 0, result.output


def test_the_readmes_mapping_file_is_good() -> None:
    (text,) = [block for block in blocks("yaml") if block.startswith("source:")]
    (mapping,) = read_texts({"README.md": text})
    body = b'{"type":"call.end","call":{"id":7,"agent":"","queue":"q"},"medium":"ISDN2"}'
    (event,) = MappedSource(mapping).events(Delivery(body), Receipt(NOW, NOW, "m"))
    assert isinstance(event, Message)
    assert (event.customer, event.event.kind) == ("contact:7", Kind.CONTACT_ABANDONED)
    assert event.event.contact == Contact("7", ContactChannel.VOICE, "q")


def test_the_table_has_conditions_to_try() -> None:
    assert len(conditions()) >= 6


@pytest.mark.parametrize("when", conditions())
def test_a_condition_of_the_readme_compiles(when: str) -> None:
    rulebook = compile_texts({"rules.yaml": RULE.format(when=when)})
    assert "example" in {indicator.name for indicator in rulebook.indicators}


def test_the_readmes_formats_of_numbers_are_known() -> None:
    section = README.split("**Numbers in `say`.**")[1].split("\n\n")[0]
    shown = re.findall(r"`(\{[^`]+\})`", section)
    assert len(shown) >= 5
    assert [fault for text in shown for fault in faults(text)] == []
