"""What Redis holds of the partitions: their offsets, and which of them take no records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import redis.asyncio

from engine.errors import Unavailable
from engine.process.doctor.finding import Finding
from engine.settings import Settings
from engine.store.commits import whole
from engine.store.keys import RedisKeys
from engine.store.redis import RedisStore

MOST_PARTITIONS = 4_096


async def offsets(client: redis.asyncio.Redis) -> tuple[dict[int, int], list[Finding]]:
    """Partition -> offset, for every one that was ever claimed (of all there may be); a finding where there is
    none."""
    pipe, keys = client.pipeline(transaction=False), RedisKeys(MOST_PARTITIONS).position
    for key in keys:
        pipe.hmget(key, "epoch", "offset")
    stored = {
        partition: offset for partition, (epoch, offset) in enumerate(await pipe.execute()) if epoch is not None
    }
    read = {partition: whole(offset, -1) for partition, offset in stored.items()}
    wrong = [keys[partition].decode() for partition, offset in read.items() if offset < 0]
    findings = [Finding("redis offsets", "bad", f"no number in {', '.join(wrong)}: restore them")] if wrong else []
    return {partition: offset for partition, offset in read.items() if offset >= 0}, findings


async def pauses(settings: Settings, held: Mapping[int, int]) -> Iterable[Finding]:
    """One finding where partitions, which are at the offsets `held`, take no records."""
    store = RedisStore(settings.redis, settings.kafka.partitions)
    try:
        kept = enumerate(await store.intakes())
    except Unavailable:
        return []  # that is another finding
    finally:
        await store.close()
    paused = {partition: one.paused_at(held.get(partition, -1)) for partition, one in kept}
    found = [f"partition {partition}: {pause.reason}" for partition, pause in paused.items() if pause]
    return [Finding("intake", "bad", "\n".join([*found, "`cueline resume` lets them go on"]))] if found else []
