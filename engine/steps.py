"""Long work in steps, so that an event loop can do something else between them.

A function that works in steps is a generator that yields after each and returns the result. Who needs it at once
calls `finish`; `in_slices` runs it beside other work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]

#: `in_slices` begins steps for so long, then the loop has a turn.
SLICE_S = 0.002


def finish(steps: Steps[T]) -> T:
    """The result of all `steps`, run one after the other.

    >>> def count():
    ...     yield
    ...     return 3
    >>> finish(count())
    3
    """
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


async def in_slices(steps: Steps[T], clock: Callable[[], float] = time.perf_counter) -> T:
    """The result of `steps`; the event loop is held for `SLICE_S` and one step at most."""
    until = clock() + SLICE_S
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        if clock() >= until:
            await asyncio.sleep(0)
            until = clock() + SLICE_S
