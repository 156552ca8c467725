"""`cueline replay` into the real HTTP API and into a real Kafka: each format arrives as what it says."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgpack
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from typer.testing import CliRunner

from engine.cli.app import app
from engine.clock import wall_ms
from engine.customer_id import customer_id
from engine.errors import BadEvent, BadSettings, Forbidden, NotAuthorised
from engine.events import Event, Kind, Message
from engine.kafka.topics import make_topics, topics_of
from engine.kernels.partition import partition_of
from engine.process.replay_target import open_target
from engine.replay.http_sender import HttpSender
from engine.replay.log_reader import LogReader
from engine.replay.run import ReplayReport, replay
from engine.replay.target import ReplayDestination
from engine.settings import Kafka, Settings, Web
from engine.sources.segment.logged import logged
from engine.store.redis import RedisStore
from tests.flows.api import API, WRITE, Process, calling, serving
from tests.flows.api import settings as web_settings
from tests.patience import PATIENCE_S
from tests.services import Broker, Valkey

WITHIN_S = PATIENCE_S
AT = 1_700_000_000_000 - 86_400_000  # a day before the test API's clock
REES46 = (
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
    "2023-11-13 22:13:20 UTC,view,p1,c1,shoes,acme,12.50,ann,s1\n"
    "2023-11-13 22:13:21 UTC,cart,p1,c1,shoes,acme,12.50,ann,s1\n"
    "2023-11-13 22:13:22 UTC,purchase,p1,c1,shoes,acme,12.50,bob,s2\n"
)
TAOBAO = f"1,7,9,pv,{AT // 1000}\n1,7,9,cart,{AT // 1000 + 1}\n2,7,9,buy,{AT // 1000 + 2}\n"
OTTO = (
    f'{{"session":1,"events":[{{"aid":7,"ts":{AT},"type":"clicks"}},'
    f'{{"aid":7,"ts":{AT + 1000},"type":"carts"}}]}}\n'
    f'{{"session":2,"events":[{{"aid":7,"ts":{AT + 2000},"type":"orders"}}]}}\n'
)
SEGMENT = "\n".join(
    json.dumps(call)
    for call in (
        {"type": "track", "event": "Product Viewed", "userId": "ann", "timestamp": "2023-11-13T22:13:20Z"},
        {
            "payload": {
                "type": "track",
                "event": "Product Added",
                "anonymousId": "ann",
                "originalTimestamp": "2023-11-13T22:13:21Z",
                "sentAt": "2023-11-13T22:13:25Z",
            }
        },
        {
            "type": "track",
            "event": "Order Completed",
            "userId": "bob",
            "timestamp": AT + 2000,
            "properties": {"total": 12.5},
        },
        {"type": "track", "event": "Order Completed", "userId": "without time"},
    )
)
PACKED = b"".join(
    msgpack.packb([customer, [1, int(kind), AT + 1_000 * i, f"id-{i}", "tv-55"]])
    for i, (customer, kind) in enumerate(
        [("ann", Kind.ITEM_VIEWED), ("ann", Kind.CART_ADDED), ("bob", Kind.ORDER_COMPLETED)]
    )
)
FILES = {
    "rees46.csv": REES46.encode(),
    "taobao.csv.gz": TAOBAO.encode(),
    "otto.jsonl": OTTO.encode(),
    "segment.jsonl": SEGMENT.encode(),
    "events.msgpack": PACKED,
    "packed.gz": PACKED,
}
KINDS = [Kind.ITEM_VIEWED, Kind.CART_ADDED, Kind.ORDER_COMPLETED]


@pytest.fixture(params=FILES)
def log_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A log of three events, a second apart: a view and a cart of one customer, an order of another."""
    path: Path = tmp_path / request.param
    content = FILES[request.param]
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def check(found: list[tuple[str, Event]]) -> None:
    in_order = sorted(found, key=lambda one: one[1].at)
    assert [event.kind for _, event in in_order] == KINDS
    assert [event.at for _, event in in_order] == [AT, AT + 1_000, AT + 2_000]
    customers = [customer for customer, _ in in_order]
    assert customers[0] == customers[1] != customers[2]
    assert len({event.id for _, event in found}) == 3


async def run(path: Path, where: ReplayDestination, settings: Settings) -> ReplayReport:
    async with open_target(where, settings) as target:
        log_reader = LogReader(path, logged)
        return await replay(log_reader, target.sender, speed=0, settle_s=0, set_clock=target.set_clock)


async def test_each_format_through_the_door(log_file: Path) -> None:
    process = Process(web_settings())
    async with serving(process) as client:
        where = ReplayDestination("http", str(client.base_url), WRITE)
        reports = [await run(log_file, where, Settings()) for _ in range(2)]
    assert [report.sent for report in reports] == [3, 3]
    assert reports[0].skipped == (log_file.name == "segment.jsonl")
    messages = [(str(message.customer), message.event) for message in process.log.messages]
    check(messages[:3])
    # the ids of a second replay are those of the first
    assert sorted(event.id for _, event in messages[:3]) == sorted(event.id for _, event in messages[3:])


