"""Traits of the in-memory twin: the greatest word of each name, and of all names the greatest."""

from __future__ import annotations

from collections.abc import Iterable

from engine.ports.traits import MARK, TraitWord
from engine.traits import MOST_TRAITS


def remember(kept: dict[str, TraitWord], words: Iterable[TraitWord]) -> None:
    """Add `words` to those of one customer."""
    for word in words:
        known = kept.get(word.trait.name)
        if known is None or word.order > known.order:
            kept[word.trait.name] = word
    for name in sorted(kept, key=lambda name: (kept[name].order[:MARK], kept[name].place))[:-MOST_TRAITS]:
        del kept[name]
