"""Where a replay sends its messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from engine.events import Message
from engine.ports import EventLog


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
    """Straight into Kafka, past the door. `wall_ms` stamps when the events came in."""

    judges_time = False

    def __init__(self, log: EventLog, wall_ms: Callable[[], int]) -> None:
        self._log, self._wall_ms = log, wall_ms

    async def send(self, messages: Sequence[Message]) -> Sent:
        """Publish in order; returns when Kafka has acknowledged all."""
        now = self._wall_ms()
        stamped = [
            Message(message.customer, msgspec.structs.replace(message.event, received_at=now))
            for message in messages
        ]
        await self._log.publish(stamped)
        return Sent(len(stamped))
