"""Shoppers made up by a seeded generator, who behave as those of a real shop's log do.

Fitted to the REES46 log "ecommerce behavior data from multi category store" (REES46 Marketing Platform /
Open CDP, Kaggle), 2019-10-01 00:00-02:50 UTC, 17,434 events in 5,066 sessions of 4,504 users:

* session length: shifted beta-geometric (Fader & Hardie 2007, "How to project customer retention") by
  maximum likelihood over a grid;
* gaps within a session: mixture of two log-normals by expectation-maximisation, of which a share of the
  variance belongs to the session (some people are quick); gaps that lead to a purchase: one log-normal;
* what follows what (view, cart, purchase, end), whether the next view is of the same item or category,
  the share of sessions by users seen before, categories with their prices: shares counted in the log.

How long a call takes is log-normal, fitted to the 29,578 answered calls of the Technion SEE lab's log of a
bank's contact centre, August 1999. *Assumed*, since no public log joins them (`ASSUMED`): pages, lists,
searches, reviews, checkouts, removals from the cart and calls. They lie before the first view or
inside a gap that the log does have, so that gaps between views, carts and purchases stay as fitted.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.customer_id import customer_id
from engine.events import WIRE_VERSION, Event, Kind, Message

LENGTH_A, LENGTH_B = 2.6, 4.1  # beta distribution of a session's chance to end after a view
GAP_WEIGHT, GAP_MU, GAP_SIGMA = (0.643, 0.357), (3.404, 3.656), (0.792, 1.205)  # log seconds
PACE_SIGMA = 0.43  # of which this much between sessions
BUY_MU, BUY_SIGMA = 4.348, 0.870  # log seconds, gaps that end in a purchase
AFTER_VIEW = {Kind.ORDER_COMPLETED: 0.01198, Kind.CART_ADDED: 0.01124}  # shares of those who go on; else a view
AFTER_CART = {Kind.ORDER_COMPLETED: 0.4714, Kind.CART_ADDED: 0.2071}
AFTER_BUY = {Kind.ORDER_COMPLETED: 0.0163}
END_AFTER_CART, END_AFTER_BUY = 0.1515, 0.4252
SAME_ITEM, SAME_CATEGORY = 0.3095, 0.5696  # of the next view; same category with another item
KNOWN_USER = 0.111  # sessions by a user who had one before
CALL_MU, CALL_SIGMA = 4.816, 0.906  # log seconds

#: Category, share of events, mean and standard deviation of the log price.
CATEGORIES: tuple[tuple[str, float, float, float], ...] = (
    ("other", 0.330, 4.44, 1.26),
    ("electronics.smartphone", 0.271, 5.86, 0.83),
    ("electronics.clocks", 0.032, 5.15, 1.19),
    ("computers.notebook", 0.032, 6.38, 0.62),
    ("electronics.audio.headphone", 0.023, 4.16, 1.04),
    ("appliances.kitchen.refrigerators", 0.019, 5.74, 0.60),
    ("appliances.environment.vacuum", 0.016, 4.74, 0.83),
    ("appliances.environment.air_heater", 0.014, 3.57, 0.59),
    ("electronics.video.tv", 0.014, 5.91, 0.64),
    ("auto.accessories.player", 0.014, 4.47, 0.64),
    ("apparel.shoes", 0.013, 4.40, 0.43),
    ("appliances.kitchen.washer", 0.013, 5.77, 0.50),
    ("apparel.shoes.keds", 0.011, 4.31, 0.40),
    ("electronics.telephone", 0.010, 3.26, 0.61),
    ("furniture.living_room.cabinet", 0.008, 5.58, 0.42),
    ("auto.accessories.alarm", 0.008, 4.74, 0.42),
    ("appliances.kitchen.meat_grinder", 0.007, 4.34, 0.56),
    ("furniture.living_room.sofa", 0.007, 6.22, 0.36),
)
ITEMS, ZIPF = 300, 0.72  # items of a category; slope of log views over log rank (smartphones, first 100)

MINUTE = 60_000
WARM_UP = 8 * MINUTE  # open visits at the start began within this; 95 of 100 are shorter


class Assumed(msgspec.Struct, frozen=True):
    """Shares that no available log contains."""

    home: float = 0.35  # sessions that open on a page before the first item
    search: float = 0.20  # sessions that begin with a search that finds
    struggle: float = 0.03  # sessions that begin with three to six searches in vain
    review: float = 0.06  # views followed by reading a review
    find: float = 0.60  # ways to an item of another category by a list or a search, half and half
    checkout: float = 0.80  # purchases with a checkout before
    removal: float = 0.05  # views with something in the cart, after which a piece is removed
    call: float = 0.004  # sessions followed by a call to the contact centre
    step_s: tuple[float, float] = (2.0, 14.0)  # between the steps that open a session


ASSUMED = Assumed()


class Goods(msgspec.Struct, frozen=True, eq=False):
    """The shop's shelves. C categories, `ITEMS` items each: cumulated shares, and prices (C x ITEMS)."""

    categories: NDArray[np.float64]
    ranks: NDArray[np.float64]
    prices: NDArray[np.float64]

    @classmethod
    def stocked(cls, rng: np.random.Generator) -> Goods:
        """Shelves with prices drawn from each category's distribution."""
        shares = np.cumsum([share for _, share, _, _ in CATEGORIES])
        ranks = np.cumsum(np.arange(1, ITEMS + 1) ** -ZIPF)
        mu, sigma = np.array([mu for *_, mu, _ in CATEGORIES]), np.array([sigma for *_, sigma in CATEGORIES])
        drawn = np.exp(mu[:, None] + sigma[:, None] * rng.standard_normal((len(CATEGORIES), ITEMS)))
        return cls(shares / shares[-1], ranks / ranks[-1], np.asarray(np.round(drawn, 2), np.float64))


