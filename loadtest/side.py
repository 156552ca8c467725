"""One of two commits that are compared, used through its public interfaces only.

Commands, settings, the bytes on Kafka, HTTP and the names of metrics are stable across commits; modules,
classes and the layout of rows are not, so nothing of a side is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec

from engine.local.loopback import HOST, free_port
from engine.local.services import TANSU_GROUP
from engine.meter import total
from loadtest.process_time import cpu_seconds
from loadtest.servers import Service

#: The first start may compile every kernel.
START_WITHIN_S = 300.0
SCRAPE_WITHIN_S = 10.0


class Side(msgspec.Struct, frozen=True):
    """A laid-out commit in `folder`, the `python` that runs it, and the `rules` it is given."""

    name: str
    folder: Path
    python: Path
    rules: Path

    def command(self, *arguments: str) -> list[str]:
        """The command line of ``cueline ARGUMENTS``; -P, or the current folder would come before the side's."""
        return [str(self.python), "-P", "-m", "engine", *arguments]

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Where its code is found, and its own place for compiled kernels, under `settings`."""
        cache = str(self.folder / ".cache")
        return {
            **TANSU_GROUP,
            "PYTHONPATH": str(self.folder),
            "NUMBA_CACHE_DIR": cache,
            "XDG_CACHE_HOME": cache,
            "CUELINE_KAFKA__IDEMPOTENT": "false",
            "CUELINE_RULES__DIRECTORY": str(self.rules),
            **self._mappings(),
            **settings,
        }

    def _mappings(self) -> dict[str, str]:
        """Its own mapping files, where it has some: another commit's may say what it does not know."""
        files = self.folder / "config" / "sources"
        return {"CUELINE_CONTACTS__MAPPINGS": str(files)} if files.exists() else {}


class ProcessSample(msgspec.Struct, frozen=True):
    """What a process had done and used so far: a counter, and seconds of processor time."""

    done: float
    cpu_seconds: float


class MeasuredProcess(Service):
    """``cueline COMMAND`` of a side on a port of its own, which serves ``/metrics``; started once `probe` (a path)
    is answered with 200."""

    def __init__(
        self,
        side: Side,
        command: list[str],
        port_setting: str,
        probe: str,
        log: Path,
        settings: Mapping[str, str],
    ) -> None:
        self.port, self._probe = free_port(), probe
        environment = side.environment({port_setting: str(self.port), **settings})
        super().__init__(side.command(*command), log, self._answers, environment)
        self._http = httpx.AsyncClient(
            base_url=f"http://{HOST}:{self.port}", timeout=SCRAPE_WITHIN_S, trust_env=False
        )

    async def __aenter__(self) -> MeasuredProcess:
        try:
            await self.start(START_WITHIN_S)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()
        await self._http.aclose()

    async def sample(self, metric: str) -> ProcessSample:
        """The counter `metric` and the processor time now. Raises `Unavailable` when the process is gone."""
        self.check()
        done = 0.0
        with suppress(httpx.TransportError):
            done = total((await self._http.get("/metrics")).text, metric)
        self.check()
        return ProcessSample(done, cpu_seconds(self.pid))

    async def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return (await self._http.get(self._probe)).status_code == httpx.codes.OK
        return False


def worker(side: Side, folder: Path, settings: Mapping[str, str]) -> MeasuredProcess:
    """``cueline work``, which keeps its files in `folder`."""
    command, log = ["work", "--directory", str(folder / "worker")], folder / f"{side.name}-worker.log"
    # not until it is ready: by then it has begun to read
    return MeasuredProcess(side, command, "CUELINE_STREAM__METRICS_PORT", "/health/live", log, settings)


def api(side: Side, folder: Path, settings: Mapping[str, str]) -> MeasuredProcess:
    """``cueline api``."""
    return MeasuredProcess(
        side, ["api"], "CUELINE_WEB__PORT", "/health/ready", folder / f"{side.name}-api.log", settings
    )
