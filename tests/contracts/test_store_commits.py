"""The stream worker's methods: fencing, offsets, rows, timers."""

from __future__ import annotations

import asyncio
import random

import msgspec
import numpy as np
import pytest
import redis

from engine.clock import wall_ms
from engine.errors import Fenced, Unavailable
from engine.kernels.row import ROW_BYTES
from engine.ports.decision_store import Candidate
from engine.ports.stream_store import Commit, Position, Timers
from engine.store.redis import RedisStore
from tests.contracts.builders import AnyStore, change, choice, customers_of, reservation


async def test_an_untouched_partition_stands_at_nought(store: AnyStore) -> None:
    assert await store.position(2) == Position(0, 0)
    assert await store.read(2, [b"nobody", b"noone"]) == [None, None]
    assert await store.read(2, []) == []
    assert await store.due(2, 10**15, 10) == []


async def test_each_claim_raises_the_epoch_and_keeps_the_offset(store: AnyStore) -> None:
    first = await store.claim(1)
    assert (first.offset, first.previous) == (0, 0)
    await store.commit(change(first.epoch, 0, 40))
    second = await store.claim(1)
    assert (second.offset, second.previous) == (40, first.epoch)
    assert second.epoch > first.epoch
    assert await store.position(1) == Position(second.epoch, 40)
    assert await store.position(3) == Position(0, 0)


async def test_a_partition_can_be_claimed_only_if_it_is_still_held(store: AnyStore) -> None:
    first = await store.claim(1)
    renewed = await store.claim(1, first.epoch)
    assert (renewed.previous, renewed.epoch > first.epoch) == (first.epoch, True)
    for held in (first.epoch, 0, -1):
        late = await store.claim(1, held)
        assert (late.epoch, late.previous) == (renewed.epoch, renewed.epoch)
    assert (await store.position(1)).epoch == renewed.epoch
    assert (await store.claim(2, 0)).previous == 0  # of one that nobody ever held


async def test_a_commit_goes_over_the_connection_it_names_or_not_at_all(store: AnyStore) -> None:
    epoch = (await store.claim(1)).epoch
    wrong = msgspec.structs.replace(change(epoch, 0, 1), connection=store.connections + 1)
    with pytest.raises(Unavailable):
        await store.commit(wrong)
    assert (await store.position(1)).offset == 0
    await store.commit(msgspec.structs.replace(wrong, connection=store.connections))
    assert (await store.position(1)).offset == 1


async def test_a_claim_fences_the_earlier_owner(store: AnyStore) -> None:
    first = await store.claim(1)
    second = await store.claim(1)
    stale = change(first.epoch, 0, 5, rows={b"a": b"stale"}, timers={b"a": 3}, tallies={"events": 5})
    with pytest.raises(Fenced, match="epoch"):
        await store.commit(stale)
    assert await store.read(1, [b"a"]) == [None]
    assert await store.due(1, 100, 10) == []
    assert not (await store.tallies()).get("events")
    assert await store.position(1) == Position(second.epoch, 0)


@pytest.mark.parametrize("expected", [0, 9, 11])
async def test_another_offset_than_expected_is_refused(store: AnyStore, expected: int) -> None:
    epoch = (await store.claim(1)).epoch
    await store.commit(change(epoch, 0, 10, rows={b"a": b"kept"}))
    with pytest.raises(Fenced, match="offset"):
        await store.commit(change(epoch, expected, 20, rows={b"a": b"lost"}, cues=[choice(customers_of(1, 1)[0])]))
    assert await store.read(1, [b"a"]) == [b"kept"]
    assert await store.position(1) == Position(epoch, 10)
    assert await store.since(None, "") == []


async def test_offsets_beyond_a_double_are_told_apart(store: AnyStore) -> None:
    epoch = (await store.claim(1)).epoch
    await store.commit(change(epoch, 0, 2**53))
    with pytest.raises(Fenced):
        await store.commit(change(epoch, 2**53 + 1, 2**53 + 2))
    await store.commit(change(epoch, 2**53, 2**53 + 1))
    assert (await store.position(1)).offset == 2**53 + 1


