"""Heartbeats of an api process: by them it is known that none of an older release is left."""

from __future__ import annotations

import os
import socket
from uuid import uuid4

from engine.identity.link import RULES
from engine.ports.health import ApiReport, ApiReports

REPORT_EVERY_S = 1.0


class ApiReporter:
    """Reports this process to the store; ``links_on``: it announces links."""

    def __init__(self, store: ApiReports, links_on: bool) -> None:
        self._store = store
        self._report = ApiReport(f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}", RULES, links_on)

    async def report(self) -> None:
        """Once. Raises `Unavailable`."""
        await self._store.report_api(self._report)
