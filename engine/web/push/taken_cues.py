"""Which cues streams have taken, for the store: what no stream took gives its cap back when it ends.

A stream only leaves a note. One task sends what has gathered in one round trip, so no stream waits for the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from itertools import islice

from engine.errors import Unavailable
from engine.ports.meter import Meter
from engine.ports.store import CueEntry, CueStore, TakenCue

log = logging.getLogger(__name__)

AT_ONCE = 1_000  # cues of one round trip
WAITING = 20_000  # notes kept while the store is away; of more the oldest are forgotten
REMEMBERED = 4_096  # ids of cues noted: many agents take the same one
PAUSE_S = 0.5  # between attempts while the store is away


class TakenCues:
    """Notes of cues that streams have taken; `start` and `stop` belong to the process."""

    def __init__(self, cues: CueStore, meter: Meter) -> None:
        self._cues = cues
        self._meter = meter
        self._waiting: deque[TakenCue] = deque(maxlen=WAITING)
        self._noted: dict[str, bool] = {}  # by age: whether a visitor's stream took it
        self._more = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    def note(self, entry: CueEntry, by_visitor: bool) -> None:
        """A stream has taken this cue: its visitor's, or an agent's. Only those for the web are waited for."""
        cue, before = entry.cue, self._noted.get(entry.id)
        if "web" not in cue.channels or (before is not None and before >= by_visitor):
            return
        if len(self._noted) == REMEMBERED:
            del self._noted[next(iter(self._noted))]
        self._noted[entry.id] = by_visitor
        self._waiting.append(TakenCue(cue.customer, cue.offer_id, cue.at, cue.decision_id if by_visitor else ""))
        self._more.set()

    async def start(self) -> None:
        """Start sending."""
        self._sender = asyncio.create_task(self._send(), name="taken cues")

    async def stop(self) -> None:
        """Send what is left, if the store is there."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        try:
            while self._waiting:
                await self._send_some()
        except Unavailable as fault:
            log.warning("%d cues that streams have taken will count as not taken: %s", len(self._waiting), fault)

    async def _send(self) -> None:
        while True:
            await self._more.wait()
            try:
                while self._waiting:
                    await self._send_some()
                self._more.clear()
            except Unavailable:
                await asyncio.sleep(PAUSE_S)
            except Exception:  # the outermost loop of the notes: it must go on
                log.exception("cues that streams have taken are not noted")
                await asyncio.sleep(PAUSE_S)

    async def _send_some(self) -> None:
        """The oldest; they are kept until the store has them, which counts none twice."""
        some = list(islice(self._waiting, AT_ONCE))
        new = await self._cues.take_cues(some)
        for cue in some:
            if self._waiting and self._waiting[0] is cue:  # or it had to make room
                self._waiting.popleft()
        self._meter.add("cues_taken", new)