class Item(msgspec.Struct, frozen=True, gc=False):
    """One article: position of its category, its rank there, its price."""

    category: int
    rank: int
    price: float


class Visit:
    """One session being made up: a list of events, `at` in ms from its beginning."""

    def __init__(self, rng: np.random.Generator, goods: Goods, assumed: Assumed) -> None:
        self._rng, self._goods, self._assumed = rng, goods, assumed
        self._ends = rng.beta(LENGTH_A, LENGTH_B)
        self._pace = PACE_SIGMA * rng.standard_normal()
        self._item = self._new_item(self._category())
        self._cart: list[Item] = []
        self._now = 0.0
        self.events: list[tuple[int, Kind, Item | None]] = []

    def made(self) -> list[tuple[int, Kind, Item | None]]:
        """The whole session, in time order."""
        self._open()
        kind = Kind.ITEM_VIEWED
        self._put(kind, self._item)
        while not self._chance(self._end(kind)):
            before, kind = self._now, self._next(kind)
            self._now += self._gap(kind)
            self._go(kind, before)
        if self._chance(self._assumed.call):
            self._call()
        self.events.sort(key=lambda event: event[0])
        return self.events

    def _open(self) -> None:
        if self._chance(self._assumed.home):
            self._step(Kind.PAGE_VIEWED)
        if self._chance(self._assumed.struggle):
            for _ in range(int(self._rng.integers(3, 7))):
                self._step(Kind.SEARCHED)
        elif self._chance(self._assumed.search):
            self._step(Kind.SEARCHED)

    def _step(self, kind: Kind) -> None:
        self._put(kind, None)
        self._now += self._rng.uniform(*self._assumed.step_s)

    def _end(self, kind: Kind) -> float:
        return {Kind.CART_ADDED: END_AFTER_CART, Kind.ORDER_COMPLETED: END_AFTER_BUY}.get(kind, float(self._ends))

    def _next(self, kind: Kind) -> Kind:
        shares = {Kind.CART_ADDED: AFTER_CART, Kind.ORDER_COMPLETED: AFTER_BUY}.get(kind, AFTER_VIEW)
        drawn = self._rng.random()
        for following, share in shares.items():
            if drawn < share:
                return following
            drawn -= share
        return Kind.ITEM_VIEWED

    def _gap(self, kind: Kind) -> float:
        """Seconds to the next event, `kind`."""
        if kind is Kind.ORDER_COMPLETED:
            return math.exp(BUY_MU + BUY_SIGMA * self._rng.standard_normal())
        part = 0 if self._chance(GAP_WEIGHT[0]) else 1
        spread = math.sqrt(GAP_SIGMA[part] ** 2 - PACE_SIGMA**2)
        return math.exp(GAP_MU[part] + self._pace + spread * self._rng.standard_normal())

    def _go(self, kind: Kind, before: float) -> None:
        """The event at the end of a gap that began at `before`, and what is assumed to lie in the gap."""
        if kind is Kind.ITEM_VIEWED:
            self._browse(before)
        elif kind is Kind.CART_ADDED:
            self._cart.append(self._item)
            self._put(kind, self._item)
        else:
            self._buy(before)

    def _browse(self, before: float) -> None:
        if self._chance(self._assumed.review):
            self._put(Kind.REVIEW_READ, self._item, self._within(before, 0.1, 0.5))
        if self._cart and self._chance(self._assumed.removal):
            self._put(Kind.CART_REMOVED, self._cart.pop(), self._within(before, 0.1, 0.5))
        drawn = self._rng.random()
        if drawn >= SAME_ITEM + SAME_CATEGORY:
            category = self._category()
            self._item = self._new_item(category)
            if self._chance(self._assumed.find):
                way = Kind.LIST_VIEWED if self._chance(0.5) else Kind.SEARCHED
                self._put(way, self._item, self._within(before, 0.6, 0.9))
        elif drawn >= SAME_ITEM:
            self._item = self._new_item(self._item.category)
        self._put(Kind.ITEM_VIEWED, self._item)

    def _buy(self, before: float) -> None:
        bought = self._cart.pop() if self._cart else self._item
        if self._chance(self._assumed.checkout):
            self._put(Kind.CHECKOUT_STARTED, bought, self._within(before, 0.2, 0.5))
            self._put(Kind.CHECKOUT_STEP, None, self._within(before, 0.6, 0.9))
        self._put(Kind.ORDER_COMPLETED, bought)

    def _call(self) -> None:
        self._now += self._gap(Kind.ORDER_COMPLETED)
        self._put(Kind.CONTACT_STARTED, None)
        self._now += math.exp(CALL_MU + CALL_SIGMA * self._rng.standard_normal())
        self._put(Kind.CONTACT_ENDED, None)

    def _put(self, kind: Kind, item: Item | None, at: float | None = None) -> None:
        self.events.append((int((self._now if at is None else at) * 1_000), kind, item))

    def _within(self, before: float, low: float, high: float) -> float:
        return float(before + (self._now - before) * self._rng.uniform(low, high))

    def _chance(self, share: float) -> bool:
        return bool(self._rng.random() < share)

    def _category(self) -> int:
        return int(np.searchsorted(self._goods.categories, self._rng.random()))

    def _new_item(self, category: int) -> Item:
        rank = int(np.searchsorted(self._goods.ranks, self._rng.random()))
        return Item(category, rank, float(self._goods.prices[category, rank]))


