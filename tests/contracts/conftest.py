"""The store in both its forms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from engine.settings import Redis
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from tests.contracts.builders import CUES_KEPT, PARTITIONS
from tests.services import Valkey


@pytest.fixture
def redis_settings(valkey: Valkey) -> Redis:
    """Settings for an empty Valkey without functions."""
    return Redis(url=valkey.socket_url, cue_stream_length=CUES_KEPT, timeout_s=20)


@pytest.fixture
async def redis_store(redis_settings: Redis) -> AsyncIterator[RedisStore]:
    """The Redis form, empty."""
    store = RedisStore(redis_settings, PARTITIONS)
    yield store
    await store.close()


@pytest.fixture(params=["memory", "redis"])
def store_settings(request: pytest.FixtureRequest) -> Redis | None:
    settings: Redis | None = request.getfixturevalue("redis_settings") if request.param == "redis" else None
    return settings


@pytest.fixture
async def store(store_settings: Redis | None) -> AsyncIterator[MemoryStore | RedisStore]:
    """Either form, empty."""
    store = RedisStore(store_settings, PARTITIONS) if store_settings else MemoryStore(PARTITIONS, CUES_KEPT)
    yield store
    await store.close()


@pytest.fixture
def look(valkey: Valkey) -> Iterator[redis.Redis]:
    """A plain client, to see what is stored and to meddle with it."""
    with redis.Redis.from_url(valkey.url, protocol=2) as client:
        yield client
