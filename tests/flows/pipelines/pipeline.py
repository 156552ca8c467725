"""An api process and a worker over one store in memory; what is sent over HTTP is applied at once."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import httpx
import msgspec

from engine.decisions.policy import make_policy
from engine.ports.records import as_columns
from engine.rulebook.directory import compile_texts
from engine.settings import Stream
from engine.sources.registry import sources
from engine.stream.worker import Worker
from tests.flows.access import guarded
from tests.flows.api import PARTITIONS, Process
from tests.patience import PATIENCE_S

_encode = msgspec.msgpack.Encoder().encode


class Record(NamedTuple):
    """As much of a Kafka record as the worker uses."""

    offset: int
    value: bytes
    key: bytes
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Pipeline:
    """`process` with a worker of `rules` behind its log."""

    def __init__(self, rules: str) -> None:
        self.process: Process = guarded()
        self.process.policy = make_policy(compile_texts({"rules.yaml": rules}), {})
        store = self.process.store
        self.worker = Worker(
            Stream(), "events", PARTITIONS, store, store, self.process.clock, self.process.meter,
            _no_side_output, sources(),
        )  # fmt: skip
        self.worker.use(self.process.policy)
        self._offsets = dict.fromkeys(range(PARTITIONS), 0)

    async def own(self) -> None:
        """Let the worker have every partition, once."""
        await self.worker.owned.own(range(PARTITIONS))

    async def apply(self) -> None:
        """Apply what was sent since the last call."""
        messages = list(self.process.log.messages)
        self.process.log.messages.clear()
        for message in messages:
            key = message.customer.encode()
            partition = self.process.store._keys.of_customer(key)
            record = Record(self._offsets[partition], _encode(message.event), key, self.process.clock.now)
            self._offsets[partition] += 1
            assert await self.worker.apply({partition: as_columns([record])}) == {}
        await self.worker.owned.drain()

    async def send(self, api: httpx.AsyncClient, key: str, **event: Any) -> None:
        """Send an event of now, and apply it."""
        answer = await api.post("/v1/track", json=event, headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == 200, answer.text
        await self.apply()

    async def until_taken(self, cues: int) -> None:
        """Wait until the store knows that streams have taken so many cues."""
        async with asyncio.timeout(PATIENCE_S):
            while self.process.meter.value("cues_taken") < cues:
                await asyncio.sleep(0.001)


async def _no_side_output(*_: object) -> None:
    raise AssertionError("a record is a dead letter, or misplaced")
