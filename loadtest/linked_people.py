"""A log whose shoppers are anonymous visitors at first, and customers once they have logged in.

Of each visitor that is announced as the API does it, by events of the kind `LINKED`: at once by a secret key, or
by a public key at first, or by way of an e-mail address; now and then by two processes. From then on most of what
a visitor does names the customer, and the rest the visitor still, as a page does that was open before.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from zlib import crc32

import msgspec

from engine.clock import wall_ms
from engine.customer_id import CustomerId, customer_id
from engine.events import Message, Rank
from engine.identity.link import Cause, Link, event_of
from loadtest.endless_log import SEND, Log

VISITORS = 1_000
CUSTOMERS = 300
WAYS = 8  # to be linked
SIGNED_LATER, BY_ADDRESS = range(2), range(2, 4)  # of these; the others are signed at once
TWICE = 0.1  # of the links
NAMES_NOBODY = 3  # of events after the login, one
KNOWN_BEFORE = 10  # of events before it, one is the customer's: on another device
UNSIGNED = 4  # of events, one


@cache
def visitor(number: int) -> CustomerId:
    """An anonymous id."""
    return customer_id(f"visitor-{number}")


@cache
def customer(number: int) -> CustomerId:
    """The user that the visitor becomes."""
    return customer_id(f"customer-{number % CUSTOMERS}")


def address(number: int) -> CustomerId:
    """What lies between the two, of some."""
    return customer_id(f"email:{number:032x}")


def all_ids() -> dict[CustomerId, CustomerId]:
    """Every id, and whose it is in the end."""
    ids = {customer(number): customer(number) for number in range(CUSTOMERS)}
    for number in range(VISITORS):
        ids[visitor(number)] = customer(number)
        if _by_address(number):
            ids[address(number)] = customer(number)
    return ids


def links_in_order(chance: random.Random) -> list[Link]:
    """All links (of the time 0), in an order left to `chance`; of one visitor the unsigned one first."""
    timed: list[tuple[float, Link]] = []
    for number in range(VISITORS):
        since = 0.0
        for link in _links_of(number):
            since = chance.uniform(since, 1.0)
            timed.append((since, link))
            if chance.random() < TWICE:
                timed.append((chance.uniform(since, 1.0), link))
    return [link for _, link in sorted(timed, key=lambda one: one[0])]


def _links_of(number: int) -> Sequence[Link]:
    lower, upper, way = visitor(number), customer(number), _way(number)
    if _by_address(number):
        between = address(number)
        first = Link(lower, Rank.DEVICE, between, Rank.ADDRESS, 0, Cause.EMAIL, True)
        return first, Link(between, Rank.ADDRESS, upper, Rank.USER, 0, Cause.EMAIL, True)
    direct = Link(lower, Rank.DEVICE, upper, Rank.USER, 0, Cause.IDENTIFIED, True)
    if way in SIGNED_LATER:
        return msgspec.structs.replace(direct, signed=False), direct
    return (direct,)


def _way(number: int) -> int:
    """How a visitor is linked: independent of who the customer is."""
    return crc32(b"%d" % number) % WAYS


def _by_address(number: int) -> bool:
    return _way(number) in BY_ADDRESS


class LinkedPeople:
    """`log`, as these people would have made it, with a link after each `every` events until there is none left.

    ``announced`` counts the links, and ``done`` is set once the last of them has been written.
    """

    def __init__(self, log: Log, every: int, chance: random.Random) -> None:
        self._log = log
        self._every = every
        self._coming = deque(links_in_order(chance))
        self._logged_in: set[CustomerId] = set()
        self._events = 0
        self._after = 0  # events since the last link
        self.announced = 0
        self.done = asyncio.Event()

    def __call__(self, turn: int) -> Iterator[Message]:
        """As `Log`."""
        for message in self._log(turn):
            yield self._named(message)
            self._events += 1
            if self._coming and self._events % self._every == 0:
                yield self._next_link(message.event.at)
            elif not self._coming:
                self._after += 1
                if self._after > SEND:  # so the batch with the last link is written
                    self.done.set()

    def _next_link(self, at: int) -> Message:
        link = msgspec.structs.replace(self._coming.popleft(), at=at)
        self._logged_in.add(link.lower)
        self.announced += 1
        return Message(link.lower, event_of(link, wall_ms()))

    def _named(self, message: Message) -> Message:
        """`message`, under the id that the visitor has by then."""
        number, chance = crc32(message.customer.encode()) % VISITORS, crc32(message.event.id.encode())
        known = visitor(number) in self._logged_in
        named = chance % NAMES_NOBODY != 0 if known else chance % KNOWN_BEFORE == 0
        trust = int(chance // 100 % UNSIGNED != 0)
        event = msgspec.structs.replace(message.event, trust=trust, anonymous=int(not named))
        return Message(customer(number) if named else visitor(number), event)
