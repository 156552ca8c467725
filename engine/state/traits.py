"""Traits as the row's kernels have them: hashes of names, values in 64 bits, and the order of words.

What a page shows and what a rule reads must be the same, so both come from the kernels of
`engine.kernels.groups.trait`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from engine.events import Traits
from engine.kernels.groups import trait as kernels
from engine.kernels.hashing import hash64
from engine.ports.traits import Trait, TraitWord
from engine.traits import MOST_TRAITS, TraitValue, fault_of, is_name


def words_of(traits: Traits, at: int, signed: bool) -> Sequence[TraitWord]:
    """The words of an event at `at` (epoch ms), the first `MOST_TRAITS` that can be any. Who is not known to have
    written it (``signed``) has the least rank, whatever it says."""
    rank = kernels.rank_among(traits.rank, signed)
    good = ((name, value) for name, value in traits.values.items() if is_name(name) and not fault_of(value))
    return [_word(name, value, at, rank, traits.by) for name, value in islice(good, MOST_TRAITS)]


def name_hash(name: str) -> int:
    """Under which a row knows a trait.

    >>> name_hash("plan") == name_hash("Plan")
    False
    """
    data = np.frombuffer(name.encode(), np.uint8)
    return int(hash64(data, 0, len(data)))


def coded(value: TraitValue) -> tuple[int, int]:
    """The type (`engine.kernels.groups.trait`) and the 64 bits of a value.

    >>> coded(None), coded(True) == coded(1), coded("1.10")[0] == kernels.VERSION
    ((0, 0), True, True)
    """
    if value is None:
        return kernels.REMOVED, 0
    if isinstance(value, str):
        data = np.frombuffer(value.encode(), np.uint8)
        kind, bits = kernels.coded_text(data, 0, len(data))
        return int(kind), int(bits)
    return kernels.NUMBER, int(kernels.number_bits(float(value)))


def _word(name: str, value: TraitValue, at: int, rank: int, by: str) -> TraitWord:
    kind, bits = coded(value)
    mark = int(kernels.mark_of(rank, at, kind))
    return TraitWord(Trait(name, value, at, by), f"{mark:016x}{bits:016x}", f"{name_hash(name):016x}")
