"""The rulebook in use: loaded at the start, followed while the process runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from engine.errors import BadRule
from engine.ports.meter import Meter
from engine.rulebook.directory import load
from engine.rulebook.model import Rulebook
from engine.rulebook.watcher import watch

log = logging.getLogger("cueline")


class RulebookInUse:
    """``rulebook`` is replaced whole, by one assignment; ``faults`` are those of files that were not
    loaded. `on_change` is awaited after every change, before it is announced. Raises `BadRule` when the rule
    files do not compile at the start; later a bad file keeps the rulebook that was in use."""

    def __init__(self, directory: Path, meter: Meter) -> None:
        self._directory = directory
        self._meter = meter
        self.on_change: Callable[[], Awaitable[None]] = _nothing
        self.rulebook = load(directory)
        self.faults: list[str] = []
        self._announce()

    async def follow(self, stop: asyncio.Event) -> None:
        """Watch the rule files until `stop`."""
        await watch(self._directory, self._loaded, self._faulty, stop)

    async def _loaded(self, rulebook: Rulebook) -> None:
        recovered, self.faults = bool(self.faults), []
        self._meter.set("rulebook_faults", 0)
        if rulebook.revision != self.rulebook.revision:
            self.rulebook = rulebook
            await self.on_change()
            self._meter.add("rulebook_reloads")
            self._announce()
        if recovered:
            log.info("the rule files have no faults any more: rulebook %s in use", self.rulebook.revision)

    def _faulty(self, fault: BadRule) -> None:
        self.faults = fault.faults
        self._meter.set("rulebook_faults", len(fault.faults))
        for line in fault.faults:
            log.error("rulebook kept at %s: %s", self.rulebook.revision, line)

    def _announce(self) -> None:
        self._meter.set("rulebook_info", 1, self.rulebook.revision)
        self._meter.set("rulebook_loaded_timestamp", time.time())
        log.info("rulebook %s in use", self.rulebook.revision)


async def _nothing() -> None:
    """No listener yet."""
