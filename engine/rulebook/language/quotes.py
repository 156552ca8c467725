"""Where the quoted texts of a condition are: what lies in quotes is none of its words, and no slip."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.rulebook.language.traits import MEMBERSHIP, TRAIT

_QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")

#: Names of words, and what is nearly one: who misspells it puts the text beside it in quotes all the same.
WORD = r"contact\.\w*(?:queue|agent|outcome)\w*"
_TAKES_ONE = re.compile(rf"(?<![\w.])(?:(?:{TRAIT}|{MEMBERSHIP})\s*[.\[]|{WORD})")


def takes_texts(condition: str) -> bool:
    """Whether a condition names a trait or a word, however it is written otherwise."""
    return _TAKES_ONE.search(condition) is not None


def texts(condition: str) -> Iterator[tuple[int, int]]:
    """Where the quoted texts of a condition are: none where nothing in it is compared with one."""
    if takes_texts(condition):
        for found in _QUOTED.finditer(condition):
            yield found.span()


def without_texts(condition: str) -> str:
    """The condition with blanks in the place of what is quoted.

    >>> without_texts('trait.plan == "#1" and cart.items > 0')
    'trait.plan ==      and cart.items > 0'
    """
    for start, end in texts(condition):
        condition = condition[:start] + " " * (end - start) + condition[end:]
    return condition
