"""Whether Kafka and Redis belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.process.doctor.finding import Finding
from engine.settings import Kafka


def of_agreement(kafka: Kafka, ends: Mapping[int, int], held: Mapping[int, int]) -> Iterable[Finding]:
    """`ends` of the events topic and offsets `held` by Redis, both by partition."""
    if not held:
        return
    name, beyond = "kafka and redis", [partition for partition in held if partition >= kafka.partitions]
    ahead = [partition for partition, offset in held.items() if partition in ends and offset > ends[partition]]
    if beyond:
        detail = f"Redis holds partition {max(beyond)}, the settings have {kafka.partitions}"
        yield Finding(
            name, "bad", f"{detail}: customers would be looked up in the wrong partition; their number is fixed"
        )
    if ahead:
        at = ahead[0]
        detail = f"partition {at}: Redis is at offset {held[at]}, the topic ends at {ends[at]}"
        cause = "the topic lost its records (see CUELINE_STREAM__LOST_LOG), or this Redis belongs to another"
        yield Finding(name, "bad", f"{detail}: {cause}")
    if not beyond and not ahead:
        yield Finding(name, "good", f"{len(held)} partitions held, none beyond the topic's end")
