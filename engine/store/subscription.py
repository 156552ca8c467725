"""A subscription to sharded channels (Redis 7 and later, Valkey)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from engine.errors import Unavailable
from engine.settings import Redis
from engine.store.connection import Connection, Wire
from engine.store.resp import pack

MOST_WAITING = 65_536  # messages; a slower consumer has to catch up from the streams

Message = tuple[bytes, bytes]  # channel, payload

_PING = pack(("PING",))


class Subscription(Connection):
    """Messages in the order in which the server published them, as long as the connection lasts.

    `subscribe`, then `messages` in a loop. When the connection is lost `messages` raises `Unavailable`: what was
    published meanwhile is lost, so subscribe again and catch up from the streams.
    """

    def __init__(self, settings: Redis) -> None:
        super().__init__(settings, _nothing_to_prepare)
        self._messages: deque[Message] = deque()
        self._changed = asyncio.Event()
        self._lost = ""

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """Receive what is published to `channels` after this returned. Raises `Unavailable`."""
        self._messages.clear()
        self._lost = ""
        # a command for each, because on a cluster each channel has a slot of its own
        await self.pipe(b"".join(pack(("SSUBSCRIBE", channel)) for channel in channels), len(channels))

    async def messages(self, wait_s: float) -> list[Message]:
        """The messages received; none after `wait_s` without any, if the server still answers a ping."""
        if self._lost:
            raise Unavailable(f"Redis: {self._lost}")
        self._changed.clear()
        if not self._messages:
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                await self.call(_PING)
        received = list(self._messages)
        self._messages.clear()
        return received

    def answered(self, wire: Wire, reply: Any) -> None:
        """A message, or the reply to a command."""
        if not (isinstance(reply, list) and reply and reply[0] == b"smessage"):
            super().answered(wire, reply)
        elif len(self._messages) >= MOST_WAITING:
            self.fail(f"more than {MOST_WAITING} cues wait for their reader")
        else:
            self._messages.append((reply[1], reply[2]))
            self._changed.set()

    def _drop(self, why: str) -> None:
        self._lost = why
        self._changed.set()
        super()._drop(why)


async def _nothing_to_prepare(call: object) -> None:
    """Subscribers call no functions."""
