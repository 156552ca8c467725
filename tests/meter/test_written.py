"""Every metric is written somewhere, by a method of its kind: a name that nobody writes is a graph that lies."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

import pytest

from engine.meter import METRICS

ENGINE = Path(__file__).parent.parent.parent / "engine"
METHODS = {
    "add": {"counter", "gauge"},
    "set": {"gauge", "state"},
    "observe": {"histogram"},
    "observe_many": {"histogram"},
}


def written(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(method, name) of every call ``….method("name", …)``; where the name is a variable, each key of a constant
    table of the module (a dict of strings at its top) may be it."""
    tables = list(keys(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=method), args=[ast.Constant(value=str(name)), *_]) if (
                method in METHODS
            ):
                yield method, name
            case ast.Call(func=ast.Attribute(attr=method), args=[ast.Name(), *_]) if method in METHODS:
                yield from ((method, name) for name in tables)


def keys(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            yield from (str(key.value) for key in node.value.keys if is_text(key))


def is_text(node: ast.expr | None) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@cache
def of_the_engine() -> set[tuple[str, str]]:
    sources = (ast.parse(file.read_text()) for file in ENGINE.rglob("*.py") if file.stem != "meter")
    return {found for source in sources for found in written(source)}


@pytest.mark.parametrize("name", METRICS)
def test_it_is_written(name: str) -> None:
    methods = {method for method, found in of_the_engine() if found == name}
    assert methods, f"nothing in engine/ writes {name}"
    assert any(METRICS[name].kind in METHODS[method] for method in methods)


def test_the_search_tells_reading_from_writing() -> None:
    source = 'T = {"a": 1}\nmeter.add("b")\nmeter.set(name, 1)\ntotal(text, "c")\nmeter.value("d")\n{}["add"]("e")'
    assert set(written(ast.parse(source))) == {("add", "b"), ("set", "a")}
