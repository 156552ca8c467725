"""What workers report of their partitions: one key each, which expires by itself."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.ports.health import REPORT_KEPT_MS, WorkerReport
from engine.settings import Redis
from engine.store.commands import Commands
from engine.store.resp import pack

_read = msgspec.json.Decoder(WorkerReport).decode


class WorkerReportCommands(Commands):
    """`engine.ports.health.WorkerReports` on Redis."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        super().__init__(settings, partitions)
        self._read_reports = b"".join(pack(("GET", key)) for key in self._keys.reports)

    async def report(self, reports: Mapping[int, WorkerReport], connection: int) -> None:
        frames = [
            pack(("SET", self._keys.reports[partition], msgspec.json.encode(report), "PX", REPORT_KEPT_MS))
            for partition, report in reports.items()
        ]
        if frames:
            await self._connection.pipe(b"".join(frames), len(frames), connection)

    async def reports(self) -> list[WorkerReport | None]:
        stored = await self._connection.pipe(self._read_reports, self._keys.partitions)
        return [_read(report) if report else None for report in stored]
