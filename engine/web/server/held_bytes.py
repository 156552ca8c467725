"""Bytes that connections have received and nobody has read, bounded for the whole process."""

from __future__ import annotations

from typing import Protocol

MOST_HELD = 64 * 1024 * 1024


class Holder(Protocol):
    """A connection."""

    def give_up(self) -> None:
        """Disconnect, and hold nothing."""


class HeldBytes:
    """How much each connection holds. Beyond `most` in sum the one goes that has made no progress for the longest:
    most likely a client that sends requests and reads no answers."""

    def __init__(self, most: int) -> None:
        self.total = 0
        self._most = most
        self._of: dict[Holder, int] = {}  # the one without progress for the longest first

    def set(self, holder: Holder, amount: int) -> None:
        """`holder` holds `amount` bytes from now on."""
        if amount == self._of.get(holder, 0):
            return
        self.total += amount - self._of.pop(holder, 0)
        if amount:
            self._of[holder] = amount
        while self.total > self._most:
            stuck = next(iter(self._of))
            self.total -= self._of.pop(stuck)
            stuck.give_up()
