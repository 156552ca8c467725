"""Words of the contact centre (queues, agents, outcomes) as features have them: a number for each.

A word is as the contact centre sends it, without the blanks around it; capital letters count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from engine.kernels.groups import contact_entry
from engine.kernels.groups.contact_features import WORD, word_value
from engine.kernels.hashing import word_hash
from engine.state.catalogue import CATALOGUE

#: What a word is shown as of which only the hash is known.
UNNAMED = ""

#: The names of the features that are words.
WORD_FEATURES = frozenset(feature.name for feature in CATALOGUE if feature.unit == WORD)

#: Where in ``contact_said`` of a row the hashes lie that those features are made of.
_SAID = (contact_entry.QUEUE, contact_entry.AGENT, contact_entry.OUTCOME)


def word_number(word: str) -> float:
    """The number that stands for a word, and 0, which stands for none, for an empty one.

    >>> word_number(" billing ") == word_number("billing") != word_number("Billing")
    True
    """
    written = word.strip()
    return number_of(word_hash(written)) if written else 0.0


def number_of(code: int) -> float:
    """The number that stands for the word whose hash is `code`, not 0."""
    return float(word_value(np.uint64(code)))


def codes_of(row: np.void) -> frozenset[int]:
    """The hashes of the words that the contacts of `row` (`engine.kernels.row.ROW`) hold."""
    return frozenset(row["contact_said"][:, _SAID].ravel().tolist()) - {0}


def by_number(known: Mapping[int, str], codes: Iterable[int]) -> dict[float, str]:
    """The words behind `codes`, by their numbers; `UNNAMED` where nobody has it any more in `known`, by hash."""
    return {number_of(code): known.get(code, UNNAMED) for code in codes}
