"""A model of identity over a sharded log: links, events, offers given over HTTP, mail between partitions.

It is the engine's own code that decides: `change_of`, `route` and the post's `Ledger`. All else (rows, the store,
the log, workers) is plain sets and lists, so that a schedule takes a few milliseconds: crashes between produce and
commit, produces that fail in part and reordered, workers that wake as zombies, a store that comes back older as a
whole or in part, and a replay of the log into an empty one.

Of every event two things are followed: that its features count once, wherever they end up, and that its rest
(orders, traits, consent) counts once, and nowhere but where signed links lead.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from engine.customer_id import CustomerId, customer_id
from engine.events import Rank
from engine.identity.link import Cause, Link, LinkTrust
from engine.identity.marker import OPEN, HistoryTurn, KeyChange, Marker, Parts, Phase, change_of
from engine.identity.route import Passage, Turn, route
from engine.post.ledger import Ledger
from engine.post.letter import Letter

RANKS = {"a": Rank.DEVICE, "p": Rank.ADDRESS, "u": Rank.USER}


class Rules(NamedTuple):
    """What is tried: the engine's, or a broken one."""

    change: Callable[..., KeyChange] = change_of
    route: Callable[..., Passage] = route
    receive: Callable[[Ledger, Letter], tuple[bool, Mapping[str, str]]] = Ledger.receive
    mail_after_commit: bool = False
    history_in_merge: bool = False
    keep_once: bool = False
    forget_had: bool = False
    debt_follows_marker: bool = False


SOUND = Rules()


class Record(NamedTuple):
    """On the log of a partition. ``body``: an event's name, a link, a row of `Parts`, or a history."""

    what: str
    key: CustomerId
    body: Any
    parts: Parts = Parts.ALL
    path: tuple[str, ...] = ()
    letter: Letter | None = None


#: To whom, what, its body, which parts, by which path.
Outgoing = tuple[CustomerId, str, Any, Parts, tuple[str, ...]]


class Row(NamedTuple):
    """Rows can be any set that joins commutatively."""

    marker: Marker = OPEN
    features: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    merged: frozenset[str] = frozenset()
    owes: frozenset[CustomerId] = frozenset()  # to whom its history is still to be sent

    def joined(self, parts: Parts, features: Sequence[str], rest: Sequence[str]) -> Row:
        return self._replace(
            features=tuple(sorted((*self.features, *features))) if Parts.FEATURES & parts else self.features,
            rest=tuple(sorted((*self.rest, *rest))) if Parts.REST & parts else self.rest,
        )

    def without(self, parts: Parts) -> Row:
        return self._replace(
            features=() if Parts.FEATURES & parts else self.features,
            rest=() if Parts.REST & parts else self.rest,
        )


class Kept:
    """What the store has of one partition."""

    def __init__(self) -> None:
        self.epoch = 0
        self.offset = 0
        self.post: dict[str, str] = {}
        self.rows: dict[CustomerId, Row] = {}
        self.given: dict[CustomerId, frozenset[str]] = {}  # over HTTP, or by KEEP
        self.frozen: set[CustomerId] = set()

    def row(self, key: CustomerId) -> Row:
        return self.rows.get(key, Row())


class Batch(NamedTuple):
    """What a worker made of some records, uncommitted."""

    partition: int
    epoch: int
    expected: int
    offset: int
    rows: dict[CustomerId, Row]
    post: dict[str, str]
    mail: list[Record]
    histories: list[tuple[str, CustomerId, frozenset[str]]]


class Lane(NamedTuple):
    """A worker's memory of one partition."""

    epoch: int
    next: int
    rows: dict[CustomerId, Row]
    post: dict[str, str]


