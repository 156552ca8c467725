"""A replay: a log's events sent at their original pace, or faster, or as fast as they are accepted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import islice

import msgspec

from engine.clock import wall_ms
from engine.errors import CuelineError
from engine.events import Message
from engine.ports.clock import ClockAnchor
from engine.replay.log_reader import LineFaults, LogReader, ReadPosition
from engine.replay.outbox import Outbox
from engine.replay.pace import due
from engine.replay.sender import Sender, Sent

SLICE_MS = 20  # events due within one slice are sent together
BATCH = 500  # events of one request
SENDERS = 4  # requests in flight
READ_STEP = 10_000  # messages between two reports while the log is read ahead
STEP_MS = 200  # how often an unpaced replay moves the engine's clock


class ReplayProgress(msgspec.Struct, frozen=True):
    """How far it is: events sent, the event time reached (epoch ms), how far behind the pace (wall ms), the share
    of the log that is done (0 to 1). While it is ``reading`` the log is read to its end for its last time."""

    sent: int
    at: int
    behind_ms: int
    share: float = 0.0
    reading: bool = False


class ReplayReport(msgspec.Struct, frozen=True, rename="camel"):
    """What a replay did. ``skipped`` are bad lines and refused events, ``faults`` the first of them.

    ``first_at`` and ``last_at`` are event times as sent (epoch ms; 0: nothing was sent). ``behind_ms`` is
    the most an event was sent late, in wall time.
    """

    sent: int
    skipped: int
    seconds: float
    first_at: int
    last_at: int
    behind_ms: int
    faults: tuple[str, ...]


SetClock = Callable[[ClockAnchor | None], Awaitable[None]]
OnProgress = Callable[[ReplayProgress], None]


async def replay(
    log_reader: LogReader,
    sender: Sender,
    *,
    speed: float = 1.0,
    limit: int | None = None,
    shift_to_now: bool = False,
    set_clock: SetClock | None = None,
    settle_s: float = 1.0,
    on_progress: OnProgress | None = None,
    stop: asyncio.Event | None = None,
    slice_ms: int = SLICE_MS,
) -> ReplayReport:
    """Send `log_reader` through `sender`; `speed` 0 is as fast as it is accepted. With `stop` it ends early: what
    is in flight still arrives, so the report is exact.

    The engine's clock is set by `set_clock` to run as fast as the replay, from `settle_s` (wall) after
    now, so that every process follows it before the first event; it is left running. Unpaced, the clock
    is at the newest event that arrived, or, for a receiver that checks times, at the file's last event
    from the start (inactivity timers are then due early). With `shift_to_now` the first event happens now,
    and the message ids are unique to this run. Raises what `log_reader` and `sender` raise.
    """
    faults, began = LineFaults(), wall_ms()
    starts = began + round(settle_s * 1_000) if set_clock else began
    if shift_to_now:
        log_reader = msgspec.structs.replace(log_reader, salt=f"{log_reader.salt}{starts}")
    first, position = log_reader.first(), ReadPosition()
    messages = islice(log_reader.messages(faults, position), limit)
    shift = starts - first.event.at if shift_to_now else 0
    anchor = ClockAnchor(first.event.at + shift, starts, speed)
    if speed == 0 and sender.checks_time:
        anchor = msgspec.structs.replace(anchor, engine_ms=_newest(log_reader, limit, on_progress) + shift)
    if set_clock:
        await set_clock(None if shift_to_now and speed == 1 else anchor)
        await asyncio.sleep(settle_s)
    run = _ReplayRun(sender, anchor, set_clock, _with_share(on_progress, position, limit), stop, slice_ms)
    await run.all(_shifted(messages, shift))
    return run.report(faults, (wall_ms() - starts) / 1_000)


def _newest(log_reader: LogReader, limit: int | None, on_progress: OnProgress | None) -> int:
    newest, position = 0, ReadPosition()
    for count, message in enumerate(islice(log_reader.messages(LineFaults(), position), limit)):
        newest = max(newest, message.event.at)
        if on_progress and count % READ_STEP == 0:
            share = max(position.share, count / limit if limit else 0.0)
            on_progress(ReplayProgress(0, message.event.at, 0, share, reading=True))
    return newest


def _with_share(on_progress: OnProgress | None, position: ReadPosition, limit: int | None) -> OnProgress | None:
    """`on_progress` with the share of the log that is done, or of `limit` events."""
    if on_progress is None:
        return None

    def report(progress: ReplayProgress) -> None:
        share = max(position.share, progress.sent / limit if limit else 0.0)
        on_progress(msgspec.structs.replace(progress, share=min(share, 1.0)))

    return report


def _shifted(messages: Iterable[Message], shift: int) -> Iterator[Message]:
    for message in messages:
        event = message.event
        yield Message(message.customer, msgspec.structs.replace(event, at=event.at + shift)) if shift else message


async def send_paced(
    messages: Iterable[Message],
    sender: Sender,
    anchor: ClockAnchor,
    on_progress: OnProgress | None = None,
    stop: asyncio.Event | None = None,
    slice_ms: int = SLICE_MS,
) -> ReplayReport:
    """Send `messages` (in time order, from wherever) when `anchor` says they are due, until `stop`; sets no
    clock."""
    run, began = _ReplayRun(sender, anchor, None, on_progress, stop, slice_ms), wall_ms()
    await run.all(messages)
    return run.report(LineFaults(), (wall_ms() - began) / 1_000)


class _ReplayRun:
    """One run: a dispatcher fills the outbox at the pace, senders empty it."""

    def __init__(
        self,
        sender: Sender,
        anchor: ClockAnchor,
        set_clock: SetClock | None,
        on_progress: OnProgress | None,
        stop: asyncio.Event | None,
        slice_ms: int,
    ) -> None:
        self._sender, self._anchor, self._on_progress = sender, anchor, on_progress
        self._set_clock = set_clock if anchor.speed == 0 and not sender.checks_time else None
        self._stop = stop or asyncio.Event()
        self._slice_ms = slice_ms
        self._outbox, self._moved, self._finished = Outbox(), asyncio.Condition(), False
        self._sent = self._refused = self._behind_ms = self._first_at = self._last_at = 0
        self._reasons: list[str] = []
        self._stepped = wall_ms()

    async def all(self, messages: Iterable[Message]) -> None:
        """Dispatch and send everything; a sender's error ends it."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(SENDERS):
                    group.create_task(self._send())
                async with self._ending():
                    await self._dispatch(messages)
        except* CuelineError as several:
            raise several.exceptions[0] from several
        await self._step(force=True)

    def report(self, faults: LineFaults, seconds: float) -> ReplayReport:
        """What was done."""
        return ReplayReport(
            self._sent,
            faults.count + self._refused,
            seconds,
            self._first_at,
            self._last_at,
            self._behind_ms,
            (*faults.first, *self._reasons),
        )

    async def _dispatch(self, messages: Iterable[Message]) -> None:
        for message in messages:
            wait = due(message.event.at, self._anchor) - wall_ms()
            if wait > 0:
                await self._wake()
                await self._pause(max(wait, self._slice_ms) / 1_000)
            elif self._anchor.speed:
                self._behind_ms = max(self._behind_ms, -wait)
            if self._stop.is_set():
                return
            self._outbox.add(message)
            if len(self._outbox) >= SENDERS * BATCH:
                await self._room()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _room(self) -> None:
        async with self._moved:
            self._moved.notify_all()
            await self._moved.wait_for(lambda: len(self._outbox) < SENDERS * BATCH)

    async def _wake(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    @asynccontextmanager
    async def _ending(self) -> AsyncIterator[None]:
        yield
        self._finished = True
        await self._wake()

    async def _send(self) -> None:
        while True:
            async with self._moved:
                await self._moved.wait_for(lambda: self._outbox.ready or (self._finished and not self._outbox))
            batch = self._outbox.take(BATCH)
            if not batch:
                if self._finished and not self._outbox:
                    return
                continue
            sent = await self._sender.send(batch)
            self._outbox.done(batch)
            self._count(batch, sent)
            await self._step()
            await self._wake()

    def _count(self, batch: list[Message], sent: Sent) -> None:
        self._sent += sent.accepted
        self._refused += sent.refused
        self._reasons.extend(sent.reasons[: 20 - len(self._reasons)])
        self._first_at = self._first_at or batch[0].event.at
        self._last_at = max(self._last_at, max(message.event.at for message in batch))
        if self._on_progress:
            behind = max(wall_ms() - due(self._last_at, self._anchor), 0) if self._anchor.speed else 0
            self._on_progress(ReplayProgress(self._sent, self._last_at, behind))

    async def _step(self, force: bool = False) -> None:
        """Unpaced into Kafka: the engine's clock follows what arrived."""
        now = wall_ms()
        if self._set_clock and (force or now - self._stepped >= STEP_MS):
            self._stepped = now
            await self._set_clock(ClockAnchor(self._last_at, now, 0))
