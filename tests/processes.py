"""What tests with real processes share: kill one, wait for one to be gone, follow a supervisor, ask a Redis."""

from __future__ import annotations

import asyncio
import os
import signal
from urllib.parse import urlsplit

from engine.local import Change, State
from tests.patience import PATIENCE_S

WITHIN_S = PATIENCE_S


def kill(pid: int) -> None:
    """kill -9."""
    os.kill(pid, signal.SIGKILL)


async def gone(pid: int) -> None:
    """Wait until a process, anyone's child, has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), WITHIN_S)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


class Changes:
    """An `on_change` whose changes a test awaits, each once."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Change] = asyncio.Queue()

    def __call__(self, change: Change) -> None:
        self._queue.put_nowait(change)

    async def until(self, name: str, state: State) -> Change:
        """The next change of `name` to `state`; what comes before it is dropped."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                change = await self._queue.get()
                if (change.name, change.state) == (name, state):
                    return change


async def redis_command(url: str, command: str) -> bytes:
    """The first line of the server's answer to an inline command, without the line's end."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(command.encode() + b"\r\n")
        return (await reader.readline()).rstrip()
    finally:
        writer.close()