class World:
    """One deployment; everything random comes from `seed`."""

    def __init__(self, seed: int, rules: Rules = SOUND) -> None:
        self.r = random.Random(seed)
        self.rules = rules
        self.partitions = self.r.choice([1, 2, 3, 4])
        count = {"a": self.r.randint(1, 5), "p": self.r.randint(0, 2), "u": self.r.randint(1, 5)}
        self.ids = [customer_id(f"{kind}{i}") for kind, most in count.items() for i in range(most)]
        self.home = {one: self.r.randrange(self.partitions) for one in self.ids}
        self.logs: list[list[Record]] = [[] for _ in range(self.partitions)]
        self.store = [Kept() for _ in range(self.partitions)]
        self.lanes: list[Lane | None] = [None] * self.partitions
        self.zombies: list[tuple[list[Record], Batch]] = []
        self.snapshots: list[list[Kept]] = []
        self.sent: dict[str, CustomerId] = {}
        self.gifts: dict[str, CustomerId] = {}
        self.links: list[Link] = []
        self.met = Counter[str]()
        self.aliases = self.r.random() < 0.3  # many, of users: only ids of one rank can go round
        self.row_lists = self.r.random() < 0.5  # whose rows went into it; else cycles are cut by the path alone
        self.signed_only = self.r.random() < 0.3  # then what follows from trust is the same for all links

    # the outside

    def event(self) -> None:
        key, name = self.r.choice(self.ids), f"e{len(self.sent)}"
        self.sent[name] = key
        self.logs[self.home[key]].append(Record("event", key, name))

    def link(self) -> None:
        among = [one for one in self.ids if one[0] == "u"] if self.aliases else self.ids
        lower, upper = self.r.choice(among), self.r.choice(among)
        causes = [Cause.IDENTIFIED, Cause.ALIASED, Cause.ALIASED, Cause.OPERATOR]
        signed = self.signed_only or self.aliases or self.r.random() < 0.5
        one = Link(
            lower, RANKS[lower[0]], upper, RANKS[upper[0]], 0, self.r.choice(causes[self.aliases :]), signed
        )
        self.links.append(one)
        self.logs[self.home[lower]].append(Record("link", lower, one))

    def whose(self, key: CustomerId) -> CustomerId | None:
        """Whose history `key`'s is by the markers that are committed; None where they go round."""
        seen = set()
        while key not in seen:
            seen.add(key)
            kept = self.store[self.home[key]]
            if key not in kept.frozen:
                return key
            key = kept.row(key).marker.to
        return None

    def give(self) -> None:
        """An offer over HTTP: `reserve` on a frozen history answers "moved", and the request is viewed again."""
        key = self.whose(self.r.choice(self.ids))
        if key is not None:
            gift = f"g{len(self.gifts)}"
            self.gifts[gift] = key
            kept = self.store[self.home[key]]
            kept.given[key] = kept.given.get(key, frozenset()) | {gift}

    # a worker

    def claim(self, p: int) -> None:
        kept = self.store[p]
        kept.epoch += 1
        self.lanes[p] = Lane(kept.epoch, kept.offset, dict(kept.rows), dict(kept.post))

    def work(self, p: int, crash: float = 0.0) -> None:
        lane = self.lanes[p]
        if lane is None:
            return self.claim(p)
        records = self.logs[p][lane.next : lane.next + self.r.randint(1, 6)]
        if not records:
            return self.pay(p, crash)
        batch = self.apply(p, lane, records)
        self.lanes[p] = None  # until it is committed
        if self.r.random() < crash * 0.5:  # freezes before anything is written
            self.met["frozen"] += 1
            if self.r.random() < 0.6:
                self.zombies.append((batch.mail, batch))
            return None
        if self.rules.mail_after_commit:
            if self.commit(batch) and self.r.random() >= crash:
                self.produce(batch.mail, 0.0)
                self.keep_lane(batch)
            return None
        if not self.produce(batch.mail, crash):
            self.met["produce failed"] += 1
            return None
        if self.r.random() < crash:
            self.met["crash before commit"] += 1
            if self.r.random() < 0.5:
                self.zombies.append(([], batch))
            return None
        for _ in range(self.r.randint(0, 2)):  # HTTP goes on between the two
            self.give()
        if self.commit(batch):
            self.keep_lane(batch)
            if self.rules.keep_once and self.r.random() >= crash:
                self.pay(p, 0.0)
        return None

    def keep_lane(self, batch: Batch) -> None:
        self.lanes[batch.partition] = Lane(batch.epoch, batch.offset, dict(batch.rows), dict(batch.post))

    def apply(self, p: int, lane: Lane, records: Sequence[Record]) -> Batch:
        end = lane.next + len(records)
        batch = Batch(p, lane.epoch, lane.next, end, dict(lane.rows), dict(lane.post), [], [])
        ledger = Ledger(lane.post)
        for offset, record in enumerate(records, lane.next):
            if record.letter is not None:
                new, changed = self.rules.receive(ledger, record.letter)
                batch.post.update(changed)
                if not new:
                    self.met["repeat"] += 1
                    continue
            for letter_to, what, body, parts, path in self.handle(batch, record):
                letter = None
                if what != "keep":
                    letter, changed = ledger.address(p, self.home[letter_to], offset)
                    batch.post.update(changed)
                batch.mail.append(Record(what, letter_to, body, parts, path, letter))
        return batch

    def handle(self, batch: Batch, record: Record) -> Iterator[Outgoing]:
        """Apply one record to the rows of `batch`; what is mailed."""
        key, row = record.key, batch.rows.get(record.key, Row())
        if record.what == "link":
            yield from self.linked(batch, key, row, record.body)
            return
        numbered = record.what != "keep"
        way = self.rules.route(key, row.marker, record.parts, record.path, numbered)
        self.met[way.turn or ("sent on" if way.on else "applied")] += 1
        row = row._replace(marker=way.marker)
        if way.opens:
            batch.histories.append(("thaw", key, frozenset()))
        if way.here:
            row = self.applied(batch, key, row, record, way.here)
        batch.rows[key] = row
        if way.on:
            yield way.to, record.what, record.body, way.on, way.path

    def applied(self, batch: Batch, key: CustomerId, row: Row, record: Record, parts: Parts) -> Row:
        if record.what == "keep":
            batch.histories.append(("absorb", key, record.body))
            return row
        if record.what == "event":
            return row.joined(parts, [record.body], [record.body])
        other: Row = record.body
        merged = row.merged | other.merged | ({record.path[0]} if record.path else set())
        return row.joined(parts, other.features, other.rest)._replace(merged=merged - {key})

    def linked(self, batch: Batch, key: CustomerId, row: Row, link: Link) -> Iterator[Outgoing]:
        change = self.rules.change(row.marker, link, row.merged if self.row_lists else ())
        self.met[change.effect] += 1
        batch.rows[key] = row.without(change.mails)._replace(
            marker=change.marker,
            owes=row.owes | {change.marker.to} if change.owes else row.owes,
            merged=frozenset() if change.mails & Parts.FEATURES else row.merged,
        )
        if change.history is not HistoryTurn.STAYS:
            batch.histories.append(
                ("freeze" if change.history is HistoryTurn.FREEZES else "thaw", key, frozenset())
            )
        if change.mails:
            carried = row._replace(
                features=row.features if change.mails & Parts.FEATURES else (),
                rest=row.rest if change.mails & Parts.REST else (),
            )
            yield change.marker.to, "merge", carried, change.mails, (key,)
        if change.owes and self.rules.history_in_merge:
            given = self.store[batch.partition].given.get(key, frozenset())
            batch.rows[key] = batch.rows[key]._replace(owes=frozenset())
            yield change.marker.to, "keep", given, Parts.REST, (key,)

    def produce(self, mail: Sequence[Record], fail: float) -> bool:
        """In order for each target, unless some batches fail: then any subset of the batches is written."""
        done = True
        for q in range(self.partitions):
            left = [one for one in mail if self.home[one.key] == q]
            while left:
                size = self.r.randint(1, 3)
                some, left = left[:size], left[size:]
                if self.r.random() < fail * 0.3:
                    done = False
                    if self.r.random() < 0.5:
                        continue  # lost; later ones may still arrive
                self.logs[q].extend(some)
        return done

    def commit(self, batch: Batch) -> bool:
        kept = self.store[batch.partition]
        if (kept.epoch, kept.offset) != (batch.epoch, batch.expected):
            self.met["fenced"] += 1
            return False
        kept.rows, kept.offset = dict(batch.rows), batch.offset
        dropped = "had." if self.rules.forget_had else "\0"
        kept.post = {name: text for name, text in batch.post.items() if not name.startswith(dropped)}
        for what, key, given in batch.histories:
            if what == "freeze":
                kept.frozen.add(key)
            elif what == "thaw":
                kept.frozen.discard(key)
            else:
                kept.given[key] = kept.given.get(key, frozenset()) | given
        return True

    def pay(self, p: int, crash: float) -> None:
        """By a timer: histories of merged customers, frozen since the commit, follow them. Repeats add nothing."""
        lane = self.lanes[p]
        owing = next((key for key, row in lane.rows.items() if row.owes), None) if lane else None
        if lane is None or owing is None:
            return
        row = lane.rows[owing]
        self.lanes[p] = None
        to = owed = min(row.owes)
        if self.rules.debt_follows_marker:
            to = row.marker.to
        if to and not (self.rules.keep_once and crash):
            given = self.store[p].given.get(owing, frozenset())
            keep = Record("keep", to, given, Parts.REST, (owing,))
            if not self.produce([keep], crash) or self.r.random() < crash:
                return
        rows = {**lane.rows, owing: row._replace(owes=row.owes - {owed})}
        batch = Batch(p, lane.epoch, lane.next, lane.next, rows, lane.post, [], [])
        if self.commit(batch):
            self.keep_lane(batch)

    # faults

    def fault(self) -> None:
        kind = self.r.random()
        if kind < 0.25 and self.zombies:
            mail, batch = self.zombies.pop(self.r.randrange(len(self.zombies)))
            self.met["zombie"] += 1
            if self.produce(mail, 0.5):  # some of it may be written even where it fails
                self.commit(batch)
        elif kind < 0.5:
            self.lanes[self.r.randrange(self.partitions)] = None
        elif kind < 0.7:
            self.snapshots.append(deepcopy(self.store))
        elif kind < 0.85 and self.snapshots:
            self.restore(range(self.partitions))
        elif self.snapshots and self.partitions > 1:
            self.restore([self.r.randrange(self.partitions)])

    def restore(self, shards: Sequence[int]) -> None:
        """The store comes back older; epochs are wall times, so none is given out again."""
        self.met["restored"] += 1
        older = deepcopy(self.r.choice(self.snapshots))
        for p in shards:
            older[p].epoch = self.store[p].epoch + 1
            self.store[p], self.lanes[p] = older[p], None

    def step(self, calm: bool) -> None:
        kind = self.r.random()
        if kind < 0.35:
            self.event()
        elif kind < (0.45 if self.aliases else 0.43):
            self.link()
        elif kind < 0.5:
            self.give()
        elif kind < 0.94 or calm:
            self.work(self.r.randrange(self.partitions), 0.0 if calm else 0.15)
        else:
            self.fault()

    # the end

    def settle(self) -> bool:
        for _ in range(500):
            busy = False
            for p in range(self.partitions):
                if self.lanes[p] is None:
                    self.claim(p)
                lane = self.lanes[p]
                assert lane is not None
                busy |= lane.next < len(self.logs[p]) or any(row.owes for row in lane.rows.values())
                self.work(p)
            if not busy:
                return True
        return False

    def rows(self) -> dict[CustomerId, Row]:
        return {key: row for kept in self.store for key, row in kept.rows.items() if row != Row()}

    def replayed(self) -> World:
        """The same logs from offset 0 on, into an empty store."""
        again = deepcopy(self)
        again.store = [Kept() for _ in range(self.partitions)]
        again.lanes, again.zombies = [None] * self.partitions, []
        return again


