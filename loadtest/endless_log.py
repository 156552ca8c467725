"""A log that does not end: written to Kafka again and again, each time later and under new message ids."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from engine.errors import Unavailable
from engine.events import LINKED, Message
from engine.replay.log_reader import LineFaults, LogReader
from engine.traffic.generator import Traffic

#: A log's messages in time order; each turn the same again under new message ids.
Log = Callable[[int], Iterator[Message]]

SEND = 200  # events of one write
RATE = 3_000  # events a second
PATIENCE_S = 120.0
MADE_UP_START = 1_700_000_000_000
MADE_UP_CUSTOMERS = 6_000
MADE_UP_RATE = 2.0  # events a second of event time, about that of the public log the traffic is fitted to
MADE_UP_EVENTS = 20_000


def from_file(file: Path) -> Log:
    """A log as `cueline replay` reads it."""
    return lambda turn: LogReader(file, salt=str(turn)).messages(LineFaults())


def made_up(seed: int) -> Log:
    """Shoppers as `engine.traffic.generator` makes them up."""

    def log(turn: int) -> Iterator[Message]:
        made = Traffic(np.random.default_rng([seed, turn]), MADE_UP_START, MADE_UP_CUSTOMERS, MADE_UP_RATE)
        return islice(iter(made), MADE_UP_EVENTS)

    return log


class LogWriter(Protocol):
    """What writes to the events topic."""

    async def open(self) -> None:
        """Connect."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Returns once Kafka has acknowledged all. Raises `Unavailable`."""

    async def close(self) -> None:
        """Flush and close."""


class EndlessLog:
    """Writes a log until `end`; ``sent``: how many events of each customer Kafka has acknowledged, links not
    counted."""

    def __init__(self, writer: LogWriter, log: Log) -> None:
        self._writer = writer
        self._log = log
        self.sent: Counter[str] = Counter()
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Write no more."""
        self._ending.set()

    async def write(self) -> None:
        """Write the log repeatedly, each time later and under new ids, until `end`."""
        began, sent = time.monotonic(), 0
        await self._writer.open()
        try:
            batch: list[Message] = []
            for message in self._passes():
                batch.append(message)
                if len(batch) == SEND:
                    await self._write(batch)
                    self.sent.update(one.customer for one in batch if one.event.kind != LINKED)
                    sent, batch = sent + SEND, []
                    await asyncio.sleep(max(began + sent / RATE - time.monotonic(), 0))
        finally:
            await self._writer.close()

    async def _write(self, batch: list[Message]) -> None:
        """Retry until Kafka has it, idempotent by the same ids. Raises `Unavailable` after `PATIENCE_S`."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self._writer.publish(batch)
            except Unavailable:
                if time.monotonic() > give_up:
                    raise
                await asyncio.sleep(0.2)

    def _passes(self) -> Iterator[Message]:
        span, turn = 0, 0
        while True:
            first = 0
            for message in self._log(turn):
                first = first or message.event.at
                event = msgspec.structs.replace(message.event, at=message.event.at + turn * (span + 60_000))
                if self._ending.is_set():
                    return
                last = message.event.at
                yield Message(message.customer, event)
            span, turn = last - first if turn == 0 else span, turn + 1
