"""Bulkheads: each kind of request has places of its own, so that those who wait for a service that does not answer
keep out nobody who needs another. (M. Nygard, Release It!, 2nd edition 2018, chapter 5.)
"""

from __future__ import annotations

import asyncio
import math
from typing import Literal, NamedTuple

from engine.errors import Overloaded
from engine.ports.meter import Meter
from engine.settings import Web

#: Events and outcomes wait for Kafka, decisions and pages for Redis; a stream waits for its client to leave.
BulkheadName = Literal["events", "decisions", "pages", "streams"]

#: Places that a bulkhead keeps however the event loop lags.
LEAST = 16
#: Arrivals, more or less, of which is remembered how many took a place, and with how many the count begins.
WINDOW, BEGUN = 4_096, 8


class Bulkhead:
    """Limits the requests in flight of one kind: ``with bulkhead: …``. Used by one event loop, so no lock.

    A request whose body is still on its way does not count, so a slow client keeps nobody out. ``answered`` counts
    those that were inside, ``turned_away`` those refused before they were parsed.
    """

    def __init__(self, name: BulkheadName, most: int, meter: Meter) -> None:
        self.name = name
        self.inside = self.answered = 0
        self.allowed = most
        self._most = most
        self.arriving = self.turned_away = 0
        self._arrived = self._entered = BEGUN
        self._share = 1.0  # of those that arrive, who lately took a place
        self._meter = meter
        meter.on_read(self._settle)

    def allow(self, requests: int) -> None:
        """Give room to so many at once, within the places that there are, but to `LEAST` of them."""
        self.allowed = min(self._most, max(LEAST, requests))

    def arrive(self) -> None:
        """A request has just arrived for which there is a place, which it may take in the next turn of the event
        loop: until then it is one of the `arriving`."""
        if not self.arriving:  # the first of this turn
            asyncio.get_running_loop().call_soon(self._next_turn)
        self.arriving += 1

    @property
    def wanted(self) -> int:
        """Places that are taken, or that those arriving will take: as many of them as lately. Else whoever has no
        key, and takes none, would keep out those who have one."""
        return self.inside + math.ceil(self.arriving * self._share)

    @property
    def full(self) -> bool:
        """Whether all places are wanted."""
        return self.inside + self.arriving * self._share > self.allowed - 1  # as `wanted` >= `allowed`

    def enter(self) -> None:
        """Let a request in; raises `Overloaded`."""
        self._entered += 1
        if self.inside >= self.allowed:
            self._meter.add("http_refused", label=self.name)
            raise Overloaded(f"{self.allowed} {self.name} are in flight")
        self.inside += 1

    def leave(self) -> None:
        """The request is answered."""
        self.inside -= 1
        self.answered += 1

    def _next_turn(self) -> None:
        self._arrived += self.arriving
        self.arriving = 0
        if self._arrived > WINDOW:
            self._arrived, self._entered = self._arrived // 2, max(self._entered // 2, 1)
        self._share = min(self._entered / self._arrived, 1.0)

    def _settle(self) -> None:
        """Count in the meter who was turned away: one by one took a fifth of what turning away takes."""
        if self.turned_away:
            self._meter.add("http_refused", self.turned_away, self.name)
            self._meter.add("http_errors", self.turned_away, "503")
            self.turned_away = 0

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, *_: object) -> None:
        self.leave()


class Bulkheads(NamedTuple):
    """All of one process."""

    events: Bulkhead
    decisions: Bulkhead
    pages: Bulkhead
    streams: Bulkhead

    def named(self, name: BulkheadName) -> Bulkhead:
        """The bulkhead of that name."""
        found: Bulkhead = getattr(self, name)
        return found


def bulkheads(web: Web, meter: Meter) -> Bulkheads:
    """Those that the settings give room."""
    return Bulkheads(
        Bulkhead("events", web.max_in_flight, meter),
        Bulkhead("decisions", web.max_in_flight, meter),
        Bulkhead("pages", web.max_in_flight, meter),
        Bulkhead("streams", web.max_streams, meter),
    )
