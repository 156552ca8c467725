"""Bytes of large request bodies that may be in memory at once, while they arrive."""

from __future__ import annotations

from engine.errors import Overloaded


class BodyBudget:
    """What the bodies of many requests take together, counted as it arrives: what is stated costs nothing. Used by
    one event loop, so no lock."""

    def __init__(self, most: int) -> None:
        self.taken = 0
        self._most = most

    def take(self, size: int) -> None:
        """Room for `size` bytes more; raises `Overloaded`."""
        if size and self.taken + size > self._most:
            raise Overloaded(f"bodies of {self._most} bytes are arriving")
        self.taken += size

    def give_back(self, size: int) -> None:
        """Room that is no longer needed."""
        self.taken -= size
