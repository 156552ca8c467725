"""How long a swap of thousands of rules holds up a client of an HTTP process."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import Callable
from pathlib import Path

from engine.local.loopback import HOST
from engine.local.services import LocalServices
from loadtest.many_rules import write_rules

ASK_EVERY_S = 0.002
SWAPPED_WITHIN_S = 120.0


async def swap_stalls(
    port: int, folder: Path, services: LocalServices, rules: int, tick: Callable[[], None]
) -> tuple[float, float]:
    """The longest wait (s) of a client of the HTTP process on `port` while so many `rules` in `folder` change, and
    for as long afterwards. Raises TimeoutError when they are not in use in time."""
    log = services.supervisor.log("engine")
    write_rules(folder / "rules", rules, value=10)
    await _in_use(log, 2)
    with Asking(port) as asking:
        began = time.perf_counter()
        await asyncio.to_thread(write_rules, folder / "rules", rules, 20)
        await _in_use(log, 3)
        took = time.perf_counter() - began
        during = asking.longest()
        tick()
        await asyncio.sleep(took)
        quiet = asking.longest()
        tick()
    return during, quiet


async def _in_use(log: Path, times: int) -> None:
    """Wait until the process has said so many times that a rulebook is in use."""
    async with asyncio.timeout(SWAPPED_WITHIN_S):
        while log.read_text(errors="replace").count(" in use\n") < times:
            await asyncio.sleep(0.05)


class Asking:
    """A client that asks every two milliseconds whether the process lives, in a thread of its own. Meanwhile this
    process collects no garbage, which held that thread for 80 ms, as if it had been the other process."""

    def __init__(self, port: int) -> None:
        self._line = socket.create_connection((HOST, port))
        self._longest = 0.0
        self._over = False
        self._thread: asyncio.Future[None] | None = None

    def __enter__(self) -> Asking:
        gc.disable()
        self._thread = asyncio.ensure_future(asyncio.to_thread(self._ask))
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        gc.enable()

    def longest(self) -> float:
        """Seconds of the longest answer since the last call."""
        longest, self._longest = self._longest, 0.0
        return longest

    def _ask(self) -> None:
        with self._line:
            while not self._over:
                began = time.perf_counter()
                self._line.sendall(b"GET /health/live HTTP/1.1\r\nhost: bench\r\n\r\n")
                if not self._line.recv(65_536):
                    return
                self._longest = max(self._longest, time.perf_counter() - began)
                time.sleep(ASK_EVERY_S)
