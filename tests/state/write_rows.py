"""Writes rows as this release stores them, with the features that it reads from them, for the tests of later ones:
``python -m tests.state.write_rows > tests/state/rows_vN.json``.

`rows_v1.json` was written so by the last release whose rows were of version 1. It is data: never write it again.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from engine.clock import EngineClock
from engine.decisions.policy import make_policy
from engine.events import WIRE_VERSION, Contact, Event, Kind
from engine.kernels.hashing import hash64, word_hash
from engine.kernels.partition import partition_of
from engine.meter import PrometheusMeter
from engine.ports.kafka import DeadLetter
from engine.ports.records import as_columns
from engine.rulebook.directory import load
from engine.settings import Stream
from engine.sources.registry import sources
from engine.state.profile import active_codes, profile_of
from engine.state.row_codec import read
from engine.store.memory import MemoryStore
from engine.stream.worker import Worker
from tests.stream.test_worker import KafkaRecord

START = 1_700_000_000_000
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
K = Kind

#: What each customer did: kind, milliseconds after `START`, and what else the event says.
LIVES: Mapping[str, Sequence[tuple[Kind, int, dict[str, object]]]] = {
    "visitor": [(K.PAGE_VIEWED, 0, {"anonymous": 1})],
    "shopper": [
        (K.PAGE_VIEWED, 0, {"trust": 1}),
        (K.SEARCHED, 40 * SECOND, {"trust": 1}),
        (K.ITEM_VIEWED, 60 * SECOND, {"trust": 1, "item": "tv-1", "category": "tv", "value": 499.99}),
        (K.ITEM_VIEWED, 65 * SECOND, {"trust": 1, "item": "tv-2", "category": "tv", "value": 1234567.89}),
        (K.ITEM_VIEWED, 70 * SECOND, {"trust": 1, "item": "radio", "category": "audio", "value": 0.1}),
        (K.REVIEW_READ, 80 * SECOND, {"trust": 1, "item": "radio", "category": "audio"}),
        (K.CART_ADDED, 95 * SECOND, {"trust": 1, "item": "radio", "value": 0.1, "quantity": 3}),
        (K.CART_ADDED, 99 * SECOND, {"trust": 1, "item": "tv-1", "value": 499.99}),
    ],
    "regular": [
        (K.ORDER_COMPLETED, day * DAY, {"order": f"o-{day}", "value": 19.99 + day, "trust": 1})
        for day in (0, 29, 61, 92)
    ],
    "caller": [
        (K.CONTACT_STARTED, 0, {"contact": Contact("c-1", 1)}),
        (K.CONTACT_ENDED, 5 * MINUTE, {"contact": Contact("c-1", 1)}),
        (K.CONTACT_STARTED, 3 * HOUR, {"contact": Contact("c-2", 1)}),
    ],
    "hundreds": [
        (
            (K.ITEM_VIEWED, K.PAGE_VIEWED, K.SEARCHED, K.CART_ADDED, K.LIST_VIEWED)[i % 5],
            i * 3 * HOUR + i % 7 * SECOND,
            {
                "item": f"item-{i % 23}" if i % 5 in (0, 3) else "",
                "category": f"kind-{i % 9}",
                "value": i % 11 + 0.5,
            },
        )
        for i in range(300)
    ],
    "searcher": [
        ((K.SEARCHED, K.ITEM_VIEWED, K.REVIEW_READ, K.CART_ADDED)[i % 4], i * 20 * SECOND, {"item": f"i-{i % 4}"})
        for i in range(70)
    ],
    "mixed": [
        (kind, i * 2 * DAY + i * HOUR, {"order": f"m-{i}", "value": 7.25} if kind == K.ORDER_COMPLETED else {})
        for i, kind in enumerate(
            [K.SEARCHED, K.WISHLISTED, K.COUPON_APPLIED, K.ORDER_COMPLETED, K.SHARED, K.LIST_VIEWED, K.CART_VIEWED]
            * 4
        )
    ],
    "lines": [(K.ORDER_COMPLETED, at * SECOND, {"value": 5.5}) for at in (0, 30, 60)],
    "told_twice": [
        (K.ORDER_COMPLETED, at, {"order": name, "value": value})
        for at, name, value in ((0, "t-1", 10), (20 * DAY, "t-2", 30.3), (20 * DAY + 2 * SECOND, "t-2", 30.3))
    ],
    "order_came_late": [
        (K.ORDER_COMPLETED, at, {"order": name, "value": value})
        for at, name, value in ((0, "l-1", 10), (20 * DAY, "l-3", 30), (10 * DAY, "l-2", 20))
    ],
}


def hash_of(text: str) -> int:
    """As rows have ids."""
    return int(hash64(np.frombuffer(text.encode(), np.uint8), 0, len(text)))


async def nowhere(partition: int, dead: Sequence[DeadLetter], forward: Sequence[tuple[bytes, bytes]]) -> None:
    if dead or forward:
        raise SystemExit(f"not applied: {dead} {forward}")


async def written() -> dict[str, object]:
    store, clock = MemoryStore(1), EngineClock()
    worker = Worker(Stream(), "events", 1, store, store, clock, PrometheusMeter(), nowhere, sources())
    worker.use(make_policy(load(Path(__file__).parent.parent.parent / "rules"), {}))
    await worker.owned.own([0])
    records = [
        KafkaRecord(
            0,
            msgspec.msgpack.encode(Event(WIRE_VERSION, int(kind), START + after, f"{name}-{i}", **said)),  # type: ignore[arg-type]
            name.encode(),
            START + after,
        )
        for name, life in LIVES.items()
        for i, (kind, after, said) in enumerate(life)
    ]
    records = [record._replace(offset=offset) for offset, record in enumerate(records)]
    await worker.apply({0: as_columns(records)})
    await worker.owned.drain()
    rows = await store.read(0, [name.encode() for name in LIVES])
    found = {}
    for (name, life), row in zip(LIVES.items(), rows, strict=True):
        assert row is not None
        now = START + life[-1][1] + MINUTE
        profile = profile_of(row, now)
        found[name] = {
            "row": base64.b64encode(row).decode(),
            "now": now,
            "features": {name: reading["value"] for name, reading in profile.features.items()},
            "active": sorted(active_codes(read([row])[0])),
            "timeline": [msgspec.to_builtins(moment) for moment in profile.timeline],
        }
    return {"rows": found, "names": {word: word_hash(word) for word in ("tv-1", "radio", "tv", "audio")}}


if __name__ == "__main__":
    assert partition_of(b"any", 1) == 0
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(asyncio.run(written()))) + b"\n")
