"""Random schedules of links, events and failures on the real worker; what must hold at their end is the model's
(`tests.identity.world`), read from the rows that are stored.

Of every event two records are sent: a page view, whose features count once wherever they end up, and an order that
counts once and nowhere but where signed links lead. Both are told apart by their item and order, whose hashes rows
keep; there are so few that no row forgets one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import numpy as np

from engine.customer_id import CustomerId, customer_id
from engine.events import Kind
from engine.identity.link import Cause, Link
from engine.identity.marker import Phase
from engine.kernels.hashing import hash64
from engine.ports.decision_store import Candidate, Reservation, Taking
from engine.ports.offer_history import FROZEN
from engine.state.row_codec import read
from tests.identity.world import RANKS, Row, blocked, reached, strayed
from tests.stream.link_world import LinkWorld, home_of, named
from tests.stream.post_world import PARTITIONS
from tests.stream.test_worker import START

MOST_EVENTS = 12  # so that a row keeps all orders, and both records of each


class LinkSchedule(LinkWorld):
    """One deployment; everything random comes from `seed`."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        chance = self.chance
        count = {"a": chance.randint(1, 4), "p": chance.randint(0, 2), "u": chance.randint(1, 4)}
        self.ids = [
            customer_id(named(f"{kind}-{number}-", chance.randrange(PARTITIONS)))
            for kind, most in count.items()
            for number in range(most)
        ]
        self.said: dict[str, CustomerId] = {}  # by whom each event was
        self.gifts: dict[str, CustomerId] = {}  # to whom each was given
        self.links: list[Link] = []
        self.numbered = 0
        self.aliases = chance.random() < 0.3
        self.signed_only = chance.random() < 0.3

    # the outside

    def tell(self) -> None:
        if len(self.said) == MOST_EVENTS:
            return
        key, name = self.chance.choice(self.ids), f"e{len(self.said)}"
        self.said[name] = key
        self.numbered += 2
        self.happens(key, self.numbered, item=name, id=f"{name}-page")
        self.happens(key, self.numbered + 1, Kind.ORDER_COMPLETED, order=name, id=f"{name}-order")

    def link(self) -> None:
        among = [one for one in self.ids if one[0] == "u"] if self.aliases else self.ids
        lower, upper = self.chance.choice(among), self.chance.choice(among)
        causes = [Cause.IDENTIFIED, Cause.ALIASED, Cause.ALIASED, Cause.OPERATOR][self.aliases :]
        signed = self.signed_only or self.aliases or self.chance.random() < 0.5
        cause = self.chance.choice(causes)
        self.numbered += 1
        self.links.append(Link(lower, RANKS[lower[0]], upper, RANKS[upper[0]], 0, cause, signed))
        self.linked(lower, upper, self.numbered, signed, cause)

    async def whose(self, key: CustomerId) -> CustomerId | None:
        """Whose history `key`'s is by the markers that are committed; None where they go round."""
        seen = set()
        while key not in seen:
            seen.add(key)
            if FROZEN not in await self.given(key):
                return key
            key = (await self.ties(key)).marker.to
        return None

    async def give(self) -> None:
        """An offer over HTTP: a frozen history answers "moved", and the request is viewed again."""
        key = await self.whose(self.chance.choice(self.ids))
        if key is None:
            return
        gift = f"g{len(self.gifts)}"
        self.gifts[gift] = key
        wanted = Reservation(key, f"{home_of(key)}-{gift}", START, (Candidate(gift, 1, 1),), b"r")
        assert await self.store.reserve([wanted]) == [[Taking.TAKEN]]

    async def one_step(self, calm: bool) -> None:
        chance = self.chance
        kind = chance.random()
        if kind < 0.3:
            self.tell()
        elif kind < 0.42:
            self.link()
        elif kind < 0.47:
            await self.give()
        elif kind < 0.5:
            await self.pay()
        elif kind < 0.75 or calm:
            await self.work(chance.randint(1, 6))
        elif kind < 0.8:
            self.fate = "fails"
            await self.work(chance.randint(1, 6))
            self.fate = ""
        elif kind < 0.86:
            self.store.lose = chance.choice(["commit", "answer"])
            await self.work(chance.randint(1, 6))
            self.store.lose = ""
        elif kind < 0.91:
            await self.freeze()
        elif kind < 0.95:
            await self.thaw()
        elif kind < 0.97:
            self.keep()
        else:
            self.restore(chance.choice([range(PARTITIONS), [chance.randrange(PARTITIONS)]]))

    # the end

    async def ended(self) -> None:
        while self.frozen:
            await self.thaw()
        self.worker = self.new_worker()
        await self.done(self.chance.choice([3, 50]))

    async def model_row(self, key: CustomerId) -> Row:
        """What the store has of an id, as the model would have it."""
        row, names = read([await self.stored(key)])[0], {_hash(name): name for name in self.said}
        count = int(min(row["recent_total"], len(row["recent_item"])))
        pages = [
            names[int(item)]
            for item, kind in zip(row["recent_item"][:count], row["recent_kind"][:count], strict=True)
            if kind == Kind.PAGE_VIEWED
        ]
        orders = [names[int(one)] for one in row["order_id"] if one]
        return Row((await self.ties(key)).marker, tuple(pages), tuple(orders))

    async def fault(self) -> str:
        """What is wrong; empty when nothing is."""
        rows = {key: await self.model_row(key) for key in self.ids}
        for part in ("features", "rest"):
            total = Counter(one for row in rows.values() for one in getattr(row, part))
            if total != Counter([*self.said]):
                return f"{part}: {total - Counter([*self.said])} too many, {Counter([*self.said]) - total} lost"
        found = strayed(self.ids, self.links, self.said, rows) or blocked(self.ids, self.links, rows)
        return found or await self._misplaced_gift(rows) or await self._replay()

    async def _misplaced_gift(self, rows: Mapping[CustomerId, Row]) -> str:
        """An offer given is in the history that answers now, and nowhere but where signed links lead."""
        reach = reached(self.ids, self.links)
        for key in self.ids:
            given = [one for one in await self.given(key) if one in self.gifts]
            if gone := [one for one in given if key not in reach[self.gifts[one]]]:
                return f"{gone} strayed to {key}"
            if await self.whose(key) is None:
                return f"the markers of {key} go round"
        effects = ("moved", "parted", "cycle_cut", "hops_cut")
        if self.met["restored"] or any(self.meter.value("stream_links", one) for one in effects):
            return ""
        for gift, key in self.gifts.items():
            holder = key
            while (marker := rows[holder].marker).phase is Phase.MERGED and marker.trust:
                holder = marker.to
            if gift not in await self.given(holder):
                return f"{gift} of {key} is not in the history of {holder}"
        return ""

    async def _replay(self) -> str:
        """The same logs from offset 0 on, into an empty store. (What was sent is kept by the clock.)"""
        again = LinkSchedule(0)
        again.logs = [list(log) for log in self.logs]
        await again.done()
        same = [await again.row(key) == await self.row(key) for key in self.ids]
        tied = [(await again.ties(key)).without_kept == (await self.ties(key)).without_kept for key in self.ids]
        return "" if all(same + tied) else f"a replay differs: {self.ids}, rows {same}, ties {tied}"


def _hash(name: str) -> int:
    data = np.frombuffer(name.encode(), np.uint8)
    return int(hash64(data, 0, len(data)))


async def run(seed: int, steps: int = 60) -> LinkSchedule:
    """A random schedule to its end."""
    world = LinkSchedule(seed)
    calm = random.Random(seed).random() < 0.2
    await world.work(1)
    for _ in range(steps):
        await world.one_step(calm)
    await world.ended()
    return world
