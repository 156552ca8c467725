"""Deadlines: who is late, and who is not."""

import asyncio
import time

from engine.customer_id import customer_id
from engine.decisions.deadlines import EARLY_S, Deadlines, PendingRequest
from engine.decisions.request import DecisionRequest
from tests.patience import PATIENCE_S


class Late:
    """Notes who was late, in which order, and when; `enough` is set by as many as `wanted`."""

    def __init__(self, wanted: int) -> None:
        self.names: list[str] = []
        self.early: list[bool] = []
        self.enough = asyncio.Event()
        self.deadlines = Deadlines(self._note)
        self._wanted = wanted

    def _note(self, late: object) -> None:
        assert isinstance(late, list)
        for asked in sorted(late, key=lambda one: one.due):
            self.names.append(asked.request.customer)
            self.early.append(time.perf_counter() < asked.due - EARLY_S)
        if len(self.names) == self._wanted:
            self.enough.set()

    def ask(self, name: str, within_s: float) -> PendingRequest:
        """`name` asks and waits."""
        since = time.perf_counter()
        future = asyncio.get_running_loop().create_future()
        request = DecisionRequest("web", customer_id(name))
        asked = PendingRequest(request, future, since, since + within_s)
        self.deadlines.add(asked)
        return asked


async def test_each_is_late_once_and_the_first_due_is_the_first_late() -> None:
    late = Late(4)
    for name, within in (("c", 0.03), ("a", 0.001), ("d", 0.05), ("b", 0.015)):
        late.ask(name, within)
    await asyncio.wait_for(late.enough.wait(), PATIENCE_S)
    assert late.names == ["a", "b", "c", "d"]
    assert late.early == [False] * 4


async def test_who_was_answered_is_not_late() -> None:
    late = Late(1)
    for name in ("x", "y", "z"):  # the timer was set for the first of them
        late.deadlines.remove(late.ask(name, 0.001))
    late.ask("a", 0.01)
    await asyncio.wait_for(late.enough.wait(), PATIENCE_S)
    assert late.names == ["a"]


async def test_who_comes_after_all_were_late_is_late_too() -> None:
    late = Late(1)
    late.ask("a", 0.001)
    await asyncio.wait_for(late.enough.wait(), PATIENCE_S)
    late.names.clear()
    late.enough.clear()
    late.ask("b", 0.001)
    await asyncio.wait_for(late.enough.wait(), PATIENCE_S)
    assert late.names == ["b"]
