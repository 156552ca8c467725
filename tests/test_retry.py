"""Trying again: until it works, until patience ends, never what is no matter of waiting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

import pytest
import stamina
from prometheus_client import REGISTRY

from engine.errors import CuelineError, Fenced, Overloaded, Unavailable
from engine.retry import attempts


class Work:
    """Fails as often as there are `faults`."""

    def __init__(self, *faults: BaseException) -> None:
        self.faults = list(faults)
        self.done = 0

    def __call__(self) -> int:
        self.done += 1
        if self.faults:
            raise self.faults.pop(0)
        return self.done


@pytest.fixture
def at_once() -> Iterator[None]:
    """No pauses."""
    with stamina.set_testing(True, attempts=100):
        yield


async def tried(work: Callable[[], int], **how: float) -> int:
    async for attempt in attempts("the work", Unavailable, **how):
        with attempt:
            await asyncio.sleep(0)
            return work()
    raise AssertionError("an attempt neither ended nor failed")


@pytest.mark.usefixtures("at_once")
async def test_it_goes_on_until_it_works() -> None:
    work = Work(*(Unavailable("away") for _ in range(30)))
    assert await tried(work) == 31


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "fault", [Fenced("theirs"), CuelineError("other"), ZeroDivisionError(), KeyboardInterrupt()]
)
async def test_what_waiting_does_not_mend_passes_at_once(fault: BaseException) -> None:
    work = Work(fault)
    with pytest.raises(type(fault)):
        await tried(work)
    assert work.done == 1


async def test_patience_ends_with_the_last_error() -> None:
    work = Work(*(Unavailable(f"away {n}") for n in range(10_000)))
    with pytest.raises(Unavailable, match="away") as last:
        await tried(work, patience_s=0.02, first_s=0.001, longest_s=0.002)
    assert str(last.value) == f"away {work.done - 1}"
    assert work.done > 1


async def test_a_cancellation_ends_the_pause_and_the_attempt() -> None:
    for first_s in (0.0, 3_600.0):
        work = Work(*(Unavailable("away") for _ in range(10**6)))
        task = asyncio.create_task(tried(work, first_s=first_s, longest_s=first_s))
        while not work.done:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been waited, in seconds."""
    asked: list[float] = []

    async def note(seconds: float, *_: object) -> None:
        asked.append(seconds)

    monkeypatch.setattr("stamina._core._smart_sleep", note)
    return asked


async def test_pauses_double_from_the_first_to_the_longest(pauses: list[float]) -> None:
    work = Work(*(Unavailable("away") for _ in range(6)))
    await tried(work, first_s=0.2, longest_s=1.5)
    for pause, least in zip(pauses, (0.2, 0.4, 0.8, 1.5, 1.5, 1.5), strict=True):
        assert least <= pause <= min(least + 0.2, 1.5)


async def test_one_who_says_when_to_come_back_is_believed(pauses: list[float]) -> None:
    work = Work(Overloaded("full", 30), Overloaded("full", 0))
    async for attempt in attempts("a batch", (Unavailable, Overloaded), first_s=0.1):
        with attempt:
            work()
    stated, own = pauses
    assert 30 <= stated <= 36
    assert own <= 0.5


async def test_one_who_is_to_come_back_after_patience_has_ended_does_not_wait(pauses: list[float]) -> None:
    async def refused() -> None:
        async for attempt in attempts("a batch", Overloaded, patience_s=29.0):
            with attempt:
                raise Overloaded("full", 30)

    with pytest.raises(Overloaded):
        await refused()
    assert pauses == []


@pytest.mark.usefixtures("at_once")
async def test_the_log_says_what_waits_and_nothing_is_counted_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await tried(Work(Unavailable("Redis: away")))
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("cueline", "the work waits: Redis: away")
    ]
    assert not [family.name for family in REGISTRY.collect() if "stamina" in family.name]
