"""The in-memory twin of what `stats.py` keeps: the words behind hashes, and the clock of a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.ports.clock import ClockAnchor


class MemoryNames:
    """The part of `engine.ports.stats_store.StatsStore` that counts nothing, in one process."""

    def __init__(self) -> None:
        super().__init__()
        self._words_kept = 0
        self._names, self._names_before = dict[int, str](), dict[int, str]()
        self._names_begun = 0  # how often
        self._anchor: ClockAnchor | None = None

    async def name(self, words: Sequence[tuple[int, str]]) -> None:
        for number, word in words:
            known = self._names.get(number, self._names_before.get(number, word))
            self._names[number] = word if known == word else ""
        if words and not self._names_begun:
            self._names_begun = 1
        if len(self._names) >= self._words_kept:
            self._names, self._names_before = {}, self._names
            self._names_begun += 1

    async def names(self, hashes: Sequence[int]) -> Mapping[int, str]:
        known = self._names_before | self._names
        return {number: known[number] for number in hashes if known.get(number)}

    async def names_begun(self) -> str:
        return str(self._names_begun or "")

    async def set_clock(self, anchor: ClockAnchor | None) -> None:
        self._anchor = anchor

    async def clock(self) -> ClockAnchor | None:
        return self._anchor