def run(seed: int, rules: Rules = SOUND, steps: int = 120) -> World:
    """A random schedule."""
    world = World(seed, rules)
    calm = world.r.random() < 0.2
    for _ in range(steps):
        world.step(calm)
    return world


def fault_of(world: World) -> str:
    """What is wrong at the end; empty when nothing is."""
    if not world.settle():
        return "the mail never ends"
    rows = world.rows()
    for part in ("features", "rest"):
        total, wanted = Counter(one for row in rows.values() for one in getattr(row, part)), Counter([*world.sent])
        if total != wanted:
            return f"{part}: {total - wanted} too many, {wanted - total} lost"
    return (
        strayed(world.ids, world.links, world.sent, rows)
        or _strayed_gifts(world)
        or blocked(world.ids, world.links, rows)
        or _lost_gifts(world, rows)
        or _replay(world, rows)
    )


def reached(ids: Iterable[CustomerId], links: Iterable[Link]) -> dict[CustomerId, set[CustomerId]]:
    """Where signed links lead from each id, itself included."""
    reach = {one: {one} for one in ids}
    signed = [(link.lower, link.upper) for link in links if link.signed and not link.refusal]
    for _ in reach:
        for lower, upper in signed:
            for found in reach.values():
                if lower in found:
                    found.add(upper)
    return reach


