"""`cueline doctor` on real services: what is right is reported so, and each problem is found and named."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr
from typer.testing import CliRunner

from engine.access import KeyRecord, Scope, Trust, hash_of
from engine.cli.app import app
from engine.cli.doctor import show
from engine.customer_id import customer_id
from engine.errors import BadSettings, Unavailable
from engine.events import Event, Kind, Message
from engine.kafka.producer import KafkaLog
from engine.kafka.topics import make_topics, topics_of
from engine.kernels.partition import partition_of
from engine.ports.stream_store import Pause
from engine.process.doctor.examine import examine
from engine.process.doctor.finding import Finding
from engine.process.doctor.redis import skew_finding, version_finding
from engine.settings import Settings
from engine.store.redis import RedisStore
from tests.services import Broker, Valkey

RULES = Path(__file__).parent.parent.parent / "rules"
CUSTOMER = "ann"
PARTITIONS = 4
AT = partition_of(CUSTOMER.encode(), PARTITIONS)


@pytest.fixture
def settings(broker: Broker, valkey: Valkey, unique: Callable[[str], str]) -> Settings:
    """A deployment with everything set, its topics not made."""
    return Settings.model_validate(
        {
            "kafka": {
                "brokers": broker.bootstrap,
                "partitions": PARTITIONS,
                "events_topic": unique("events"),
                "outcomes_topic": unique("outcomes"),
                "deadletters_topic": unique("deadletters"),
                "audit_topic": unique("audit"),
                "idempotent": broker.durable,
            },
            "redis": {"url": valkey.socket_url},
            "web": {"write_keys": ["w" * 22], "api_keys": ["a" * 22]},
            "rules": {"directory": RULES},
        }
    )


def changed(settings: Settings, section: str, **values: Any) -> Settings:
    part = getattr(settings, section).model_copy(update=values)
    return settings.model_copy(update={section: part})


async def made(settings: Settings) -> None:
    """Make the topics and write one event."""
    await make_topics(settings.kafka, topics_of(settings.kafka))
    log = KafkaLog(settings.kafka)
    await log.open()
    await log.publish([Message(customer_id(CUSTOMER), Event(1, int(Kind.PAGE_VIEWED), 1_700_000_000_000, "m"))])
    await log.close()


def hold(valkey: Valkey, partition: int, offset: int) -> None:
    """Let Redis stand at `offset` of `partition`, as a worker leaves it."""
    with redis.Redis.from_url(valkey.url) as client:
        client.hset(f"{{p{partition}}}:o", mapping={"epoch": 1, "offset": offset})


async def problems(settings: Settings) -> dict[str, Finding]:
    """But for that no worker runs, as none does here."""
    found = {finding.name: finding for finding in await examine(settings) if finding.state != "good"}
    workers = found.pop("workers", None)  # of Redis that does not answer nothing is said
    assert workers is None or workers.detail.startswith("none is running")
    return found


async def test_a_sound_deployment(settings: Settings, valkey: Valkey) -> None:
    await made(settings)
    hold(valkey, AT, 1)
    findings = await examine(settings)
    assert [finding.name for finding in findings if finding.state != "good"] == ["workers"]
    names = [finding.name for finding in findings]
    assert len(set(names)) == len(names)
    assert {"rules", "kafka", "redis", "redis functions", "redis clock", "kafka and redis"} <= set(names)
    assert {f"topic {topic}" for topic in topics_of(settings.kafka)} <= set(names)


async def test_a_first_start_is_no_fault_and_looking_makes_no_topic(settings: Settings) -> None:
    for _ in range(2):
        found = await problems(settings)
        assert set(found) == {f"topic {topic}" for topic in topics_of(settings.kafka)}
        assert {finding.state for finding in found.values()} == {"warning"}


async def test_a_topic_that_keeps_too_little_or_is_compacted(settings: Settings) -> None:
    events, audit = settings.kafka.events_topic, settings.kafka.audit_topic
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.brokers)
    await admin.start()
    day = str(86_400_000)
    await admin.create_topics(
        [
            NewTopic(events, PARTITIONS, 1, topic_configs={"cleanup.policy": "compact"}),
            NewTopic(audit, 1, 1, topic_configs={"retention.ms": day}),
        ]
    )
    await admin.close()
    await make_topics(settings.kafka, topics_of(settings.kafka))
    found = await problems(settings)
    assert (found[f"topic {events}"].state, found[f"topic {audit}"].state) == ("bad", "warning")
    assert "cleanup.policy is compact" in found[f"topic {events}"].detail
    assert "kept for 1 days, the settings say 90" in found[f"topic {audit}"].detail
    assert set(found) == {f"topic {events}", f"topic {audit}"}
    kept = changed(settings, "kafka", audit_days=1)
    assert f"topic {audit}" not in await problems(kept)


async def test_an_offset_that_is_none_and_a_partition_that_takes_no_records(
    settings: Settings, valkey: Valkey
) -> None:
    await made(settings)
    hold(valkey, AT, 1)
    store = RedisStore(settings.redis, PARTITIONS)
    await store.pause(AT, Pause(1, 10, 3, "why"))
    await store.pause((AT + 1) % PARTITIONS, Pause(5, 10, 3, "it went on since"))
    found = await problems(settings)
    assert {name: finding.state for name, finding in found.items()} == {"intake": "bad"}
    assert found["intake"].detail.startswith(
        f"partition {AT}: 3 of the last 10 records cannot be applied; the last: why"
    )
    await store.let_pass(AT, 2)
    assert await problems(settings) == {}
    await store.close()
    with redis.Redis.from_url(valkey.url) as client:
        client.hset(f"{{p{AT}}}:o", "offset", "rubbish")
    found = await problems(settings)
    assert found["redis offsets"].detail == f"no number in {{p{AT}}}:o: restore them"


async def test_services_that_are_away(settings: Settings) -> None:
    away = changed(changed(settings, "kafka", brokers="127.0.0.1:1"), "redis", url="redis://127.0.0.1:1/0")
    found = await problems(away)
    assert (found["kafka"].state, found["redis"].state) == ("bad", "bad")
    assert found["kafka"].detail == "kafka.brokers: 127.0.0.1:1: nobody listens there"
    assert found["redis"].detail == "redis.url: 127.0.0.1:1: nobody listens there"


async def test_tls_towards_a_broker_without_it(settings: Settings) -> None:
    found = (await problems(changed(settings, "kafka", security_protocol="SSL")))["kafka"]
    assert found.detail == (
        f"kafka.brokers: {settings.kafka.brokers}: this port speaks no TLS, and kafka.security_protocol is SSL: "
        "write PLAINTEXT"
    )


async def test_a_password_where_none_is_asked_for(settings: Settings) -> None:
    await made(settings)
    found = await problems(changed(settings, "redis", password=SecretStr("hush")))
    assert {name: finding.state for name, finding in found.items()} == {"redis.password": "warning"}
    assert "take redis.password away" in found["redis.password"].detail


async def test_a_broker_without_idempotent_producers(settings: Settings) -> None:
    await made(settings)
    asking = changed(settings, "kafka", idempotent=True)
    found = await problems(asking)
    if settings.kafka.idempotent:  # the broker has them
        assert found == {}
        return
    assert {name: finding.state for name, finding in found.items()} == {"kafka.idempotent": "bad"}
    assert "CUELINE_KAFKA__IDEMPOTENT" in found["kafka.idempotent"].detail
    with pytest.raises(Unavailable, match=r"kafka\.idempotent \(CUELINE_KAFKA__IDEMPOTENT\) to false"):
        await KafkaLog(asking.kafka).open()


async def test_a_url_that_is_none(settings: Settings) -> None:
    assert "redis.url" in (await problems(changed(settings, "redis", url="nonsense")))["redis"].detail


async def test_brokers_that_are_no_addresses(settings: Settings) -> None:
    wrong, said = changed(settings, "kafka", brokers="localhost:9092,localhost:abc"), "kafka.brokers: entry 2 of 2"
    finding = (await problems(wrong))["kafka"]
    assert finding.state == "bad"
    assert finding.detail.startswith(said)
    with pytest.raises(BadSettings, match=said):
        await make_topics(wrong.kafka, topics_of(wrong.kafka))
    with pytest.raises(BadSettings, match=said):
        KafkaLog(wrong.kafka)


@pytest.mark.parametrize("command", [["api"], ["work", "--directory", "worker"]])
def test_a_process_says_that_its_brokers_are_no_addresses(
    valkey: Valkey, tmp_path: Path, command: list[str]
) -> None:
    environment = {"CUELINE_KAFKA__BROKERS": "localhost:abc", "CUELINE_REDIS__URL": valkey.url}
    result = subprocess.run(
        [sys.executable, "-m", "engine", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(RULES.parent), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2, result.stderr
    assert "kafka.brokers is no host:port" in result.stderr
    assert "Traceback" not in result.stderr


BROKERS = ("CUELINE_KAFKA__BROKERS", "ann:hush-hush@localhost:9092", "kafka.brokers holds a user or a password")
URL = ("CUELINE_REDIS__URL", "redis://ann:hush#hush@localhost:6379/0", "redis.url cannot be read")


@pytest.mark.parametrize(
    ("command", "variable", "value", "said"),
    [
        ("doctor", *BROKERS),
        ("doctor --json", *URL),
        ("work", *BROKERS),
        ("api", *URL),
        ("replay log.jsonl --to kafka", *BROKERS),
        ("replay log.jsonl --to kafka", *URL),
    ],
)
def test_a_password_in_an_address_is_shown_nowhere(
    valkey: Valkey, tmp_path: Path, command: str, variable: str, value: str, said: str
) -> None:
    event = {"type": "page", "anonymousId": "a", "messageId": "m", "timestamp": "2026-01-01T00:00:00Z"}
    (tmp_path / "log.jsonl").write_text(json.dumps(event))
    replaying = {"CUELINE_STREAM__CLOCK": "replay"} if command.startswith("replay") else {}
    environment = {"CUELINE_REDIS__URL": valkey.url, variable: value, **replaying}
    result = subprocess.run(
        [sys.executable, "-m", "engine", *command.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(RULES.parent), "CUELINE_RULES__DIRECTORY": str(RULES), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    output = result.stdout + result.stderr
    assert result.returncode in (1, 2), output
    assert " ".join(said.split()) in " ".join(output.split())
    assert "hush" not in output
    assert "Traceback" not in output


async def test_rules_that_do_not_compile_are_told_in_full(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("indicators:\n  - {name: a, when: nothing.known > 1}\n")
    (tmp_path / "b.yaml").write_text("indicators: [")
    found = (await problems(changed(settings, "rules", directory=tmp_path)))["rules"]
    assert found.state == "bad"
    assert "a.yaml:2:" in found.detail
    assert "b.yaml:1:" in found.detail


def test_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show([Finding("rules", "bad", "expected [/a] or [b]")], as_json=False)
    assert "expected [/a] or [b]" in capsys.readouterr().out


async def test_partitions_that_do_not_agree(settings: Settings, valkey: Valkey) -> None:
    await made(settings)
    other = await problems(changed(settings, "kafka", partitions=2))
    assert other[f"topic {settings.kafka.events_topic}"].state == "bad"
    assert "CUELINE_KAFKA__PARTITIONS=4" in other[f"topic {settings.kafka.events_topic}"].detail
    assert other[f"topic {settings.kafka.outcomes_topic}"].detail == (
        f"has 4 partitions, as {settings.kafka.events_topic} has"
    )
    hold(valkey, 7, 0)
    found = await problems(settings)
    assert set(found) == {"kafka and redis"}
    assert "partition 7" in found["kafka and redis"].detail


@pytest.mark.parametrize("configured", [PARTITIONS, 2])
async def test_outcomes_that_differ_from_events_are_to_be_made_again(settings: Settings, configured: int) -> None:
    kafka = settings.kafka
    await make_topics(kafka, {kafka.events_topic: PARTITIONS, kafka.outcomes_topic: 2})
    found = await problems(changed(settings, "kafka", partitions=configured))
    assert found[f"topic {kafka.outcomes_topic}"].detail == (
        f"has 2 partitions, {kafka.events_topic} has 4: make it again, with 4"
    )
    assert (f"topic {kafka.events_topic}" in found) == (configured != PARTITIONS)


async def test_dead_letters_and_audits_may_lie_on_any_number_of_partitions(settings: Settings) -> None:
    kafka = settings.kafka
    await make_topics(kafka, {kafka.deadletters_topic: 3, kafka.audit_topic: 3})
    assert not {f"topic {kafka.deadletters_topic}", f"topic {kafka.audit_topic}"} & set(await problems(settings))


async def test_outcomes_alone_are_to_be_made_again(settings: Settings) -> None:
    await make_topics(settings.kafka, {settings.kafka.outcomes_topic: 2})
    found = (await problems(settings))[f"topic {settings.kafka.outcomes_topic}"]
    assert found.detail == "has 2 partitions, the settings say 4: make it again"


async def test_rules_that_are_elsewhere(settings: Settings, tmp_path: Path) -> None:
    found = (await problems(changed(settings, "rules", directory=tmp_path / "nowhere")))["rules"]
    assert found.state == "bad"
    assert "rules.directory" in found.detail
    empty = (await problems(changed(settings, "rules", directory=tmp_path)))["rules"]
    assert "holds no rule files" in empty.detail


async def test_a_store_ahead_of_its_topic_belongs_to_another(settings: Settings, valkey: Valkey) -> None:
    await made(settings)
    hold(valkey, AT, 2)
    found = await problems(settings)
    assert found["kafka and redis"].state == "bad"
    assert "offset 2, the topic ends at 1" in found["kafka and redis"].detail


async def test_a_log_whose_last_batch_has_many_records_is_not_lost(settings: Settings, valkey: Valkey) -> None:
    """tansu counts one of them when it is asked for the log's end."""
    await made(settings)
    log = KafkaLog(settings.kafka)
    await log.open()
    moment = Event(1, int(Kind.PAGE_VIEWED), 1_700_000_000_000, "")
    await log.publish(
        [Message(customer_id(CUSTOMER), msgspec.structs.replace(moment, id=f"{n}")) for n in range(5)]
    )
    await log.close()
    hold(valkey, AT, 6)
    assert await problems(settings) == {}
    hold(valkey, AT, 7)
    assert "offset 7, the topic ends at 6" in (await problems(settings))["kafka and redis"].detail


