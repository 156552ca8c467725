"""The examples in docstrings are true, those of compiled kernels too, and each of them is found."""

from __future__ import annotations

import ast
import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("engine", "models", "loadtest")
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def examples(file: Path) -> int:
    """How many stand in the docstrings of `file`, read from its source."""
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, DOCUMENTED)]
    texts = [ast.get_docstring(node) or "" for node in nodes]
    return sum(len(doctest.DocTestParser().get_examples(text)) for text in texts)


FILES = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py")) if ">>>" in file.read_text()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_examples_of_a_module_are_true(file: Path) -> None:
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0
    assert tried == examples(file) > 0


def test_there_are_examples_of_kernels_and_of_plain_functions() -> None:
    parts = {file.relative_to(ROOT).parts[1] for file in FILES}
    assert {"kernels", "validation_errors.py"} <= parts
