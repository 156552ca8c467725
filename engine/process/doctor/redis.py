"""Redis: whether it answers, is new enough, takes our functions and agrees about the time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from engine.customer_id import customer_id
from engine.errors import BadSettings, Unavailable
from engine.events import Outcome, OutcomeName
from engine.process.doctor.finding import Finding, State
from engine.process.doctor.keys import of_keys
from engine.process.doctor.partitions import offsets, pauses
from engine.settings import Redis, Settings
from engine.store.endpoint import DEFAULT_USER, arguments
from engine.store.keys import KEYS
from engine.store.reach import asks_no_password, unreachable
from engine.store.redis import RedisStore

LEAST_REDIS = 7  # the first with functions
SKEW_WARNED_MS, SKEW_BAD_MS = 250, 2_000


async def of_redis(settings: Settings) -> tuple[list[Finding], dict[int, int]]:
    """Findings, and the offset at which Redis holds each partition (of all there may be)."""
    try:
        if reason := await unreachable(settings.redis):
            return [Finding("redis", "bad", reason)], {}
        client = _client(settings.redis)
    except BadSettings as wrong:
        return [Finding("redis", "bad", str(wrong))], {}
    try:
        version = version_finding(await client.info("server"))
        skew = skew_finding(*await _times(client))
        held, unread = await offsets(client)
        stored = await client.hlen(KEYS)
        open_to_all = await _open_to_all(settings.redis)
    except (RedisError, OSError, EOFError, TimeoutError) as error:
        return [Finding("redis", "bad", f"redis.url: no answer: {error}")], {}
    finally:
        await client.aclose()
    paused = await pauses(settings, held)
    functions, keys = await _functions(settings), await of_keys(settings, stored)
    return [version, *open_to_all, functions, skew, keys, *unread, *paused], held


def _client(settings: Redis) -> redis.asyncio.Redis:
    """It says nothing of itself, which would be one right more."""
    timeout: Any = {"socket_timeout": settings.timeout_s, "socket_connect_timeout": settings.timeout_s}
    made = arguments(settings)
    if made.get("password"):  # without a name it is refused where none is asked for
        made.setdefault("username", DEFAULT_USER)
    pool = redis.asyncio.ConnectionPool(**made, **timeout, protocol=2, driver_info=None)
    return redis.asyncio.Redis.from_pool(pool)


async def _open_to_all(settings: Redis) -> list[Finding]:
    if not await asks_no_password(settings):
        return []
    detail = "is set, and this Redis asks for none: set its requirepass, or take redis.password away"
    return [Finding("redis.password", "warning", detail)]


def version_finding(server: Mapping[str, Any]) -> Finding:
    """`server`: that section of INFO."""
    version = str(server.get("redis_version", "0"))
    name = server.get("server_name", "redis")
    answer = f"{name} {server.get('valkey_version', version)} answers"
    if int(version.split(".")[0]) < LEAST_REDIS:
        return Finding("redis", "bad", f"{answer}: functions need Redis {LEAST_REDIS} or Valkey")
    return Finding("redis", "good", answer)


async def _functions(settings: Settings) -> Finding:
    """Load the library where it is missing, as every process does, and call one that changes nothing."""
    name = "redis functions"
    nobody = Outcome("0-doctor", "", OutcomeName.IGNORED, 0, customer_id("nobody"), "")
    try:
        store = RedisStore(settings.redis, settings.kafka.partitions)
        try:
            await store.learn(nobody, None)
        finally:
            await store.close()
    except (BadSettings, Unavailable) as error:
        return Finding(name, "bad", f"cannot be loaded or called: {error}")
    return Finding(name, "good", "loaded, and a call was answered")


async def _times(client: redis.asyncio.Redis) -> tuple[float, float, float]:
    """Local time before, Redis's time, local time after (epoch s)."""
    before = time.time()
    seconds, micros = await client.time()
    return before, seconds + micros / 1e6, time.time()


def skew_finding(before: float, theirs: float, after: float) -> Finding:
    """The least possible clock skew, given the call's round trip."""
    skew = round(1_000 * max(before - theirs, theirs - after, 0.0))
    state: State = "good" if skew < SKEW_WARNED_MS else "warning" if skew < SKEW_BAD_MS else "bad"
    detail = "agrees with this machine's" if not skew else f"{skew} ms away from this machine's: set both by NTP"
    return Finding("redis clock", state, detail)
