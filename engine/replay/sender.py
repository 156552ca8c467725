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
    """The result of a batch: accepted, and refused with the first reasons."""

    accepted: int
    refused: int = 0
    reasons: tuple[str, ...] = ()


class Sender(Protocol):
    """One way into the engine.

    ``checks_time``: whether the receiver compares event times with the engine's clock (the API does).
    """

    checks_time: bool

    async def send(self, messages: Sequence[Message]) -> Sent:
        """Send in order and return when they are acknowledged.

        Retries `Overloaded` and `Unavailable` with backoff and the same message ids, then raises it.
        """


class LogSender:
    """Directly into Kafka, past the API. `wall_ms` stamps when the events were received.

    `sets_clock`: the engine's time follows the replay, so an event is received when it happens.
    """

    checks_time = False

    def __init__(self, log: EventLog, wall_ms: Callable[[], int], sets_clock: bool = False) -> None:
        self._log, self._wall_ms, self._sets_clock = log, wall_ms, sets_clock

    async def send(self, messages: Sequence[Message]) -> Sent:
        """Publish in order; returns when Kafka has acknowledged all. Times that the worker would not accept are
        refused here: they would become dead letters, unseen by the user of the replay."""
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
