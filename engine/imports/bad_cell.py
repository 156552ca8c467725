"""Why a cell, or a line for it, is not taken."""

from __future__ import annotations


class BadCell(Exception):
    """``reason`` is one of a few words that are counted, ``column`` where it is."""

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column
