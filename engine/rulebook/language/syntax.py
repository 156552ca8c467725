"""A condition as the tree of a Python expression, which is read and never evaluated."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable

from engine.rulebook.language.quotes import without_texts

DEEPEST = 40

Report = Callable[[int, str], None]


def tree_of(text: str, report: Report) -> ast.expr | None:
    """The tree of `text`; None after why there is none went to `report` (offset, reason)."""
    # a condition may be folded over lines, and Python takes leading blanks for an indentation
    pairs = zip(text, without_texts(text), strict=True)
    line = "".join(" " if one.isspace() and one == outside else one for one, outside in pairs).lstrip()
    try:
        with warnings.catch_warnings(action="ignore"):  # "3and" is legal, but Python warns on stderr
            tree = ast.parse(line, mode="eval").body
    except SyntaxError as error:
        offset = len(text) - len(line) + (error.offset or len(line) + 1) - 1
        report(min(offset, len(text)), f"not an expression: {_syntax(error.msg)}")
    except (RecursionError, MemoryError):
        report(0, "nested too deeply")
    except ValueError as error:
        report(0, f"not an expression: {error}")
    else:
        if _depth(tree) <= DEEPEST:
            return tree
        report(0, "nested too deeply")
    return None


def _syntax(message: str) -> str:
    """Python's message where it is about parentheses; the others speak of Python."""
    if "paren" in message or "closed" in message or "unmatched" in message:
        return message
    return "cannot be read here; write comparisons such as cart.items > 0, joined by and, or, not"


def _depth(tree: ast.AST) -> int:
    level, nodes = 0, [tree]
    while nodes and level <= DEEPEST:
        nodes = [child for node in nodes for child in ast.iter_child_nodes(node)]
        level += 1
    return level