class Traffic:
    """An endless iterator of `Message` in time order, from `start_ms` on (epoch ms, engine time).

    `events_per_second` is the long-run mean, reached at once: open visits at the start began before
    it. At most `customers` different people; when all of them are on a visit, nobody arrives, so a
    small number bounds the rate. Equal arguments give equal traffic.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        start_ms: int,
        customers: int,
        events_per_second: float,
        assumed: Assumed = ASSUMED,
    ) -> None:
        self._rng, self._start, self._assumed = rng, start_ms, assumed
        self._run = f"{int(rng.integers(1 << 48)):012x}"
        self._goods = Goods.stocked(rng)
        sample = [len(self._visit()) for _ in range(3_000)]
        self._arrivals_ms = 1_000 * float(np.mean(sample)) / events_per_second
        self._customers, self._seen = customers, 0
        self._busy_until: dict[int, int] = {}
        self._count = 0

    def __iter__(self) -> Iterator[Message]:
        waiting: list[tuple[int, int, Message]] = []  # time, a number that keeps ties apart, message
        arrival = float(self._start - WARM_UP)
        while True:
            arrival += self._rng.exponential(self._arrivals_ms)
            while waiting and waiting[0][0] <= arrival:
                at, _, message = heapq.heappop(waiting)
                if at >= self._start:
                    yield message
            for message in self._arrive(int(arrival)):
                heapq.heappush(waiting, (message.event.at, self._count, message))
                self._count += 1

    def _arrive(self, at: int) -> list[Message]:
        customer = self._who(at)
        if customer is None:
            return []
        visit = self._visit()
        self._busy_until[customer] = at + visit[-1][0]
        return [self._message(customer, at, i, event) for i, event in enumerate(visit)]

    def _visit(self) -> list[tuple[int, Kind, Item | None]]:
        return Visit(self._rng, self._goods, self._assumed).made()

    def _who(self, at: int) -> int | None:
        """Somebody new, or one seen before who is not on a visit; None when a few asked are all on one."""
        if self._seen < self._customers and (self._seen == 0 or self._rng.random() >= KNOWN_USER):
            self._seen += 1
            return self._seen - 1
        for _ in range(8):
            customer = int(self._rng.integers(self._seen))
            if self._busy_until[customer] < at:
                return customer
        return None

    def _message(self, customer: int, start: int, position: int, event: tuple[int, Kind, Item | None]) -> Message:
        offset, kind, item = event
        identity = f"{self._run}-{self._count:x}-{position}"
        category = "" if item is None else CATEGORIES[item.category][0]
        name = (
            ""
            if item is None or kind in (Kind.LIST_VIEWED, Kind.SEARCHED)
            else f"{item.category:02d}{item.rank:04d}"
        )
        price = item.price if item is not None and name else 0.0
        made = Event(WIRE_VERSION, int(kind), start + offset, identity, name, category, price)
        return Message(customer_id(f"shopper-{customer:06d}"), made)
