"""A log with links and mail, read once more into an empty store by a worker that sends none: it comes to the same,
however many records it takes at a time."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from zlib import crc32

import msgspec
import pytest

from engine.events import Cue
from loadtest.endless_log import made_up
from tests.stream.link_world import LinkWorld, named
from tests.stream.post_world import PARTITIONS
from tests.stream.test_worker import START

VISITORS = [named(f"a{number}", number % PARTITIONS) for number in range(12)]
CUSTOMERS = [named(f"u{number}", (number + 1) % PARTITIONS) for number in range(3)]
EVENTS, EVERY = 2_400, 150


def cues(world: LinkWorld) -> Counter[tuple[str, str, str]]:
    payloads = [payload for part in world.store._partitions for _, _, payload in part.cues]
    found = [msgspec.json.decode(one, type=Cue) for one in payloads if one.startswith(b"{")]
    return Counter((one.customer, one.offer_id, one.decision_id) for one in found)


@pytest.fixture
async def world() -> LinkWorld:
    """Visitors who become customers, read in small pieces."""
    world = LinkWorld()
    for number, message in enumerate(islice(made_up(1)(0), EVENTS)):
        key = VISITORS[crc32(message.customer.encode()) % len(VISITORS)]
        event = msgspec.structs.replace(message.event, at=START + 1_000 * number, anonymous=1, trust=1)
        world.put(key, number, msgspec.msgpack.encode(event))
        if number % EVERY == EVERY - 1 and (linked := number // EVERY) < len(VISITORS):
            world.linked(VISITORS[linked], CUSTOMERS[linked % len(CUSTOMERS)], number)
    await world.done(10)
    return world


@pytest.mark.parametrize("most", [25, 10_000])
async def test_rows_histories_and_cues_are_the_same_and_nothing_is_sent(world: LinkWorld, most: int) -> None:
    reader = LinkWorld()
    reader.logs = world.logs
    reader.worker._office._sends = False
    sizes = [len(log) for log in world.logs]
    await reader.done(most)
    assert [len(log) for log in world.logs] == sizes
    assert cues(world).total() > 30
    for one in (*VISITORS, *CUSTOMERS):
        assert await reader.stored(one) == await world.stored(one)
        assert await reader.given(one) == await world.given(one)
    assert cues(reader) == cues(world)
