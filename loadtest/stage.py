"""The services for fault injection: a broker, a Redis with an append-only file, and supervised workers."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import cast

import msgspec
import redis.asyncio

from engine.events import Cue
from engine.kafka.topics import make_topics, topics_of
from engine.local.services import TANSU_GROUP
from engine.local.supervisor import BackOff, Supervisor
from engine.settings import Kafka
from loadtest.apache_kafka import apache_kafka
from loadtest.servers import Broker, Valkey, tansu

#: The shortest session timeout that Kafka accepts by default.
KAFKA_GROUP = {
    "CUELINE_KAFKA__SESSION_TIMEOUT_S": "6",
    "CUELINE_KAFKA__REBALANCE_TIMEOUT_S": "4",
    "CUELINE_KAFKA__HEARTBEAT_S": "0.7",
}

_Page = list[tuple[bytes, dict[bytes, bytes]]]


class Stage:
    """The services, and the workers that read into database 0, with `environment`; ``topic_config`` is the events
    topic's."""

    def __init__(
        self,
        folder: Path,
        broker: str,
        partitions: int,
        rules: Path,
        topic_config: Mapping[str, str] = MappingProxyType({}),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.folder = folder
        self.partitions = partitions
        self.rules = rules
        self.topic_config = topic_config
        self.environment = environment
        self.broker_name = broker
        self.broker: Broker = apache_kafka(folder) if broker == "kafka" else tansu(folder)
        self.redis = Valkey(folder, appendonly=True)
        self.supervisor = Supervisor(folder / "logs", back_off=BackOff())
        self.kafka = Kafka(brokers=self.broker.bootstrap, partitions=partitions, idempotent=broker == "kafka")

    @asynccontextmanager
    async def set(self) -> AsyncIterator[Stage]:
        """Start everything; on leaving, end it."""
        await asyncio.gather(self.broker.start(), self.redis.start())
        try:
            await make_topics(self.kafka, topics_of(self.kafka), {self.kafka.events_topic: self.topic_config})
            yield self
        finally:
            await self.supervisor.stop_all()
            self.redis.kill()
            self.broker.kill()

    def url(self, database: int) -> str:
        """Redis' address for one database."""
        return self.redis.socket_url.replace("?db=0", f"?db={database}")

    async def work(
        self, name: str, group: str, database: int, beside: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Run a worker as a child that is restarted when it dies; `beside` is in its environment alone."""
        environment = {
            "CUELINE_KAFKA__BROKERS": self.kafka.brokers,
            "CUELINE_KAFKA__PARTITIONS": str(self.partitions),
            "CUELINE_KAFKA__IDEMPOTENT": str(self.kafka.idempotent).lower(),
            "CUELINE_KAFKA__GROUP": group,
            **(KAFKA_GROUP if self.broker_name == "kafka" else TANSU_GROUP),
            "CUELINE_KAFKA__FETCH_WAIT_MS": "20",
            "CUELINE_REDIS__URL": self.url(database),
            "CUELINE_REDIS__CUE_STREAM_LENGTH": "10000000",  # nothing is trimmed: all cues are compared
            "CUELINE_RULES__DIRECTORY": str(self.rules),
            "CUELINE_STREAM__CLOCK": "replay",
            "CUELINE_STREAM__METRICS_PORT": "0",
            **self.environment,
            **beside,
        }
        command = [sys.executable, "-m", "engine", "work", "--directory", str(self.folder / name)]
        await self.supervisor.run(name, command, environment)

    async def ask(self, database: int, key: str, field: str) -> list[int]:
        """A field of one hash of each partition; zeros while Redis is away."""
        client = redis.asyncio.Redis.from_url(self.url(database))
        try:
            pipe = client.pipeline(transaction=False)
            for partition in range(self.partitions):
                pipe.hget(f"{{p{partition}}}:{key}", field)
            return [int(value or 0) for value in await pipe.execute()]
        except redis.RedisError:
            return [0] * self.partitions
        finally:
            await client.aclose()

    async def cues(self, database: int) -> Counter[bytes]:
        """How often each cue is in the cue streams."""
        client = redis.asyncio.Redis.from_url(self.url(database))
        found: Counter[bytes] = Counter()
        try:
            for partition in range(self.partitions):
                last = "-"
                while page := cast(_Page, await client.xrange(f"{{p{partition}}}:q", last, count=2_000)):
                    found.update(_lasting(fields[b"cue"]) for _, fields in page if b"cue" in fields)
                    last = f"({page[-1][0].decode()}"
            return found
        finally:
            await client.aclose()

    async def rows(self, database: int) -> dict[str, bytes]:
        """Every row, by customer."""
        client = redis.asyncio.Redis.from_url(self.url(database))
        try:
            keys = [key async for key in client.scan_iter(b"{p*}:c:*", count=5_000)]
            rows = [
                row
                for start in range(0, len(keys), 1_000)
                for row in await client.mget(keys[start : start + 1_000])
            ]
            found = zip(cast(list[bytes], keys), cast(list[bytes], rows), strict=True)
            return {key.partition(b":c:")[2].decode(): row for key, row in found}
        finally:
            await client.aclose()


def _lasting(payload: bytes) -> bytes:
    """A cue without the wall time at which its event was received."""
    return msgspec.json.encode(msgspec.structs.replace(msgspec.json.decode(payload, type=Cue), received_at=0))
