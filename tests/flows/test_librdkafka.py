"""Records of librdkafka, the client of most languages but Java: as the README says to write them, and as it does
unless it is told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from confluent_kafka import KafkaError, Message, Producer

from engine.events import Message as Made
from engine.kernels.partition import partition_of
from tests.flows.test_stream import PARTITIONS, START, Deployment, deployment, expected, shopping
from tests.patience import PATIENCE_S

__all__ = ["deployment"]

HOUR_MS = 3_600_000
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
Record = tuple[str, bytes, list[tuple[str, str | bytes | None]]]


def producer(deployment: Deployment, **settings: str | int | bool) -> Producer:
    """One as the README wants it, but for `settings`, whose names have dots in place of the underscores."""
    named = {name.replace("_", "."): value for name, value in settings.items()}
    return Producer(
        {
            "bootstrap.servers": deployment.kafka.brokers,
            "partitioner": "murmur2_random",
            "enable.idempotence": deployment.kafka.idempotent,
            "linger.ms": 20,  # so that there are batches to compress
            **named,
        }
    )


async def produced(sender: Producer, deployment: Deployment, records: Sequence[Record]) -> dict[str, int | None]:
    """The partition in which each customer's records lie, once the broker has them all."""
    places: dict[str, int | None] = {}

    def told(error: KafkaError | None, record: Message) -> None:
        assert error is None, error
        places[(record.key() or b"").decode()] = record.partition()

    for customer, value, headers in records:
        sender.produce(
            deployment.kafka.events_topic,
            value,
            customer.encode(),
            headers=headers,
            on_delivery=told,
            timestamp=START + HOUR_MS,  # no event lies ahead of its record
        )
    assert await asyncio.to_thread(sender.flush, PATIENCE_S) == 0
    return places


def canonical(messages: Sequence[Made]) -> list[Record]:
    return [(message.customer, msgspec.msgpack.encode(message.event), []) for message in messages]


def segment(customers: int, events: int) -> list[Record]:
    """Views of items in Segment's JSON, `events` of each customer."""
    return [
        (
            f"ann-{customer}",
            json.dumps(
                {
                    "type": "track",
                    "event": "Product Viewed",
                    "userId": f"ann-{customer}",
                    "messageId": f"m-{customer}-{event}",
                    "timestamp": START / 1000 - 100 + event,
                    "properties": {"product_id": f"item-{event}", "price": 2.5},
                }
            ).encode(),
            [("source", b"segment")],
        )
        for event in range(events)
        for customer in range(customers)
    ]


async def test_records_of_both_kinds_count_whatever_packs_them(deployment: Deployment) -> None:
    messages, views = shopping(250, 20), segment(10, 5)
    await deployment.work("worker")
    for place, codec in enumerate(CODECS):
        sender = producer(deployment, compression_type=codec)
        records = [*canonical(messages[50 * place :][:50]), *views[10 * place :][:10]]
        places = await produced(sender, deployment, records)
        assert places == {customer: partition_of(customer.encode(), PARTITIONS) for customer in places}
    tallies = await deployment.until(lambda tallies: tallies.get("events", 0) == 300)
    assert (tallies["applied"], tallies["forwarded"], tallies["deadletters"]) == (300, 0, 0)
    await all_is_there(deployment, messages)


async def test_what_lies_in_the_wrong_partition_is_forwarded_and_counts(deployment: Deployment) -> None:
    messages, views = shopping(200, 20), segment(10, 5)
    sender = producer(deployment, partitioner="consistent_random")  # librdkafka's default
    await deployment.work("worker")
    places = await produced(sender, deployment, [*canonical(messages), *views])
    astray = [name for name, place in places.items() if place != partition_of(name.encode(), PARTITIONS)]
    assert 0 < len(astray) <= len(places)
    tallies = await deployment.until(lambda tallies: tallies.get("applied", 0) == 250)
    sent = Counter(customer for customer, _, _ in [*canonical(messages), *views])
    assert tallies["forwarded"] == sum(sent[name] for name in astray)
    assert (tallies["duplicates"], tallies["deadletters"]) == (0, 0)
    await all_is_there(deployment, messages)


@pytest.mark.kafka
async def test_of_transactions_only_what_is_committed_counts(deployment: Deployment) -> None:
    messages, views = shopping(90, 5), segment(5, 4)
    first, aborted, last = messages[:30], messages[30:60], messages[60:]
    sender = producer(deployment, transactional_id=deployment.kafka.group, enable_idempotence=True)
    await asyncio.to_thread(sender.init_transactions, PATIENCE_S)
    await deployment.work("worker")
    for records, end in (
        (canonical(first), sender.commit_transaction),
        ([*canonical(aborted), *views], sender.abort_transaction),
        ([*canonical(last), *views[:10]], sender.commit_transaction),
    ):
        sender.begin_transaction()
        await produced(sender, deployment, records)
        await asyncio.to_thread(end, PATIENCE_S)
    tallies = await deployment.until(lambda tallies: tallies.get("events", 0) >= 70)
    assert (tallies["events"], tallies["applied"], tallies["deadletters"]) == (70, 70, 0)
    await all_is_there(deployment, [*first, *last])


async def all_is_there(deployment: Deployment, messages: Sequence[Made]) -> None:
    """The rows of the customers of `messages` are what the kernels make of them."""
    wanted = expected(messages)
    assert await deployment.rows(list(wanted)) == wanted
