"""A connection on which Redis pushes what is published to sharded channels (Redis 7 and later, Valkey)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from engine.errors import Unavailable
from engine.store.connection import Connection, Wire
from engine.store.resp import pack

MOST_WAITING = 65_536  # messages; a reader further behind is better off reading the streams

Message = tuple[bytes, bytes]  # channel, payload

_PING = pack(("PING",))


class Subscription(Connection):
    """Messages in the order in which the server published them, as long as the connection lasts.

    `subscribe`, then `messages` again and again. Every loss of the connection is raised by `messages` as
    `Unavailable`: what was published meanwhile is gone, so subscribe again and read what was missed elsewhere.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__(url, timeout_s, _nothing_to_prepare)
        self._messages: deque[Message] = deque()
        self._stirred = asyncio.Event()
        self._lost = ""

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """What is published to `channels` after this returned will come. Raises `Unavailable`."""
        self._messages.clear()
        self._lost = ""
        # a command for each, because on a cluster each channel has a slot of its own
        await self.pipe(b"".join(pack(("SSUBSCRIBE", channel)) for channel in channels), len(channels))

    async def messages(self, wait_s: float) -> list[Message]:
        """The messages that came; none after `wait_s` of quiet, if the server is still there."""
        if self._lost:
            raise Unavailable(f"Redis: {self._lost}")
        self._stirred.clear()
        if not self._messages:
            try:
                async with asyncio.timeout(wait_s):
                    await self._stirred.wait()
            except TimeoutError:
                await self.call(_PING)
        came = list(self._messages)
        self._messages.clear()
        return came

    def answered(self, wire: Wire, reply: Any) -> None:
        """A message, or the reply to a command."""
        if not (isinstance(reply, list) and reply and reply[0] == b"smessage"):
            super().answered(wire, reply)
        elif len(self._messages) >= MOST_WAITING:
            self.fail(f"more than {MOST_WAITING} cues wait for their reader")
        else:
            self._messages.append((reply[1], reply[2]))
            self._stirred.set()

    def _drop(self, why: str) -> None:
        self._lost = why
        self._stirred.set()
        super()._drop(why)


async def _nothing_to_prepare(call: object) -> None:
    """Subscribers call no functions."""
