"""What api processes report: one hash, from a process to when it did last, and who else listens for cues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from engine.ports.health import REPORT_KEPT_MS, ApiReport
from engine.store.commands import Commands
from engine.store.keys import API_REPORTS
from engine.store.resp import pack

KEPT_S = 3_600  # the hash, after the last report

_read = msgspec.json.Decoder(tuple[int, ApiReport]).decode


class ApiReportCommands(Commands):
    """`engine.ports.health.ApiReports` on Redis, whose clock says how old a report is."""

    async def report_api(self, report: ApiReport) -> None:
        now, kept = await self._api_reports()
        gone = [name for name, at, _ in kept if at <= now - REPORT_KEPT_MS]
        frames = [
            pack(("HSET", API_REPORTS, report.process, msgspec.json.encode((now, report)))),
            pack(("EXPIRE", API_REPORTS, KEPT_S)),
            *([pack(("HDEL", API_REPORTS, *gone))] if gone else []),
        ]
        await self._connection.pipe(b"".join(frames), len(frames))

    async def api_reports(self) -> list[ApiReport]:
        now, kept = await self._api_reports()
        return [report for _, at, report in kept if at > now - REPORT_KEPT_MS and report is not None]

    async def listeners(self) -> int:
        _, count = await self._connection.call(pack(("PUBSUB", "SHARDNUMSUB", self._keys.cues[0])))
        return int(count)

    async def _api_reports(self) -> tuple[int, list[tuple[bytes, int, ApiReport | None]]]:
        """Now, and of each process its name, when it reported (0: that cannot be read), and what."""
        (seconds, micros), fields = await self._connection.pipe(
            pack(("TIME",)) + pack(("HGETALL", API_REPORTS)), 2
        )
        return int(seconds) * 1_000 + int(micros) // 1_000, list(_reports(fields))


def _reports(fields: Sequence[bytes]) -> Iterator[tuple[bytes, int, ApiReport | None]]:
    kept: Mapping[bytes, bytes] = dict(zip(fields[::2], fields[1::2], strict=True))
    for name, stored in kept.items():
        try:
            yield name, *_read(stored)
        except msgspec.MsgspecError:
            yield name, 0, None
