"""The topics of a deployment, created before anyone reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from engine.errors import BadSettings, Unavailable
from engine.kafka.reach import unreachable
from engine.kafka.security import client_options
from engine.settings import Kafka

Partitions = Mapping[str, int]
Configs = Mapping[str, Mapping[str, str]]  # topic -> its settings on the broker

CLEANUP, RETENTION = "cleanup.policy", "retention.ms"
DAY_MS = 86_400_000


def topics_of(kafka: Kafka) -> Partitions:
    """Topic -> partitions. Outcomes are keyed by customer as events are; dead letters and audits are read by
    people and their tools."""
    return {
        kafka.events_topic: kafka.partitions,
        kafka.outcomes_topic: kafka.partitions,
        kafka.deadletters_topic: 1,
        kafka.audit_topic: 1,
    }


def unkeyed(kafka: Kafka) -> set[str]:
    """The topics of which any number of partitions will do: nothing is found by them."""
    return {kafka.deadletters_topic, kafka.audit_topic}


def configs_of(kafka: Kafka) -> Configs:
    """Topic -> what it is made with besides; the others have the broker's defaults."""
    return {kafka.audit_topic: {CLEANUP: "delete", RETENTION: str(kafka.audit_days * DAY_MS)}}


async def make_topics(kafka: Kafka, topics: Partitions, configs: Configs | None = None) -> None:
    """Create those that are missing, with `configs` instead of those of `configs_of`. Where all are there it needs
    no right to create any.

    Raises `BadSettings` when settings contradict each other, or a topic keyed by customers exists with another
    number of partitions (which decides who owns a customer), `Unavailable` when the broker refuses or does not
    answer.
    """
    admin = AIOKafkaAdminClient(**client_options(kafka), request_timeout_ms=10_000)
    try:
        await admin.start()
        # asking for a topic by name may create it
        keyed = {name: topics[name] for name in topics.keys() - unkeyed(kafka)}
        _check(found := await admin.describe_topics(), keyed)
        known = {topic["topic"] for topic in found}
        if missing := {name: partitions for name, partitions in topics.items() if name not in known}:
            await _create(admin, missing, kafka.replication, configs_of(kafka) if configs is None else configs)
            _check(await admin.describe_topics(list(missing)), keyed)
    except (KafkaError, AttributeError) as error:  # the latter is aiokafka's where no broker is named
        raise Unavailable(await unreachable(kafka) or f"topics on {kafka.brokers}: {error!r}") from error
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, topics: Partitions, replication: int, configs: Configs) -> None:
    wanted = [
        NewTopic(name, partitions, replication, topic_configs=dict(configs.get(name, {})))
        for name, partitions in topics.items()
    ]
    answer = await admin.create_topics(wanted)
    for name, code, *detail in answer.topic_errors:
        if code in (TopicAuthorizationFailedError.errno, ClusterAuthorizationFailedError.errno):
            raise Unavailable(
                f"topic {name} is not there for us, and we may not make it: make it, or give us the right"
            )
        if code not in (0, TopicAlreadyExistsError.errno):
            raise Unavailable(f"topic {name} was refused: error {code} {' '.join(filter(None, detail))}")


def _check(found: Sequence[Mapping[str, Any]], topics: Partitions) -> None:
    for topic in found:
        name, has = topic["topic"], len(topic["partitions"])
        if name in topics and has and has != topics[name]:
            raise BadSettings(
                f"topic {name} has {has} partitions, the settings say {topics[name]}: they are fixed for the life "
                "of a deployment, set CUELINE_KAFKA__PARTITIONS to what the topic has"
            )
