"""Servers for tests and benchmarks: plain processes that can be killed and started again, and that die with
their parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from engine.errors import Unavailable
from engine.local.loopback import HOST, free_port
from engine.local.parent_death import dying_with_parent
from engine.local.probes import kafka_answers, redis_answers
from engine.local.services import tansu_command, valkey_command

LOG_TAIL = 3_000  # characters


class Service:
    """One server process. Started again after `kill` it is the same server on the same port. `env` is added to
    this process's environment."""

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        answers: Callable[[], Awaitable[bool]],
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._argv, self._log, self._answers, self._env = list(argv), log, answers, dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """0 while it does not run."""
        return self._process.pid if self._process else 0

    async def start(self, within: float = 60.0) -> None:
        """Returns when the server answers; raises `Unavailable`, with the log's end, when it does not."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                dying_with_parent(self._argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._env},
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(within):
                await self._until_it_answers(self._process)
        except TimeoutError as error:
            raise self.failure("no answer") from error

    def check(self) -> None:
        """Raises `Unavailable`, with the log's end, when it was started and has ended."""
        if self._process and (code := self._process.poll()) is not None:
            raise self.failure(f"exit {code}")

    def failure(self, what: str) -> Unavailable:
        """`what` went wrong with it, and the end of its log."""
        return Unavailable(f"{what}; {self._log} ends:\n{self._log.read_text(errors='replace')[-LOG_TAIL:]}")

    async def _until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        while True:
            if process.poll() is not None:
                raise TimeoutError(f"exit {process.returncode}")
            with contextlib.suppress(OSError):
                if await self._answers():
                    return
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        """kill -9."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


class Broker(Service):
    """A Kafka broker at `bootstrap`. `durable`: its log outlives `kill`."""

    def __init__(self, argv: Sequence[str], log: Path, port: int, durable: bool) -> None:
        super().__init__(argv, log, lambda: kafka_answers(HOST, port))
        self.bootstrap = f"{HOST}:{port}"
        self.durable = durable


class Valkey(Service):
    """Valkey at `url` (TCP) and `socket_url`. `appendonly`: its data outlives `kill`."""

    def __init__(self, directory: Path, appendonly: bool = False, options: Sequence[str] = ()) -> None:
        port, socket = free_port(), directory / "valkey.sock"
        argv = [*valkey_command(port, directory, socket, appendonly), *options]
        super().__init__(argv, directory / "valkey.log", lambda: redis_answers(HOST, port))
        self.port = port
        self.url = f"redis://{HOST}:{port}/0"
        self.socket_url = f"unix://{socket}?db=0"


def tansu(directory: Path) -> Broker:
    """The embedded broker, in memory."""
    port = free_port()
    return Broker(tansu_command(port), directory / "tansu.log", port, durable=False)
