"""The embedded services as real processes: ready, restarted, on the same port, gone with their parent."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from engine.errors import BadSettings
from engine.kafka.topics import make_topics, topics_of
from engine.local import Change, LocalServices, State, binaries
from engine.local.probes import kafka_answers, redis_answers
from engine.settings import Kafka
from tests.processes import Changes, kill, redis_command


def port_of(address: str) -> int:
    return int(address.split(":")[-1].split("/")[0])


async def partitions_of(brokers: str) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    finally:
        await admin.close()


async def test_both_services_answer_and_the_topics_have_the_configured_partitions(tmp_path: Path) -> None:
    async with LocalServices(tmp_path, partitions=3) as services:
        assert await kafka_answers("127.0.0.1", port_of(services.brokers))
        assert await redis_answers("127.0.0.1", port_of(services.redis_url))
        assert await partitions_of(services.brokers) == {
            "cueline.events": 3,
            "cueline.outcomes": 3,
            "cueline.deadletters": 1,
            "cueline.audit": 1,
        }
        pids = services.supervisor.pid("kafka"), services.supervisor.pid("redis")
        assert all(pids)
    with pytest.raises(ConnectionRefusedError):
        await redis_answers("127.0.0.1", port_of(services.redis_url))
    with pytest.raises(ConnectionRefusedError):
        await kafka_answers("127.0.0.1", port_of(services.brokers))


async def test_one_service_alone_has_no_address_for_the_other(tmp_path: Path) -> None:
    async with LocalServices(tmp_path, kafka=False) as services:
        assert services.brokers == ""
        assert await redis_command(services.redis_url, "PING") == b"+PONG"
        reader, writer = await asyncio.open_unix_connection(services.redis_socket_url[7:].split("?")[0])
        writer.write(b"PING\r\n")
        assert await reader.readline() == b"+PONG\r\n"
        writer.close()


async def test_a_killed_broker_returns_on_its_port_with_its_topics(tmp_path: Path) -> None:
    changes = Changes()
    async with LocalServices(tmp_path, partitions=2, redis=False, on_change=changes) as services:
        before = await changes.until("kafka", State.READY)
        producer = AIOKafkaProducer(bootstrap_servers=services.brokers)
        await producer.start()
        await producer.send_and_wait("cueline.events", b"lost with the process", partition=1)
        await producer.stop()

        kill(before.pid)
        assert (await changes.until("kafka", State.DIED)).detail == "killed by SIGKILL"
        after = await changes.until("kafka", State.READY)

        assert (after.restarts, after.pid != before.pid) == (1, True)
        assert (await partitions_of(services.brokers))["cueline.events"] == 2


@pytest.mark.parametrize(("appendonly", "expected"), [(True, b"$4"), (False, b"$-1")])
async def test_a_killed_valkey_returns_from_its_append_only_file_when_asked(
    tmp_path: Path, appendonly: bool, expected: bytes
) -> None:
    changes = Changes()
    async with LocalServices(tmp_path, kafka=False, appendonly=appendonly, on_change=changes) as services:
        before = await changes.until("redis", State.READY)
        assert await redis_command(services.redis_url, "SET k kept") == b"+OK"
        if appendonly:
            assert await redis_command(services.redis_url, "WAITAOF 1 0 5000") == b"*2"
        kill(before.pid)
        await changes.until("redis", State.READY)
        assert await redis_command(services.redis_url, "GET k") == expected


async def test_a_directory_belongs_to_one_at_a_time(tmp_path: Path) -> None:
    async with LocalServices(tmp_path, kafka=False):
        with pytest.raises(BadSettings, match="in use"):
            async with LocalServices(tmp_path, kafka=False):
                raise AssertionError("two servers would write the same files")
    async with LocalServices(tmp_path, kafka=False):
        pass


async def test_a_topic_with_other_partitions_is_refused(tmp_path: Path) -> None:
    async with LocalServices(tmp_path, redis=False, topics={"t": 2}) as services:
        await make_topics(Kafka(brokers=services.brokers), {"t": 2})
        with pytest.raises(BadSettings, match=r"t has 2 partitions, the settings say 5"):
            await make_topics(Kafka(brokers=services.brokers), {"t": 5})


def test_a_platform_without_a_binary_is_told_what_to_do() -> None:
    with pytest.raises(BadSettings, match="CUELINE_REDIS__URL"):
        binaries.valkey(system="plan9-mips")
    with pytest.raises(BadSettings, match="CUELINE_KAFKA__BROKERS"):
        binaries.tansu(package="no_such_package")


async def test_logs_are_kept_and_a_failed_start_shows_their_end(tmp_path: Path) -> None:
    seen: list[Change] = []
    async with LocalServices(tmp_path, kafka=False, on_change=seen.append) as services:
        log = services.supervisor.log("redis")
    assert log == tmp_path / "logs" / "redis.log"
    assert "Ready to accept connections" in log.read_text()
    assert [change.state for change in seen] == [State.STARTED, State.READY, State.STOPPED]


async def test_dead_letters_and_audits_may_have_any_number(tmp_path: Path) -> None:
    """A broker that makes topics when somebody writes to them may have been quicker than we."""
    kafka = Kafka()
    others = {kafka.deadletters_topic: 3, kafka.audit_topic: 4}
    async with LocalServices(tmp_path, redis=False, topics=others) as services:
        ours = Kafka(brokers=services.brokers, partitions=2)
        await make_topics(ours, topics_of(ours))
        assert await partitions_of(services.brokers) == others | {kafka.events_topic: 2, kafka.outcomes_topic: 2}