async def test_a_refusal_voids_all_commits_behind_it(store: AnyStore) -> None:
    epoch = (await store.claim(1)).epoch
    under_way = [
        store.commit(change(epoch, 0, 1, rows={b"a": b"1"})),
        store.commit(change(epoch, 7, 2, rows={b"a": b"2"})),
        store.commit(change(epoch, 2, 3, rows={b"a": b"3"})),
        store.commit(change(epoch, 3, 4, rows={b"b": b"4"})),
    ]
    results = await asyncio.gather(*under_way, return_exceptions=True)
    assert results[0] == []
    assert all(isinstance(result, Fenced) for result in results[1:])
    assert await store.read(1, [b"a", b"b"]) == [b"1", None]
    assert (await store.position(1)).offset == 1


async def test_partitions_do_not_fence_one_another(store: AnyStore) -> None:
    epochs = [(await store.claim(p)).epoch for p in (0, 1)]
    changes = [change(epochs[p], i, i + 1, partition=p, rows={b"c": b"%d" % i}) for i in range(20) for p in (0, 1)]
    await asyncio.gather(*map(store.commit, changes))
    assert await store.read(0, [b"c"]) == await store.read(1, [b"c"]) == [b"19"]


async def test_a_read_sees_commits_sent_before_it(store: AnyStore) -> None:
    epoch = (await store.claim(1)).epoch
    calls = []
    for i in range(30):
        calls += [store.commit(change(epoch, i, i + 1, rows={b"a": b"%d" % i})), store.read(1, [b"a"])]
    results = await asyncio.gather(*calls)
    assert results[1::2] == [[b"%d" % i] for i in range(30)]


async def test_rows_come_back_bit_by_bit(store: AnyStore) -> None:
    """2,600 rows with every byte value, line ends among them, and odd customers."""
    epoch = (await store.claim(1)).epoch
    cache = np.random.default_rng(1).integers(0, 256, (2_600, ROW_BYTES), np.uint8)
    cache[7, :4] = np.frombuffer(b"\r\n$1", np.uint8)
    rows = [row.tobytes() for row in cache]
    customers = [f"kunde {i} ü\r\n{{p3}}".encode() for i in range(2_600)]
    await store.commit(Commit(1, epoch, 0, 2_600, customers, rows, Timers([], []), [], {}))
    order = random.Random(2).sample(range(2_600), 2_600)
    found = await store.read(1, [customers[i] for i in order])
    assert found == [rows[i] for i in order]


async def test_rows_of_two_layouts_in_one_commit(store: AnyStore) -> None:
    epoch = (await store.claim(1)).epoch
    rows = {b"a": b"1" * 10, b"bb": b"2" * 300, b"c": b"", b"d": b"3" * 10}
    await store.commit(change(epoch, 0, 1, rows=rows))
    assert await store.read(1, list(rows)) == list(rows.values())


async def test_timers_are_set_moved_and_ended(store: AnyStore) -> None:
    epoch = (await store.claim(1)).epoch
    await store.commit(change(epoch, 0, 1, timers={b"a": 300, b"b": 100, b"c": 200, b"d": 200}))
    assert await store.due(1, 99, 10) == []
    assert await store.due(1, 200, 10) == [b"b", b"c", b"d"]
    assert await store.due(1, 200, 2) == [b"b", b"c"]
    await store.commit(change(epoch, 1, 2, timers={b"a": 50, b"b": 0, b"nobody": 0, b"c": 1_700_000_000_123}))
    assert await store.due(1, 1_700_000_000_122, 10) == [b"a", b"d"]
    assert await store.due(1, 1_700_000_000_123, 10) == [b"a", b"d", b"c"]
    assert await store.due(0, 10**15, 10) == []


async def test_the_post_changes_with_the_offset_or_not_at_all(store: AnyStore) -> None:
    assert await store.post(1) == {}
    epoch = (await store.claim(1)).epoch
    assert await store.post(1) == {}
    first = {"mails": "3", "out.0": "65536", "had.2.0": "0-65536 131072-196608"}
    await store.commit(change(epoch, 0, 4, post=first))
    assert await store.post(1) == first
    await store.commit(change(epoch, 4, 5))
    await store.commit(change(epoch, 5, 6, post={"out.0": "131072", "out.3": "196608"}))
    wanted = {**first, "out.0": "131072", "out.3": "196608"}
    for refused in (change(epoch, 5, 7, post={"out.0": "1"}), change(epoch - 1, 6, 7, post={"era": "1"})):
        with pytest.raises(Fenced):
            await store.commit(refused)
        assert await store.post(1) == wanted  # nor is a refusal seen in it
    await store.claim(1)
    assert (await store.post(1), await store.post(0)) == (wanted, {})


