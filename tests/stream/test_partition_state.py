"""A partition's commits under way: how many at most, what they end with, and when its rows may be changed."""

from __future__ import annotations

import asyncio

import pytest

from engine.ports.stream_store import Position
from engine.stream.ownership import LEAST_ROWS, Ownership
from engine.stream.partition_state import MAX_IN_FLIGHT, PartitionState
from engine.stream.row_cache import RowCache
from tests.stream.test_worker import PARTITIONS, Setting


def state() -> PartitionState:
    return PartitionState(3, Position(5, 70), RowCache(10))


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_four_commits_may_be_under_way() -> None:
    assert MAX_IN_FLIGHT == 4
    of, gates = state(), [asyncio.Event() for _ in range(4)]
    for gate in gates[:3]:
        of.pending.append(asyncio.ensure_future(_after(gate)))
    await asyncio.wait_for(of.room(), 60)
    assert len(of.pending) == 3
    of.pending.append(asyncio.ensure_future(_after(gates[3])))
    room = asyncio.ensure_future(of.room())
    await turns()
    assert not room.done()
    gates[1].set()  # not the oldest: they are answered in order
    await turns()
    assert not room.done()
    gates[0].set()
    await asyncio.wait_for(room, 60)
    assert len(of.pending) == 2
    for gate in gates:
        gate.set()
    await asyncio.wait_for(of.drained(), 60)
    assert len(of.pending) == 0


async def _after(gate: asyncio.Event) -> None:
    await gate.wait()


async def _broken() -> None:
    raise ZeroDivisionError


async def test_draining_waits_for_all_and_raises_what_one_failed_of() -> None:
    of, gate = state(), asyncio.Event()
    await of.drained()
    of.pending.extend([asyncio.ensure_future(_after(gate)), asyncio.ensure_future(_broken())])
    drained = asyncio.ensure_future(of.drained())
    await turns()
    assert not drained.done()
    gate.set()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(drained, 60)


async def test_a_commit_that_was_cancelled_is_forgotten() -> None:
    of = state()
    task = asyncio.ensure_future(_after(asyncio.Event()))
    of.pending.append(task)
    task.cancel()
    await asyncio.wait_for(of.drained(), 60)
    assert len(of.pending) == 0


def test_rows_may_be_changed_until_it_failed_or_was_handed_on() -> None:
    of = state()
    assert (of.next, of.committed, of.epoch, of.live) == (70, 70, 5, True)
    for failed, closed in ((True, False), (False, True), (True, True)):
        of.failed, of.closed = failed, closed
        assert not of.live


@pytest.mark.parametrize(
    ("rows_in_memory", "partitions", "limit"),
    [(1, 1, 2_048), (2_047, 1, 2_048), (2_048, 1, 2_048), (2_049, 1, 2_049), (9_000, 3, 3_000), (6_000, 3, 2_048)],
)
async def test_partitions_share_the_rows_in_memory(rows_in_memory: int, partitions: int, limit: int) -> None:
    assert LEAST_ROWS == 2_048
    setting = Setting()
    owned = Ownership(setting.store, rows_in_memory, setting.meter)
    await owned.own(range(partitions))
    assert partitions < PARTITIONS
    assert {one.cache.limit for one in owned.states.values()} == {limit}
