"""One change of one source file, as small as a slip of the pen."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Bytes ``[start, end)`` of a source become `replacement`; ``where`` is the function it lies in."""

    start: int
    end: int
    replacement: str
    operator: str
    where: str = ""


@dataclass(frozen=True)
class Mutant:
    """An edit of `path` (relative to the checkout, with ``/``).

    ``id`` names the change by its file, function and words, not by its line: it outlives edits elsewhere.
    """

    id: str
    path: str
    line: int
    edit: Edit

    def source(self, text: bytes) -> bytes:
        """The whole file with the change in it."""
        return text[: self.edit.start] + self.edit.replacement.encode() + text[self.edit.end :]

    def diff(self, text: bytes) -> str:
        """The change as a unified diff with one line around it."""
        before, after = (source.decode().splitlines() for source in (text, self.source(text)))
        lines = difflib.unified_diff(before, after, self.path, self.path, lineterm="", n=1)
        return "\n".join(lines)


def mutants(path: str, text: bytes, edits: Iterable[Edit]) -> list[Mutant]:
    """The mutants that `edits` make of the file `path`; of those that give the same source only one."""
    seen: Counter[str] = Counter()
    made: dict[tuple[int, int, str], Mutant] = {}
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end, edit.replacement)):
        line = text.count(b"\n", 0, edit.start) + 1
        words = "\0".join((path, edit.where, edit.operator, _line_of(text, edit.start), *_words(text, edit)))
        seen[words] += 1
        digest = hashlib.sha256(f"{words}\0{seen[words]}".encode()).hexdigest()[:12]
        made.setdefault((edit.start, edit.end, edit.replacement), Mutant(digest, path, line, edit))
    return list(made.values())


def _words(text: bytes, edit: Edit) -> tuple[str, str]:
    return text[edit.start : edit.end].decode(), edit.replacement


def _line_of(text: bytes, place: int) -> str:
    start, end = text.rfind(b"\n", 0, place) + 1, text.find(b"\n", place)
    return text[start : end if end >= 0 else len(text)].decode().strip()
