"""Supervised child processes: started, watched, restarted with backoff, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from engine.errors import CuelineError, Unavailable
from engine.local.parent_death import dying_with_parent

Ready = Callable[[], Awaitable[bool]]

LOG_BYTES = 16 << 20
TAIL_LINES, TAIL_BYTES = 8, 16 << 10


class State(enum.StrEnum):
    """What just became of a child."""

    STARTED = "started"
    READY = "ready"
    DIED = "died"
    STOPPED = "stopped"


class Change(msgspec.Struct, frozen=True):
    """A child changed its state; ``restarts`` counts how often it was started again.

    Of a death ``detail`` is how (an exit code, a signal's name, or that it was not ready in time), ``said`` the
    last lines of this process's log, and ``planned`` whether `Supervisor.restart` caused it.
    """

    name: str
    state: State
    pid: int
    restarts: int
    detail: str = ""
    said: tuple[str, ...] = ()
    planned: bool = False


class BackOff(msgspec.Struct, frozen=True):
    """How long to wait before the n-th start in a row, in seconds: ``first * 2**n``, at most `longest`, less up to
    half of it by chance so that children that died together do not return together. A child that was
    ready for `settled` seconds restarts at n = 0."""

    first: float = 0.1
    longest: float = 5.0
    settled: float = 10.0

    def delay(self, failures: int, chance: float) -> float:
        """`chance` is in [0, 1)."""
        return min(self.longest, self.first * 2.0 ** min(failures, 30)) * (1 - chance / 2)


class _Child:
    """One child and its state."""

    def __init__(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], ready: Ready | None, within: float
    ) -> None:
        self.name, self.argv, self.env, self.ready, self.within = name, argv, env, ready, within
        self.stopping = asyncio.Event()
        self.process: asyncio.subprocess.Process | None = None
        self.keeper: asyncio.Task[None] | None = None
        self.restarts = 0
        self.planned = False  # its end was asked for
        self.detail = ""  # why it was ended by us, when we did
        self.log_begins = 0  # where in its log this process began to write

    @property
    def pid(self) -> int:
        """0 while it does not run."""
        return self.process.pid if self.process and self.process.returncode is None else 0


class Supervisor:
    """Runs named children with a log each in `logs`; ``async with`` stops them all, last started first.

    Children die with this process, however it dies. They do not get the terminal's
    Ctrl-C; this process decides what stops when.
    """

    def __init__(
        self,
        logs: Path,
        on_change: Callable[[Change], None] = lambda change: None,
        back_off: BackOff | None = None,
    ) -> None:
        self._logs = logs
        self._on_change = on_change
        self._back_off = back_off or BackOff()
        self._children: dict[str, _Child] = {}
        self._leash: tuple[int, int] | None = None

    async def __aenter__(self) -> Supervisor:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop_all()

    async def run(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        ready: Ready | None = None,
        within: float = 30.0,
    ) -> None:
        """Start a child; returns when it is ready, and keeps it running from then on.

        `env` is added to this process's environment. `ready` is asked until it says True; while it raises
        OSError, TimeoutError or a `CuelineError` the answer is no. Raises `Unavailable`, with the log's end, when
        the first start fails or is not ready `within` seconds; later starts are tried until one succeeds.
        """
        if name in self._children:
            raise ValueError(f"{name} runs already")
        child = self._children[name] = _Child(name, argv, env or {}, ready, within)
        try:
            await self._start(child)
        except BaseException:
            await self._end(child, 0)
            raise
        child.keeper = asyncio.create_task(self._keep(child), name=f"keep {name}")

    def pid(self, name: str) -> int:
        """The child's process, 0 while it does not run. Raises KeyError for an unknown name."""
        return self._children[name].pid

    def restart(self, name: str, at_once: bool = False) -> None:
        """SIGTERM (`at_once`: SIGKILL); it is started again as after a death. Nothing while it does not run."""
        child = self._children[name]
        if child.process and child.pid:
            child.planned = True
            child.process.send_signal(signal.SIGKILL if at_once else signal.SIGTERM)

    def log(self, name: str) -> Path:
        """Where the child's output goes."""
        return self._logs / f"{name}.log"

    async def stop(self, name: str, grace: float = 2.0) -> None:
        """SIGTERM, after `grace` seconds SIGKILL; returns when it is gone."""
        await self._end(self._children[name], grace)

    async def stop_all(self, grace: float = 4.0) -> None:
        """Stop every child, last started first; all are gone little more than `grace` seconds from now."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        for child in reversed(list(self._children.values())):
            # one that hangs may take its share, not the others'
            await self._end(child, max(0.0, deadline - loop.time()) / max(1, len(self._children)))
        if self._leash:
            for end in self._leash:
                os.close(end)
            self._leash = None

    async def _end(self, child: _Child, grace: float) -> None:
        child.stopping.set()
        pid = child.pid
        if child.process and pid:
            await _terminate(child.process, grace)
        if child.keeper:
            await child.keeper
        self._children.pop(child.name, None)
        self._report(child, State.STOPPED, pid)

    async def _keep(self, child: _Child) -> None:
        """Until it is stopped: wait for its death, start it again."""
        loop, failures = asyncio.get_running_loop(), 0
        while not child.stopping.is_set():
            born = loop.time()
            if child.process:
                await child.process.wait()
            if child.stopping.is_set():
                return
            failures = 0 if loop.time() - born > self._back_off.settled else failures
            while not await self._start_again(child, failures):
                failures += 1
            failures += 1

    async def _start_again(self, child: _Child, failures: int) -> bool:
        """True when nothing is left to do: it is ready, or to be stopped."""
        self._report_death(child)
        delay = self._back_off.delay(failures, random.random())
        try:
            await asyncio.wait_for(child.stopping.wait(), delay)
        except TimeoutError:
            child.restarts += 1
        else:
            return True
        try:
            await self._start(child)
        except Unavailable:
            return child.stopping.is_set()
        return True

    async def _start(self, child: _Child) -> None:
        """Spawn it and wait until it is ready; on failure it is gone and `Unavailable` is raised."""
        child.planned, child.detail = False, ""
        process = child.process = await self._spawn(child)
        self._report(child, State.STARTED, process.pid)
        exited, ready = asyncio.create_task(process.wait()), asyncio.create_task(_until(child.ready))
        stopping = asyncio.create_task(child.stopping.wait())
        try:
            await asyncio.wait(
                {exited, ready, stopping}, timeout=child.within, return_when=asyncio.FIRST_COMPLETED
            )
            if ready.done() and not exited.done():
                await ready
                self._report(child, State.READY, process.pid)
                return
            child.detail = "" if exited.done() else f"not ready within {child.within:g} s"
        finally:
            for waiter in (exited, ready, stopping):
                waiter.cancel()
        await _terminate(process, 0)
        how = child.detail or _end(process)
        said = "\n".join(f"  {line}" for line in self._said(child))
        raise Unavailable(f"{child.name} did not start ({how}); {self.log(child.name)} ends:\n{said}")

    async def _spawn(self, child: _Child) -> asyncio.subprocess.Process:
        leash = self._pipe()
        with self._open_log(child.name, child.process is None) as log:
            child.log_begins = log.tell()
            return await asyncio.create_subprocess_exec(
                *dying_with_parent(child.argv, leash),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **child.env},
                pass_fds=() if leash is None else (leash,),
                start_new_session=True,
            )

    def _pipe(self) -> int | None:
        """The read end that children watch where the kernel has no parent-death signal."""
        if sys.platform == "linux":
            return None
        self._leash = self._leash or os.pipe()
        return self._leash[0]

    def _open_log(self, name: str, first: bool) -> IO[bytes]:
        """To append to; the log of an earlier supervisor's child of that name is renamed."""
        self._logs.mkdir(parents=True, exist_ok=True)
        file = self.log(name)
        if file.exists() and (first or file.stat().st_size > LOG_BYTES):
            file.replace(file.with_suffix(".log.1"))
        return file.open("ab")

    def _said(self, child: _Child) -> tuple[str, ...]:
        """The last lines of the process that ran last: not those of the one before."""
        with self.log(child.name).open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(child.log_begins, end - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return tuple(line.rstrip() for line in lines if line.strip())[-TAIL_LINES:]

    def _report(self, child: _Child, state: State, pid: int) -> None:
        self._on_change(Change(child.name, state, pid, child.restarts))

    def _report_death(self, child: _Child) -> None:
        process = child.process
        pid, how = (process.pid, child.detail or _end(process)) if process else (0, "")
        said = self._said(child)
        self._on_change(Change(child.name, State.DIED, pid, child.restarts, how, said, child.planned))


def _end(process: asyncio.subprocess.Process) -> str:
    """How it ended, as text."""
    code = process.returncode
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # a signal without a name
        return f"killed by signal {-code}"


async def _until(ready: Ready | None) -> None:
    while ready is not None:
        with contextlib.suppress(OSError, TimeoutError, CuelineError):
            if await ready():
                return
        await asyncio.sleep(0.05)


async def _terminate(process: asyncio.subprocess.Process, grace: float) -> None:
    if grace > 0 and process.returncode is None:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace)
    if process.returncode is None:
        process.kill()
    await process.wait()
