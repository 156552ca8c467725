"""Traits in a condition: what they are called, what they may be compared with, and how they are shown.

``trait.plan``, ``trait["first name"]`` and ``member.newsletter``, which is the trait ``member:newsletter``. What
is put in order (``<``) must be of one type, numbers or versions; ``==`` and ``!=`` take any, and values of two
types are not equal. A trait that is not known is a missing value, as a feature without one: every comparison is
false.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from engine.kernels.groups.trait import ANY, BEYOND, NUMBER, VERSION, VERSION_BITS, any_value
from engine.rulebook.faults import shown
from engine.rulebook.language.quantity import Quantity, Refused, dotted, quantity
from engine.rulebook.language.say import plain
from engine.state.traits import coded
from engine.traits import MEMBER, TraitValue, fault_of, is_name

TRAIT, MEMBERSHIP = "trait", "member"
_HEADS = (TRAIT, MEMBERSHIP)

_TRUE, _FALSE = frozenset(("true", "yes", "on")), frozenset(("false", "no", "off"))


class TraitColumn(NamedTuple):
    """A trait behind the features of the vector: its name, the type that is read (`ANY`, `NUMBER`, `VERSION`),
    and whether it is shown as true or false."""

    name: str
    type: int
    truth: bool = False

    @property
    def written(self) -> str:
        """As a condition names it."""
        head, name = (MEMBERSHIP, self.name[len(MEMBER) :]) if self.name.startswith(MEMBER) else (TRAIT, self.name)
        plainly = all(part.isidentifier() for part in name.split("."))
        return f"{head}.{name}" if plainly else f'{head}["{name}"]'

    def worded(self, value: float, words: Mapping[float, str]) -> str:
        """A value of this column in words; `words` are those that rules know, by `any_value`."""
        if not math.isfinite(value):
            return "none"
        if self.type == VERSION:
            return f'"{version_text(value)}"'
        if value >= BEYOND:
            return f'"{words[value]}"' if value in words else "another text"
        if value <= -BEYOND:
            return f'"{version_text(-value / BEYOND - 1.0)}"'
        return ("true" if value else "false") if self.truth and value in (0.0, 1.0) else plain(value)


class Value(NamedTuple):
    """What a trait is compared with: the column that is read, the number that stands for the value there, and the
    text, where it is one."""

    column: TraitColumn
    number: float
    text: str | None = None


def version_text(number: float) -> str:
    """The version that a number stands for, with two parts at least.

    >>> version_text(versioned("2.10")), version_text(versioned("1.2.0.4"))
    ('2.10', '1.2.0.4')
    """
    packed, parts = int(number), []
    for bits in reversed(VERSION_BITS):
        parts.append(packed & (1 << bits) - 1)
        packed >>= bits
    parts.reverse()
    while len(parts) > 2 and parts[-1] == 0:
        parts.pop()
    return ".".join(map(str, parts))


def versioned(text: str) -> float | None:
    """The number that stands for a version, in the order of versions; None for a text that is none."""
    kind, bits = coded(text)
    return float(np.uint64(bits).view(np.float64)) if kind == VERSION else None


def any_number(value: TraitValue) -> float:
    """The number that is the same for equal values alone."""
    kind, bits = coded(value)
    return float(any_value(kind, np.uint64(bits)))


def trait_named(node: ast.expr) -> str | None:
    """The name of the trait that `node` names, None where it names none. Raises `Refused`."""
    if isinstance(node, ast.Subscript):
        head, name = dotted(node.value), _between_brackets(node)
    else:
        head, _, name = (dotted(node) or "").partition(".")
    if head not in _HEADS or not name:
        return None
    full = MEMBER + name if head == MEMBERSHIP else name
    if not is_name(full):
        raise Refused(node, f"no trait can be called {shown(name)}: up to 64 bytes, no blanks around it")
    return full


def _between_brackets(node: ast.Subscript) -> str:
    if dotted(node.value) not in _HEADS:
        return ""
    if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str) and node.slice.value:
        return node.slice.value
    raise Refused(node, f'write the name in quotes, as in {dotted(node.value)}["first name"]')


def value_of(name: str, symbol: str, node: ast.expr) -> Value:
    """What the constant `node` stands for beside the trait `name` and the operator `symbol`. Raises `Refused`."""
    equal = symbol in ("==", "!=")
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _text(name, equal, node, node.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        if not equal:
            raise Refused(node, f"{node.value} is not more or less than something: use == or !=")
        return Value(TraitColumn(name, ANY, True), float(node.value))
    column = TraitColumn(name, ANY if equal else NUMBER)
    if isinstance(node, ast.Constant) and node.value is None:
        raise Refused(node, _missing(column))
    found = _number(column, node)
    if found.is_time:
        raise Refused(node, f"{column.written} is not a time: compare it with a plain number")
    if abs(found.value) >= BEYOND:
        raise Refused(node, "is larger than any number that a trait may have")
    return Value(column, found.value + 0.0)  # -0.0 and 0.0 are one threshold


def _number(column: TraitColumn, node: ast.expr) -> Quantity:
    word = dotted(node)
    if word is None:
        return quantity(node)
    if word.lower() in _TRUE | _FALSE:
        raise Refused(node, f"write {word.lower() in _TRUE}")
    if word.lower() in ("none", "null", "nil", "undefined", "missing", "empty"):
        raise Refused(node, _missing(column))
    raise Refused(node, f'write "{word}", in quotes: a trait is compared with a text, a number, True or False')


def _missing(column: TraitColumn) -> str:
    known = f'{column.written} != ""'
    return f"every comparison with a missing value is false: write {known} for one that is known, whatever it is"


def _text(name: str, equal: bool, node: ast.expr, text: str) -> Value:
    if reason := fault_of(text):
        raise Refused(node, f"no trait has this text: {reason}")
    if equal:
        return Value(TraitColumn(name, ANY), any_number(text), text)
    number = versioned(text)
    if number is None:
        raise Refused(node, f"{shown(text)} is no version, and texts have no order{_instead(text)}")
    return Value(TraitColumn(name, VERSION), number, text)


def _instead(text: str) -> str:
    if text.isascii() and text.isdigit():
        return f': write {text} for a number, "{text}.0" for a version'
    if found := re.search(r"[0-9]+(?:\.[0-9]+){1,3}", text):
        return f': write "{found[0]}", two to four whole numbers with points'
    return ": use == or !="


def nearest(name: str) -> str:
    """The end of a sentence about an unknown dotted name that was probably meant to be a trait."""
    head, _, tail = name.partition(".")
    close = difflib.get_close_matches(head.lower(), _HEADS, n=1, cutoff=0.75)
    return f"; did you mean {close[0]}.{tail}?" if close and tail else ""
