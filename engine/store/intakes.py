"""Which partitions take no records, and up to where an operator lets them: `Intake` of the port in Redis."""

from __future__ import annotations

import asyncio

import msgspec

from engine.ports.stream_store import Intake, Pause
from engine.settings import Redis
from engine.store.commands import Commands
from engine.store.counts import Counts
from engine.store.resp import pack

_PAUSE, _LET = b"pause", b"let"


class IntakeCommands(Commands):
    """What `StreamStore` of `engine.ports.stream_store` says of pauses, and its `IntakeStore`."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        super().__init__(settings, partitions)
        self._let_counts = Counts()

    async def intake(self, partition: int) -> Intake:
        key = self._keys.intake[partition]
        pause, let = await self._connection.call(pack(("HMGET", key, _PAUSE, _LET)))
        return Intake(_read(pause), self._let_counts.one(key, _LET, let))

    async def intakes(self) -> list[Intake]:
        return [*await asyncio.gather(*map(self.intake, range(self._keys.partitions)))]

    async def pause(self, partition: int, pause: Pause) -> None:
        await self._connection.call(
            pack(("HSET", self._keys.intake[partition], _PAUSE, msgspec.json.encode(pause)))
        )

    async def let_pass(self, partition: int, below: int) -> None:
        await self._connection.call(pack(("HSET", self._keys.intake[partition], _LET, below)))


def _read(stored: bytes | None) -> Pause | None:
    """A pause as it was written; what is none pauses nothing."""
    try:
        return msgspec.json.decode(stored, type=Pause) if stored else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
