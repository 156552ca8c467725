"""Bulkheads: each kind of request has places of its own, so that those who wait for a service that does not answer
keep out nobody who needs another. (M. Nygard, Release It!, 2nd edition 2018, chapter 5.)
"""

from __future__ import annotations

import asyncio
from typing import Literal, NamedTuple

from engine.errors import Overloaded
from engine.ports.meter import Meter
from engine.settings import Web

#: Events and outcomes wait for Kafka, decisions and pages for Redis; a stream waits for its client to leave.
BulkheadName = Literal["events", "decisions", "pages", "streams"]

#: Places that a bulkhead keeps however the event loop lags.
LEAST = 16


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
        self._meter = meter
        meter.on_read(self._settle)

    def allow(self, requests: int) -> None:
        """Give room to so many at once, within the places that there are, but to `LEAST` of them."""
        self.allowed = min(self._most, max(LEAST, requests))

    def arrive(self) -> None:
        """A request has just arrived for which there is a place, which it will take in the next turn of the event
        loop: until then it is one of the `arriving`."""
        if not self.arriving:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self.arriving += 1

    def enter(self) -> None:
        """Let a request in; raises `Overloaded`."""
        if self.inside >= self.allowed:
            self._meter.add("http_refused", label=self.name)
            raise Overloaded(f"{self.allowed} {self.name} are in flight")
        self.inside += 1

    def leave(self) -> None:
        """The request is answered."""
        self.inside -= 1
        self.answered += 1

    def _next_turn(self) -> None:
        self.arriving = 0

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
