"""The baseline of the stream benchmark: a Faust agent as its documentation writes one.

Decode, count per customer, write to Redis. What an ordinary agent can do for speed is done: events are
taken in batches (`take`) and a batch is one pipelined round trip. `python -m loadtest.stock_faust DIRECTORY`
runs it on the settings of the environment; progress is the Redis key ``peer:done``.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import faust
import msgspec
import redis.asyncio

from engine.events import Event
from engine.settings import Settings
from engine.settings_sources import read_settings

TAKE = 1_000
WITHIN_S = 0.1


def build(settings: Settings, directory: Path) -> faust.App:
    """The peer's app, not started; Faust makes `directory`, not its parents."""
    kafka = settings.kafka
    app = faust.App(
        "peer",
        broker=f"aiokafka://{kafka.brokers}",
        datadir=directory,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        stream_buffer_maxsize=TAKE * 4,
        broker_max_poll_records=16_000,
        broker_rebalance_timeout=kafka.rebalance_timeout_s,
        broker_session_timeout=kafka.session_timeout_s,
        broker_heartbeat_interval=kafka.heartbeat_s,
        key_serializer="raw",
        value_serializer="raw",
    )
    topic = app.topic(kafka.events_topic, value_type=bytes, key_type=bytes)
    client = redis.asyncio.Redis.from_url(settings.redis.url)
    counts: Counter[bytes] = Counter()
    decode = msgspec.msgpack.Decoder(Event).decode

    @app.agent(topic)
    async def count(stream: Any) -> None:
        async for events in stream.take_events(TAKE, within=WITHIN_S):
            touched = set()
            for event in events:
                decode(event.value)
                counts[event.key] += 1
                touched.add(event.key)
            pipe = client.pipeline(transaction=False)
            pipe.mset({b"peer:" + key: counts[key] for key in touched})
            pipe.incrby("peer:done", len(events))
            await pipe.execute()

    return app


async def main(settings: Settings, directory: Path) -> None:
    """Run the peer until the process is ended."""
    app = build(settings, directory)
    await app.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(read_settings(), Path(sys.argv[1])))
