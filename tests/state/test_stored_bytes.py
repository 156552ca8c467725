"""What a customer takes in the store: shoppers as demo and benchmarks make them up, and the rules that come along.
README and ARCHITECTURE say what is seen here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.clock import EngineClock
from engine.decisions.policy import make_policy
from engine.events import WIRE_VERSION, Event
from engine.meter import PrometheusMeter
from engine.ports.records import as_columns
from engine.rulebook.directory import load
from engine.settings import Stream
from engine.sources.registry import sources
from engine.store.memory import MemoryStore
from engine.stream.worker import Worker
from engine.traffic.generator import ASSUMED, CATEGORIES, Goods, Visit
from tests.kernels.builders import DAY
from tests.state.write_rows import START, nowhere
from tests.stream.test_worker import KafkaRecord

CUSTOMERS = 50
RULES = Path(__file__).parent.parent.parent / "rules"


def visits(rng: np.random.Generator, goods: Goods) -> Iterator[list[Event]]:
    """Of one customer, each as if it began at 0."""
    while True:
        yield [
            Event(
                WIRE_VERSION,
                int(kind),
                after,
                f"{rng.integers(1 << 48):012x}",
                f"{item.category:02d}{item.rank:04d}" if item else "",
                CATEGORIES[item.category][0] if item else "",
                item.price if item else 0.0,
            )
            for after, kind, item in Visit(rng, goods, ASSUMED).made()
        ]


def life(rng: np.random.Generator, goods: Goods, events: int, days: int) -> list[Event]:
    """Visits at random moments of `days`, one after the other, until there are so many `events`."""
    made: list[list[Event]] = []
    for visit in visits(rng, goods):
        made.append(visit)
        if sum(map(len, made)) >= events:
            break
    begin = np.sort(rng.integers(0, days * DAY, len(made))).tolist()
    told = [
        msgspec.structs.replace(event, at=START + at + event.at)
        for at, visit in zip(begin, made, strict=True)
        for event in visit
    ]
    return sorted(told, key=lambda event: event.at)[:events]


async def stored(lives: list[list[Event]]) -> list[bytes]:
    """Each customer's row as it is in the store."""
    store = MemoryStore(1)
    worker = Worker(Stream(), "events", 1, store, store, EngineClock(), PrometheusMeter(), nowhere, sources())
    worker.use(make_policy(load(RULES), {}))
    await worker.owned.own([0])
    names = [f"shopper-{number:06d}".encode() for number in range(len(lives))]
    told = sorted(
        ((event, name) for name, life in zip(names, lives, strict=True) for event in life),
        key=lambda pair: pair[0].at,
    )
    records = [
        KafkaRecord(offset, msgspec.msgpack.encode(event), name, event.at)
        for offset, (event, name) in enumerate(told)
    ]
    await worker.apply({0: as_columns(records)})
    await worker.owned.drain()
    rows = [row for row in await store.read(0, names) if row is not None]
    assert len(rows) == len(lives)
    return rows


#: Mean bytes of a row as the documents say them, and the bound that the layout was designed for.
@pytest.mark.parametrize(
    ("events", "days", "said", "most"), [(8, 1, 650, 1_100), (10, 1, 750, 1_100), (300, 36, 2_170, 2_200)]
)
async def test_a_row_takes_what_the_documents_say(events: int, days: int, said: int, most: int) -> None:
    rng = np.random.default_rng(events)
    goods = Goods.stocked(rng)
    rows = await stored([life(rng, goods, events, days) for _ in range(CUSTOMERS)])
    mean = float(np.mean([len(row) for row in rows]))
    assert mean == pytest.approx(said, rel=0.03)
    assert mean <= most