async def test_tallies_add_up_over_partitions(store: AnyStore) -> None:
    for partition in (0, 3):
        epoch = (await store.claim(partition)).epoch
        counted = {"events": 9, "applied": 7 + partition}
        await store.commit(change(epoch, 0, 9, partition=partition, tallies=counted))
        await store.commit(change(epoch, 9, 10, partition=partition, tallies={"events": 1}))
    tallies = await store.tallies()
    assert {name: tallies[name] for name in ("events", "applied")} == {"events": 20, "applied": 17}


async def test_an_empty_commit_moves_the_offset(store: AnyStore) -> None:
    epoch = (await store.claim(1)).epoch
    assert await store.commit(change(epoch, 0, 512)) == []
    assert (await store.position(1)).offset == 512


async def test_epochs_are_wall_times_so_that_a_store_that_came_back_older_gives_none_out_twice(
    store: AnyStore,
) -> None:
    before = wall_ms()
    assert before - 1_000 <= (await store.claim(1)).epoch <= wall_ms() + 1_000


async def rows_in(store: AnyStore, count: int) -> dict[int, set[bytes]]:
    """All customers who have rows, by partition, found `count` keys at a time."""
    found: dict[int, set[bytes]] = {}
    cursor, begun = 0, False
    while cursor or not begun:
        cursor, some = await store.rows_from(cursor, count)
        begun = True
        for partition, customers in some.items():
            found.setdefault(partition, set()).update(customers)
    return found


@pytest.mark.parametrize("count", [1, 7, 1_000])
async def test_all_rows_are_found_some_at_a_time(store: AnyStore, count: int) -> None:
    assert await rows_in(store, count) == {}
    wanted = {partition: {name.encode() for name in customers_of(partition, 12)} for partition in (0, 2)}
    wanted[2].add(b"a:b\nc")
    for partition, names in wanted.items():
        epoch = (await store.claim(partition)).epoch
        rows, timers = dict.fromkeys(names, b"row"), dict.fromkeys(names, 5)
        await store.commit(change(epoch, 0, 1, partition=partition, rows=rows, timers=timers))
        await store.reserve([reservation(customers_of(partition, 20)[-1], Candidate("chat", 0, 0))])
    assert await rows_in(store, count) == wanted


async def test_rows_are_forgotten_with_their_timers_and_nothing_else(store: AnyStore) -> None:
    one, two = customers_of(1, 2)
    epoch = (await store.claim(1)).epoch
    rows, timers = dict.fromkeys((one.encode(), two.encode()), b"row"), {one.encode(): 5, two.encode(): 6}
    await store.commit(change(epoch, 0, 1, rows=rows, timers=timers))
    await store.reserve([reservation(one, Candidate("chat", 0, 0))])
    gone = change(epoch, 1, 1, timers={one.encode(): 0}, forgotten=[one.encode()], tallies={"forgotten": 1})
    assert await store.commit(gone) == []
    assert await store.read(1, [one.encode(), two.encode()]) == [None, b"row"]
    assert await store.due(1, 9, 9) == [two.encode()]
    (view,) = await store.views([one])
    assert (view.row, set(view.history)) == (None, {"chat"})
    assert (await store.tallies())["forgotten"] == 1
    with pytest.raises(Fenced):
        await store.commit(change(epoch, 0, 0, forgotten=[two.encode()]))
    assert await store.read(1, [two.encode()]) == [b"row"]


@pytest.mark.parametrize("offset", [b"rubbish", b"\xff"])
async def test_a_commit_upon_what_is_no_offset_is_fenced(
    redis_store: RedisStore, look: redis.Redis, offset: bytes
) -> None:
    at = await redis_store.claim(1)
    look.hset("{p1}:o", "offset", offset)
    with pytest.raises(Fenced):
        await redis_store.commit(change(at.epoch, at.offset, at.offset + 1))
