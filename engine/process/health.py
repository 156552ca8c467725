"""Health of worker, Redis and Kafka as an api process sees them: each probed by itself, with a reason."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

from engine.clock import wall_ms
from engine.kafka.producer import KafkaLog
from engine.ports.health import OK, UNKNOWN, ComponentHealth, SystemHealth, WorkerReport, WorkerReports
from engine.process.heartbeat import Heartbeat
from engine.store.staleness import BEHIND, Loss, StalenessGuard

log = logging.getLogger("cueline")

LOOK_EVERY_S = 0.5  # the store and the reports in it
PING_EVERY_S = 2.0  # Kafka
KAFKA_SILENT_S = 5.0
KEEPS_CHANGING, WITHIN_S = 3, 60.0  # so many new workers for a partition within this time: they keep crashing


class WorkerWatch:
    """The workers' reports, polled: which workers are alive, and which have applied all of Kafka's log."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._connection = 0
        self._newest: list[WorkerReport | None] = [None] * partitions
        self._before: list[WorkerReport | None] = [None] * partitions  # at the last reconnect to the store
        self._without_lag: list[set[int]] = [set() for _ in range(partitions)]  # beats with lag 0 since then
        self._new_workers: list[deque[float]] = [deque(maxlen=KEEPS_CHANGING) for _ in range(partitions)]
        self._known = [""] * partitions
        self._now: float | None = None

    def look(self, connection: int, reports: Sequence[WorkerReport | None], now: float) -> None:
        """`reports` of all partitions were read over `connection` at `now` (monotonic s)."""
        if connection != self._connection:
            self._connection, self._before = connection, self._newest
            self._without_lag = [set() for _ in range(self._partitions)]
        self._newest, self._now = list(reports), now
        for partition, report in enumerate(reports):
            if report is not None:
                self._see(partition, report, now)

    def _see(self, partition: int, report: WorkerReport, now: float) -> None:
        if report.worker != self._known[partition]:
            if self._known[partition]:
                self._new_workers[partition].append(now)
            self._known[partition] = report.worker
        if report.lag == 0 and self._is_fresh(partition, report):
            self._without_lag[partition].add(report.beat)

    def _is_fresh(self, partition: int, report: WorkerReport) -> bool:
        """Made after the reconnect: a restored store may still hold a report from before it."""
        before = self._before[partition]
        return before is None or (report.worker, report.connection) != (before.worker, before.connection)

    def forget(self) -> None:
        """The store was emptied and kept the connection: only reports made since count. One of them may have been
        under way; two are asked for."""
        self._before = [None] * self._partitions
        self._without_lag = [set() for _ in range(self._partitions)]

    def caught_up(self, connection: int) -> list[bool]:
        """Of each partition, whether its worker has reported zero lag twice over `connection` to the store: at
        the first it may not have known of the newest records yet."""
        return [len(beats) >= 2 for beats in self._without_lag] if connection == self._connection else []

    def health(self) -> ComponentHealth:
        """All workers together."""
        if self._now is None:
            return UNKNOWN
        without = [partition for partition, report in enumerate(self._newest) if report is None]
        if len(without) == self._partitions:
            return ComponentHealth("down", "no worker gives a sign of life")
        if without:
            return ComponentHealth("degraded", f"no worker has {_numbered(without)}")
        if problems := sorted({problem for report in self._newest if report for problem in report.problems}):
            return ComponentHealth("degraded", "; ".join(problems))
        if changing := [p for p, changes in enumerate(self._new_workers) if self._keeps_changing(changes)]:
            how_often = f"had {KEEPS_CHANGING} new workers within a minute: they keep ending"
            return ComponentHealth("degraded", f"{_numbered(changing)} {how_often}")
        return OK

    def _keeps_changing(self, changes: deque[float]) -> bool:
        return len(changes) == KEEPS_CHANGING and (self._now or 0.0) - changes[0] <= WITHIN_S


class HealthMonitor:
    """Probes store and Kafka periodically, so that health checks need not wait. `look` and `ping` are to be
    called periodically; both raise `Unavailable`. `timeout_s` is the store's."""

    def __init__(
        self,
        store: WorkerReports,
        workers: WorkerWatch,
        guard: StalenessGuard,
        kafka: KafkaLog,
        timeout_s: float,
    ) -> None:
        self._workers = workers
        self._guard = guard
        self._reports = store
        self._kafka = kafka
        self._store_silent_s = timeout_s + 2 * LOOK_EVERY_S
        self._redis_heartbeat, self._kafka_heartbeat = Heartbeat(self._look), Heartbeat(kafka.ping)
        self._notices: list[str] = []

    async def look(self) -> None:
        """Probe the store and read the workers' reports."""
        await self._redis_heartbeat.beat()

    async def ping(self) -> None:
        """Probe Kafka."""
        await self._kafka_heartbeat.beat()

    async def _look(self) -> None:
        reports = await self._reports.reports()
        self._workers.look(self._guard.connections, reports, time.monotonic())
        await self._guard.look()
        self.notices()

    def health(self) -> SystemHealth:
        """The three parts."""
        redis = self.redis()
        known = redis.state != "down"
        worker = self._workers.health() if known else ComponentHealth("unknown", "workers report to Redis")
        return SystemHealth(worker, redis, self.kafka())

    def redis(self) -> ComponentHealth:
        """The store: whether it answers, and has recovered what it lost."""
        if (silent := self._redis_heartbeat.seconds_ago) > self._store_silent_s:
            return ComponentHealth("down", f"Redis has not answered for {silent:.0f} s")
        return ComponentHealth("degraded", BEHIND) if self._guard.behind else OK

    def kafka(self) -> ComponentHealth:
        """Kafka: whether it answers, and can be written to."""
        if not self._kafka.is_open:
            return ComponentHealth("down", "the producer is not open")
        if (silent := self._kafka_heartbeat.seconds_ago) > KAFKA_SILENT_S:
            why = self._kafka_heartbeat.fault or "Kafka does not answer"
            return ComponentHealth("down", f"{why}, for {silent:.0f} s")
        return OK

    def notices(self) -> Sequence[str]:
        """Losses since this process started."""
        for loss in self._guard.losses[len(self._notices) :]:
            self._notices.append(notice(loss, wall_ms()))
            log.error("%s", self._notices[-1])
        return self._notices


def notice(loss: Loss, at: int) -> str:
    """The text for a loss; `at` is wall time (epoch ms)."""
    when = datetime.fromtimestamp(at / 1_000, UTC).strftime("%H:%M:%S UTC")
    return (
        f"{when}: Redis came back without {loss.records:,} events that Kafka no longer holds either: "
        f"{loss.customers:,} customers are lost, with what was known of them"
    )


def _numbered(partitions: Sequence[int]) -> str:
    word = "partition" if len(partitions) == 1 else "partitions"
    return f"{word} {', '.join(map(str, partitions))}"
