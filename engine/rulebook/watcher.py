"""Follow a directory of rule files while the engine runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from watchfiles import awatch

from engine.errors import BadRule
from engine.rulebook.apart import load_beside
from engine.rulebook.directory import stamps
from engine.rulebook.model import Rulebook

DEBOUNCE_MS = 200  # editors write, sync and rename in several steps
POLL_MS = 250
POLLS_PER_STAMP = 4
ABSENT_S = 0.5


async def watch(
    directory: Path,
    on_load: Callable[[Rulebook], Awaitable[None]],
    on_fault: Callable[[BadRule], None],
    stop: asyncio.Event,
) -> None:
    """Load `directory` now and after every change, until `stop`.

    ``on_load`` gets each rulebook whose revision is new, ``on_fault`` each new set of faults; a directory
    that goes away is a fault, and is followed again when it comes back. Files are read and compiled beside the
    event loop. The system announces what happens to the names in the directory; what happens to a file elsewhere
    that a link or a mount leads to is found by its times and size, once a second.
    """
    follower = _Follower(directory, on_load, on_fault)
    while not stop.is_set():
        await follower.look()
        try:
            await _follow(directory, follower, stop)
        except OSError:  # the directory is away
            await _pause(stop, ABSENT_S)


async def _follow(directory: Path, follower: _Follower, stop: asyncio.Event) -> None:
    """Look after each change until `stop` or until another directory has the name."""
    same = _identity(directory)
    changes = awatch(
        directory,
        watch_filter=None,  # a link that is swapped (as Kubernetes does) changes rules without naming them
        debounce=DEBOUNCE_MS,
        step=DEBOUNCE_MS // 4,
        rust_timeout=POLL_MS,
        yield_on_timeout=True,  # a directory that is moved away sends no event
        stop_event=stop,
        recursive=False,
    )
    polls = 0
    async for changed in changes:
        if _identity(directory) != same:
            return
        unseen = polls == 0  # changes between the last load and the first event
        if changed or unseen or (polls % POLLS_PER_STAMP == 0 and await follower.outdated()):
            await follower.look()
        polls += 1


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _identity(directory: Path) -> tuple[int, int]:
    """Raises OSError when there is no such directory."""
    status = directory.stat()
    return status.st_dev, status.st_ino


class _Follower:
    """Loads, and remembers what was reported last, so that nothing is reported twice."""

    def __init__(
        self, directory: Path, on_load: Callable[[Rulebook], Awaitable[None]], on_fault: Callable[[BadRule], None]
    ) -> None:
        self._directory = directory
        self._on_load = on_load
        self._on_fault = on_fault
        self._reported: object = None
        self._stamps: object = None

    async def outdated(self) -> bool:
        """Whether a file is another than when it was loaded."""
        return await asyncio.to_thread(stamps, self._directory) != self._stamps

    async def look(self) -> None:
        self._stamps = await asyncio.to_thread(stamps, self._directory)
        try:
            rulebook = await load_beside(self._directory)
        except BadRule as bad:
            if bad.faults != self._reported:
                self._reported = bad.faults
                self._on_fault(bad)
            return
        if rulebook.revision != self._reported:
            self._reported = rulebook.revision
            await self._on_load(rulebook)
