"""Which cues streams have taken, for the store: what no stream took gives its cap back when it ends.

A stream only leaves a note. One task sends what has gathered in one round trip, so no stream waits for the store.
Notes wait while the store is away, for as long as that lasts. One that the store answers with a fault again and
again when it is sent alone is dropped, so that it neither keeps the others nor is tried for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from itertools import islice

import msgspec

from engine.errors import BadReply, Unavailable
from engine.ports.cue_store import CueEntry, CueStore, TakenCue
from engine.ports.meter import Meter

log = logging.getLogger(__name__)

AT_ONCE = 1_000  # cues of one round trip
WAITING = 20_000  # notes kept while the store is away; of more the oldest are forgotten
REMEMBERED = 4_096  # ids of cues noted: many agents take the same one
PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0  # after a first failure, and after many
ATTEMPTS = 8  # at a note alone, after the first: within a minute


class _Refused(msgspec.Struct):
    """A note that failed when nothing else was sent with it, and how often since."""

    taken: TakenCue
    failures: int = 0


class TakenCues:
    """Notes of cues that streams have taken; `start` and `stop` belong to the process."""

    def __init__(self, cues: CueStore, meter: Meter) -> None:
        self._cues = cues
        self._meter = meter
        self._waiting: deque[TakenCue] = deque(maxlen=WAITING)
        self._refused: deque[_Refused] = deque(maxlen=WAITING)
        self._size = AT_ONCE
        self._pause_s = PAUSE_S
        self._logged = False
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
        if len(self._waiting) == WAITING:
            self._meter.add("cues_taken_dropped")
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
            await self._send_all()
        except Exception as fault:  # whatever it is, the process must end
            left = len(self._waiting) + len(self._refused)
            log.warning("%d cues that streams have taken will count as not taken: %s", left, fault)

    async def _send(self) -> None:
        while True:
            await self._more.wait()
            try:
                await self._send_all()
                self._more.clear()
            except Exception:  # the outermost loop of the notes: it must go on
                await asyncio.sleep(self._pause_s)
                self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    async def _send_all(self) -> None:
        while self._waiting or self._refused:
            await (self._send_some() if self._waiting else self._send_refused(self._refused[0]))

    async def _send_some(self) -> None:
        """The oldest; they are kept until the store has them, which counts none twice."""
        some = list(islice(self._waiting, self._size))
        try:
            await self._take(some)
        except Exception as fault:  # of all, or of one of them: see which
            if len(some) == 1 and not _is_outage(fault) and self._forget(some):
                self._refused.append(_Refused(some[0]))
            self._size = 1
            raise
        self._forget(some)
        self._size = min(2 * self._size, AT_ONCE)

    async def _send_refused(self, one: _Refused) -> None:
        try:
            await self._take([one.taken])
        except Exception as fault:
            if _is_outage(fault):
                raise
            self._refused.rotate(-1)
            one.failures += 1
            if one.failures == ATTEMPTS:
                self._refused.pop()
                self._drop(fault)
            raise
        self._refused.popleft()

    async def _take(self, some: Sequence[TakenCue]) -> None:
        self._meter.add("cues_taken", await self._cues.take_cues(some))
        self._pause_s = PAUSE_S

    def _forget(self, some: Sequence[TakenCue]) -> bool:
        """Take `some`, the oldest, away, but those that had to make room; whether there were any."""
        before = len(self._waiting)
        for cue in some:
            if self._waiting and self._waiting[0] is cue:
                self._waiting.popleft()
        return len(self._waiting) < before

    def _drop(self, fault: Exception) -> None:
        self._meter.add("cues_taken_dropped")
        if not self._logged:
            self._logged = True
            log.error(
                "a cue that a stream has taken will count as not taken, after %d attempts; "
                "cueline_cues_taken_dropped_total counts those to come",
                ATTEMPTS + 1,
                exc_info=fault,
            )


def _is_outage(fault: Exception) -> bool:
    """Whether no note can have caused `fault`."""
    return isinstance(fault, Unavailable) and not isinstance(fault, BadReply)
