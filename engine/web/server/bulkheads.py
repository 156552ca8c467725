"""Bulkheads: each kind of request has places of its own, so that those who wait for a service that does not answer
keep out nobody who needs another. (M. Nygard, Release It!, 2nd edition 2018, chapter 5.)
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.errors import Overloaded
from engine.ports.meter import Meter
from engine.settings import Web

#: Events and outcomes wait for Kafka, decisions and pages for Redis; a stream waits for its client to leave.
BulkheadName = Literal["events", "decisions", "pages", "streams"]


class Bulkhead:
    """Limits the requests in flight of one kind: ``with bulkhead: …``. Used by one event loop, so no lock.

    A request that is still arriving does not count, so a slow client keeps nobody out.
    """

    def __init__(self, name: BulkheadName, most: int, meter: Meter) -> None:
        self.name = name
        self.inside = 0
        self._most = most
        self._meter = meter

    def enter(self) -> None:
        """Let a request in; raises `Overloaded`."""
        if self.inside >= self._most:
            self._meter.add("http_refused", label=self.name)
            raise Overloaded(f"{self._most} {self.name} are in flight")
        self.inside += 1

    def leave(self) -> None:
        """The request is answered."""
        self.inside -= 1

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
