"""Every mutant of the checkout, and the same few hundred of them for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from tests.mutation.lua import lua_edits
from tests.mutation.mutant import Mutant, mutants
from tests.mutation.operators import python_edits
from tests.mutation.targets import AREAS, area_of


def sources(root: Path) -> list[str]:
    """Files that are mutated, relative to `root`."""
    places = [root / one for area in AREAS for one in area.sources]
    files = (file for place in places for file in ([place] if place.is_file() else place.rglob("*.*")))
    found = {file.relative_to(root).as_posix() for file in files}
    return sorted(path for path in found if area_of(path))


def of_file(root: Path, path: str) -> list[Mutant]:
    """The mutants of one file."""
    text = (root / path).read_bytes()
    return mutants(path, text, lua_edits(text) if path.endswith(".lua") else python_edits(text))


def sample(root: Path, count: int, seed: int) -> list[Mutant]:
    """At most `count` mutants in the order in which they are run, kernels first.

    A mutant is drawn by a hash of its id and the seed: an edit of one function leaves the others' draw as it was.
    """
    every = [mutant for path in sources(root) for mutant in of_file(root, path)]
    every.sort(key=lambda mutant: hashlib.sha256(f"{seed}:{mutant.id}".encode()).digest())
    drawn = list(islice(_valid(root, every), count))
    return sorted(drawn, key=lambda mutant: (_rank(mutant.path), mutant.path, mutant.edit.start))


def _rank(path: str) -> int:
    return next(place for place, area in enumerate(AREAS) if area is area_of(path))


def _valid(root: Path, every: Iterable[Mutant]) -> Iterator[Mutant]:
    """Those that are Python, or Lua."""
    for mutant in every:
        if mutant.path.endswith(".py"):
            try:
                compile(mutant.source((root / mutant.path).read_bytes()), mutant.path, "exec")
            except (SyntaxError, ValueError):
                continue
        yield mutant
