"""The store in both its forms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from engine.settings import Redis
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from tests.certificates import write_certificates
from tests.contracts.builders import CUES_KEPT, PARTITIONS
from tests.redis_users import EVERYBODY, EVERYBODYS_PASSWORD, guarded
from tests.services import Valkey
from tests.tls_proxy import TlsProxy


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


@pytest.fixture(scope="session")
def _single_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Valkey, Redis]]:
    """A server that is no cluster, where one command may take the keys of all partitions; and settings to reach it
    by TLS, with no more rights than config/redis-users.acl gives."""
    folder = tmp_path_factory.mktemp("single")
    write_certificates(folder)
    server = guarded(folder)
    _run(server.start())
    proxy = TlsProxy(server.port, folder)
    _run(proxy.start())
    reached = Redis(
        url=f"rediss://127.0.0.1:{proxy.port}/0",
        username=EVERYBODY,
        password=SecretStr(EVERYBODYS_PASSWORD),
        ca_file=str(folder / "ca.pem"),
        cue_stream_length=CUES_KEPT,
        timeout_s=20,
    )
    yield server, reached
    proxy.kill()
    server.kill()


def _run(work: Coroutine[Any, Any, None]) -> None:
    """In a loop of its own: fixtures of the session have no test's loop."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


@pytest.fixture(params=["memory", "cluster", "single"])
def store_settings(request: pytest.FixtureRequest) -> Redis | None:
    if request.param == "cluster":
        clustered: Redis = request.getfixturevalue("redis_settings")
        return clustered
    if request.param == "single":
        server, reached = request.getfixturevalue("_single_valkey")
        _run(server.empty())
        guarded_one: Redis = reached
        return guarded_one
    return None


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