async def test_events_applied_while_doctor_looks_are_not_lost(settings: Settings, valkey: Valkey) -> None:
    """What Redis has applied is asked for before Kafka's end, which only grows."""
    await made(settings)
    log = KafkaLog(settings.kafka)
    await log.open()
    looked = asyncio.ensure_future(examine(settings))
    offset = 1
    while not looked.done():
        await log.publish([Message(customer_id(CUSTOMER), Event(1, int(Kind.PAGE_VIEWED), 1, f"m{offset}"))])
        hold(valkey, AT, offset := offset + 1)
    await log.close()
    assert offset > 2
    assert [
        finding.detail for finding in await looked if finding.name == "kafka and redis" and not finding.good
    ] == []


async def test_a_redis_that_takes_no_functions(settings: Settings, valkey: Valkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.execute_command("ACL", "SETUSER", "weak", "on", ">x", "~*", "+@all", "-function", "-fcall")
    weak = changed(settings, "redis", url=valkey.url.replace("//", "//weak:x@"))
    found = await problems(weak)
    assert found["redis functions"].state == "bad"
    assert "redis" not in found


async def test_keys_that_are_missing_and_a_replays_clock_are_warned_of(settings: Settings) -> None:
    bare = changed(changed(settings, "web", write_keys=[], api_keys=[]), "stream", clock="replay")
    found = await problems(bare)
    assert {found[name].state for name in ("keys", "clock")} == {"warning"}
    assert "nobody is let in" in found["keys"].detail


async def test_keys_of_redis_are_counted_and_what_is_no_key_is_named(settings: Settings, valkey: Valkey) -> None:
    record = KeyRecord("shop", hash_of("x" * 22), Trust.PUBLIC, (Scope.EVENTS_WRITE,))
    with redis.Redis.from_url(valkey.url) as client:
        client.hset("cueline:keys", mapping={"shop": msgspec.json.encode(record), "odd": b"{}"})
    (found,) = [one for one in await examine(settings) if one.name == "keys"]
    assert found.state == "warning"
    assert found.detail.startswith("2 in the settings, 2 in Redis; no key records")


def test_versions_without_functions_are_too_old() -> None:
    assert not version_finding({"redis_version": "6.2.14"}).good
    assert version_finding({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.0.1"}).good
    assert (
        "valkey 8.0.1"
        in version_finding({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.0.1"}).detail
    )


@pytest.mark.parametrize(
    ("before", "theirs", "after", "state"),
    [
        (100.0, 100.5, 101.0, "good"),  # a slow call is no skew
        (100.0, 101.2, 101.0, "good"),
        (100.0, 102.0, 101.0, "warning"),
        (100.0, 99.0, 100.0, "warning"),
        (100.0, 90.0, 100.0, "bad"),
        (100.0, 110.0, 100.0, "bad"),
    ],
)
def test_clocks_differ_by_what_the_call_cannot_explain(
    before: float, theirs: float, after: float, state: str
) -> None:
    assert skew_finding(before, theirs, after).state == state


def test_the_command_tells_and_its_exit_code_too(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUELINE_KAFKA__BROKERS", "127.0.0.1:1")
    monkeypatch.setenv("CUELINE_REDIS__URL", settings.redis.url)
    monkeypatch.setenv("CUELINE_RULES__DIRECTORY", str(RULES))
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["good"] is False
    assert {"name": "kafka", "state": "bad"}.items() <= next(
        finding for finding in answer["findings"] if finding["name"] == "kafka"
    ).items()
    assert "kafka" in CliRunner().invoke(app, ["doctor"]).stdout


def test_the_command_is_content_with_warnings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_KAFKA__BROKERS", settings.kafka.brokers)
    monkeypatch.setenv("CUELINE_KAFKA__IDEMPOTENT", str(settings.kafka.idempotent))
    monkeypatch.setenv("CUELINE_KAFKA__EVENTS_TOPIC", settings.kafka.events_topic)
    monkeypatch.setenv("CUELINE_REDIS__URL", settings.redis.url)
    monkeypatch.setenv("CUELINE_RULES__DIRECTORY", str(RULES))
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0, result.stdout
    assert json.loads(result.stdout)["good"] is True
