"""The stream worker over a real broker and a real Valkey, as processes that can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic import SecretStr

from engine.customer_id import customer_id
from engine.events import WIRE_VERSION, Event, Kind, Message
from engine.kafka.producer import KafkaLog
from engine.kafka.topics import make_topics, topics_of
from engine.kernels.partition import partition_of
from engine.kernels.row import ROW
from engine.local.loopback import free_port
from engine.local.supervisor import Supervisor
from engine.meter import total
from engine.ports.clock import ClockAnchor
from engine.rulebook.directory import load
from engine.settings import Kafka, Redis
from engine.store.redis import RedisStore
from engine.store.staleness import StalenessGuard
from engine.stream.evaluator import IndicatorEvaluator
from tests.kernels.values import decoded
from tests.patience import PATIENCE_S
from tests.processes import redis_command
from tests.services import Broker, Valkey
from tests.state.stored import stored

RULES = Path(__file__).parent.parent.parent / "rules"
START = 1_700_000_000_000
PARTITIONS = 16
WITHIN_S = PATIENCE_S


class Deployment:
    """Topics of its own on the shared broker, the shared Valkey emptied, and workers as children."""

    def __init__(self, kafka: Kafka, redis: Redis, folder: Path) -> None:
        self.kafka = kafka
        self.redis = redis
        self.folder = folder
        self.supervisor = Supervisor(folder / "logs")
        self.store = RedisStore(redis, kafka.partitions)
        self.log = KafkaLog(kafka)
        self.ports: dict[str, int] = {}

    async def work(self, name: str, **settings: str) -> None:
        """A worker; the supervisor would start it again, so end it through `stop`."""
        self.ports[name] = free_port()
        environment = {
            **self.environment(),
            "CUELINE_STREAM__CLOCK": "replay",
            "CUELINE_STREAM__METRICS_PORT": str(self.ports[name]),
            **settings,
        }
        command = [sys.executable, "-m", "engine", "work", "--directory", str(self.folder / name)]
        await self.supervisor.run(name, command, environment)

    def environment(self) -> dict[str, str]:
        """Settings of every process of the deployment."""
        kafka = {f"CUELINE_KAFKA__{key.upper()}": str(value) for key, value in self._kafka().items()}
        return {**kafka, "CUELINE_REDIS__URL": self.redis.url, "CUELINE_RULES__DIRECTORY": str(RULES)}

    def _kafka(self) -> dict[str, object]:
        values = self.kafka.model_dump()
        secrets = {
            name: value.get_secret_value() for name, value in values.items() if isinstance(value, SecretStr)
        }
        return {**values, **secrets, "idempotent": str(values["idempotent"]).lower()}

    async def owns(self, name: str) -> int:
        """How many partitions a worker owns; 0 while it does not answer."""
        return int(await self.measured(name, "partitions_owned"))

    async def measured(self, name: str, metric: str) -> float:
        """A worker's metric; 0 while it does not answer."""
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{self.ports[name]}/metrics")
            except httpx.TransportError:
                return 0
        return total(answer.text, metric)

    async def until_measured(self, name: str, metric: str, value: float) -> None:
        """Wait until a worker's metric is `value`."""
        async with asyncio.timeout(WITHIN_S):
            while await self.measured(name, metric) != value:
                await asyncio.sleep(0.1)

    async def until_ready(self, name: str, status: int) -> dict[str, str]:
        """Wait until a worker's readiness has that status; returns its problems."""
        async with asyncio.timeout(WITHIN_S), httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
            while True:
                try:
                    answer = await client.get(f"http://127.0.0.1:{self.ports[name]}/health/ready")
                    problems: dict[str, str] = answer.json()["problems"]
                except httpx.TransportError:
                    status_now = 0
                else:
                    status_now = answer.status_code
                if status_now == status and (status == 200 or "intake" in problems):
                    return problems
                await asyncio.sleep(0.1)

    async def until_they_own(self, **wanted: int) -> None:
        """Wait until each named worker owns so many partitions."""
        async with asyncio.timeout(WITHIN_S):
            while {name: await self.owns(name) for name in wanted} != wanted:
                await asyncio.sleep(0.1)

    async def until(self, wanted: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """Wait for the tallies to satisfy `wanted`; returns them."""
        tallies: dict[str, int] = {}
        try:
            async with asyncio.timeout(WITHIN_S):
                while not wanted(tallies):
                    await asyncio.sleep(0.05)
                    tallies = dict(await self.store.tallies())
        except TimeoutError:
            logs = {path.name: path.read_text()[-1500:] for path in (self.folder / "logs").glob("*.log")}
            pytest.fail(f"tallies stayed at {tallies}\n" + "\n".join(f"{n}:\n{t}" for n, t in logs.items()))
        return tallies

    async def rows(self, customers: Sequence[str]) -> dict[str, bytes | None]:
        views = await self.store.views(list(map(customer_id, customers)))
        return {customer: view.row for customer, view in zip(customers, views, strict=True)}


@pytest.fixture
async def deployment(
    broker: Broker, valkey: Valkey, unique: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[Deployment]:
    async with deployed(broker, valkey, unique, tmp_path) as built:
        yield built


@asynccontextmanager
async def deployed(
    broker: Broker, valkey: Valkey, unique: Callable[[str], str], folder: Path, kafka: Kafka | None = None
) -> AsyncIterator[Deployment]:
    """`kafka`: how the broker is reached, by default as it comes."""
    kafka = named(kafka or Kafka(brokers=broker.bootstrap), unique, broker.durable)
    built = Deployment(kafka, Redis(url=valkey.url), folder)
    await make_topics(kafka, topics_of(kafka))
    await built.log.open()
    await built.store.set_clock(ClockAnchor(START, 0, 0))  # stands still: no timer fires
    try:
        yield built
    finally:
        await built.supervisor.stop_all(grace=1)
        await built.log.close()
        await built.store.close()


def named(kafka: Kafka, unique: Callable[[str], str], durable: bool) -> Kafka:
    """`kafka` with a test's own names, and the times that suit the broker."""
    changes = {
        "partitions": PARTITIONS,
        "events_topic": unique("events"),
        "outcomes_topic": unique("outcomes"),
        "deadletters_topic": unique("deadletters"),
        "group": unique("group"),
        "session_timeout_s": 6 if durable else 3,  # tansu waits for it twice when a group's leader dies
        "rebalance_timeout_s": 4 if durable else 2,
        "heartbeat_s": 0.7,
        "fetch_wait_ms": 20,
        "idempotent": durable,
    }
    return kafka.model_copy(update=changes)


def shopping(events: int, customers: int, seed: int = 1) -> list[Message]:
    """Made-up clicks, in time order."""
    rng = np.random.default_rng(seed)
    kinds = [Kind.ITEM_VIEWED, Kind.PAGE_VIEWED, Kind.SEARCHED, Kind.CART_ADDED, Kind.ORDER_COMPLETED]
    return [
        Message(
            customer_id(f"customer-{rng.integers(customers)}"),
            Event(
                WIRE_VERSION,
                int(rng.choice(kinds)),
                START + 700 * i,
                f"{seed}-{i}",
                f"item-{rng.integers(50)}",
                f"category-{rng.integers(9)}",
                float(rng.integers(1, 500)),
            ),
        )
        for i in range(events)
    ]


def expected(messages: Sequence[Message]) -> dict[str, bytes]:
    """Rows after `messages`, by the kernels alone: no broker, no store, no batches."""
    evaluator, by_customer = IndicatorEvaluator(load(RULES)), defaultdict[str, list[bytes]](list)
    for message in messages:
        by_customer[message.customer].append(msgspec.msgpack.encode(message.event))
    return {customer: _row(evaluator, values) for customer, values in by_customer.items()}


def _row(evaluator: IndicatorEvaluator, values: list[bytes]) -> bytes:
    events, rows = decoded(values, 2**50), np.zeros(1, ROW)
    evaluator.advance(rows, np.zeros(len(values), np.int32), events, b"".join(values))
    return stored(rows)[0]


async def send(deployment: Deployment, messages: Sequence[Message], size: int = 100) -> None:
    for start in range(0, len(messages), size):
        await deployment.log.publish(messages[start : start + size])


async def test_rows_are_what_the_kernels_make_of_the_events_and_repeats_drop(
    deployment: Deployment,
) -> None:
    messages = shopping(3_000, 120)
    await deployment.work("worker")
    await send(deployment, messages)
    await send(deployment, messages[-20:])
    tallies = await deployment.until(lambda t: t.get("events", 0) == 3_020)
    assert tallies["applied"] == 3_000
    assert tallies["duplicates"] == 20
    assert tallies["deadletters"] == 0
    wanted = expected(messages)
    assert tallies["customers"] == len(wanted)
    assert await deployment.rows(list(wanted)) == wanted


async def test_a_redis_that_is_emptied_is_filled_again_without_a_new_event(
    deployment: Deployment, valkey: Valkey
) -> None:
    messages = shopping(600, 40)
    await deployment.work("worker")
    await send(deployment, messages)
    await deployment.until(lambda t: t.get("events", 0) == 600)
    guard = StalenessGuard(deployment.store, deployment.store, time.monotonic)
    await guard.look()
    anchor = await deployment.store.clock()
    assert await redis_command(valkey.url, "FLUSHALL") == b"+OK"  # no connection breaks
    await deployment.store.set_clock(anchor)  # as a replay does
    await guard.look()
    assert guard.behind
    await deployment.until(lambda t: t.get("events", 0) == 600)
    await guard.look()
    assert (guard.behind, guard.losses) == (False, [])
    wanted = expected(messages)
    assert await deployment.rows(list(wanted)) == wanted


async def test_producers_may_compress_as_they_like(deployment: Deployment) -> None:
    codecs = (None, "gzip", "snappy", "lz4", "zstd")
    messages = shopping(250, 20)
    await deployment.work("worker")
    for place, codec in enumerate(codecs):
        producer = AIOKafkaProducer(
            bootstrap_servers=deployment.kafka.brokers, compression_type=codec, linger_ms=20
        )
        await producer.start()
        sent = [
            await producer.send(
                deployment.kafka.events_topic,
                msgspec.msgpack.encode(message.event),
                key=message.customer.encode(),
                headers=[("trace", b"x")],
            )
            for message in messages[place :: len(codecs)]
        ]
        await asyncio.gather(*sent)
        await producer.stop()
    tallies = await deployment.until(lambda t: t.get("events", 0) == len(messages))
    assert (tallies["applied"], tallies["deadletters"]) == (len(messages), 0)
    in_order = [message for place in range(len(codecs)) for message in messages[place :: len(codecs)]]
    wanted = expected(in_order)
    assert await deployment.rows(list(wanted)) == wanted


@pytest.mark.kafka
async def test_aborted_transactions_do_not_count_and_open_ones_not_yet(deployment: Deployment) -> None:
    messages = shopping(120, 1)
    plain, aborted, committed, late = (messages[start : start + 30] for start in range(0, 120, 30))
    producer = AIOKafkaProducer(
        bootstrap_servers=deployment.kafka.brokers, transactional_id=deployment.kafka.group
    )
    await producer.start()
    await deployment.work("worker")
    await send(deployment, plain)
    await producer.begin_transaction()
    await send_by(producer, deployment, aborted)
    await producer.abort_transaction()
    async with producer.transaction():
        await send_by(producer, deployment, committed)
    await deployment.until(lambda t: t.get("events", 0) == 60)
    await producer.begin_transaction()
    await send_by(producer, deployment, late[:10])
    await send(deployment, late[10:])  # behind the open transaction, so they wait for its end
    for _ in range(60):  # nothing says that something does not happen
        assert (await deployment.store.tallies())["events"] == 60
        await asyncio.sleep(0.05)
    await producer.commit_transaction()
    await producer.stop()
    tallies = await deployment.until(lambda t: t.get("events", 0) == 90)
    assert (tallies["applied"], tallies["deadletters"]) == (90, 0)
    wanted = expected([*plain, *committed, *late])
    assert await deployment.rows(list(wanted)) == wanted
    assert await deployment.measured("worker", "stream_gaps") == 0


async def send_by(producer: AIOKafkaProducer, deployment: Deployment, messages: Sequence[Message]) -> None:
    for message in messages:
        value, key = msgspec.msgpack.encode(message.event), message.customer.encode()
        await producer.send_and_wait(deployment.kafka.events_topic, value, key=key)


async def test_what_cannot_be_applied_becomes_a_dead_letter_with_its_reason_and_counts_reconcile(
    deployment: Deployment,
) -> None:
    good = shopping(400, 20)
    encode = msgspec.msgpack.encode
    segment = (
        b'{"type":"track","event":"Product Viewed","userId":"json-customer","messageId":"j1",'
        b'"timestamp":"2023-11-14T22:13:20Z","properties":{"product_id":"p1","price":12.5}}'
    )
    consent = encode([1, 61, START, "x10", "marketing", "email", 0, 1, 0, "", 0, 1, 0, None])
    bad: list[tuple[str, bytes | None, bytes | None]] = [
        ("malformed", b"customer-1", b"\xff\xff"),
        ("malformed", b"customer-1", b'{"type": "track"'),
        ("unknown_type", b"customer-1", encode([1, 200, START, "x1"])),
        ("missing_id", b"customer-1", encode([1, 1, START, ""])),
        ("bad_time", b"customer-1", encode([1, 1, 5, "x2"])),
        ("bad_time", b"customer-1", encode([1, 1, 2**48, "x3"])),
        ("bad_number", b"customer-1", encode([1, 1, START, "x4", "", "", float("nan")])),
        ("bad_number", b"customer-1", encode([1, 1, START, "x5", "", "", -1.0])),
        ("too_large", b"customer-1", encode([1, 1, START, "x6", "y" * 33_000])),
        ("missing_customer", None, encode([1, 1, START, "x7"])),
        ("bad_field", b"\xff\xfe", encode([1, 1, START, "x8"])),
        ("missing_customer", None, b'{"type":"track","event":"Product Viewed","messageId":"j2"}'),
        ("malformed", b"customer-1", b"\x95" + encode([1, 61, START, "x9"])[1:] + b"\xa1\xff"),  # no UTF-8
        ("malformed", b"customer-1", b"\x9f" + consent[1:] + b"\x95\x00\x00\x90\xc0" + b"\x91" * 9_999 + b"\xc0"),
    ]
    large = b"\xff" * 1_040_000  # with the headers of its origin, more than a producer may send
    producer = AIOKafkaProducer(bootstrap_servers=deployment.kafka.brokers)
    await producer.start()
    await deployment.work("worker")
    await send(deployment, good)
    topic, stamp = deployment.kafka.events_topic, START + 1000
    for _, key, value in bad:
        await producer.send_and_wait(topic, value, key=key, timestamp_ms=stamp)
    nothing = producer.create_batch()  # `send` refuses it, other producers may not
    nothing.append(key=None, value=None, timestamp=stamp)
    nothing.append(key=b"customer-1", value=None, timestamp=stamp)
    nothing.append(key=None, value=b"", timestamp=stamp)
    await (await producer.send_batch(nothing, topic, partition=0))
    await producer.send_and_wait(topic, large, key=b"customer-1", timestamp_ms=stamp)
    wrong = (partition_of(b"json-customer", PARTITIONS) + 1) % PARTITIONS
    await producer.send_and_wait(topic, segment, partition=wrong, timestamp_ms=stamp)
    await producer.stop()
    total, ended = len(good) + len(bad) + 5, ("applied", "duplicates", "deadletters", "tombstones")
    tallies = await deployment.until(lambda t: sum(t.get(name, 0) for name in ended) == total)
    assert tallies["applied"] == len(good) + 1
    assert tallies["deadletters"] == len(bad) + 2
    assert (tallies["forwarded"], tallies["tombstones"]) == (1, 2)
    letters = await dead_letters(deployment, topic, len(bad) + 2)
    letters.remove(("malformed", None, b""))
    cut = next(letter for letter in letters if len(letter[2] or b"") > 100_000)
    assert cut[0] == "too_large"
    assert large.startswith(cut[2] or b"")
    letters.remove(cut)
    assert Counter(reason for reason, _, _ in letters) == Counter(reason for reason, _, _ in bad)
    assert {(key, value) for _, key, value in letters} == {(key, value) for _, key, value in bad}
    assert (await deployment.rows(["json-customer"]))["json-customer"] is not None


async def dead_letters(
    deployment: Deployment, topic: str, count: int
) -> list[tuple[str, bytes | None, bytes | None]]:
    """Reason, key and value of the first `count`, which must say where in `topic` they lay."""
    consumer = AIOKafkaConsumer(
        deployment.kafka.deadletters_topic,
        bootstrap_servers=deployment.kafka.brokers,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    try:
        async with asyncio.timeout(WITHIN_S):
            letters = list[tuple[str, bytes | None, bytes | None]]()
            while len(letters) < count:
                letter = await consumer.getone()
                headers = {name: value.decode() for name, value in letter.headers}
                assert headers["topic"] == topic
                assert int(headers["partition"]) < PARTITIONS
                assert int(headers["offset"]) >= 0
                assert headers["detail"]
                letters.append((headers["reason"], letter.key, letter.value))
            return letters
    finally:
        await consumer.stop()


async def test_a_partition_that_is_mostly_unreadable_is_paused_until_an_operator_lets_it_go_on(
    deployment: Deployment,
) -> None:
    """The others are applied, the worker stays and says why; started again it is paused again."""
    partition, customer = partition_of(b"customer-1", PARTITIONS), b"customer-1"
    producer = AIOKafkaProducer(bootstrap_servers=deployment.kafka.brokers)
    await producer.start()
    for value, count in ((b"not an event", 1_500), (msgspec.msgpack.encode([1, 1, START, "good"]), 1)):
        sending = [producer.send(deployment.kafka.events_topic, value, customer) for _ in range(count)]
        await asyncio.gather(*[await one for one in sending])
    await producer.stop()
    others = [message for message in shopping(300, 40) if _place(message) != partition]
    await send(deployment, others)
    for name in ("first", "second"):
        await deployment.work(name)
        await deployment.until(lambda tallies: tallies.get("applied", 0) == len(others))
        why = (await deployment.until_ready(name, 503))["intake"]
        assert why.startswith(f"partition {partition} takes no records: ")
        assert "cannot be applied; the last: not a canonical event" in why
        await deployment.until_measured(name, "partitions_paused", 1)
        assert await deployment.owns(name) == PARTITIONS
        assert any(report and why in report.problems for report in await deployment.store.reports())
        if name == "first":
            await deployment.supervisor.stop(name)
    assert (await deployment.store.tallies())["deadletters"] == 0
    for words in (f"partition {partition}: goes on at 0; below ", "no partition is paused"):
        status, answer, errors = await cueline(deployment, "resume")
        assert (status, answer.startswith(words)) == (0, True), answer + errors
        tallies = await deployment.until(lambda tallies: tallies.get("applied", 0) == len(others) + 1)
    assert tallies["deadletters"] == 1_500
    assert await deployment.until_ready("second", 200) == {}
    await deployment.until_measured("second", "partitions_paused", 0)


def _place(message: Message) -> int:
    return partition_of(message.customer.encode(), PARTITIONS)


async def test_an_offset_that_is_no_number_ends_the_worker_in_one_line(deployment: Deployment) -> None:
    client = redis.asyncio.Redis.from_url(deployment.redis.url)
    await client.hset("{p3}:o", mapping={"epoch": "rubbish", "offset": "rubbish"})
    status, _, errors = await cueline(deployment, "work")
    assert status == 1
    assert "Redis holds no offset in {p3}:o" in errors
    assert "Traceback" not in errors
    await client.hset("{p3}:o", "offset", 0)  # an epoch that is none is replaced
    await deployment.work("worker")
    await deployment.until_they_own(worker=PARTITIONS)
    await client.hset("{p3}:o", "offset", "rubbish")
    async with asyncio.timeout(WITHIN_S):
        while "Redis holds no offset in {p3}:o" not in (log := _log_of(deployment, "worker")):
            await asyncio.sleep(0.1)
    assert "Traceback" not in log
    await client.aclose()


def _log_of(deployment: Deployment, name: str) -> str:
    return "".join(file.read_text() for file in (deployment.folder / "logs").glob(f"{name}*.log"))


async def cueline(deployment: Deployment, *command: str) -> tuple[int | None, str, str]:
    """A command of the deployment until it ends: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "engine", *command],
        env={**os.environ, **deployment.environment(), "CUELINE_STREAM__METRICS_PORT": "0"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), WITHIN_S)
    except TimeoutError:
        process.kill()
        raise
    return process.returncode, output.decode(), errors.decode()


@pytest.mark.slow
async def test_two_workers_share_and_a_killed_one_is_replaced_exactly(
    deployment: Deployment,
) -> None:
    messages = shopping(12_000, 200)
    await deployment.work("one")
    await deployment.work("two")
    await deployment.until_they_own(one=PARTITIONS // 2, two=PARTITIONS // 2)
    sending = asyncio.ensure_future(trickle(deployment, messages))
    await deployment.until(lambda t: t.get("applied", 0) > 2_000)
    os.kill(deployment.supervisor.pid("two"), signal.SIGKILL)
    await deployment.supervisor.stop("two", grace=0)
    await deployment.until_they_own(one=PARTITIONS)
    await sending
    tallies = await deployment.until(lambda t: t.get("events", 0) == len(messages))
    assert tallies["applied"] == len(messages)
    wanted = expected(messages)
    assert await deployment.rows(list(wanted)) == wanted


async def trickle(deployment: Deployment, messages: Sequence[Message]) -> None:
    for start in range(0, len(messages), 50):
        await deployment.log.publish(messages[start : start + 50])
        await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_a_worker_stopped_past_its_session_is_fenced_when_it_wakes(deployment: Deployment) -> None:
    messages = shopping(16_000, 200)
    await deployment.work("sleeper")
    sending = asyncio.ensure_future(trickle(deployment, messages))
    await deployment.until(lambda t: t.get("applied", 0) > 1_500)
    sleeper = deployment.supervisor.pid("sleeper")
    os.kill(sleeper, signal.SIGSTOP)
    try:
        claimed = await sum_of_epochs(deployment)
        await deployment.work("heir")
        # the heir has taken over once every partition was claimed again
        async with asyncio.timeout(WITHIN_S):
            while await sum_of_epochs(deployment) < claimed + PARTITIONS:
                await asyncio.sleep(0.1)
        applied = (await deployment.store.tallies()).get("applied", 0)
        await deployment.until(lambda t: t.get("applied", 0) > applied + 500)
    finally:
        os.kill(sleeper, signal.SIGCONT)
    await sending
    tallies = await deployment.until(lambda t: t.get("events", 0) == len(messages))
    assert tallies["applied"] == len(messages)
    wanted = expected(messages)
    assert await deployment.rows(list(wanted)) == wanted


async def sum_of_epochs(deployment: Deployment) -> int:
    positions = await asyncio.gather(*(deployment.store.position(p) for p in range(PARTITIONS)))
    return sum(position.epoch for position in positions)
