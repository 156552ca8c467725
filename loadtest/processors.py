"""A processor for each side of a benchmark, where the machine has several."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


def processors() -> list[int]:
    """Those that this process may use; none where it cannot choose."""
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Afterwards this process may use all of `cores` again."""
    try:
        yield
    finally:
        if len(cores) > 1:
            os.sched_setaffinity(0, cores)


def stay_on(cores: Sequence[int], which: int) -> None:
    """This process, and what it starts from now on, stays on one of the processors where there are several."""
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[which]})
