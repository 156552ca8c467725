"""Ends the pauses of partitions that took no records because too many of these could not be applied."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec

from engine.kafka.log_ends import log_ends
from engine.ports.stream_store import Pause
from engine.settings import Settings
from engine.store.reach import explaining
from engine.store.redis import RedisStore


class Resumed(msgspec.Struct, frozen=True):
    """A partition that takes records again: what cannot be applied `below` that offset becomes dead letters."""

    partition: int
    paused_at: int
    below: int
    reason: str


async def resume(settings: Settings, partitions: Collection[int]) -> list[Resumed]:
    """Let the records that now wait in the paused ones of `partitions` (all of them, if none is named) pass,
    whatever they are; later ones are checked again. Doing so twice is doing so once. Raises `Unavailable`."""
    store = RedisStore(settings.redis, settings.kafka.partitions)
    try:
        async with explaining(settings.redis):
            await store.open()
        paused = await _paused(store, settings.kafka.partitions)
        chosen = {
            partition: pause for partition, pause in paused.items() if not partitions or partition in partitions
        }
        ends = await log_ends(settings.kafka, [*chosen]) if chosen else {}
        resumed = [
            Resumed(partition, pause.offset, max(ends[partition], pause.offset + 1), pause.reason)
            for partition, pause in chosen.items()
        ]
        for one in resumed:
            await store.let_pass(one.partition, one.below)
        return resumed
    finally:
        await store.close()


async def _paused(store: RedisStore, partitions: int) -> dict[int, Pause]:
    positions = await asyncio.gather(*map(store.position, range(partitions)))
    found = [kept.paused_at(at.offset) for kept, at in zip(await store.intakes(), positions, strict=True)]
    return {partition: pause for partition, pause in enumerate(found) if pause}
