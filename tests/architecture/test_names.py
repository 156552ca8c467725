"""No two classes share a name, unless they are twins: then both stand in `TWINS`."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.architecture.test_imports import ROOT, sources

#: A name that stands for the same thing more than once, and where.
TWINS: dict[str, set[str]] = {}


def classes() -> dict[str, set[str]]:
    """Public and private class names of the product, each with the files that define it."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in sources():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].add(str(file.relative_to(ROOT)))
    return found


def test_no_two_classes_share_a_name() -> None:
    found = classes()
    assert len(found) > 100
    assert {name: files for name, files in found.items() if len(files) > 1} == TWINS
