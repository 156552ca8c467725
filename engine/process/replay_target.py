"""Composition of a replay's target: an API over HTTP, or the events topic itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from engine.clock import wall_ms
from engine.errors import BadSettings
from engine.kafka.producer import KafkaLog
from engine.kafka.topics import make_topics, topics_of
from engine.replay.clock_keeper import ClockKeeper
from engine.replay.http_client import http_client
from engine.replay.http_sender import HttpSender
from engine.replay.sender import LogSender, Sender
from engine.replay.target import ReplayDestination, ReplayTarget
from engine.settings import Settings
from engine.store.reach import explaining
from engine.store.redis import RedisStore


@asynccontextmanager
async def open_target(where: ReplayDestination, settings: Settings) -> AsyncIterator[ReplayTarget]:
    """Where a replay goes. It sets the engine's clock only where the settings say that engines follow it.

    Raises `BadSettings` when a write key is missing or the topics are not as the settings have them, and
    `Unavailable` when nothing is there.
    """
    async with AsyncExitStack() as stack:
        set_clock = None
        if settings.stream.clock == "replay":
            store = RedisStore(settings.redis, settings.kafka.partitions)
            stack.push_async_callback(store.close)
            async with explaining(settings.redis):
                await store.open()
            held = ClockKeeper(store.set_clock)
            await stack.enter_async_context(held.kept())
            set_clock = held.set
        opened = _into_kafka(where, settings) if where.to == "kafka" else _over_http(where, settings)
        yield ReplayTarget(await stack.enter_async_context(opened), set_clock)


@asynccontextmanager
async def _into_kafka(where: ReplayDestination, settings: Settings) -> AsyncIterator[Sender]:
    kafka = settings.kafka.model_copy(update={"brokers": where.url} if where.url else {})
    await make_topics(kafka, topics_of(kafka))
    kafka_log = KafkaLog(kafka)
    await kafka_log.open()
    try:
        yield LogSender(kafka_log, wall_ms, sets_clock=settings.stream.clock == "replay")
    finally:
        await kafka_log.close()


@asynccontextmanager
async def _over_http(where: ReplayDestination, settings: Settings) -> AsyncIterator[Sender]:
    keys = [key.get_secret_value() for key in settings.web.write_keys]
    if not (key := where.write_key or next(iter(keys), "")):
        raise BadSettings("the API needs a write key: --write-key, CUELINE_WRITE_KEY or web.write_keys")
    url = where.url or f"http://127.0.0.1:{settings.web.port}"
    if not url.startswith(("http://", "https://")):
        raise BadSettings(f"--url {url}: the address of the API begins with http:// or https://")
    async with http_client(url, timeout_s=30) as client:
        sender = HttpSender(client, key, web=settings.web)
        await sender.probe()
        yield sender
