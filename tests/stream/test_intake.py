"""Partitions that take no records since too many cannot be applied: what holds them, and what lets them go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.kernels.partition import partition_of
from engine.ports.clock import ClockAnchor
from engine.ports.stream_store import Intake, Pause
from engine.settings import Stream
from engine.store.memory import MemoryStore
from engine.stream.intake import IntakeCheck
from tests.stream.fetched import fetched
from tests.stream.test_worker import PARTITIONS, KafkaRecord, Setting, records
from tests.stream.test_worker_boundaries import CART, DUE

STRANGER = next(b"member-%d" % i for i in range(99) if partition_of(b"member-%d" % i, PARTITIONS) == 2)
LIMITS: dict[str, Any] = {"dead_letter_window": 10, "dead_letter_ratio": 0.2}


def bad(first: int, count: int) -> list[KafkaRecord]:
    return [KafkaRecord(first + place, b"\xff") for place in range(count)]


async def paused(setting: Setting, good: int = 0) -> None:
    """Partition 1 after `good` records, at ten that cannot be applied."""
    await setting.worker.owned.own([1, 2])
    if good:
        await setting.worker.apply(fetched({1: records(0, good)}))
    assert await setting.worker.apply(fetched({1: bad(good, 10)})) == {1: good}
    assert set(setting.worker.paused) == {1}


async def test_the_others_go_on() -> None:
    setting = Setting(**LIMITS)
    await paused(setting, 5)
    elsewhere = [KafkaRecord(place, records(place, 1)[0].value, STRANGER) for place in range(7)]
    assert await setting.worker.apply(fetched({1: bad(5, 10), 2: elsewhere})) == {1: 5}
    assert await setting.events() == 5 + 7
    assert setting.side_output.dead == []
    assert (await setting.store.position(1)).offset == 5


async def test_its_timers_go_on_up_to_what_was_applied() -> None:
    setting = Setting(lateness_ms=0, **LIMITS)
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: [CART]}))
    assert await setting.worker.apply(fetched({1: bad(1, 10)})) == {1: 1}
    setting.worker.states[1].watermark = DUE
    setting.clock.anchor = ClockAnchor(DUE + 60_000, 0, 0)
    await setting.worker.fire_timers(lambda partition: False)
    await setting.worker.owned.drain()
    assert (await setting.store.tallies())["risen"] == 1


@pytest.mark.parametrize("again", [1, 3])
async def test_it_holds_after_a_restart_and_before_a_window_is_full_again(again: int) -> None:
    setting = Setting(**LIMITS)
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: [*records(0, 6), *bad(6, 2)]}))  # the window is nearly full
    assert await setting.worker.apply(fetched({1: bad(8, 2)})) == {1: 8}
    for _ in range(again):
        heir = setting.another(**LIMITS)
        await heir.owned.own([1])
        assert await heir.apply(fetched({1: bad(8, 1)})) == {1: 8}
        assert heir.paused == {1: "4 of the last 10 records cannot be applied; the last: " + LAST}
    assert len(setting.side_output.dead) == 2


LAST = "not a canonical event: a MessagePack array as in engine.events.Event, wire version 1"


async def test_it_holds_when_the_partition_comes_back() -> None:
    setting = Setting(**LIMITS)
    await paused(setting, 3)
    await setting.worker.owned.own([2])
    assert setting.worker.paused == {}
    await setting.worker.owned.own([1, 2])
    assert await setting.worker.apply(fetched({1: bad(3, 1)})) == {1: 3}
    assert set(setting.worker.paused) == {1}


@pytest.mark.parametrize(("ratio", "holds"), [(0.2, True), (0.99, True), (1.0, False)])
async def test_a_limit_that_was_raised_ends_it(ratio: float, holds: bool) -> None:
    setting = Setting(**LIMITS)
    await paused(setting)
    heir = setting.another(dead_letter_window=10, dead_letter_ratio=ratio)
    await heir.owned.own([1])
    await heir.apply(fetched({1: bad(0, 10)}))
    await heir.owned.drain()
    assert len(setting.side_output.dead) == (0 if holds else 10)


@pytest.mark.parametrize(("below", "passes"), [(4, False), (5, True), (9, True)])
async def test_an_operator_lets_records_pass_and_later_ones_are_judged_again(below: int, passes: bool) -> None:
    setting = Setting(**LIMITS)
    await paused(setting, 4)
    await setting.store.let_pass(1, below)
    await setting.worker.follow_store()
    assert (setting.worker.paused == {}) is passes
    assert setting.meter.value("partitions_paused") == 1
    await setting.worker.follow_store()
    assert setting.meter.value("partitions_paused") == (0 if passes else 1)
    if passes:  # what is below passes, what comes behind it fills a window of its own
        assert await setting.worker.apply(fetched({1: bad(4, below - 4 + 9)})) == {}
        assert await setting.worker.apply(fetched({1: bad(below + 9, 1)})) == {1: below + 9}
        assert len(setting.side_output.dead) == below - 4 + 9


async def test_a_partition_that_was_let_pass_does_so_in_another_worker() -> None:
    setting = Setting(**LIMITS)
    await paused(setting)
    await setting.store.let_pass(1, 30)
    heir = setting.another(**LIMITS)
    await heir.owned.own([1])
    assert await heir.apply(fetched({1: bad(0, 30)})) == {}
    await heir.owned.drain()
    assert (await setting.store.position(1)).offset == 30
    assert await heir.apply(fetched({1: bad(30, 10)})) == {1: 30}


async def test_a_pause_at_another_offset_does_not_hold() -> None:
    setting = Setting(**LIMITS)
    await setting.store.pause(1, Pause(7, 10, 10, "as it was"))
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records(0, 3)}))
    assert await setting.events() == 3


class Away(MemoryStore):
    """Answers nothing about pauses while it is `away`."""

    def __init__(self) -> None:
        super().__init__(PARTITIONS)
        self.away = True

    async def intake(self, partition: int) -> Intake:
        if self.away:
            raise Unavailable("Redis is away")
        return await super().intake(partition)

    async def pause(self, partition: int, pause: Pause) -> None:
        if self.away:
            raise Unavailable("Redis is away")
        await super().pause(partition, pause)


async def test_nothing_is_applied_while_nobody_knows_whether_it_is_paused() -> None:
    setting = Setting(store := Away())
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records(0, 3)}))
    assert setting.worker.states[1].failed
    store.away = False
    assert await setting.worker.owned.restore(lambda: True, 0) == {1: 0}
    await setting.worker.apply(fetched({1: records(0, 3)}))
    assert await setting.events() == 3


async def test_a_pause_that_could_not_be_kept_lets_nothing_pass() -> None:
    setting = Setting(store := Away(), **LIMITS)
    store.away = False
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records(0, 1)}))
    store.away = True
    await setting.worker.apply(fetched({1: bad(1, 10)}))
    assert setting.worker.states[1].failed
    assert setting.side_output.dead == []


def test_a_pause_holds_at_its_offset_until_that_is_let_pass() -> None:
    pause = Pause(7, 10, 3, "why")
    for offset, below, holds in ((7, 0, True), (7, 7, True), (7, 8, False), (6, 0, False), (8, 0, False)):
        assert Intake(pause, below).paused_at(offset) == (pause if holds else None)
    assert Intake(None, 0).paused_at(7) is None
    assert pause.reason == "3 of the last 10 records cannot be applied; the last: why"


async def test_a_slip_of_the_store_is_not_taken_for_an_absence() -> None:
    class Slips(MemoryStore):
        async def intake(self, partition: int) -> Intake:
            raise RuntimeError("a slip")

    setting = Setting(store := Slips(PARTITIONS))
    await setting.worker.owned.own([1])
    states: Sequence[object] = [setting.worker.states[1]]
    with pytest.raises(RuntimeError, match="a slip"):
        await IntakeCheck(Stream(), store, setting.meter).look(states)  # type: ignore[arg-type]
