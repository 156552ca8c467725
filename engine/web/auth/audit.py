"""Who read what of whom: noted at once, written to Kafka in the background, so that no answer waits for it."""

from __future__ import annotations

import asyncio
import logging

from engine.clock import wall_ms
from engine.customer_id import CustomerId
from engine.errors import Unavailable
from engine.ports.kafka import AuditAction, AuditEntry, EventLog
from engine.ports.meter import Meter
from engine.web.auth.principal import Principal

log = logging.getLogger(__name__)

ROOM = 20_000  # entries that wait: some 3 MB
EVERY_S = 0.2
AT_ONCE = 2_000


class AuditTrail:
    """Entries wait here until Kafka has them. When there is no room the newest is dropped, and counted."""

    def __init__(self, kafka: EventLog, meter: Meter, room: int = ROOM) -> None:
        self._kafka, self._meter, self._room = kafka, meter, room
        self._waiting: list[AuditEntry] = []
        self._writer: asyncio.Task[None] | None = None
        self._away = False

    def note(self, caller: Principal, action: AuditAction, whom: CustomerId | None) -> None:
        """`caller` was shown something of `whom` (None: of everybody)."""
        if len(self._waiting) >= self._room:
            self._meter.add("audit_dropped")
            return
        self._waiting.append(AuditEntry(caller.id, action, whom or "", wall_ms()))

    async def start(self) -> None:
        """Begin to write."""
        self._writer = asyncio.create_task(self._write_on(), name="audit trail")

    async def stop(self) -> None:
        """Write what waits, once, and end."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self.write()

    async def write(self) -> None:
        """Write what waits now. What Kafka did not acknowledge waits on, and may be there twice.

        What comes meanwhile waits for the next time: under load there is always some, and writing a few at a time,
        again and again, took an eighth of a decision's cost.
        """
        left = len(self._waiting)
        try:
            while left:
                some = self._waiting[: min(left, AT_ONCE)]
                await self._kafka.publish_audit(some)
                del self._waiting[: len(some)]
                left -= len(some)
                self._meter.add("audit_written", len(some))
            self._away = False
        except Unavailable as fault:
            if not self._away:
                log.warning("%d audit entries wait for Kafka: %s", len(self._waiting), fault)
            self._away = True

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.write()
            except Exception:  # the outermost loop of the task: it must go on
                log.exception("audit entries could not be written")
