"""The topics of a deployment, created before anyone reads them."""

from __future__ import annotations

from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

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


def configs_of(kafka: Kafka) -> Configs:
    """Topic -> what it is made with besides; the others have the broker's defaults."""
    return {kafka.audit_topic: {CLEANUP: "delete", RETENTION: str(kafka.audit_days * DAY_MS)}}


async def make_topics(kafka: Kafka, topics: Partitions, configs: Configs | None = None) -> None:
    """Create those that are missing, with `configs` instead of those of `configs_of`.

    Raises `BadSettings` when settings contradict each other, or a topic exists with another number of partitions
    (it decides which worker owns a customer), `Unavailable` when the broker refuses or does not answer.
    """
    admin = AIOKafkaAdminClient(**client_options(kafka), request_timeout_ms=10_000)
    try:
        await admin.start()
        await _create(admin, topics, kafka.replication, configs_of(kafka) if configs is None else configs)
        await _check(admin, topics)
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
        if code not in (0, TopicAlreadyExistsError.errno):
            raise Unavailable(f"topic {name} was refused: error {code} {' '.join(filter(None, detail))}")


async def _check(admin: AIOKafkaAdminClient, topics: Partitions) -> None:
    for found in await admin.describe_topics(list(topics)):
        name, has = found["topic"], len(found["partitions"])
        if has and has != topics[name]:
            raise BadSettings(
                f"topic {name} has {has} partitions, the settings say {topics[name]}: they are fixed for the life "
                "of a deployment, set CUELINE_KAFKA__PARTITIONS to what the topic has"
            )
