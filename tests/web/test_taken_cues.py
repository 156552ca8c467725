"""Notes of the cues that streams have taken: one round trip for many, none lost while the store is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from engine.customer_id import customer_id
from engine.errors import BadReply, Unavailable
from engine.events import Cue
from engine.meter import PrometheusMeter
from engine.ports.cue_store import CueEntry, TakenCue
from engine.store.memory import MemoryStore
from engine.web.push import taken_cues
from engine.web.push.taken_cues import TakenCues
from tests.contracts.builders import cue
from tests.patience import PATIENCE_S


class Store(MemoryStore):
    """Notes what it is told; holds each call back until `go`; raises `fault` when there is one."""

    def __init__(self) -> None:
        super().__init__(4)
        self.calls: list[list[int]] = []
        self.fault: Exception | None = None
        self.refusal: Exception = ValueError("not to be read")
        self.refused: set[int] = set()  # moments of notes that it cannot take, nor others with them
        self.go = asyncio.Event()
        self.go.set()
        self.asked = asyncio.Semaphore(0)

    async def take_cues(self, taken: Sequence[TakenCue]) -> int:
        self.asked.release()
        await self.go.wait()
        if self.fault is not None:
            raise self.fault
        if self.refused & {cue.at for cue in taken}:
            raise self.refusal
        self.calls.append([cue.at for cue in taken])
        return len(taken)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAUSE_S", "LONGEST_PAUSE_S"):
        monkeypatch.setattr(taken_cues, name, 0.001)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def notes(store: Store) -> TakenCues:
    return TakenCues(store, PrometheusMeter())


def entry(number: int, **changed: object) -> CueEntry:
    made: Cue = cue(customer_id("ann"), at=number)
    values = {name: getattr(made, name) for name in made.__struct_fields__}
    return CueEntry(f"1-{number}-0", Cue(**{**values, **changed}))


async def told(store: Store, number: int) -> None:
    """Wait until the store was told of so many cues."""
    async with asyncio.timeout(PATIENCE_S):
        while sum(map(len, store.calls)) < number:
            await asyncio.sleep(0.001)


async def test_what_gathers_while_one_call_is_under_way_goes_in_the_next(store: Store, notes: TakenCues) -> None:
    await notes.start()
    store.go.clear()
    notes.note(entry(1), by_visitor=True)
    await asyncio.wait_for(store.asked.acquire(), PATIENCE_S)
    for number in range(2, 502):
        notes.note(entry(number), by_visitor=True)
    store.go.set()
    await told(store, 501)
    assert store.calls == [[1], list(range(2, 502))]
    await notes.stop()


async def test_no_call_is_larger_than_is_good_for_the_store(
    store: Store, notes: TakenCues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taken_cues, "AT_ONCE", 3)
    notes = TakenCues(store, PrometheusMeter())
    for number in range(7):
        notes.note(entry(number), by_visitor=True)
    await notes.start()
    await told(store, 7)
    assert store.calls == [[0, 1, 2], [3, 4, 5], [6]]
    await notes.stop()


async def test_a_cue_is_told_once_and_one_for_agents_alone_never(store: Store, notes: TakenCues) -> None:
    for one in (entry(1), entry(1), entry(2, channels=("agent",)), entry(3)):
        notes.note(one, by_visitor=True)
    await notes.stop()
    assert store.calls == [[1, 3]]


async def test_nothing_is_lost_while_the_store_is_away(store: Store, notes: TakenCues) -> None:
    await notes.start()
    store.fault = Unavailable("away")
    notes.note(entry(1), by_visitor=True)
    for _ in range(3):
        await asyncio.wait_for(store.asked.acquire(), PATIENCE_S)
    notes.note(entry(2), by_visitor=True)
    store.fault = None
    await told(store, 2)
    assert sorted(at for call in store.calls for at in call) == [1, 2]
    await notes.stop()


async def test_however_long_the_store_is_away_no_note_is_dropped(store: Store, notes: TakenCues) -> None:
    """Neither one that waits alone, nor one that was refused before."""
    store.refused = {1}
    notes.note(entry(1), by_visitor=True)
    await notes.start()
    async with asyncio.timeout(PATIENCE_S):
        while not notes._refused:
            await asyncio.sleep(0.001)
        store.fault = Unavailable("away")
        notes.note(entry(2), by_visitor=True)
        for _ in range(3 * (taken_cues.ATTEMPTS + 1)):
            await store.asked.acquire()
    store.fault, store.refused = None, set()
    await told(store, 2)
    assert notes._meter.value("cues_taken_dropped") == 0
    await notes.stop()


async def test_what_comes_while_one_is_tried_again_is_sent_behind_it(store: Store, notes: TakenCues) -> None:
    await notes.start()
    store.fault = Unavailable("away")
    notes.note(entry(1), by_visitor=True)
    for _ in range(2):
        await asyncio.wait_for(store.asked.acquire(), PATIENCE_S)
    store.fault = None
    store.go.clear()
    await asyncio.wait_for(store.asked.acquire(), PATIENCE_S)
    notes.note(entry(2), by_visitor=True)
    store.go.set()
    await told(store, 2)
    assert store.calls == [[1], [2]]
    await notes.stop()


async def test_of_too_many_the_oldest_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taken_cues, "WAITING", 4)
    monkeypatch.setattr(taken_cues, "AT_ONCE", 3)
    notes = TakenCues(store, PrometheusMeter())
    store.go.clear()
    await notes.start()
    for number in range(4):
        notes.note(entry(number), by_visitor=True)
    await asyncio.wait_for(store.asked.acquire(), PATIENCE_S)  # with the first three
    notes.note(entry(4), by_visitor=True)
    notes.note(entry(5), by_visitor=True)
    store.go.set()
    await told(store, 6)
    assert store.calls == [[0, 1, 2], [3, 4, 5]]
    assert notes._meter.value("cues_taken_dropped") == 2
    await notes.stop()


async def dropped(notes: TakenCues, number: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while notes._meter.value("cues_taken_dropped") < number:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("refusal", [ValueError("not to be read"), BadReply("WRONGTYPE")])
async def test_a_note_that_the_store_cannot_take_keeps_no_other_and_is_dropped(
    store: Store, notes: TakenCues, refusal: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    store.refusal, store.refused = refusal, {3, 7}
    for number in range(12):
        notes.note(entry(number), by_visitor=True)
    await notes.start()
    await told(store, 10)
    await dropped(notes, 2)
    assert sorted(at for call in store.calls for at in call) == [*{*range(12)} - {3, 7}]
    assert caplog.text.count("will count as not taken, after 9 attempts") == 1
    assert (len(notes._waiting), len(notes._refused)) == (0, 0)
    notes.note(entry(12), by_visitor=True)
    await told(store, 11)
    await notes.stop()


async def test_an_end_with_a_note_that_the_store_cannot_take_is_an_end(
    store: Store, notes: TakenCues, caplog: pytest.LogCaptureFixture
) -> None:
    store.refused = {1}
    notes.note(entry(1), by_visitor=True)
    with caplog.at_level(logging.WARNING):
        await notes.stop()
    assert "1 cues that streams have taken will count as not taken: not to be read" in caplog.text


async def test_an_end_without_the_store_is_said(
    store: Store, notes: TakenCues, caplog: pytest.LogCaptureFixture
) -> None:
    store.fault = Unavailable("away")
    notes.note(entry(1), by_visitor=True)
    with caplog.at_level(logging.WARNING):
        await notes.stop()
    assert "1 cues that streams have taken will count as not taken: away" in caplog.text
    assert store.calls == []


async def test_ids_are_remembered_within_bounds(
    store: Store, notes: TakenCues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taken_cues, "REMEMBERED", 2)
    for number in (1, 2, 1, 3, 2, 1):
        notes.note(entry(number), by_visitor=True)
    await notes.stop()
    assert store.calls == [[1, 2, 3, 1]]


async def test_what_an_agent_took_first_is_noted_again_for_its_visitor(store: Store, notes: TakenCues) -> None:
    for by_visitor in (False, False, True, True, False):
        notes.note(entry(1, decision_id="1-1-1"), by_visitor)
    assert [one.decision_id for one in notes._waiting] == ["", "1-1-1"]
