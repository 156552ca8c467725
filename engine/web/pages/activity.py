"""Rates of the counters, sampled in the background, with the last minutes kept for pages opened late."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from engine.clock import wall_ms
from engine.errors import Unavailable
from engine.ports.meter import Meter
from engine.ports.stats_store import StatsStore
from engine.web.pages.stall_detector import StallDetector

log = logging.getLogger(__name__)

EVERY_S = 0.5
KEPT = 600  # points: five minutes


class Point(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One sample of a chart: ``at`` is its wall time (epoch ms), ``events_per_second`` null while the store
    cannot be read, ``cues`` those written since the sample before."""

    at: int
    events_per_second: float | None
    cues: int


class ActivitySample(msgspec.Struct, frozen=True):
    """The counters as last read and how fast each grew; ``stalled_seconds`` as of `StallDetector`."""

    tallies: Mapping[str, int]
    per_second: Mapping[str, float]
    stalled_seconds: float


class Activity:
    """Samples `stats` from `start` to `stop`. ``latest`` is the newest sample, ``taken`` how many there were;
    `now` is a monotonic clock in seconds, `wall` in epoch ms."""

    def __init__(
        self,
        stats: StatsStore,
        meter: Meter,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_ms,
    ) -> None:
        self.latest = ActivitySample({}, {}, 0.0)
        self.taken = 0
        self._stats, self._meter = stats, meter
        self._now, self._wall = now, wall
        self._read_at: float | None = None  # when the counters were last read
        self._stalls = StallDetector()
        self._points: deque[Point] = deque(maxlen=KEPT)
        self._sampling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._sampling = asyncio.create_task(self._sample_on(), name="activity")

    async def stop(self) -> None:
        """End."""
        if self._sampling is not None:
            self._sampling.cancel()
            await asyncio.gather(self._sampling, return_exceptions=True)

    def points(self, seen: int = 0) -> list[Point]:
        """The points after the first `seen` that were ``taken``, as far as kept, oldest first."""
        fresh = min(max(self.taken - seen, 0), len(self._points))
        return list(self._points)[len(self._points) - fresh :]

    async def sample(self) -> None:
        """Take one sample."""
        try:
            tallies = dict(await self._stats.tallies())
        except Unavailable:  # keep the last sample
            self._add(None, self._sampled(self.latest.tallies, {}))
            return
        now, before = self._now(), self.latest.tallies
        grown = {name: max(count - before.get(name, 0), 0) for name, count in tallies.items()}
        spent = 0.0 if self._read_at is None else now - self._read_at
        self._read_at = now
        speeds = {name: number / spent for name, number in grown.items()} if spent > 0 else {}
        self._add(speeds.get("events"), self._sampled(tallies, speeds), grown.get("cues", 0) if speeds else 0)

    def _sampled(self, tallies: Mapping[str, int], speeds: Mapping[str, float]) -> ActivitySample:
        accepted, applied = self._meter.value("events_accepted"), tallies.get("events", 0)
        return ActivitySample(tallies, speeds, self._stalls.look(accepted, applied, self._now()))

    def _add(self, events_per_second: float | None, sample: ActivitySample, cues: int = 0) -> None:
        self.latest = sample
        self.taken += 1
        self._points.append(Point(self._wall(), events_per_second, cues))

    async def _sample_on(self) -> None:
        while True:
            try:
                await self.sample()
            except Exception:  # the outermost loop of the task: it must go on
                log.exception("a sample of the counters failed")
            await asyncio.sleep(EVERY_S)
