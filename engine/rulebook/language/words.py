"""Words of the contact centre in a condition: queues, agents and outcomes, as texts in quotes.

``contact.queue_now == "billing"``: such a feature is compared by ``==``, ``!=`` and ``in``, with texts alone, as
words have no order. They are compared as `engine.state.words` has them: capital letters count, blanks around them
do not. A customer without one has a missing value, and ``!= ""`` is true of every word.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping

from engine.rulebook.language.quantity import Refused, dotted
from engine.rulebook.language.traits import any_number
from engine.state.catalogue import BY_NAME, Feature
from engine.state.words import WORD_FEATURES, word_number

EXAMPLE = {"contact.last_outcome": "refund", "contact.agent_now": "Ann", "contact.queue_now": "billing"}


def word_named(node: ast.expr) -> Feature | None:
    """The feature that is a word which `node` names, None where it names none."""
    name = dotted(node) or ""
    return BY_NAME[name] if name in WORD_FEATURES else None


def example(name: str) -> str:
    """How a condition on the feature `name` may look."""
    return f'{name} == "{EXAMPLE.get(name, "word")}"'


def text_of(feature: Feature, symbol: str, node: ast.expr) -> tuple[float, str]:
    """The number and the text that the word `feature` is compared with by `symbol`. Raises `Refused`."""
    name = feature.name
    if symbol not in ("==", "!="):
        raise Refused(node, f"{name} is a word, and words have no order: use == or !=, as in {example(name)}")
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _number(name, symbol, node, node.value), node.value.strip()
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        raise Refused(node, f'write "{node.value}", in quotes: {name} is a word')
    other = dotted(node)
    if other is None:
        raise Refused(node, f"{name} is a word: compare it with a text in quotes, as in {example(name)}")
    if other in BY_NAME or "." in other:
        raise Refused(node, f"{name} is a word: compare it with a text in quotes, not with {other}")
    if other.lower() in ("none", "null", "nil", "undefined", "missing", "empty"):
        raise Refused(node, _missing(name))
    raise Refused(node, f'write "{other}", in quotes: {name} is a word')


def _number(name: str, symbol: str, node: ast.expr, text: str) -> float:
    try:
        number = word_number(text)
    except UnicodeEncodeError:
        raise Refused(node, "no word has this text: not UTF-8") from None
    if not number and symbol == "==":
        raise Refused(node, f"no word is empty: {_missing(name)}")
    return number


def _missing(name: str) -> str:
    return f'write {name} != "" for one that is known, whatever it is, and not {name} != "" for none'


def words_of(texts: Iterable[str]) -> dict[float, str]:
    """The texts of rules by the numbers that stand for them: as a trait's value, and as a word."""
    ordered = sorted(set(texts))
    return {number(text): text for number in (any_number, word_number) for text in ordered}


def worded(value: float, words: Mapping[float, str]) -> str:
    """The value of a feature that is a word; `words` are those that rules know."""
    if not math.isfinite(value):
        return "none"
    return f'"{words[value]}"' if value in words else "another word"
