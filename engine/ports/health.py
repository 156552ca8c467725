"""Signs of life: what a worker reports of its partitions, how far the store is, and what people are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

REPORT_KEPT_MS = 4_000  # after which a worker that said nothing more counts as gone


class WorkerReport(msgspec.Struct, frozen=True, rename="camel"):
    """What the worker of a partition says of it.

    ``worker`` names the process, ``connection`` its connection to the store, ``beat`` counts its reports. ``lag``
    is how many records it is behind Kafka's end, None while it does not know. ``problems`` are the process's own.
    """

    worker: str
    connection: int
    beat: int
    lag: int | None
    problems: tuple[str, ...] = ()


class WorkerReports(Protocol):
    """Where workers report. Methods raise `Unavailable`."""

    async def report(self, reports: Mapping[int, WorkerReport], connection: int) -> None:
        """Keep the newest of each partition for `REPORT_KEPT_MS`; only over that `connection` (0: any)."""

    async def reports(self) -> list[WorkerReport | None]:
        """The newest of each partition, None where there is none."""


class CommitPoint(msgspec.Struct, frozen=True):
    """How far the store is with a partition, all of one commit: records ``settled`` ever (applied, dropped or put
    aside: the tally ``events``, which goes on when a log begins anew), ``customers`` met, next ``offset``."""

    settled: int
    customers: int
    offset: int


class ComponentHealth(msgspec.Struct, frozen=True):
    """How a part of the deployment is, and why (empty when ``ok``)."""

    state: Literal["ok", "degraded", "down", "unknown"]
    reason: str = ""


OK = ComponentHealth("ok")
UNKNOWN = ComponentHealth("unknown", "not looked at yet")


class SystemHealth(msgspec.Struct, frozen=True):
    """The parts that everything rests on."""

    worker: ComponentHealth = UNKNOWN
    redis: ComponentHealth = UNKNOWN
    kafka: ComponentHealth = UNKNOWN
