"""A YAML text as a tree of nodes that know where they stand.

libyaml reads in a sixth of the time that PyYAML's own reader takes, but differs from it in what is odd: tabs,
byte order marks, line breaks of other systems, tags. Such texts, and all in which it finds a fault, are read by
PyYAML, whose faults `engine.rulebook.unreadable` puts into words.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.nodes import Node, ScalarNode

DEEPEST = 24
_ODD = re.compile(r"[\t\r\x85\u2028\u2029\ufeff]|[^\n]\Z|(?<![^\s\[\]{},:?-])!")


def compose(text: str) -> Node | None:
    """The root of the only document in `text`; None when it is empty. Raises `yaml.YAMLError`, and
    RecursionError or ValueError for what PyYAML does not foresee."""
    if yaml.__with_libyaml__ and not _ODD.search(text):
        try:
            return _Quick(text).get_single_node()
        except (yaml.YAMLError, RecursionError, ValueError):
            pass  # said in PyYAML's words
    return yaml.compose(text, Loader=_Loader)


def scalar_of(node: Node) -> object:
    """What a scalar says: text, number, true, false or nothing (None); `node` itself where it says none of these.
    A date is a text."""
    if not isinstance(node, ScalarNode):
        return node
    kind, text = node.tag.rpartition(":")[2], str(node.value)
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    if kind in ("int", "float"):
        return _number(text, node)
    return {"str": text, "timestamp": text, "null": None}.get(kind, node)


def _number(text: str, node: Node) -> object:
    try:
        return float(text)
    except ValueError:  # YAML 1.1 also takes 0x1F, 1_000 and 1:30 for numbers
        return node


class _Loader(yaml.SafeLoader):
    """PyYAML's own, with a bound, since it takes seconds to find out that a text is nested too deeply."""

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:
        if self.flow_level >= DEEPEST:
            raise yaml.scanner.ScannerError(None, None, "nested too deeply", self.get_mark())
        super().fetch_flow_collection_start(TokenClass)


class _Quick(Composer, yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """libyaml's events, put together by PyYAML: libyaml's own composer overflows the stack of the process on deep
    nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        yaml.CSafeLoader.__init__(self, text)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        if self._depth >= DEEPEST:
            raise yaml.YAMLError("nested too deeply")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node
