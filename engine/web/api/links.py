"""Links between the ids of one customer, announced on the log as events show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from engine.customer_id import CustomerId
from engine.errors import Unavailable
from engine.events import Event, LeftOut, Message
from engine.identity.announced import AnnouncedLinks
from engine.identity.link import Link, event_of
from engine.identity.linking import links_of
from engine.ports.kafka import EventLog
from engine.ports.link_store import CountedLink, LinkStore
from engine.ports.meter import Meter

BOUND, STORE = "bound", "store"

SKIPPED = "link_skipped"  # the reason of the warning
_WHY = {
    BOUND: "more ids became this customer's within the month than identity.links_per_month allows: not linked",
    STORE: "links cannot be counted now: not linked until an event says it again",
}


class LinkAnnouncer:
    """Writes each pair once, by this process, and no more than `per_month` to one customer. `announced` remembers
    which."""

    def __init__(
        self,
        log: EventLog,
        store: LinkStore,
        meter: Meter,
        per_month: int,
        announced: AnnouncedLinks | None = None,
    ) -> None:
        self._log = log
        self._store = store
        self._meter = meter
        self._per_month = per_month
        self._announced = announced or AnnouncedLinks()

    def read(
        self, message: Message, vouches_for: Callable[[CustomerId], bool], by: str
    ) -> tuple[Message, list[Link]]:
        """The links that `message`, written `by` a key, makes; and `message`, with what makes none among what was
        left out."""
        if not message.names:
            return message, []
        links, refused = links_of(message, vouches_for, by)
        if refused:
            message = msgspec.structs.replace(message, left_out=(*message.left_out, *refused))
        return message, links

    async def announce(self, links: Sequence[Link], shown_by: Event) -> list[tuple[int, LeftOut]]:
        """Write what is new of `links`, which came in when the event did that they were `shown_by`. What cannot be
        counted is not written, and is new again with the next event: which of `links`, and why. Raises
        `Unavailable` when Kafka does not acknowledge."""
        new = self._announced.new(links)
        if not new:
            return []
        within, why = await self._within(new, shown_by.received_at)
        await self._write([one for one, ok in zip(new, within, strict=True) if ok], shown_by)
        if all(within):
            return []
        places, skipped = {id(one): place for place, one in enumerate(links)}, LeftOut(SKIPPED, "", _WHY[why])
        return [(places[id(one)], skipped) for one, ok in zip(new, within, strict=True) if not ok]

    async def _write(self, allowed: Sequence[Link], shown_by: Event) -> None:
        if not allowed:
            return
        times = shown_by.received_at, shown_by.engine_at
        await self._log.publish([Message(one.lower, event_of(one, *times)) for one in allowed])
        self._announced.add(allowed)
        for cause, count in Counter(one.cause for one in allowed).items():
            self._meter.add("links_announced", count, cause)

    async def _within(self, links: Sequence[Link], received_at: int) -> tuple[Sequence[bool], str]:
        """Which of `links` may be written, and why the others may not."""
        month = month_of(received_at)
        counted = [CountedLink(one.lower, one.upper, month, one.signed) for one in links]
        try:
            within = await self._store.count_links(counted, self._per_month)
        except Unavailable:
            self._meter.add("links_skipped", len(links), STORE)
            return [False] * len(links), STORE
        self._meter.add("links_skipped", len(links) - sum(within), BOUND)
        return within, BOUND


def month_of(at: int) -> int:
    """Of `at` (epoch ms), UTC: how many there were since the year 0.

    >>> month_of(0) == 1970 * 12
    True
    """
    moment = datetime.fromtimestamp(at / 1_000, UTC)
    return moment.year * 12 + moment.month - 1
