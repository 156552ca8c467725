"""The sweep deletes rows idle for more than 400 days, and no row ever shows whether it ran."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Unavailable
from engine.events import WIRE_VERSION, Event, Kind
from engine.kernels.forgetting import FORGOTTEN_AFTER_MS
from engine.ports.clock import ClockAnchor
from engine.ports.stream_store import Commit
from engine.store.memory import MemoryStore
from engine.stream.sweep import SKEW_MS
from tests.stream.fetched import fetched
from tests.stream.test_worker import CUSTOMER, OTHER, PARTITIONS, START, KafkaRecord, Setting

DAY = 86_400_000
LIMIT = FORGOTTEN_AFTER_MS + SKEW_MS


def record(offset: int, customer: bytes, came_in: int, late: int = 0) -> KafkaRecord:
    event = Event(WIRE_VERSION, int(Kind.SEARCHED), came_in - late, f"id-{offset}")
    return KafkaRecord(offset, msgspec.msgpack.encode(event), customer, came_in)


async def apply(setting: Setting, *records: KafkaRecord) -> None:
    """Apply them, each alone, with the clock at the last's time."""
    for one in records:
        setting.clock.anchor = ClockAnchor(one.timestamp, 0, 0)
        await setting.worker.apply(fetched({1: [one]}))
    await setting.worker.owned.drain()


async def sweep(setting: Setting) -> None:
    """Look at everything once."""
    await setting.worker._sweep.go_on(setting.worker.states, 0.0)
    await setting.worker.owned.drain()
    setting.worker._sweep._looked_at = None


async def begun(store: MemoryStore | None = None) -> Setting:
    setting = Setting(store)
    await setting.worker.owned.own([1])
    return setting


@pytest.mark.parametrize(("beyond", "kept"), [(-1, True), (0, True), (1, False)])
async def test_a_row_goes_a_millisecond_after_its_time(beyond: int, kept: bool) -> None:
    setting = await begun()
    await apply(setting, record(0, CUSTOMER, START), record(1, OTHER, START + LIMIT + beyond))
    await sweep(setting)
    row, other = await setting.store.read(1, [CUSTOMER, OTHER])
    assert (row is not None, other is not None) == (kept, True)
    assert setting.meter.value("stream_forgotten") == (not kept)
    assert (await setting.store.position(1)).offset == 2


async def test_nothing_goes_by_the_clock_alone_nor_by_records_that_run_ahead_of_it() -> None:
    """What waits in the log may be of any time until it is applied; and a record's clock may be wrong."""
    setting = await begun()
    await apply(setting, record(0, CUSTOMER, START))
    setting.clock.anchor = ClockAnchor(START + 3 * LIMIT, 0, 0)
    await sweep(setting)
    await apply(setting, record(1, OTHER, START + LIMIT + 1))
    setting.clock.anchor = ClockAnchor(START, 0, 0)
    await sweep(setting)
    assert None not in await setting.store.read(1, [CUSTOMER, OTHER])
    setting.clock.anchor = ClockAnchor(START + LIMIT + 1, 0, 0)
    await sweep(setting)
    assert await setting.store.read(1, [CUSTOMER]) == [None]


async def test_a_forgotten_customer_is_new_in_memory_too() -> None:
    setting = await begun()
    await apply(setting, record(0, CUSTOMER, START), record(1, OTHER, START + LIMIT + 1))
    await sweep(setting)
    await apply(setting, record(2, CUSTOMER, START + LIMIT + 2))
    alone = await begun()
    await apply(alone, record(2, CUSTOMER, START + LIMIT + 2)._replace(offset=0))
    assert await setting.store.read(1, [CUSTOMER]) == await alone.store.read(1, [CUSTOMER])


async def test_a_sweep_that_another_worker_overtook_deletes_nothing() -> None:
    setting = await begun()
    await apply(setting, record(0, CUSTOMER, START), record(1, OTHER, START + LIMIT + 1))
    await setting.store.claim(1)
    await sweep(setting)
    assert None not in await setting.store.read(1, [CUSTOMER])
    assert setting.worker.states[1].failed


async def test_without_the_store_it_goes_on_later() -> None:
    class Away(MemoryStore):
        away = False

        async def commit(self, commit: Commit) -> list[list[int]]:
            if self.away:
                raise Unavailable("Redis is away")
            return await super().commit(commit)

    store = Away(PARTITIONS)
    setting = await begun(store)
    await apply(setting, record(0, CUSTOMER, START), record(1, OTHER, START + LIMIT + 1))
    store.away = True
    await sweep(setting)
    assert setting.worker.states[1].failed
    assert None not in await store.read(1, [CUSTOMER])


@pytest.mark.parametrize(("per_second", "looked"), [(0, 0), (1, 4), (2, 8), (3, 12)])
async def test_it_is_paced(per_second: int, looked: int) -> None:
    class Counting(MemoryStore):
        looked = 0

        async def rows_from(self, cursor: int, count: int) -> tuple[int, dict[int, list[bytes]]]:
            self.looked += count
            return 0, {}

    store = Counting(PARTITIONS)
    worker = Setting(store, sweep_per_second=per_second).worker
    for quarter in range(13):  # of three seconds; what was not looked at before the first is one second's
        await worker._sweep.go_on({}, quarter / 4)
    assert store.looked == looked


class Step(msgspec.Struct, frozen=True):
    """An event of a customer after a time, and so late; or a sweep."""

    customer: bytes
    after: int
    late: int
    swept: bool


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from([CUSTOMER, OTHER]),
        st.sampled_from([1_000, DAY, 200 * DAY, 400 * DAY, LIMIT, LIMIT + 1, 500 * DAY]),
        st.sampled_from([0, 0, DAY, 100 * DAY, 400 * DAY]),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_rows_are_as_if_it_never_ran_but_for_those_that_are_gone(taken: list[Step]) -> None:
    async def scenario() -> None:
        swept, plain = await begun(), await begun()
        at = START
        for offset, step in enumerate(taken):
            at += step.after
            one = record(offset, step.customer, at, step.late)
            for setting in (swept, plain):
                await apply(setting, one)
            if step.swept:
                await sweep(swept)
            (row,), (other,) = [await s.store.read(1, [step.customer]) for s in (swept, plain)]
            assert row in (other, None)
            assert row is not None or step.swept

    asyncio.run(scenario())
