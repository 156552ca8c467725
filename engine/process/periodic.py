"""Steps that a process repeats at an interval."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Protocol

from engine.errors import Unavailable

log = logging.getLogger("cueline")


class Step(Protocol):
    """Something to be repeated."""

    def __call__(self) -> Coroutine[object, object, None]: ...


async def every(seconds: float, step: Step, stop: asyncio.Event, asked: str = "store") -> None:
    """Run `step` every `seconds` until `stop`, also while a service (`asked` in the log) is `Unavailable`."""
    away = False
    while not stop.is_set():
        try:
            await step()
            away = False
        except Unavailable as error:
            if not away:
                log.warning("%s: %s", asked, error)
            away = True
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            continue
