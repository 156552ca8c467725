"""The cue streams: what a commit writes, following them, coming back to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
import redis

from engine.ports.cue_store import CueEntry, StreamMoved, TakenCue
from engine.ports.decision_store import Candidate
from engine.ports.stream_store import CueCandidate, CueChoice
from engine.store.cue_entries import StreamPosition
from engine.store.keys import DAY_S, HISTORY, RECENT_CUES
from engine.store.redis import RedisStore
from tests.contracts.builders import (
    CAPPED,
    CUES_KEPT,
    TAKEN,
    AnyStore,
    candidate,
    change,
    choice,
    cue,
    customers_of,
    place,
    reservation,
)
from tests.patience import PATIENCE_S


class Writer:
    """A worker that owns all partitions and writes cues to them."""

    def __init__(self, store: AnyStore) -> None:
        self._store = store
        self._at: dict[int, tuple[int, int]] = {}

    async def write(self, partition: int, *cues: CueChoice) -> list[list[int]]:
        if partition not in self._at:
            self._at[partition] = ((await self._store.claim(partition)).epoch, 0)
        epoch, offset = self._at[partition]
        self._at[partition] = (epoch, offset + 1)
        return await self._store.commit(change(epoch, offset, offset + 1, partition=partition, cues=cues))


@pytest.fixture
def writer(store: AnyStore) -> Writer:
    return Writer(store)


async def take(tail: AsyncIterator[CueEntry | StreamMoved], number: int) -> list[CueEntry]:
    async with asyncio.timeout(PATIENCE_S):
        found = [await anext(tail) for _ in range(number)]
    return [one for one in found if isinstance(one, CueEntry)]


def offers(entries: list[CueEntry]) -> list[str]:
    return [entry.cue.offer_id for entry in entries]


async def test_the_first_candidate_its_cap_allows_is_sent(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(1, 1)
    both = [candidate(customer, "call", (1, 10_000)), candidate(customer, "chat", (2, 10_000))]
    written = [await writer.write(1, choice(customer, *both, at=at)) for at in (1_000, 2_000, 3_000, 4_000)]
    assert written == [[[0]], [[1]], [[1]], [[]]]
    assert offers(await store.since(None, "")) == ["call", "chat", "chat"]
    (view,) = await store.views([customer])
    assert view.history == {"call": [1_000], "chat": [2_000, 3_000]}


async def test_each_slot_is_filled_by_its_best_that_caps_allow(store: AnyStore, writer: Writer) -> None:
    """Chat is best for one slot, a call for the other; each may have both when the other is capped."""
    (customer,) = customers_of(1, 1)
    ways = [("chat", (1, 0)), ("call", (0, 1)), ("chat", (1, 2)), ("call", (2, 1))]
    cues = [
        candidate(customer, offer, (1, 10_000), places=places, name=f"1-{i}")
        for i, (offer, places) in enumerate(ways)
    ]
    asked = [choice(customer, *cues, at=at) for at in (1_000, 5_000)]
    assert await writer.write(1, *asked) == [[0, 1], []]
    assert offers(await store.since(None, "")) == ["chat", "call"]
    (view,) = await store.views([customer])
    assert view.history == {"chat": [1_000], "call": [1_000]}


@pytest.mark.parametrize(("given", "written"), [("chat", [3]), ("call", [2])])
async def test_an_offer_that_fills_two_slots_is_one_cue_and_counts_once(
    store: AnyStore, writer: Writer, given: str, written: list[int]
) -> None:
    (customer,) = customers_of(1, 1)
    await writer.write(1, choice(customer, candidate(customer, given, (1, 10_000))))
    ways = [("chat", (1, 0)), ("call", (0, 1)), ("chat", (1, 2)), ("call", (2, 1))]
    cues = [candidate(customer, offer, (1, 10_000), places=places) for offer, places in ways]
    assert await writer.write(1, choice(customer, *cues)) == [written]
    (view,) = await store.views([customer])
    assert view.history == {"chat": [1_000], "call": [1_000]}
    assert (await store.tallies())["cues"] == 2


async def test_what_is_first_for_both_slots_is_one_cue(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(1, 1)
    cues = [
        candidate(customer, "chat", (2, 10_000), places=(1, 1)),
        candidate(customer, "call", (1, 10_000), places=(2, 2)),
    ]
    written = [await writer.write(1, choice(customer, *cues, at=at)) for at in (1_000, 2_000, 3_000, 4_000)]
    assert written == [[[0]], [[0]], [[1]], [[]]]
    tallies = await store.tallies()
    assert (tallies["cues"], tallies["cues_capped"]) == (3, 1)


async def test_capped_cues_are_counted(store: AnyStore, writer: Writer) -> None:
    one, two = customers_of(1, 2)
    capped = [choice(name, candidate(name, cap=(1, 10_000))) for name in (one, two, one, two, one)]
    assert await writer.write(1, *capped) == [[0], [0], [], [], []]
    tallies = await store.tallies()
    assert (tallies["cues"], tallies["cues_capped"]) == (2, 3)


async def test_a_choice_without_candidates_is_dropped(store: AnyStore, writer: Writer) -> None:
    assert await writer.write(1, CueChoice(b"c", 1, ())) == [[]]
    assert await store.since(None, "") == []


async def test_the_cue_comes_back_as_it_was(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(3, 1)
    sent = msgspec.structs.replace(cue(customer), say="Grüße, 50 € – “now”", decision_id="3-abc", expires_at=2**52)
    await writer.write(3, choice(customer, CueCandidate("chat", 0, 0, (1,), "", msgspec.json.encode(sent))))
    ((found),) = await store.since(customer, "")
    assert found.cue == sent
    assert place(found.id).partition == 3


async def test_the_newest_cue_of_a_customer_is_at_hand(store: AnyStore, writer: Writer) -> None:
    one, two = customers_of(3, 2)
    assert await store.latest(one) is None
    await writer.write(3, choice(one, candidate(one, "chat")), choice(one, candidate(one, "call", (1, 10_000))))
    await writer.write(3, choice(two, candidate(two, "guide")))
    await writer.write(3, choice(one, candidate(one, "call", (1, 10_000))))  # which the cap refuses
    assert await store.latest(one) == (await store.since(one, ""))[-1]
    newest = [await store.latest(name) for name in (one, two)]
    assert [entry and entry.cue.offer_id for entry in newest] == ["call", "guide"]


@pytest.mark.parametrize("written", [RECENT_CUES - 1, RECENT_CUES, RECENT_CUES + 1])
async def test_the_newest_few_of_a_customer_are_kept_whatever_the_stream_holds(
    store: AnyStore, writer: Writer, written: int
) -> None:
    one, other = customers_of(3, 2)
    await writer.write(3, *(choice(one, candidate(one, f"o{i}")) for i in range(written)))
    for _ in range(CUES_KEPT // 100 + 2):
        await writer.write(3, *[choice(other)] * 100)
    assert [entry for entry in await store.since(None, "") if entry.cue.customer == one] == []
    kept = await store.since(one, "1-1-0")
    assert offers(kept) == [f"o{i}" for i in range(written)][-RECENT_CUES:]
    assert kept[-1] == await store.latest(one)
    assert await store.since(one, kept[-3].id) == kept[-2:]


async def test_a_customers_past_costs_no_more_for_what_others_were_sent(
    redis_store: RedisStore, look: redis.Redis
) -> None:
    """Counted at the server: the bytes that it sends, and the entries of streams."""
    writer, (one, other) = Writer(redis_store), customers_of(1, 2)
    await writer.write(1, choice(one))
    sent = []
    for _ in range(2):
        look.config_resetstat()
        assert offers(await redis_store.since(one, "1-1-0")) == ["chat"]
        sent.append(look.info("stats")["total_net_output_bytes"])
        assert "cmdstat_xrange" not in look.info("commandstats")
        await writer.write(1, *[choice(other)] * 500)
    assert sent[1] < sent[0] + 1_000


async def test_a_customers_newest_cues_go_after_a_day(redis_store: RedisStore, look: redis.Redis) -> None:
    writer, (one,) = Writer(redis_store), customers_of(1, 1)
    await writer.write(1, choice(one), choice(one))
    assert DAY_S - 60 < look.ttl("{p1}:r:" + str(one)) <= DAY_S


async def test_a_cue_may_leave_a_record(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(1, 1)
    for name in ("1-a", "1-b", "1-c"):
        call = candidate(customer, "call", (1, 10_000), name=name)
        chat = candidate(customer, "chat", (1, 10_000), name=name)
        call = msgspec.structs.replace(call, record=b"for the call")
        chat = msgspec.structs.replace(chat, record=b"for the chat")
        await writer.write(1, choice(customer, call, chat))
    assert [await store.decision(f"1-{name}") for name in "abc"] == [b"for the call", b"for the chat", None]


async def test_tail_begins_now_and_brings_everything_once(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(0, 1)
    await writer.write(0, choice(customer, candidate(customer, "before")))
    tail = store.tail()
    for i in range(5):
        await writer.write(i % 3, choice(customer, candidate(customer, f"o{i}")), choice(customer))
    assert sorted(offers(await take(tail, 10))) == ["chat"] * 5 + [f"o{i}" for i in range(5)]
    waiting = asyncio.ensure_future(take(tail, 1))
    await writer.write(3, choice(customer, candidate(customer, "late")))
    assert offers(await waiting) == ["late"]
    await tail.aclose()


async def test_two_tails_see_the_same(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(0, 1)
    tails = [store.tail(), store.tail()]
    for i in range(4):
        await writer.write(i, choice(customer, candidate(customer, f"o{i}")))
    first, second = [await take(tail, 4) for tail in tails]
    assert {entry.id for entry in first} == {entry.id for entry in second}
    for tail in tails:
        await tail.aclose()


async def test_more_than_a_page_comes_in_order_and_once(
    store: AnyStore, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.cue_streams.PAGE", 3)
    (customer,) = customers_of(0, 1)
    tail = store.tail()
    for i in range(8):
        await writer.write(1, *(choice(customer, candidate(customer, f"a{i}")) for _ in range(2)))
        await writer.write(2, choice(customer, candidate(customer, f"b{i}")))
    found = await take(tail, 24)
    assert len({entry.id for entry in found}) == 24
    times = [place(entry.id).ms for entry in found]
    assert times == sorted(times)
    assert [entry.id for entry in await store.since(None, "")] == [entry.id for entry in sorted_by_mark(found)]
    await tail.aclose()


def sorted_by_mark(entries: list[CueEntry]) -> list[CueEntry]:
    return sorted(entries, key=lambda entry: place(entry.id))


async def test_since_resumes_behind_an_id(
    store: AnyStore, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.cue_streams.PAGE", 2)
    one, two = customers_of(1, 2)
    for i in range(6):
        await writer.write(1, choice(one, candidate(one, f"o{i}")), choice(two, candidate(two, f"t{i}")))
    all_of_one = await store.since(one, "")
    assert offers(all_of_one) == [f"o{i}" for i in range(6)]
    assert offers(await store.since(one, all_of_one[3].id)) == ["o4", "o5"]
    assert offers(await store.since(one, all_of_one[5].id)) == []
    assert offers(await store.since(one, all_of_one[0].id, limit=2)) == ["o1", "o2"]
    everything = await store.since(None, "", limit=100)
    assert offers(await store.since(None, everything[6].id)) == offers(everything[7:])
    assert offers(await store.since(None, "", limit=3)) == ["o0", "t0", "o1"]


async def test_since_over_all_partitions_misses_none(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(0, 1)
    for i in range(12):
        await writer.write(i % 4, choice(customer, candidate(customer, f"o{i}")))
    everything = await store.since(None, "")
    for index, entry in enumerate(everything):
        after = {later.id for later in await store.since(None, entry.id)}
        assert after >= {later.id for later in everything[index + 1 :]}
        assert entry.id not in after


@pytest.mark.parametrize("last_id", ["", "x", "1-2", "1-2-x", "1--1-0", "1-0-0", "9-" + "9" * 30 + "-0"])
async def test_an_unknown_id_brings_what_is_kept(store: AnyStore, writer: Writer, last_id: str) -> None:
    (customer,) = customers_of(1, 1)
    await writer.write(1, choice(customer))
    assert len(await store.since(customer, last_id)) == len(await store.since(None, last_id)) == 1


async def test_what_a_stranger_wrote_is_skipped(redis_store: RedisStore, look: redis.Redis) -> None:
    look.xadd("{p1}:q", {"customer": "c", "cue": "no json"})
    look.xadd("{p2}:q", {"other": "field"})
    writer, (customer,) = Writer(redis_store), customers_of(1, 1)
    await writer.write(1, choice(customer))
    assert offers(await redis_store.since(None, "")) == ["chat"]


@pytest.mark.parametrize("message", [b"", b"nonsense", b"1-2-3 {}", b"x-1 {}", b"\xff {}", b"0-1 {}", b"1-1 {}"])
async def test_what_a_stranger_published_is_skipped(
    redis_store: RedisStore, look: redis.Redis, message: bytes
) -> None:
    tail = redis_store.tail()
    writer, (customer,) = Writer(redis_store), customers_of(1, 1)
    await writer.write(1, choice(customer, candidate(customer, "first")))
    assert offers(await take(tail, 1)) == ["first"]
    look.spublish("{p1}:q", message)
    await writer.write(1, choice(customer, candidate(customer, "second")))
    assert offers(await take(tail, 1)) == ["second"]


async def test_old_cues_leave_the_stream(redis_store: RedisStore, look: redis.Redis) -> None:
    writer, (customer,) = Writer(redis_store), customers_of(1, 1)
    for _ in range(13):
        await writer.write(1, *[choice(customer)] * 100)
    # Redis trims whole nodes of a hundred entries
    assert 1_000 <= look.xlen("{p1}:q") <= 1_100


def test_marks_go_on_without_gap() -> None:
    seen = StreamPosition(50, 3, 1)
    assert seen.before(1) == seen
    assert seen.before(2) < StreamPosition(50, 0, 2)
    assert seen.before(2) > StreamPosition(49, 2**63, 2)


async def test_the_newest_of_all_customers_come_oldest_first(store: AnyStore, writer: Writer) -> None:
    assert await store.newest(3) == []
    (customer,) = customers_of(0, 1)
    for i in range(8):
        await writer.write(i % 4, choice(customer, candidate(customer, f"o{i}")))
    everything = await store.since(None, "")
    assert await store.newest(1) == everything[-1:]
    assert await store.newest(5) == everything[-5:]
    assert await store.newest(8) == await store.newest(9) == everything


@pytest.mark.parametrize("limit", [1, 7, 40, 100])
async def test_the_newest_after_an_id_come_from_every_stream(store: AnyStore, writer: Writer, limit: int) -> None:
    """One partition has most of them, so its share of `limit` is too small a part."""
    (customer,) = customers_of(0, 1)
    for i in range(90):
        await writer.write(i % 4 if i % 9 == 0 else 2, choice(customer, candidate(customer, f"o{i}")))
    everything = await store.since(None, "")
    assert await store.newest(limit) == everything[-limit:]
    for behind in (0, 30, 85, 89):
        later = await store.since(None, everything[behind].id)
        assert await store.newest(limit, everything[behind].id) == later[-limit:]
    assert await store.newest(limit, "nonsense") == everything[-limit:]


CAP = (1, 100_000)


def ending(customer: str, at: int, ends: int, offer: str = "chat", cap: tuple[int, int] = CAP) -> CueChoice:
    """A cue given at `at`, which a stream must take before it `ends`."""
    one = msgspec.structs.replace(candidate(customer, offer, cap, at), ends=ends)
    return choice(customer, one, at=at)


async def test_a_cue_that_no_stream_took_gives_its_cap_back_when_it_ends(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(1, 1)
    asked = [(1_000, 6_000), (5_999, 9_000), (6_000, 9_000), (8_999, 20_000), (9_000, 0), (90_000, 0)]
    written = [await writer.write(1, ending(customer, at, ends)) for at, ends in asked]
    assert written == [[[0]], [[]], [[0]], [[]], [[0]], [[]]]
    (view,) = await store.views([customer])
    assert view.given(90_000) == {"chat": [9_000]}


async def test_one_that_a_stream_took_keeps_it(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(1, 1)
    await writer.write(1, ending(customer, 1_000, 6_000))
    taken = TakenCue(customer, "chat", 1_000)
    assert [await store.take_cues([one]) for one in (taken, taken)] == [1, 0]
    assert await writer.write(1, ending(customer, 6_000, 9_000)) == [[]]
    (view,) = await store.views([customer])
    assert view.history == {"chat": [1_000]}


async def test_one_that_its_visitors_stream_took_counts_as_delivered(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(1, 1)
    for at in (1_000, 7_000):
        await writer.write(1, ending(customer, at, at + 5_000))
    taken = [TakenCue(customer, "chat", 1_000), TakenCue(customer, "chat", 7_000, "1-1b58-x-web")]
    assert await store.take_cues(taken) == 1  # the first had ended
    assert [await store.delivered(name) for name in ("1-3e8-x-web", "1-1b58-x-web", "x")] == [False, True, False]


async def test_what_is_taken_too_late_or_was_never_given_changes_nothing(store: AnyStore, writer: Writer) -> None:
    one, two = customers_of(1, 2)
    await writer.write(1, ending(one, 1_000, 6_000))
    await writer.write(1, ending(one, 6_000, 9_000))  # which takes the first one back
    late = [TakenCue(one, "chat", 1_000), TakenCue(one, "call", 6_000), TakenCue(two, "chat", 1_000)]
    assert await store.take_cues(late) == 0
    assert await store.take_cues([]) == 0
    assert await writer.write(1, ending(one, 9_000, 0)) == [[0]]


async def test_of_several_those_come_back_that_were_not_taken(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(1, 1)
    cap = (3, 100_000)
    for at in (1_000, 2_000, 2_000):
        await writer.write(1, ending(customer, at, at + 5_000, cap=cap))
    assert await writer.write(1, ending(customer, 5_000, 0, cap=cap)) == [[]]
    assert await store.take_cues([TakenCue(customer, "chat", 2_000)]) == 1
    (view,) = await store.views([customer])
    for now, given in ((5_999, [1_000, 2_000, 2_000]), (6_000, [2_000, 2_000]), (7_000, [2_000])):
        assert view.given(now) == {"chat": given}
    assert await writer.write(1, ending(customer, 7_000, 0, cap=cap)) == [[0]]
    (view,) = await store.views([customer])
    assert view.history == {"chat": [2_000, 7_000]}


async def test_a_decision_has_the_cap_as_well(store: AnyStore, writer: Writer) -> None:
    (customer,) = customers_of(1, 1)
    await writer.write(1, ending(customer, 1_000, 6_000))
    wanted = [reservation(customer, Candidate("chat", *CAP), at=at, name=f"d{at}") for at in (5_999, 6_000, 7_000)]
    assert [await store.reserve([one]) for one in wanted] == [[[CAPPED]], [[TAKEN]], [[CAPPED]]]
    (view,) = await store.views([customer])
    assert view.history == {"chat": [6_000]}


async def test_what_leaves_a_full_history_does_not_come_back(store: AnyStore, writer: Writer) -> None:
    """An offer without a cap: its newest times are kept, and of no other can one be taken back."""
    (customer,) = customers_of(1, 1)
    free = (0, 0)
    for at in range(1_000, 1_000 + HISTORY + 2):
        await writer.write(1, ending(customer, at, 5_000, cap=free))
    (view,) = await store.views([customer])
    kept = list(range(1_002, 1_002 + HISTORY))
    assert view.history["chat"] == kept
    assert view.history["chat?"] == [number for at in kept for number in (at, 5_000)]
    assert view.given(5_000) == {}
    assert await store.take_cues([TakenCue(customer, "chat", at) for at in (1_001, 1_002)]) == 1


async def test_many_are_taken_in_one_call(store: AnyStore, writer: Writer) -> None:
    customers = [(partition, name) for partition in range(4) for name in customers_of(partition, 40)]
    for partition in range(4):
        given = [ending(name, 1_000, 6_000) for where, name in customers if where == partition]
        await writer.write(partition, *given)
    assert await store.take_cues([TakenCue(name, "chat", 1_000) for _, name in customers]) == 160
    views = await store.views([name for _, name in customers])
    assert [dict(view.given(6_000)) for view in views] == [{"chat": [1_000]}] * 160


async def test_a_history_of_before_was_given_for_good(redis_store: RedisStore, look: redis.Redis) -> None:
    (customer,) = customers_of(1, 1)
    look.set(f"{{p1}}:h:{customer}", msgspec.msgpack.encode({"chat": [1_000]}))
    writer = Writer(redis_store)
    assert await writer.write(1, ending(customer, 100_999, 0)) == [[]]
    assert await writer.write(1, ending(customer, 101_000, 0)) == [[0]]
