"""Where a rule file is wrong and why: faults of all files are collected before any is shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec

LONGEST_SHOWN = 60
MOST = 500  # more do not help, and the search for similar names is slow


class Spot(msgspec.Struct, frozen=True, order=True):
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class RuleFaults:
    """A growing list of faults, and of doubts beside them, which keep no rule out of use."""

    def __init__(self) -> None:
        self._found: set[tuple[Spot, str, str]] = set()
        self._doubts: set[tuple[Spot, str, str]] = set()

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def full(self) -> bool:
        """No more are taken."""
        return len(self._found) >= MOST

    def add(self, spot: Spot, name: str, reason: str) -> None:
        """Record that `name` is wrong at `spot` because of `reason`."""
        if not self.full:
            self._found.add((spot, name, reason))

    def doubt(self, spot: Spot, name: str, reason: str) -> None:
        """Record that `name` at `spot` is probably a slip because of `reason`."""
        if len(self._doubts) < MOST:
            self._doubts.add((spot, name, reason))

    def lines(self) -> list[str]:
        """``file:line:col: name: reason``, in the order of files and lines."""
        return [f"{spot}: {name}: {reason}" for spot, name, reason in sorted(self._found)]

    def doubts(self) -> list[str]:
        """``file:line:col: name: warning: reason`` of each doubt, in the order of files and lines."""
        return [f"{spot}: {name}: warning: {reason}" for spot, name, reason in sorted(self._doubts)]


def shown(text: str) -> str:
    """`text` quoted for a message: on one line, printable, not too long."""
    return repr(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…")


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean x?`` for names of `known` that look like `name`, else nothing."""
    known = list(known)
    tails = [other for other in known if other.rpartition(".")[2] == name]
    close = tails or [other for other in known if other == name.lower()]
    close = close or difflib.get_close_matches(name[:LONGEST_SHOWN], known, n=2)
    return f"; did you mean {' or '.join(close)}?" if close else ""
