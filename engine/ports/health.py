"""Health: what a worker reports of its partitions, how far the store is, and the state of each component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

REPORT_KEPT_MS = 4_000  # a worker without a report for this long is gone


class WorkerReport(msgspec.Struct, frozen=True, rename="camel"):
    """What the worker of a partition reports of it.

    ``worker`` names the process, ``connection`` its connection to the store, ``beat`` counts its reports. ``lag``
    is in records, None while not known. ``problems`` are those of the process. ``mail_keys`` are the ids of the
    secrets by which it verifies mail; None: it is of a release that cannot read any. ``links`` says by which rules
    (`engine.identity.link.RULES`) it follows links; None: it is of a release that follows none.
    """

    worker: str
    connection: int
    beat: int
    lag: int | None
    problems: tuple[str, ...] = ()
    mail_keys: tuple[str, ...] | None = None
    links: int | None = None


class WorkerReports(Protocol):
    """Where workers report. Methods raise `Unavailable`."""

    async def report(self, reports: Mapping[int, WorkerReport], connection: int) -> None:
        """Keep the newest of each partition for `REPORT_KEPT_MS`; only over that `connection` (0: any)."""

    async def reports(self) -> list[WorkerReport | None]:
        """The newest of each partition, None where there is none."""


class ApiReport(msgspec.Struct, frozen=True, rename="camel"):
    """That an api ``process`` runs, and by which rules it follows ``links``; ``links_on``: it announces them."""

    process: str
    links: int
    links_on: bool


class ApiReports(Protocol):
    """Where api processes report. Methods raise `Unavailable`."""

    async def report_api(self, report: ApiReport) -> None:
        """Keep it for `REPORT_KEPT_MS`."""

    async def api_reports(self) -> list[ApiReport]:
        """The newest of each process."""

    async def listeners(self) -> int:
        """How many listen for cues, each api process of any release among them."""


class CommitPoint(msgspec.Struct, frozen=True):
    """A consistent snapshot of a partition's progress in the store: records ``settled`` ever (applied, dropped or
    sent to a side output: the tally ``events``, which continues when a log is recreated), ``customers`` seen, next
    ``offset``."""

    settled: int
    customers: int
    offset: int


class ComponentHealth(msgspec.Struct, frozen=True):
    """Health of a part of the deployment, and why (empty when ``ok``)."""

    state: Literal["ok", "degraded", "down", "unknown"]
    reason: str = ""


OK = ComponentHealth("ok")
UNKNOWN = ComponentHealth("unknown", "not probed yet")


class SystemHealth(msgspec.Struct, frozen=True):
    """The parts that everything depends on."""

    worker: ComponentHealth = UNKNOWN
    redis: ComponentHealth = UNKNOWN
    kafka: ComponentHealth = UNKNOWN
