"""Where a replay sends its messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from engine.events import AHEAD_MS, EARLIEST_MS, LATEST_MS, Message
from engine.ports.kafka import EventLog
from engine.replay.segment_payload import rfc3339

_OUTSIDE = f"not between {rfc3339(EARLIEST_MS)} and {rfc3339(LATEST_MS)}, the times that are kept"
_AHEAD = "more than 24 hours in the future"


class Sent(msgspec.Struct, frozen=True):
    """What became of a batch: taken, and refused with the first reasons."""

    accepted: int
    refused: int = 0
    reasons: tuple[str, ...] = ()


class Sender(Protocol):
    """One way into the engine.

    ``judges_time``: whether the receiver compares event times with the engine's clock (a door does).
    """

    judges_time: bool

    async def send(self, messages: Sequence[Message]) -> Sent:
        """Send in order and return when they are safe.

        Retries what is `Overloaded` or `Unavailable` for a while with the same message ids; raises it then.
        """


class LogSender:
    """Straight into Kafka, past the door. `wall_ms` stamps when the events came in.

    `sets_clock`: the engine's time follows the replay, so an event comes in when it happens.
    """

    judges_time = False

    def __init__(self, log: EventLog, wall_ms: Callable[[], int], sets_clock: bool = False) -> None:
        self._log, self._wall_ms, self._sets_clock = log, wall_ms, sets_clock

    async def send(self, messages: Sequence[Message]) -> Sent:
        """Publish in order; returns when Kafka has acknowledged all. Times that the worker takes for wrong are
        refused here: past the API it would make dead letters of them, unseen by who replays."""
        now, taken, reasons = self._wall_ms(), list[Message](), list[str]()
        for message in messages:
            if fault := self._fault(message.event.at, now):
                reasons.append(f"{message.event.id}: bad_time: {fault}")
            else:
                taken.append(self._stamped(message, now))
        await self._log.publish(taken)
        return Sent(len(taken), len(reasons), tuple(reasons))

    def _fault(self, at: int, now: int) -> str:
        if not EARLIEST_MS <= at <= LATEST_MS:
            return _OUTSIDE
        return _AHEAD if at > now + AHEAD_MS and not self._sets_clock else ""

    def _stamped(self, message: Message, now: int) -> Message:
        event = message.event
        engine_at = event.at if self._sets_clock else 0
        return Message(message.customer, msgspec.structs.replace(event, received_at=now, engine_at=engine_at))
