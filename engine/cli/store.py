"""What a command asks of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from engine.settings import Settings
from engine.store.reach import explaining
from engine.store.redis import RedisStore

T = TypeVar("T")


def in_store(settings: Settings, ask: Callable[[RedisStore], Awaitable[T]]) -> T:
    """The answer to `ask`. Raises `Unavailable`."""

    async def asked() -> T:
        store = RedisStore(settings.redis, settings.kafka.partitions)
        try:
            async with explaining(settings.redis):
                await store.open()
            return await ask(store)
        finally:
            await store.close()

    return asyncio.run(asked())
