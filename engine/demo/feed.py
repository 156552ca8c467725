"""The demo's input: a log, or made-up traffic, sent through the HTTP API until it, or the time, is over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from engine.clock import wall_ms
from engine.events import Message
from engine.ports.clock import ClockAnchor
from engine.replay.log_reader import LineFaults, LogReader
from engine.replay.run import ReplayProgress, SetClock, replay, send_paced
from engine.replay.sender import Sender, Sent
from engine.sources.segment.logged import logged
from engine.traffic.generator import Traffic

FILE_SPEED = 300.0  # an eight-minute session is seen in under two seconds
TRAFFIC_SPEED = 5.0  # a customer made up by hand at reading speed has a session and a cue; shoppers have several
LEAST_CUSTOMERS, MOST_CUSTOMERS = 20_000, 250_000
RETURNS_AFTER_S = (
    3 * 3_600
)  # engine time between a shopper's visits: longer than the inactivity that ends a session
EVENTS_A_VISIT = 4
#: Few requests keep the log in tansu's memory short for longer. A fast log's are smaller: what comes in together
#: waits for the last of it, 160 events for some 30 ms.
LOG_SLICE_MS, TRAFFIC_SLICE_MS = 40, 200
LEAST_LATENESS_MS = 5_000
RECORD_BYTES, CUSTOMER_BYTES = 256 << 20, 2_500


class Input(msgspec.Struct, frozen=True):
    """What is sent. ``speed`` is engine seconds per second (0: what fits), ``rate`` events a second of the
    made-up traffic, which ``seed`` determines."""

    file: Path | None
    speed: float
    rate: float
    seed: int

    @property
    def lateness_ms(self) -> int:
        """The allowed lateness of events, for the watermark: events of one slice arrive together, the earliest of
        them late by the slice, and a slice is long in engine time."""
        return max(LEAST_LATENESS_MS, round(2 * TRAFFIC_SLICE_MS * self._usual_speed))

    @property
    def customers(self) -> int:
        """How many shoppers are made up: so many that each stays away for long enough."""
        visits_per_s = self.rate / self._usual_speed / EVENTS_A_VISIT
        return min(max(round(visits_per_s * RETURNS_AFTER_S), LEAST_CUSTOMERS), MOST_CUSTOMERS)

    @property
    def redis_bytes(self) -> int:
        """What Redis may take for made-up customers, 0 for no bound: a log has as many customers as it has. Rows
        are kept; records of decisions, a day's worth of which would be gigabytes, go before their time."""
        return RECORD_BYTES + self.customers * CUSTOMER_BYTES if self.file is None else 0

    @property
    def _usual_speed(self) -> float:
        return self.speed or (TRAFFIC_SPEED if self.file is None else FILE_SPEED)


class Feed:
    """Sends an `Input`; ``sent`` is how many events the API has accepted so far, in how many ``requests``, and
    ``customers`` whose they are; ``skipped``, at the end, how many lines and events were not accepted."""

    def __init__(self, chosen: Input, sender: Sender, set_clock: SetClock) -> None:
        self.sent = self.skipped = self.requests = 0
        self.customers: set[str] = set()
        self._chosen = chosen
        self._sender = _Noting(sender, self.customers)
        self._set_clock = set_clock
        self._over = asyncio.Event()

    def end(self) -> None:
        """Send nothing more; `run` returns when what is in flight has been answered."""
        self._over.set()

    async def run(self, seconds: float | None) -> None:
        """Send everything, or for `seconds`, or until `end`."""
        file = self._chosen.file
        if seconds and (file is None or self._chosen.speed):
            asyncio.get_running_loop().call_later(seconds, self.end)
        await (self._traffic() if file is None else self._log(LogReader(file, logged), seconds))

    async def _log(self, log_reader: LogReader, seconds: float | None) -> None:
        speed = self._chosen.speed or (_fitting(log_reader, seconds) if seconds else FILE_SPEED)
        report = await replay(
            log_reader,
            self._sender,
            speed=speed,
            set_clock=self._set_clock,
            on_progress=self._saw,
            stop=self._over,
            slice_ms=LOG_SLICE_MS,
        )
        self.sent, self.skipped = report.sent, report.skipped

    async def _traffic(self) -> None:
        speed = self._chosen.speed or TRAFFIC_SPEED
        anchor = ClockAnchor(wall_ms(), wall_ms(), speed)
        await self._set_clock(anchor)
        rng = np.random.default_rng(self._chosen.seed)
        traffic = Traffic(rng, anchor.engine_ms, self._chosen.customers, self._chosen.rate / speed)
        report = await send_paced(traffic, self._sender, anchor, self._saw, self._over, TRAFFIC_SLICE_MS)
        self.sent, self.skipped = report.sent, report.skipped

    def _saw(self, progress: ReplayProgress) -> None:
        self.sent = progress.sent
        self.requests += 1


class _Noting:
    """A sender that records whose events it sends."""

    def __init__(self, sender: Sender, customers: set[str]) -> None:
        self.checks_time = sender.checks_time
        self._sender = sender
        self._customers = customers

    async def send(self, messages: Sequence[Message]) -> Sent:
        """Send and record."""
        self._customers.update(message.customer for message in messages)
        return await self._sender.send(messages)


def _fitting(log_reader: LogReader, seconds: float) -> float:
    """The speed at which the whole of `log_reader` passes in `seconds`."""
    first = last = None
    for message in log_reader.messages(LineFaults()):
        first = message.event.at if first is None else first
        last = message.event.at
    if first is None or last is None:
        return FILE_SPEED
    return max((last - first) / 1000 / seconds, 1.0)
