"""Links followed by the worker: two ids become one customer, exactly, whatever is killed on the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.events import Kind
from engine.identity.cargo import CargoKind, cargo_in
from engine.identity.link import LinkTrust
from engine.identity.marker import Marker, Phase
from engine.kernels.forgetting import FORGOTTEN_AFTER_MS
from engine.kernels.groups.cart import CHANGES
from engine.post.letter import letter_in
from engine.stream.sweep import SKEW_MS
from tests.stream.link_world import LinkWorld, as_one, named
from tests.stream.test_worker import START

KINDS = [Kind.PAGE_VIEWED, Kind.ITEM_VIEWED, Kind.SEARCHED, Kind.CART_ADDED, Kind.ORDER_COMPLETED]
Told = tuple[int, Kind, dict[str, object]]


def happened(chance: random.Random, count: int) -> list[Told]:
    """So few that no ring forgets, nor what is put into the cart after the last order."""
    told: list[Told] = []
    free = CHANGES
    for number in sorted(chance.sample(range(5_000), count), reverse=True):
        kind = chance.choice(KINDS)
        if kind is Kind.ORDER_COMPLETED:
            free = count
        elif kind is Kind.CART_ADDED:
            kind, free = (kind if free else Kind.ITEM_VIEWED), max(free - 1, 0)
        fields = {"item": f"i{chance.randrange(4)}", "value": chance.choice([5.0, 12.5]), "order": f"o{number}"}
        told.insert(0, (number, kind, fields))
    return told


@pytest.mark.parametrize("homes", [(0, 1), (2, 2)])
async def test_a_visitor_who_logs_in_is_one_customer_with_all_that_was_and_comes(homes: tuple[int, int]) -> None:
    a, u = named("a", homes[0]), named("u", homes[1])
    chance, world = random.Random(1), LinkWorld()
    told = happened(chance, 20)
    for number, kind, fields in told[:12]:
        world.happens(a if number % 3 else u, number, kind, **fields)
    world.linked(a, u, told[11][0])
    for number, kind, fields in told[12:]:
        world.happens(a if number % 2 else u, number, kind, **fields)
    await world.done()
    assert await world.row(u) == await as_one(told)
    assert await world.events(a) == 0
    ties = await world.ties(a)
    assert ties.marker == Marker(Phase.MERGED, u, LinkTrust.SIGNED, START + 1_000 * told[11][0])  # type: ignore[arg-type]
    assert (await world.ties(u)).merged == (a,)
    assert (await world.store.due(homes[0], 2**60, 99)).count(a.encode()) == 0


@settings(max_examples=40)
@given(st.integers(0, 2**32))
@example(246)  # more is put into the cart before an order than is kept, and none of it stays
def test_wherever_the_link_comes_and_whatever_fails_the_row_is_that_of_one_customer(seed: int) -> None:
    asyncio.run(check(seed))


async def check(seed: int) -> None:
    chance = random.Random(seed)
    told = happened(chance, chance.randint(1, 30))
    a, u = named("a", chance.randrange(3)), named("u", chance.randrange(3))
    world = LinkWorld(seed)
    link_at = chance.randint(0, len(told))
    for place, (number, kind, fields) in enumerate(told):
        if place == link_at:
            world.linked(a, u, number)
        world.happens(chance.choice([a, u]), number, kind, **fields)
    if link_at == len(told):
        world.linked(a, u, told[-1][0])
    for _ in range(chance.randint(0, 12)):
        await hindered(world, chance)
    while world.frozen:
        await world.thaw()
    await world.done(chance.randint(1, 50))
    assert await world.row(u) == await as_one(told)
    assert await world.events(a) == 0
    again = LinkWorld(seed)
    again.logs = [list(log) for log in world.logs]
    await again.done()
    assert [await again.row(key) for key in (a, u)] == [await world.row(key) for key in (a, u)]
    assert [await again.ties(key) for key in (a, u)] == [await world.ties(key) for key in (a, u)]


async def hindered(world: LinkWorld, chance: random.Random) -> None:
    """A round of work that may fail in some way."""
    kind = chance.choice(["works", "fails", "commit", "answer", "freezes", "thaws", "keeps", "restored"])
    if kind == "fails":
        world.fate = "fails"
    elif kind in ("commit", "answer"):
        world.store.lose = kind
    elif kind == "freezes":
        await world.freeze()
    elif kind == "thaws":
        await world.thaw()
    elif kind == "keeps":
        world.keep()
    elif kind == "restored":
        world.restore([chance.randrange(3)])
    await world.work(chance.randint(1, 20))
    world.fate = world.store.lose = ""


async def test_after_a_kill_between_produce_and_commit_the_same_letters_are_written_and_dropped() -> None:
    a, u = named("a", 0), named("u", 1)
    world = LinkWorld()
    world.happens(a, 1)
    world.linked(a, u, 2)
    world.happens(a, 3)
    await world.work(1)
    world.store.lose = "commit"
    await world.work(99)
    world.store.lose = ""
    world.worker = world.new_worker()
    await world.done()
    letters = [record.value or b"" for record in world.logs[1]]
    assert len(letters) == 4
    assert letters[:2] == letters[2:]
    assert await world.events(u) == 2
    assert world.meter.value("post_repeated") == 2


async def test_mail_says_by_whom_it_came_and_keeps_an_events_own_id_and_trust() -> None:
    a, u = named("a", 0), named("u", 1)
    world = LinkWorld()
    world.happens(a, 1)
    world.linked(a, u, 2)
    world.happens(a, 3)
    await world.done()
    merge, event = [letter_in(record.value or b"") for record in world.logs[1]]
    assert (merge.path, event.path) == ((a,), (a,))
    assert (cargo_in(merge.body).kind, event.body) == (CargoKind.MERGE, b"")


@pytest.mark.parametrize("upper", [named("a", 0), named("a", 1), "unknown"])
async def test_a_link_that_cannot_be_changes_nothing(upper: str) -> None:
    world, lower = LinkWorld(), named("a", 0)
    world.happens(lower, 1)
    world.linked(lower, upper, 2)
    world.happens(lower, 3)
    await world.done()
    assert await world.events(lower) == 2
    assert world.meter.value("stream_links", "impossible") == 1


async def test_a_second_user_of_a_device_opens_it_and_it_is_linked_no_more() -> None:
    a, u, other = named("a", 0), named("u", 1), named("u", 2)
    world = LinkWorld()
    world.happens(a, 1)
    world.linked(a, u, 2)
    world.happens(a, 3)
    world.linked(a, other, 4)
    world.happens(a, 5)
    world.linked(a, u, 6)
    world.happens(a, 7)
    await world.done()
    assert [await world.events(key) for key in (a, u, other)] == [2, 2, 0]
    assert (await world.ties(a)).marker.phase is Phase.ALONE
    effects = ("merged", "parted", "kept_alone")
    assert [world.meter.value("stream_links", effect) for effect in effects] == [1, 1, 1]


async def test_where_a_partition_does_not_mail_links_are_dead_letters() -> None:
    world = LinkWorld()
    world.worker = world.new_worker(on=False)
    dead: list[str] = []

    async def keep(partition: int, letters: Sequence[object], forward: object) -> None:
        dead.extend(one.reason for one in letters)  # type: ignore[attr-defined]

    world.worker._send_side_output = keep
    a = named("a", 0)
    world.linked(a, named("u", 1), 2)
    world.happens(a, 3)
    await world.done()
    assert dead == ["unknown_type"]
    assert await world.events(a) == 1


async def test_what_ties_ids_to_one_another_stays_however_long_nothing_happens() -> None:
    a, u, other = named("a", 0), named("u", 1), named("u", 0)
    world = LinkWorld()
    world.happens(a, 1)
    world.linked(a, u, 2)
    world.happens(u, 3)
    world.happens(other, 4)
    await world.done()
    later = (FORGOTTEN_AFTER_MS + SKEW_MS + 10_000_000) // 1_000
    world.worker = world.new_worker(clock_ms=START + 1_000 * later)
    for home in (0, 1):
        world.happens(named("p", home), later)
    await world.done()
    assert await world.stored(other) is None
    assert (await world.ties(a)).is_merged
    assert (await world.ties(u)).merged == (a,)


@pytest.mark.parametrize(("days", "kept"), [(30, True), (32, False)])
async def test_the_row_that_an_id_sent_on_is_kept_for_thirty_days(days: int, kept: bool) -> None:
    a, u = named("a", 0), named("u", 1)
    world = LinkWorld()
    world.happens(a, 1)
    world.linked(a, u, 2)
    await world.done()
    before = await world.ties(a)
    later = days * 86_400
    world.worker = world.new_worker(clock_ms=START + 1_000 * later)
    world.happens(a, later)
    world.happens(named("p", 0), later)
    await world.done()
    await world.done()
    after = await world.ties(a)
    assert before.kept
    assert (after.marker, bool(after.kept)) == (before.marker, kept)
    world.happens(a, later + 1)
    await world.done()
    assert (await world.ties(a), await world.events(u)) == (after, 3)
