"""libyaml and PyYAML's own reader give the same tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from engine.rulebook import yaml_tree
from engine.rulebook.yaml_tree import DEEPEST, compose
from tests.rulebook import large

SHIPPED = Path(__file__).parent.parent.parent / "rules"


def form(node: Node | None) -> Any:
    """All that is read of a tree: kinds, places, values."""
    if node is None:
        return None
    places = [(mark.line, mark.column, mark.index) for mark in (node.start_mark, node.end_mark)]
    if isinstance(node, ScalarNode):
        return node.tag, places, node.value, node.style or ""
    if isinstance(node, MappingNode):
        return node.tag, places, bool(node.flow_style), [(form(key), form(value)) for key, value in node.value]
    assert isinstance(node, SequenceNode)
    return node.tag, places, bool(node.flow_style), [form(member) for member in node.value]


def own(text: str) -> Node | None:
    return yaml.compose(text, Loader=yaml_tree._Loader)


@pytest.mark.parametrize(
    "text", [*(path.read_text() for path in sorted(SHIPPED.glob("*.yaml"))), large.text(0, 40)]
)
def test_rule_files_are_read_by_libyaml_and_are_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = form(own(text))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("PyYAML's own reader was used")

    monkeypatch.setattr(yaml, "compose", refuse)
    assert form(compose(text)) == expected


_PIECES = st.sampled_from(
    [
        *"\n\n\n  --:::,[]{}#'\"|>%&*!é€\U0001f600",
        *(": ", "- ", "\n  ", "\n- ", "a", "web", "1.5", "name: a", "when: >\n", "[a, b]", "{a: 1}"),
    ]
)


@given(st.lists(_PIECES, max_size=40).map("".join))
def test_what_both_take_is_the_same_tree(text: str) -> None:
    text += "\n"
    try:
        expected = form(own(text))
    except (yaml.YAMLError, ValueError):
        return
    assert form(compose(text)) == expected


@pytest.mark.parametrize("text", ["a: b", "a: b\r\n", "a:\n\tb: 1\n", "\ufeffa: b\n", "a: 'b\u2028c'\n", "a: [\n"])
def test_what_they_read_otherwise_is_read_by_pyyaml(text: str) -> None:
    outcomes = []
    for read in (own, compose):
        try:
            outcomes.append(form(read(text)))
        except yaml.YAMLError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("text", ["[" * 100_000 + "\n", "a: " * 3 + "\n", "- " * 100_000 + "\n"])
def test_deep_nesting_and_nonsense_end_in_an_error(text: str) -> None:
    with pytest.raises((yaml.YAMLError, RecursionError)):
        compose(text)


@pytest.mark.parametrize("deep", [DEEPEST - 1, DEEPEST, DEEPEST + 1])
def test_the_bound_on_nesting_is_pyyamls(deep: int) -> None:
    text = "[" * deep + "]" * deep + "\n"
    if deep <= DEEPEST:
        assert form(compose(text)) == form(own(text))
    else:
        with pytest.raises(yaml.YAMLError, match="nested too deeply"):
            compose(text)
