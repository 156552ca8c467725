"""What api processes report to Redis, and how many listen beside them."""

from __future__ import annotations

import redis

from engine.ports.health import REPORT_KEPT_MS, ApiReport
from engine.settings import Redis
from engine.store.keys import API_REPORTS, RedisKeys
from engine.store.redis import RedisStore
from engine.store.subscription import Subscription
from tests.contracts.builders import PARTITIONS

ONE, OTHER = ApiReport("one", 1, True), ApiReport("other", 1, False)


async def test_each_api_process_is_there_once_as_long_as_it_reports(
    redis_store: RedisStore, look: redis.Redis
) -> None:
    for report in (ONE, OTHER, ONE):
        await redis_store.report_api(report)
    assert sorted(await redis_store.api_reports(), key=lambda one: one.process) == [ONE, OTHER]
    seconds, micros = look.time()
    gone = seconds * 1_000 + micros // 1_000 - REPORT_KEPT_MS
    look.hset(API_REPORTS, "other", f'[{gone},{{"process":"other","links":1,"linksOn":false}}]')
    look.hset(API_REPORTS, "odd", b"no report")
    assert await redis_store.api_reports() == [ONE]
    await redis_store.report_api(ONE)
    assert look.hkeys(API_REPORTS) == [b"one"]
    assert 0 < look.ttl(API_REPORTS) <= 3_600


async def test_who_listens_is_counted_whatever_it_reports(redis_store: RedisStore, redis_settings: Redis) -> None:
    assert await redis_store.listeners() == 0
    listening = [Subscription(redis_settings) for _ in range(2)]
    try:
        for number, one in enumerate(listening, 1):
            await one.subscribe(RedisKeys(PARTITIONS).cues)
            assert await redis_store.listeners() == number
    finally:
        for one in listening:
            await one.close()
