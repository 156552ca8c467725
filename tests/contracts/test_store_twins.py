"""The twins agree: whatever is asked of both, in whatever order, they answer alike."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from engine.clock import wall_ms
from engine.consent import ConsentState, ConsentStatement
from engine.customer_id import customer_id
from engine.errors import Fenced
from engine.events import Outcome, OutcomeName
from engine.ports.clock import ClockAnchor
from engine.ports.cue_store import TakenCue
from engine.ports.decision_store import Candidate
from engine.ports.lesson_store import LessonBound, Withdrawn
from engine.ports.stream_store import CueChoice, CustomerConsent, Position
from engine.settings import Redis
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from tests.contracts.builders import PARTITIONS, AnyStore, candidate, change, customers_of, place, reservation
from tests.services import Valkey

HOUR_MS = 3_600_000
TODAY = wall_ms() // HOUR_MS * HOUR_MS

NAMES = [name for partition in range(PARTITIONS) for name in customers_of(partition, 2)]

partitions = st.integers(0, PARTITIONS - 1)
moments = st.integers(0, 40)
offers = st.sampled_from(["chat", "call", "a|b", "7", "ü"])
caps = st.tuples(st.integers(0, 3), st.sampled_from([0, 5, 20]))
candidates = st.lists(
    st.tuples(offers, caps, st.sampled_from(["", "0!marketing/web", "2!marketing/web"])), max_size=3
)
places = st.tuples(st.integers(0, 3), st.integers(0, 3))
ends = st.sampled_from([0, 0, 1, 3, 20])  # how long after it a cue ends, 0: it was given for good
needs = st.sampled_from(
    ["", "", "0!marketing/web", "1!marketing/web", "2!marketing/web", "1!marketing/web 0!a/email"]
)
placed = st.lists(st.tuples(offers, caps, places, ends, needs), max_size=5)
stated = st.lists(
    st.builds(
        ConsentStatement, st.sampled_from(["marketing", "a"]), st.sampled_from(["web", "email"]),
        st.sampled_from(ConsentState), moments, st.booleans(),
    ),
    max_size=3,
)  # fmt: skip
payloads = st.binary(max_size=8)

Offered = tuple[str, tuple[int, int], str]  # an offer, its cap, and the consents that it needs
# an offer, its cap, its place in two slots, its end, and the consents that it needs
Placed = tuple[str, tuple[int, int], tuple[int, int], int, str]
Chosen = tuple[int, int, list[Placed], bool]


def _taught(withdrawn: Any) -> list[Withdrawn]:
    """What is more than nothing: one of the twins keeps a field that came to 0."""
    return [one for one in withdrawn if one.successes or one.failures]


class Twins(RuleBasedStateMachine):
    """Random method calls on both stores; offsets and epochs are mostly, not always, those expected."""

    server: Valkey

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.server.empty())
        self.redis = RedisStore(Redis(url=self.server.socket_url, timeout_s=20), PARTITIONS)
        self.memory = MemoryStore(PARTITIONS)
        self.stores: tuple[AnyStore, AnyStore] = (self.memory, self.redis)
        self.at = dict.fromkeys(range(PARTITIONS), 0)
        self.epochs = dict.fromkeys(range(PARTITIONS), (0, 0))  # wall times, so each twin has its own
        self.decisions = ["0-unknown", "none"]

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.run_until_complete(self.redis.close())
            self.loop.close()

    def both(self, method: str, *arguments: object) -> object:
        """The answer of both, which is one."""
        answers = [self.loop.run_until_complete(self.ask(store, method, *arguments)) for store in self.stores]
        assert answers[0] == answers[1]
        return answers[0]

    async def ask(self, store: AnyStore, method: str, *arguments: object) -> object:
        try:
            return await getattr(store, method)(*arguments)
        except Fenced:
            return Fenced

    @rule(partition=partitions)
    def claim(self, partition: int) -> None:
        before = self.epochs[partition]
        claims = [self.loop.run_until_complete(store.claim(partition)) for store in self.stores]
        assert [claim.offset for claim in claims] == [self.at[partition]] * 2
        assert tuple(claim.previous for claim in claims) == before
        assert all(claim.epoch > claim.previous for claim in claims)
        self.epochs[partition] = (claims[0].epoch, claims[1].epoch)

    @rule(
        partition=partitions,
        slip=st.sampled_from([(0, 0)] * 8 + [(-1, 0), (0, 1), (0, -1)]),
        step=st.integers(0, 3),
        rows=st.dictionaries(st.sampled_from([b"a", b"b", b"\r\n"]), payloads),
        timers=st.dictionaries(st.sampled_from([b"a", b"b", b"c", b""]), moments),
        chosen=st.lists(st.tuples(st.integers(0, 1), moments, placed, st.booleans()), max_size=3),
        tallies=st.dictionaries(st.sampled_from(["events", "applied"]), st.integers(0, 9)),
        post=st.dictionaries(st.sampled_from(["mails", "out.1", "had.2.0"]), st.sampled_from(["0", "0-7 9-12"])),
        consents=stated,
    )
    def commit(
        self,
        partition: int,
        slip: tuple[int, int],
        step: int,
        rows: dict[bytes, bytes],
        timers: dict[bytes, int],
        chosen: list[Chosen],
        tallies: dict[str, int],
        post: dict[str, str],
        consents: list[ConsentStatement],
    ) -> None:
        offset = self.at[partition]
        cues = [self.choice(partition, *one) for one in chosen]
        to = offset + slip[1] + step
        commits = [
            change(
                epoch + slip[0],
                offset + slip[1],
                to,
                partition=partition,
                rows=rows,
                timers=timers,
                cues=cues,
                tallies=tallies,
                post=post,
                consents=[CustomerConsent(NAMES[2 * partition].encode(), one) for one in consents],
            )
            for epoch in self.epochs[partition]
        ]
        done, also = (
            self.loop.run_until_complete(self.ask(store, "commit", commit))
            for store, commit in zip(self.stores, commits, strict=True)
        )
        assert done == also
        assert (done is Fenced) == (slip != (0, 0))
        if done is not Fenced:
            self.at[partition] = to
        self.both("post", partition)

    def choice(self, partition: int, which: int, at: int, wanted: list[Placed], keep: bool) -> CueChoice:
        customer = NAMES[2 * partition + which]
        name = f"{partition}-cue{len(self.decisions)}"
        self.decisions.append(name)
        sent = [
            msgspec.structs.replace(
                candidate(customer, offer, cap, at, slots, name),
                record=b"kept\x90" * keep,
                ends=end and at + end,
                needs=need,
            )
            for offer, cap, slots, end, need in wanted
        ]
        return CueChoice(customer.encode(), at, tuple(sent))

    @rule(wanted=st.lists(st.tuples(st.sampled_from(NAMES), moments, candidates, payloads), max_size=4))
    def reserve(self, wanted: list[tuple[str, int, list[Offered], bytes]]) -> None:
        reservations = []
        for customer, at, offered, record in wanted:
            taken = [Candidate(offer, *cap, need) for offer, cap, need in offered]
            one = reservation(customer, *taken, at=at, name=f"d{len(self.decisions)}", record=record)
            self.decisions.append(one.decision_id)
            reservations.append(one)
        self.both("reserve", reservations)

    @rule(name=st.sampled_from(NAMES), statements=stated)
    def state_consents(self, name: str, statements: list[ConsentStatement]) -> None:
        self.both("state_consents", customer_id(name), statements)

    @rule(taken=st.lists(st.builds(TakenCue, st.sampled_from(NAMES), offers, moments), max_size=8))
    def take_cues(self, taken: list[TakenCue]) -> None:
        self.both("take_cues", taken)

    @rule(name=st.sampled_from(NAMES), now=moments)
    def take_one_of_those_given(self, name: str, now: int) -> None:
        (view,) = self.loop.run_until_complete(self.memory.views([customer_id(name)]))
        given = [(offer, times[0]) for offer, times in view.offers_given(now).items()]
        self.both("take_cues", [TakenCue(customer_id(name), *one) for one in given[:1]])

    @precondition(lambda self: self.decisions)
    @rule(
        which=st.integers(0, 10**6),
        offer=offers,
        what=st.sampled_from(OutcomeName),
        channel=st.sampled_from(["web", "agent"]),
        success=st.sampled_from([True, False, None]),
        by=st.tuples(st.sampled_from(["", "shop", "desk"]), st.integers(0, 1), st.integers(0, 2), st.booleans()),
    )
    def learn(
        self,
        which: int,
        offer: str,
        what: OutcomeName,
        channel: str,
        success: bool | None,
        by: tuple[str, int, int, bool],
    ) -> None:
        decision, (key, trust, hour, teaches) = self.decisions[which % len(self.decisions)], by
        at = TODAY - hour * HOUR_MS
        outcome = Outcome(decision, offer, what, 1, customer_id("c"), channel, key, trust, at, teaches)
        self.both("learn", outcome, success)
        self.both("decision", decision)

    @rule(key=st.sampled_from(["shop", "desk"]), hour=st.integers(0, 3), only_look=st.booleans())
    def forget_lessons(self, key: str, hour: int, only_look: bool) -> None:
        asked = (
            self.ask(store, "forget_lessons", key, TODAY - hour * HOUR_MS, only_look) for store in self.stores
        )
        memory, redis = (self.loop.run_until_complete(one) for one in asked)
        assert _taught(memory) == _taught(redis)

    @rule(address=st.sampled_from("ab"), arm=st.sampled_from(["chat|web", "call|web"]), hour=st.integers(0, 1))
    def admit_lesson(self, address: str, arm: str, hour: int) -> None:
        self.both("admit_lesson", LessonBound(hour, arm, address, 3, 2))

    @rule()
    def propensities(self) -> None:
        self.both("propensities")

    @rule(partition=partitions, until=moments, limit=st.integers(1, 4))
    def due(self, partition: int, until: int, limit: int) -> None:
        self.both("due", partition, until, limit)

    @rule(partition=partitions)
    def look(self, partition: int) -> None:
        for store, epoch in zip(self.stores, self.epochs[partition], strict=True):
            assert self.loop.run_until_complete(store.position(partition)) == Position(epoch, self.at[partition])
        self.both("read", partition, [b"a", b"b", b"\r\n", b"nobody"])
        self.both("views", NAMES)
        self.both("tallies")

    @rule(words=st.lists(st.tuples(st.integers(0, 3), st.text(max_size=3))))
    def name(self, words: list[tuple[int, str]]) -> None:
        self.both("name", words)
        self.both("names", [0, 1, 2, 3, 4])

    @rule(anchor=st.none() | st.builds(ClockAnchor, moments, moments, st.floats(0, 300)))
    def set_clock(self, anchor: ClockAnchor | None) -> None:
        self.both("set_clock", anchor)
        self.both("clock")

    @rule(batch=st.sampled_from([b"a", b"b"]), customers=st.lists(st.sampled_from(NAMES), max_size=3))
    def begin_batch(self, batch: bytes, customers: list[str]) -> None:
        self.both("begin_batch", batch, customers)

    @rule(
        batch=st.sampled_from([b"a", b"b"]),
        sent=st.dictionaries(st.sampled_from(NAMES), st.binary(min_size=8, max_size=8), max_size=3),
    )
    def end_batch(self, batch: bytes, sent: dict[str, bytes]) -> None:
        self.both("end_batch", batch, sent)

    @rule(customer=st.sampled_from(NAMES), place=st.integers(0, 5), limit=st.integers(1, 6))
    def since(self, customer: str, place: int, limit: int) -> None:
        """Ids differ, so both go on behind the entry at the same place."""

        async def after(store: AnyStore) -> list[object]:
            kept = await store.since(customer_id(customer), "")
            last = kept[place].id if place < len(kept) else ""
            return [entry.cue for entry in await store.since(customer_id(customer), last, limit)]

        answers = [self.loop.run_until_complete(after(store)) for store in self.stores]
        assert answers[0] == answers[1]

    @rule()
    def all_cues(self) -> None:
        """Of each partition the same cues in the same order."""

        async def of_each(store: AnyStore) -> list[list[object]]:
            kept = await store.since(None, "")
            return [[entry.cue for entry in kept if place(entry.id).partition == p] for p in range(PARTITIONS)]

        answers = [self.loop.run_until_complete(of_each(store)) for store in self.stores]
        assert answers[0] == answers[1]


def test_the_twins_answer_alike(valkey: Valkey) -> None:
    machine = type("TwinsOnValkey", (Twins,), {"server": valkey})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=checks),
    )