async def test_the_door_is_given_no_more_at_once_than_its_settings_say(tmp_path: Path) -> None:
    path, web = tmp_path / "taobao.csv", {"max_batch_bytes": 500}
    path.write_text("".join(f"{i},7,9,pv,{AT // 1000 + i}\n" for i in range(1, 21)))
    process = Process(web_settings(**web))
    async with serving(process) as client:
        where = ReplayDestination("http", str(client.base_url), WRITE)
        report = await run(path, where, Settings(web=Web.model_validate(web)))
    assert (report.sent, report.skipped) == (20, 0)
    assert len(process.log.messages) == 20


async def test_each_format_straight_into_kafka(
    log_file: Path, broker: Broker, valkey: Valkey, unique: Callable[[str], str]
) -> None:
    settings = Settings.model_validate(
        {
            "kafka": {
                "brokers": "127.0.0.1:1",
                "partitions": 4,
                "events_topic": unique("events"),
                "outcomes_topic": unique("outcomes"),
                "deadletters_topic": unique("dead"),
                "idempotent": broker.durable,
            },
            "redis": {"url": valkey.socket_url},
            "stream": {"clock": "replay"},
        }
    )
    before = wall_ms()
    report = await run(log_file, ReplayDestination("kafka", broker.bootstrap), settings)
    assert (report.sent, report.first_at, report.last_at) == (3, AT, AT + 2_000)
    async with reading(broker, settings.kafka.events_topic) as consumer:
        found = [await consumer.getone() for _ in range(3)]
    events = [(record.key.decode(), msgspec.msgpack.decode(record.value, type=Event)) for record in found]
    check(events)
    assert all(record.partition == partition_of(record.key, 4) for record in found)
    assert all(event.received_at >= before for _, event in events)
    store = RedisStore(settings.redis, 4)
    anchor = await store.clock()
    await store.close()
    assert anchor is not None
    assert (anchor.engine_ms, anchor.speed) == (AT + 2_000, 0)


@asynccontextmanager
async def reading(broker: Broker, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=100
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def test_the_clock_of_an_engine_on_the_wall_is_left_alone() -> None:
    async with serving(Process(web_settings())) as client:
        where = ReplayDestination("http", str(client.base_url), WRITE)
        async with open_target(where, Settings()) as target:
            assert target.set_clock is None


@pytest.mark.parametrize(
    ("where", "named"),
    [(ReplayDestination("http"), "--write-key"), (ReplayDestination("http", "localhost:8080", WRITE), "--url")],
)
async def test_what_the_door_needs_is_named(where: ReplayDestination, named: str) -> None:
    with pytest.raises(BadSettings, match=named):
        async with open_target(where, Settings()):
            pass


async def test_topics_with_another_number_of_partitions_are_refused(
    broker: Broker, unique: Callable[[str], str]
) -> None:
    names = {f"{name}_topic": unique(name) for name in ("events", "outcomes", "deadletters")}
    made = Kafka.model_validate({"brokers": broker.bootstrap, "partitions": 2, **names})
    await make_topics(made, topics_of(made))
    settings = Settings(kafka=made.model_copy(update={"partitions": 4}))
    with pytest.raises(BadSettings, match="has 2 partitions"):
        async with open_target(ReplayDestination("kafka"), settings):
            pass


def test_the_command_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUELINE_WRITE_KEY", raising=False)
    path = tmp_path / "taobao.csv"
    path.write_text(TAOBAO)
    refused = CliRunner().invoke(app, ["replay", str(path), "--speed", "max"])
    assert refused.exit_code == 1
    assert "--write-key" in refused.stderr


def test_the_command_says_at_once_that_nothing_listens(tmp_path: Path, free_port: Callable[[], int]) -> None:
    path, url = tmp_path / "taobao.csv", f"http://127.0.0.1:{free_port()}"
    path.write_text(TAOBAO)
    refused = CliRunner().invoke(app, ["replay", str(path), "--url", url, "--write-key", WRITE])
    assert (refused.exit_code, refused.stdout) == (1, "")
    # in the words of the first probe: a sender whose patience has ended names the connection's error
    assert f"nothing answers at {url}" in refused.stderr


def test_a_logged_payload_tells_its_own_time() -> None:
    early = b'{"type":"page","userId":"a","messageId":"m","timestamp":"1999-12-31T23:59:59Z"}'
    assert logged(early).event.at == 946_684_799_000
    skewed = (
        b'{"type":"page","userId":"a","messageId":"m","originalTimestamp":1000000000,'
        b'"timestamp":1000000900,"sentAt":1000000005}'
    )
    assert logged(skewed).event.at == 1_000_000_000_000
    for broken, code in ((b'{"type":"page","userId":"a","messageId":"m"}', "bad_time"), (b"{", "malformed")):
        with pytest.raises(BadEvent) as refused:
            logged(broken)
        assert refused.value.code == code


async def test_a_key_without_the_scope_is_refused_in_the_servers_words() -> None:
    log = Message(customer_id("ann"), Event(1, int(Kind.PAGE_VIEWED), wall_ms(), "m"))
    for key, kind, why in ((API, Forbidden, "403.*no scope events:write"), ("none", NotAuthorised, "401")):
        async with calling(Process(web_settings())) as client:
            with pytest.raises(kind, match=why):
                await HttpSender(client, key).send([log])
