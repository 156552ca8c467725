"""A Redis that came back without its rows, or was emptied, is not taken for one without customers."""

from __future__ import annotations

import time

import pytest

from engine.customer_id import customer_id
from engine.errors import Unavailable
from engine.ports.stream_store import Commit, Timers
from engine.settings import Redis
from engine.store.keys import RedisKeys
from engine.store.redis import RedisStore
from engine.store.staleness import BEHIND, StalenessGuard
from tests.processes import redis_command
from tests.services import Valkey

PARTITIONS = 2


async def apply(store: RedisStore, customer: str, records: int) -> None:
    """What a worker does with so many records."""
    key, timers, counted = customer.encode(), Timers([], []), {"events": records}
    partition = RedisKeys(PARTITIONS).of_customer(key)
    at = await store.claim(partition)
    end = at.offset + records
    await store.commit(Commit(partition, at.epoch, at.offset, end, [key], [b"row"], timers, [], counted))


async def test_rows_are_away_until_what_was_lost_is_applied_again(own: Valkey) -> None:
    store = RedisStore(Redis(url=own.url), PARTITIONS)
    guarded = StalenessGuard(store, store, time.monotonic)
    await apply(store, "ada", 40)
    await guarded.look()
    assert (await guarded.views([customer_id("ada")]))[0].row == b"row"

    own.kill()
    with pytest.raises(Unavailable):
        await guarded.views([customer_id("ada")])
    await own.start()
    for _ in range(2):  # it answers, with nothing
        with pytest.raises(Unavailable, match=BEHIND):
            await guarded.views([customer_id("ada")])
    assert guarded.behind
    assert (await store.views([customer_id("ada")]))[0].row is None

    await apply(store, "ada", 39)
    await guarded.look()
    with pytest.raises(Unavailable, match=BEHIND):
        await guarded.views([customer_id("ada")])
    await apply(store, "ada", 1)
    await guarded.look()
    assert not guarded.behind
    assert (await guarded.views(["ada"]))[0].row == b"row"
    await store.close()


async def test_rows_are_away_too_when_it_is_emptied_and_nobody_is_disconnected(own: Valkey) -> None:
    store, forgotten = RedisStore(Redis(url=own.url), PARTITIONS), 0

    def forget() -> None:
        nonlocal forgotten
        forgotten += 1

    guarded = StalenessGuard(store, store, time.monotonic, lambda connection: [True, True], forget)
    await apply(store, "ada", 40)
    await guarded.look()
    assert await redis_command(own.url, "FLUSHALL") == b"+OK"
    await guarded.look()
    assert (store.connections, forgotten) == (1, 1)
    with pytest.raises(Unavailable, match=BEHIND):
        await guarded.views([customer_id("ada")])
    await apply(store, "ada", 40)
    await guarded.look()
    assert (await guarded.views([customer_id("ada")]))[0].row == b"row"
    assert (forgotten, guarded.losses) == (1, [])
    await store.close()


async def test_a_connection_that_broke_costs_nobody_an_answer(own: Valkey) -> None:
    store = RedisStore(Redis(url=own.url), PARTITIONS)
    guarded = StalenessGuard(store, store, time.monotonic)
    await apply(store, "ada", 40)
    await guarded.look()
    connections = store.connections
    store._connection.fail("cut by the test")
    assert (await guarded.views([customer_id("ada")]))[0].row == b"row"
    assert store.connections == connections + 1
    await store.close()