def strayed(
    ids: Sequence[CustomerId],
    links: Sequence[Link],
    sent: Mapping[str, CustomerId],
    rows: Mapping[CustomerId, Row],
) -> str:
    """The rest of an event lies where signed links lead and nowhere else, and nothing lies at a merged key."""
    reach = reached(ids, links)
    for key, row in rows.items():
        if row.marker.phase is Phase.MERGED and row.features:
            return f"{key} is merged, and has features"
        if row.marker.phase is Phase.MERGED and row.rest and row.marker.trust > LinkTrust.UNSIGNED:
            return f"{key} is merged by a signed link, and has a rest"
        if gone := [one for one in row.rest if key not in reach[sent[one]]]:
            return f"{gone} strayed to {key}"
    return ""


def _strayed_gifts(world: World) -> str:
    """Nor does a history lie elsewhere."""
    reach = reached(world.ids, world.links)
    for kept in world.store:
        for key, gifts in kept.given.items():
            if gone := [one for one in gifts if one in world.gifts and key not in reach[world.gifts[one]]]:
                return f"{gone} strayed to {key}"
    return ""


def blocked(ids: Sequence[CustomerId], links: Sequence[Link], rows: Mapping[CustomerId, Row]) -> str:
    """A device with one signed user is that user's, whatever unsigned links say. (A log is what was sent, so a
    restored store changes nothing.)"""
    for key in ids:
        said = {link.upper for link in links if link.lower == key and link.signed and not link.refusal}
        if key[0] != "a" or len(said) != 1 or said & {one for one in ids if one[0] == "a"}:
            continue
        marker = rows.get(key, Row()).marker
        if not (marker.phase is Phase.MERGED and {marker.to} == said and marker.trust > LinkTrust.UNSIGNED):
            return f"{key} is not {said}, but {marker}"
    return ""


def _lost_gifts(world: World, rows: Mapping[CustomerId, Row]) -> str:
    """Who an offer was given to has it in the history that answers now."""
    for key in world.ids:
        if world.whose(key) is None:
            return f"the markers of {key} go round"
    opened = any(row.marker.phase is Phase.ALONE for row in rows.values()) or world.met["moved"]
    if world.met["restored"] or opened or world.met[Turn.CYCLE_CUT] or world.met[Turn.HOPS_CUT]:
        return ""
    for gift, key in world.gifts.items():
        holder = key
        while (marker := rows.get(holder, Row()).marker).phase is Phase.MERGED and marker.trust:
            holder = marker.to
        if gift not in world.store[world.home[holder]].given.get(holder, frozenset()):
            return f"{gift} of {key} is not in the history of {holder}"
    return ""


def _replay(world: World, rows: Mapping[CustomerId, Row]) -> str:
    again = world.replayed()
    if not again.settle():
        return "the mail of a replay never ends"
    # what the row of a merged key owes is paid from a history, which no log holds
    different = [key for key in {*rows, *again.rows()} if rows.get(key) != again.rows().get(key)]
    return f"a replay differs at {different}" if different else ""
