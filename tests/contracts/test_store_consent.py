"""Consent beside the offer history: the newest word wins, and what is given follows it at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from string import Template

import msgspec
import pytest
import redis

from engine.consent import (
    MOST_CONSENTS,
    ConsentLevel,
    ConsentNeed,
    ConsentState,
    ConsentStatement,
    allows,
    arguments_of,
    joined,
)
from engine.customer_id import CustomerId
from engine.ports.decision_store import Candidate
from engine.ports.offer_history import Consent
from engine.ports.stream_store import UNCONSENTED as NOT_SENT
from engine.ports.stream_store import CueCandidate, CueChoice, CustomerConsent, Erasure, HistoryChange
from engine.store.keys import withheld_id
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from tests.contracts.builders import (
    CAPPED,
    PARTITIONS,
    TAKEN,
    UNCONSENTED,
    AnyStore,
    candidate,
    change,
    choice,
    customers_of,
    reservation,
)

EMAIL, WEB, AGENT = "!marketing/email", "!marketing/web", "!marketing/agent"


def said(state: ConsentState, at: int, channel: str = "email") -> ConsentStatement:
    return ConsentStatement("marketing", channel, state, at)


def offer(level: ConsentLevel, cap: tuple[int, int] = (0, 0)) -> Candidate:
    return Candidate("sale", *cap, arguments_of(ConsentNeed(EMAIL, level)))


ALL = [(state, at) for state in ConsentState for at in (5, 6)]


@pytest.mark.parametrize("order", list(itertools.permutations(ALL, 3))[::7])
async def test_what_is_given_follows_the_newest_words_in_any_order(
    store: AnyStore, order: tuple[tuple[ConsentState, int], ...]
) -> None:
    (customer,) = customers_of(1, 1)
    times: list[int] = []
    for state, at in order:
        before, times = times, joined(times, said(state, at))
        assert await store.state_consents(customer, [said(state, at)]) == (times != before)
    assert await store.state_consents(customer, [said(*one) for one in order]) == 0
    (view,) = await store.views([customer])
    assert view.history == {EMAIL: times}
    for level in ConsentLevel:
        wanted = reservation(customer, offer(level), name=level.name)
        assert await store.reserve([wanted]) == [[TAKEN if allows(times, level) else UNCONSENTED]]


async def test_nothing_stated_refuses_what_needs_a_word(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    taken = await store.reserve([reservation(customer, *(offer(level) for level in ConsentLevel))])
    assert taken == [[TAKEN, UNCONSENTED, UNCONSENTED]]


async def test_ties_restrict(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    await store.state_consents(customer, [said(ConsentState.REVOKED, 5), said(ConsentState.GRANTED, 5)])
    assert await store.reserve([reservation(customer, offer(ConsentLevel.UNLESS_REVOKED))]) == [[UNCONSENTED]]
    await store.state_consents(customer, [said(ConsentState.GRANTED, 6)])
    assert await store.reserve([reservation(customer, offer(ConsentLevel.GRANTED), name="y")]) == [[TAKEN]]


async def test_each_purpose_and_channel_is_its_own(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    await store.state_consents(customer, [said(ConsentState.REVOKED, 5, "web")])
    both = arguments_of(ConsentNeed(WEB, ConsentLevel(0)), ConsentNeed(EMAIL, ConsentLevel(0)))
    wanted = [Candidate(f"o{i}", 0, 0, needs) for i, needs in enumerate(("0" + EMAIL, "0" + WEB, both, ""))]
    assert await store.reserve([reservation(customer, *wanted)]) == [[TAKEN, UNCONSENTED, UNCONSENTED, TAKEN]]
    (view,) = await store.views([customer])
    assert view.consents() == [Consent("marketing", "web", "revoked", 5, 0, 0)]
    assert view.offers_given(9_999) == {"o0": [1_000], "o3": [1_000]}


async def test_a_refusal_takes_no_cap_and_caps_do_not_hide_it(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    once = offer(ConsentLevel.GRANTED, (1, 1_000))
    assert await store.reserve([reservation(customer, once, once)]) == [[UNCONSENTED, UNCONSENTED]]
    await store.state_consents(customer, [said(ConsentState.GRANTED, 5)])
    assert await store.reserve([reservation(customer, once, once, name="y")]) == [[TAKEN, CAPPED]]
    await store.state_consents(customer, [said(ConsentState.REVOKED, 6)])
    assert await store.reserve([reservation(customer, once, name="z")]) == [[UNCONSENTED]]


def asked_by_address(at: int) -> ConsentStatement:
    return ConsentStatement("marketing", "email", ConsentState.GRANTED, at, by_address=True)


def clauses(*steps: tuple[str, int]) -> list[ConsentStatement]:
    """What the owner says of an e-mail address, or who knows it, and what a user says."""
    made: dict[str, Callable[[int], ConsentStatement]] = {
        "asked": asked_by_address,
        "confirmed": partial(said, ConsentState.CONFIRMED),
        "revoked": partial(said, ConsentState.REVOKED),
        "granted": partial(said, ConsentState.GRANTED),
    }
    return [made[what](at) for what, at in steps]


OF_AN_ADDRESS = [
    ("an address alone opts nobody in", [("asked", 5)], None),
    ("nor does it undo a revocation", [("revoked", 3), ("asked", 5)], False),
    ("a confirmation without a request is none", [("confirmed", 5)], None),
    ("nor is an old one", [("asked", 1), ("revoked", 3), ("confirmed", 5)], False),
    ("both do", [("asked", 4), ("confirmed", 5)], True),
    ("also of one moment", [("asked", 5), ("confirmed", 5)], True),
    ("confirmed twice is confirmed", [("asked", 4), ("confirmed", 5), ("confirmed", 6)], True),
    ("asked for again it stays so", [("asked", 4), ("confirmed", 5), ("asked", 6)], True),
    ("both after a revocation do", [("revoked", 3), ("asked", 4), ("confirmed", 5)], True),
    ("revoked between the two it is revoked", [("asked", 4), ("revoked", 5), ("confirmed", 6)], False),
    ("of one moment with a revocation, too", [("asked", 5), ("revoked", 5), ("confirmed", 6)], False),
    ("revoked afterwards it is revoked", [("asked", 4), ("confirmed", 5), ("revoked", 6)], False),
    ("what a user granted an address confirms", [("revoked", 3), ("granted", 4), ("confirmed", 5)], True),
    ("what a user granted needs no confirmation where none is asked for", [("revoked", 3), ("granted", 4)], True),
]


@pytest.mark.parametrize("steps", [pytest.param(s[1:], id=s[0]) for s in OF_AN_ADDRESS])
async def test_an_address_alone_opts_in_by_both_steps_only_in_whatever_order_they_come(
    store: AnyStore, steps: tuple[list[tuple[str, int]], bool | None]
) -> None:
    said_, holds = steps
    statements = clauses(*said_)
    orders = list(itertools.permutations(statements))
    for number, (customer, order) in enumerate(zip(customers_of(1, len(orders)), orders, strict=True)):
        for one in order:
            await store.state_consents(customer, [one])
        assert await store.state_consents(customer, [*order]) == 0
        wanted = reservation(customer, offer(ConsentLevel(0)), offer(ConsentLevel(1)), name=f"o{number}")
        free = holds or holds is None
        assert await store.reserve([wanted]) == [
            [TAKEN if free else UNCONSENTED, TAKEN if holds else UNCONSENTED]
        ], order
        (view,) = await store.views([customer])
        listed = [one.state for one in view.consents()]
        assert listed == ([] if holds is None else [listed[0]])
        assert (listed[:1] in (["granted"], ["confirmed"])) is bool(holds)


async def test_the_steps_may_be_said_under_two_ids_that_become_one(store: AnyStore) -> None:
    address, user, other = customers_of(1, 3)
    await store.state_consents(address, [asked_by_address(4)])
    await store.state_consents(user, [said(ConsentState.REVOKED, 3), said(ConsentState.CONFIRMED, 5)])
    await store.state_consents(other, [said(ConsentState.REVOKED, 4)])
    (brought,) = await store.histories(1, [address.encode()])
    writer = Writer(store)
    for customer, taking in ((user, TAKEN), (other, UNCONSENTED)):
        await writer.join(customer, brought)
        wanted = reservation(customer, offer(ConsentLevel.CONFIRMED), name=f"x{customer}")
        assert await store.reserve([wanted]) == [[taking]]


async def test_a_customer_has_no_more_purposes_than_are_kept(store: AnyStore) -> None:
    """Out of a log, too, and by way of another id; what is there is still restricted, and given."""
    (customer,) = customers_of(1, 1)
    many = [ConsentStatement(f"p{i}", "web", ConsentState.GRANTED, 5) for i in range(MOST_CONSENTS + 1)]
    assert await store.state_consents(customer, many) == MOST_CONSENTS
    writer = Writer(store)
    await writer.commit(customer, stated=(many[-1],))
    await writer.join(customer, {"!other/web": [1, 2, 0], "!p0/web": [0, 0, 7], "sale": [1]})
    revoked = ConsentStatement("p0", "web", ConsentState.REVOKED, 6)
    assert await store.state_consents(customer, [revoked, many[-1]]) == 1
    (view,) = await store.views([customer])
    assert {name for name in view.history if name.startswith("!")} == {one.name for one in many[:-1]}
    assert (view.history["!p0/web"], view.history["sale"]) == ([6, 5, 7], [1])


async def test_offers_of_many_times_leave_consents_alone(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    await store.state_consents(customer, [said(ConsentState.REVOKED, 5)])
    free = Candidate("free", 0, 0)
    await store.reserve([reservation(customer, free, at=at, name=str(at)) for at in range(40)])
    (view,) = await store.views([customer])
    assert view.history[EMAIL] == [5, 0, 0]


class Writer:
    """A worker that owns partition 1."""

    def __init__(self, store: AnyStore) -> None:
        self._store, self._epoch, self._offset = store, 0, 0

    async def commit(
        self, customer: CustomerId, *cues: CueCandidate, stated: tuple[ConsentStatement, ...] = ()
    ) -> list[list[int]]:
        chosen = [choice(customer, *cues)] if cues else []
        return await self._commit(chosen, [CustomerConsent(customer.encode(), one) for one in stated])

    async def erase(self, customer: CustomerId) -> None:
        await self._commit(erased=[Erasure(customer.encode(), 1)])

    async def join(self, customer: CustomerId, other: Mapping[str, Sequence[int]]) -> None:
        await self._commit(histories=[HistoryChange(customer.encode(), None, other)])

    async def _commit(
        self,
        cues: Sequence[CueChoice] = (),
        consents: Sequence[CustomerConsent] = (),
        erased: Sequence[Erasure] = (),
        histories: Sequence[HistoryChange] = (),
    ) -> list[list[int]]:
        self._epoch = self._epoch or (await self._store.claim(1)).epoch
        self._offset += 1
        at = self._epoch, self._offset - 1, self._offset
        made = change(*at, cues=cues, tallies={"events": 1}, consents=consents, erased=erased)
        return await self._store.commit(msgspec.structs.replace(made, histories=histories))


async def test_a_cue_without_consent_is_not_sent_and_counted_by_its_reason(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    writer, sale = Writer(store), candidate(customer, "sale", needs="1" + WEB)
    assert await writer.commit(customer, sale) == [[NOT_SENT]]
    # what is stated holds behind the cues of its own commit, and for all that come after
    granted, revoked = said(ConsentState.GRANTED, 5, "web"), said(ConsentState.REVOKED, 6, "web")
    assert await writer.commit(customer, sale, stated=(granted,)) == [[NOT_SENT]]
    assert await writer.commit(customer, sale, stated=(revoked,)) == [[0]]
    assert await writer.commit(customer, sale) == [[NOT_SENT]]
    assert await writer.commit(customer, stated=(granted,)) == []
    assert await writer.commit(customer, sale) == [[NOT_SENT]]
    tallies = await store.tallies()
    assert (tallies["cues"], tallies["cues_unconsented"], tallies.get("cues_capped", 0)) == (1, 4, 0)


async def test_the_next_offer_is_sent_instead_and_its_record_says_why(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    record = msgspec.msgpack.encode([1, "ada", [], []])
    sale = candidate(customer, "sale", needs="1" + WEB, name="1-sale")
    help_ = msgspec.structs.replace(candidate(customer, "help", name="1-help"), record=record)
    assert await Writer(store).commit(customer, sale, help_) == [[1]]
    stored = await store.decision("1-help")
    assert stored is not None
    assert msgspec.msgpack.decode(stored) == [1, "ada", ["sale"], []]
    assert await store.recorded(customer) == ["1-help"]


async def test_a_record_is_as_it_was_when_consent_kept_nothing_back(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    record = msgspec.msgpack.encode([1, "ada", [], []])
    sale = msgspec.structs.replace(candidate(customer, "sale", needs="0" + WEB, name="1-sale"), record=record)
    assert await Writer(store).commit(customer, sale) == [[0]]
    assert await store.decision("1-sale") == record


def recorded(customer: CustomerId, offer: str, needs: str, cap: tuple[int, int] = (0, 0)) -> CueCandidate:
    record = msgspec.msgpack.encode([offer, [], []])
    return msgspec.structs.replace(candidate(customer, offer, cap, needs=needs, name=f"1-{offer}"), record=record)


async def test_the_first_candidate_that_is_withheld_leaves_a_record_of_what_is_missing(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    await store.state_consents(customer, [said(ConsentState.GRANTED, 5, "web")])
    writer, both = Writer(store), f"1{WEB} 1{AGENT} 0{EMAIL} 2{WEB}"
    capped = recorded(customer, "capped", "", (0, 1_000))
    cues = capped, recorded(customer, "sale", both), recorded(customer, "more", "2" + WEB)
    assert await writer.commit(customer, *cues) == [[NOT_SENT]]
    (name,) = await store.recorded(customer)
    assert name == withheld_id(1, customer.encode(), "sale")
    stored = await store.decision(name)
    assert stored is not None
    assert msgspec.msgpack.decode(stored) == ["sale", ["sale", "more"], [AGENT, WEB]]
    assert await store.latest(customer) is None
    (view,) = await store.views([customer])
    assert view.offers_given(9_999) == {}


async def test_a_refused_customer_has_one_such_record_of_an_offer_a_day(store: AnyStore) -> None:
    customer, other = customers_of(1, 2)
    writer = Writer(store)
    for _ in range(3):
        assert await writer.commit(customer, recorded(customer, "sale", "1" + WEB)) == [[NOT_SENT]]
        assert await writer.commit(customer, recorded(customer, "more", "1" + WEB)) == [[NOT_SENT]]
        assert await writer.commit(other, recorded(other, "sale", "1" + WEB)) == [[NOT_SENT]]
    names = [withheld_id(1, customer.encode(), offer) for offer in ("sale", "more")]
    assert await store.recorded(customer) == names
    assert await store.recorded(other) == [withheld_id(1, other.encode(), "sale")]
    assert (await store.tallies())["cues_unconsented"] == 9
    await writer.erase(customer)
    assert await store.recorded(customer) == []
    assert [await store.decision(name) for name in names] == [None, None]
    assert await writer.commit(customer, recorded(customer, "sale", "1" + WEB)) == [[NOT_SENT]]
    assert await store.recorded(customer) == names[:1]


async def test_who_is_refused_again_when_the_record_is_gone_has_it_once(
    redis_store: RedisStore, look: redis.Redis
) -> None:
    (customer,) = customers_of(1, 1)
    now, name = [1_790_000_000_000], withheld_id(1, customer.encode(), "sale")
    memory = MemoryStore(PARTITIONS, wall=lambda: now[0])
    for store in (redis_store, memory):
        writer = Writer(store)
        assert await writer.commit(customer, recorded(customer, "sale", "1" + WEB)) == [[NOT_SENT]]
        look.delete(f"{{p1}}:d:{name}")  # as if a day had gone by
        now[0] += 86_400_001
        assert await writer.commit(customer, recorded(customer, "sale", "1" + WEB)) == [[NOT_SENT]]
        assert await store.recorded(customer) == [name]
        assert await store.decision(name) is not None


async def test_what_a_cap_holds_back_leaves_no_record_and_neither_does_what_has_none(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    writer = Writer(store)
    assert await writer.commit(customer, recorded(customer, "sale", "0" + WEB, (0, 1_000))) == [[]]
    assert await writer.commit(customer, candidate(customer, "sale", needs="1" + WEB)) == [[NOT_SENT]]
    assert await store.recorded(customer) == []


async def test_consent_to_one_channel_sends_the_cue_there_alone(store: AnyStore) -> None:
    (customer,) = customers_of(1, 1)
    await store.state_consents(customer, [said(ConsentState.GRANTED, 5, "agent")])

    def sale(places: tuple[int, int], needs: str) -> CueCandidate:
        return candidate(customer, "sale", places=places, needs=needs)

    web, agent = "1" + WEB, "1" + AGENT
    cues = sale((1, 0), web), sale((0, 1), agent), sale((1, 1), f"{web} {agent}")
    assert await Writer(store).commit(customer, *cues) == [[1]]


async def test_functions_of_the_release_before_keep_consents(redis_store: RedisStore, look: redis.Redis) -> None:
    """They give without asking for consent, which is switched on when no process of theirs is left; and they leave
    what was stated as it is."""
    (customer,) = customers_of(1, 1)
    await redis_store.state_consents(customer, [said(ConsentState.REVOKED, 5)])
    text = Path(__file__).with_name("cueline_11.lua").read_text()
    look.function_load(Template(text).substitute(HISTORY=32, RECENT_CUES=32, DAY_S=86_400), replace=True)
    keys = f"{{p1}}:h:{customer}", "{p1}:d:1-old"
    taken = look.fcall("cueline_11_reserve", 2, *keys, "7", "record", "2", "sale", "1", "100", "sale", "1", "100")
    assert taken == [b"10"]
    (view,) = await redis_store.views([customer])
    assert view.history == {EMAIL: [5, 0, 0], "sale": [7]}
    look.function_delete("cueline_11")
