"""A worker that slept through the loss of its partition, on a real store: what it writes then is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from engine.settings import Redis
from engine.store.redis import RedisStore
from tests.processes import redis_command
from tests.services import Valkey
from tests.stream.fetched import fetched
from tests.stream.test_worker import CUSTOMER, PARTITIONS, Setting, records


@pytest.fixture
async def stores(valkey: Valkey) -> AsyncIterator[list[RedisStore]]:
    """Two processes' stores on one Redis."""
    both = [RedisStore(Redis(url=valkey.url), PARTITIONS) for _ in range(2)]
    yield both
    for store in both:
        await store.close()


async def test_what_a_sleeper_writes_when_it_wakes_is_refused(stores: list[RedisStore], valkey: Valkey) -> None:
    sleeper, heir = Setting(store=stores[0]), Setting(store=stores[1])
    await sleeper.worker.owned.own([1])
    await sleeper.worker.apply(fetched({1: records(0, 4)}))
    await sleeper.worker.owned.drain()
    # it sleeps; the group gives its partition away, and the heir goes on
    assert await heir.worker.owned.own([1]) == {1: 4}
    await heir.worker.apply(fetched({1: records(4, 3)}))
    await heir.worker.owned.drain()
    position, rows = await stores[1].position(1), await stores[1].read(1, [CUSTOMER])
    # it wakes with records in hand that the heir has applied, and some that it has not
    await sleeper.worker.apply(fetched({1: records(4, 6)}))
    await sleeper.worker.owned.drain()
    assert sleeper.worker.states[1].failed
    assert sleeper.meter.value("commits_fenced") == 1
    assert await redis_command(valkey.url, "HGET {p1}:o refused") == b"$1"
    assert await stores[1].position(1) == position
    assert await stores[1].read(1, [CUSTOMER]) == rows
    assert (await stores[1].tallies())["applied"] == 7
    # and it may not claim what the group has not given back
    assert await sleeper.worker.owned.restore(lambda: False, 0) == {}
    await heir.worker.apply(fetched({1: records(7, 3)}))
    await heir.worker.owned.drain()
    assert (await stores[1].tallies())["applied"] == 10


async def test_a_worker_notices_without_an_event_that_redis_was_emptied(
    stores: list[RedisStore], valkey: Valkey
) -> None:
    setting = Setting(store=stores[0])
    owned = setting.worker.owned
    await owned.own([1])
    await setting.worker.apply(fetched({1: records(0, 4)}))
    await owned.drain()
    rows = await stores[0].read(1, [CUSTOMER])
    await owned.check_epochs()
    assert setting.worker.states[1].live
    assert await redis_command(valkey.url, "FLUSHALL") == b"+OK"
    await owned.check_epochs()
    assert setting.worker.states[1].failed
    assert await owned.restore(lambda: False, 0) == {}  # perhaps another worker's
    assert await owned.restore(lambda: True, 0) == {1: 0}
    await setting.worker.apply(fetched({1: records(0, 4)}))
    await owned.drain()
    assert await stores[0].read(1, [CUSTOMER]) == rows
    await owned.check_epochs()
    assert setting.worker.states[1].live
    assert stores[0].connections == 1
