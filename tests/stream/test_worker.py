"""The stream worker on the in-memory store: what it does when records, store or owner are not as expected."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from engine.clock import EngineClock
from engine.customer_id import customer_id
from engine.decisions.policy import make_policy
from engine.errors import Fenced, LostLog, Unavailable
from engine.events import WIRE_VERSION, Event, Kind
from engine.identity.erased_ids import ErasedIds
from engine.kernels.partition import partition_of
from engine.meter import PrometheusMeter
from engine.ports.clock import ClockAnchor
from engine.ports.kafka import DeadLetter
from engine.ports.records import as_columns
from engine.ports.stream_store import Commit
from engine.rulebook.directory import load
from engine.settings import Stream
from engine.sources.registry import sources
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from engine.stream.worker import Worker
from tests.stream.fetched import fetched

RULEBOOK = load(Path(__file__).parent.parent.parent / "rules")
START = 1_700_000_000_000
PARTITIONS = 4
CUSTOMER, OTHER = [b"customer-%d" % i for i in range(99) if partition_of(b"customer-%d" % i, PARTITIONS) == 1][:2]


class KafkaRecord(NamedTuple):
    """As much of a Kafka record as the worker uses."""

    offset: int
    value: bytes | None
    key: bytes | None = CUSTOMER
    timestamp: int = START
    headers: tuple[tuple[str, bytes], ...] = ()


def event(number: int, at: int = START, kind: Kind = Kind.PAGE_VIEWED, value: float = 0.0) -> bytes:
    return msgspec.msgpack.encode(Event(WIRE_VERSION, int(kind), at, f"id-{number}", value=value))


def records(first: int, count: int) -> list[KafkaRecord]:
    return [KafkaRecord(first + i, event(first + i, START + 1_000 * (first + i))) for i in range(count)]


class SideOutput:
    """The side output for dead letters and misplaced events; `away` while Kafka is."""

    def __init__(self) -> None:
        self.dead: list[DeadLetter] = []
        self.forward: list[tuple[bytes, bytes]] = []
        self.away = False

    async def __call__(
        self, partition: int, dead: Sequence[DeadLetter], forward: Sequence[tuple[bytes, bytes]]
    ) -> None:
        if self.away:
            raise Unavailable("Kafka is away")
        self.dead += dead
        self.forward += forward


class Setting:
    """A worker, its store and its side output."""

    def __init__(self, store: MemoryStore | RedisStore | None = None, **settings: object) -> None:
        self.store, self.side_output, self.meter = (
            store or MemoryStore(PARTITIONS),
            SideOutput(),
            PrometheusMeter(),
        )
        self.clock = EngineClock()
        self.erased_ids = ErasedIds()
        self.clock.anchor = ClockAnchor(START, 0, 0)
        self.worker = self.another(**settings)

    def another(self, **settings: object) -> Worker:
        worker = Worker(
            Stream.model_validate(settings),
            "events",
            PARTITIONS,
            self.store,
            self.store,
            self.clock,
            self.meter,
            self.side_output,
            sources(),
            erased_ids=self.erased_ids,
        )
        worker.use(make_policy(RULEBOOK, {}))
        return worker

    async def events(self) -> int:
        await self.worker.owned.drain()
        return (await self.store.tallies()).get("applied", 0)


async def test_a_hole_is_fetched_again_and_passed_when_it_is_the_logs_own() -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    assert await setting.worker.apply(fetched({1: records(0, 3)})) == {}
    assert await setting.worker.apply(fetched({1: records(5, 2)})) == {1: 3}
    assert await setting.events() == 3
    assert await setting.worker.apply(fetched({1: records(5, 2)})) == {}
    assert await setting.events() == 5
    assert setting.meter.value("stream_gaps") == 2
    assert (await setting.store.position(1)).offset == 7


async def test_what_a_compacted_topic_lacks_is_passed_and_counted_beside_a_hole() -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    within = msgspec.structs.replace(as_columns([KafkaRecord(0, event(0)), KafkaRecord(3, event(3))]), missing=2)
    assert await setting.worker.apply({1: within}) == {}
    assert setting.meter.value("stream_gaps") == 2
    beyond = msgspec.structs.replace(as_columns(records(6, 2)), missing=2)
    assert await setting.worker.apply({1: beyond}) == {1: 4}
    assert await setting.worker.apply({1: beyond}) == {}
    assert setting.meter.value("stream_gaps") == 2 + 2 + 2
    assert await setting.events() == 4
    assert (await setting.store.position(1)).offset == 8


async def test_records_that_a_seek_overtook_are_fetched_again_not_skipped() -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records(0, 6)}))
    assert await setting.worker.apply(fetched({1: records(2, 6)})) == {1: 6}
    assert await setting.worker.apply(fetched({1: records(6, 2)})) == {}
    assert await setting.events() == 8


async def test_a_log_that_begins_again_stops_the_worker() -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records(0, 6)}))
    await setting.worker.apply(fetched({1: records(0, 2)}))
    with pytest.raises(LostLog, match="offset 0"):
        await setting.worker.apply(fetched({1: records(0, 2)}))


async def test_or_goes_on_from_there_when_that_is_wanted() -> None:
    setting = Setting(lost_log="restart")
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records(0, 6)}))
    again = [KafkaRecord(i, event(100 + i, START + 60_000)) for i in range(2)]
    await setting.worker.apply(fetched({1: again}))
    assert await setting.worker.apply(fetched({1: again})) == {}
    assert await setting.events() == 8
    assert (await setting.store.position(1)).offset == 2


async def test_nothing_is_passed_while_dead_letters_cannot_be_written() -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    setting.side_output.away = True
    await setting.worker.apply(fetched({1: [*records(0, 2), KafkaRecord(2, b"\xff"), *records(3, 1)]}))
    assert await setting.events() == 0
    setting.side_output.away = False
    assert await setting.worker.owned.restore(lambda: True, 0) == {1: 0}
    await setting.worker.apply(fetched({1: [*records(0, 2), KafkaRecord(2, b"\xff"), *records(3, 1)]}))
    assert await setting.events() == 3
    assert [letter.reason for letter in setting.side_output.dead] == ["malformed"]
    assert (await setting.store.tallies())["deadletters"] == 1


async def test_too_many_dead_letters_stop_before_any_is_written() -> None:
    setting = Setting(dead_letter_window=10, dead_letter_ratio=0.2)
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: [*records(0, 9), KafkaRecord(9, b"\xff")]}))
    bad = fetched({1: [*records(10, 7), *(KafkaRecord(17 + i, b"\xff") for i in range(3))]})
    assert await setting.worker.apply(bad) == {1: 10}
    assert setting.worker.paused == {1: setting.worker.states[1].pause.reason}  # type: ignore[union-attr]
    assert len(setting.side_output.dead) == 1
    assert await setting.events() == 9


async def test_a_strangers_record_is_sent_on() -> None:
    setting = Setting()
    await setting.worker.owned.own([2])
    await setting.worker.apply(fetched({2: records(0, 1)}))
    assert await setting.events() == 0
    assert setting.side_output.forward == [(CUSTOMER, records(0, 1)[0].value)]
    assert (await setting.store.tallies())["forwarded"] == 1


async def test_who_lost_the_partition_commits_nothing_more() -> None:
    setting = Setting()
    heir = setting.another()
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records(0, 2)}))
    await setting.worker.owned.drain()
    await heir.owned.own([1])
    await setting.worker.apply(fetched({1: records(2, 2)}))
    assert await setting.events() == 2
    assert setting.worker.states[1].failed
    assert setting.meter.value("commits_fenced") == 1
    assert await setting.worker.owned.restore(lambda: True, 60) == {}
    assert await setting.worker.owned.restore(lambda: False, 0) == {}
    assert await heir.apply(fetched({1: records(2, 2)})) == {}
    await heir.owned.drain()
    assert await setting.events() == 4


async def test_rows_are_kept_over_a_claim_that_nobody_came_between() -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records(0, 2)}))
    cache = setting.worker.states[1].cache
    assert await setting.worker.owned.own([1, 2]) == {1: 2, 2: 0}
    assert setting.worker.states[1].cache is cache
    await setting.another().owned.own([1])
    await setting.worker.owned.own([1])
    assert setting.worker.states[1].cache is not cache


async def test_silence_raises_when_the_clock_says_so_and_once() -> None:
    setting = Setting(lateness_ms=5_000)
    await setting.worker.owned.own([1])
    cart = KafkaRecord(0, event(0, START, Kind.CART_ADDED, 80.0))
    await setting.worker.apply(fetched({1: [cart]}))
    await setting.worker.owned.drain()
    activated = []
    for minutes in (14, 15, 15.09, 16, 30):
        setting.clock.anchor = ClockAnchor(START + int(minutes * 60_000), 0, 0)
        await setting.worker.fire_timers(lambda partition: True)
        await setting.worker.owned.drain()
        activated.append((await setting.store.tallies()).get("risen", 0))
    assert activated == [0, 0, 1, 1, 1]
    assert (await setting.store.tallies())["risen.cart_abandoning"] == 1


class Older(MemoryStore):
    """Can come back older, as Redis does from the rest of its file."""

    connection = 1

    @property
    def connections(self) -> int:
        return self.connection

    def come_back(self, before: dict[str, Any]) -> None:
        self.__dict__.update(before)
        self.connection += 1


async def test_a_silence_that_the_store_forgot_is_judged_again() -> None:
    store = Older(PARTITIONS)
    setting = Setting(store)
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: [KafkaRecord(0, event(0, START, Kind.CART_ADDED, 80.0))]}))
    await setting.worker.owned.drain()
    before = deepcopy({"_partitions": store._partitions})
    setting.clock.anchor = ClockAnchor(START + 16 * 60_000, 0, 0)
    await setting.worker.fire_timers(lambda partition: True)
    await setting.worker.owned.drain()
    assert (await store.tallies())["cues"] == 1
    store.come_back(before)  # at the same offset: no commit of events shows it
    late = KafkaRecord(1, event(1, START + 17 * 60_000), timestamp=START + 17 * 60_000)
    await setting.worker.apply(fetched({1: [late]}))
    assert await setting.worker.owned.restore(lambda: True, 0) == {1: 1}
    await setting.worker.apply(fetched({1: [late]}))
    await setting.worker.owned.drain()
    tallies = await store.tallies()
    assert (tallies["applied"], tallies["risen"], tallies["cues"]) == (2, 1, 1)


async def test_a_commit_that_fails_of_a_fault_of_ours_ends_the_worker() -> None:
    class Broken(MemoryStore):
        async def commit(self, commit: Commit) -> list[list[int]]:
            raise ZeroDivisionError

    setting = Setting(Broken(PARTITIONS))
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records(0, 3)}))
    with pytest.raises(ZeroDivisionError):
        await setting.worker.owned.drain()
    assert not setting.worker.states[1].live


async def test_what_an_old_connection_still_holds_does_not_take_effect_after_all() -> None:
    class Delayed(MemoryStore):
        """Applies a commit long after it was answered with `Unavailable`, as a path that holds bytes may."""

        held: Commit | None = None

        async def commit(self, commit: Commit) -> list[list[int]]:
            if commit.rows and self.held is None:
                self.held = commit
                raise Unavailable("no answer in time")
            return await super().commit(commit)

    store = Delayed(PARTITIONS)
    setting = Setting(store)
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: records(0, 1)}))
    await setting.worker.owned.drain()
    assert await setting.worker.owned.restore(lambda: True, 0) == {1: 0}
    assert store.held is not None
    with pytest.raises(Fenced):
        await store.commit(store.held)


async def test_a_backlog_does_not_look_like_silence() -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: [KafkaRecord(0, event(0, START, Kind.CART_ADDED, 80.0))]}))
    await setting.worker.owned.drain()
    setting.clock.anchor = ClockAnchor(START + 3_600_000, 0, 0)
    await setting.worker.fire_timers(lambda partition: False)
    await setting.worker.owned.drain()
    assert (await setting.store.tallies()).get("risen", 0) == 0


async def test_nor_does_it_behind_an_event_whose_clock_is_ahead() -> None:
    setting = Setting()
    await setting.worker.owned.own([1])
    ahead = KafkaRecord(1, event(1, START + 20 * 3_600_000), OTHER)
    await setting.worker.apply(fetched({1: [KafkaRecord(0, event(0, START, Kind.CART_ADDED, 80.0)), ahead]}))
    await setting.worker.owned.drain()
    setting.clock.anchor = ClockAnchor(START + 3_600_000, 0, 0)
    await setting.worker.fire_timers(lambda partition: False)
    await setting.worker.owned.drain()
    assert (await setting.store.tallies()).get("risen", 0) == 0


async def test_the_future_begins_a_day_after_the_engines_time_whenever_a_record_is_read() -> None:
    month = 30 * 86_400_000
    ahead = Event(WIRE_VERSION, 1, START + month, "ahead", engine_at=START + month)
    wrong = Event(WIRE_VERSION, 1, START + month, "wrong")
    both = [KafkaRecord(0, msgspec.msgpack.encode(ahead)), KafkaRecord(1, msgspec.msgpack.encode(wrong))]
    for clock in (START + month, START):  # read in time, and by a worker for which all of it lies ahead
        setting = Setting()
        setting.clock.anchor = ClockAnchor(clock, 0, 0)
        await setting.worker.owned.own([1])
        await setting.worker.apply(fetched({1: both}))
        assert await setting.events() == 1
        assert [letter.reason for letter in setting.side_output.dead] == ["bad_time"]
        assert setting.worker.states[1].watermark == START + month


async def test_one_event_that_activates_two_indicators_gives_a_channel_one_cue() -> None:
    """The sixth item of one category, seen within seconds, is both a burst and a comparison; one offer of the
    shipped rules names both."""
    setting = Setting()
    await setting.worker.owned.own([1])
    for number in range(8):
        viewed = Event(
            WIRE_VERSION,
            int(Kind.ITEM_VIEWED),
            START + number * 1_000,
            f"t{number}",
            f"item-{number}",
            "tv",
            400.0,
        )
        await setting.worker.apply(fetched({1: [KafkaRecord(number, msgspec.msgpack.encode(viewed))]}))
    await setting.worker.owned.drain()
    tallies = await setting.store.tallies()
    assert (tallies["risen.bursty_session"], tallies["risen.comparing_in_category"]) == (1, 1)
    cues = [entry.cue for entry in await setting.store.since(customer_id(CUSTOMER.decode()), "")]
    assert len({cue.at for cue in cues}) == 1
    assert [cue.offer_id for cue in cues if "web" in cue.channels] == ["compare_side_by_side"]
    assert [cue.offer_id for cue in cues if "agent" in cue.channels] == ["chat_with_expert"]
    (view,) = await setting.store.views([customer_id(CUSTOMER.decode())])
    assert {offer: len(given) for offer, given in view.given(START + 8_000).items()} == {
        "compare_side_by_side": 1,
        "chat_with_expert": 1,
    }
