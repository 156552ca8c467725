"""Work in steps gives the same result beside other work, and holds the event loop for a slice at most."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from engine.steps import SLICE_S, Steps, finish, in_slices


class Hands:
    """A clock that a step moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def counting(steps: int, hands: Hands, seconds: float) -> Steps[int]:
    """`steps` steps, each of which takes `seconds`."""
    for _ in range(steps):
        hands.now += seconds
        yield
    return steps


def failing() -> Steps[int]:
    yield
    raise ValueError("no result")


def test_the_result_is_that_of_all_steps() -> None:
    assert finish(counting(7, Hands(), 1.0)) == 7
    with pytest.raises(ValueError, match="no result"):
        finish(failing())


@pytest.mark.parametrize(
    ("step", "turns"),
    [(SLICE_S / 10, 10), (SLICE_S, 100), (SLICE_S * 3, 100)],  # a hundred steps: ten a slice, one, one
)
async def test_others_have_their_turn_after_each_slice(step: float, turns: int) -> None:
    hands, seen, over = Hands(), [], asyncio.Event()

    async def other() -> None:
        while not over.is_set():
            seen.append(hands.now)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert await in_slices(counting(100, hands, step), hands) == 100
    over.set()
    await task
    held = [after - before for before, after in pairwise(seen)]
    assert max(held) <= SLICE_S + step
    assert len([one for one in held if one]) == pytest.approx(turns, abs=2)


async def test_a_failure_is_the_callers() -> None:
    with pytest.raises(ValueError, match="no result"):
        await in_slices(failing())
