"""Heartbeats of a worker: what it reports of its partitions, once a second, to the api processes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from itertools import count
from uuid import uuid4

from engine.identity.link import RULES
from engine.ports.health import WorkerReport, WorkerReports
from engine.stream.partition_state import PartitionState

REPORT_EVERY_S = 1.0


class Reporter:
    """Reports `partitions` (those owned now) and `problems` to the store, over its current `connection`, and by
    which `mail_keys` the process verifies mail."""

    def __init__(
        self,
        store: WorkerReports,
        connection: Callable[[], int],
        partitions: Callable[[], Mapping[int, PartitionState]],
        problems: Callable[[], Mapping[str, str]],
        mail_keys: tuple[str, ...] = (),
    ) -> None:
        self._store = store
        self._connection = connection
        self._partitions = partitions
        self._problems = problems
        self._mail_keys = mail_keys
        self._name = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._beats = count(1)

    async def report(self) -> None:
        """Once. Raises `Unavailable`."""
        connection, beat, problems = self._connection(), next(self._beats), tuple(self._problems().values())
        reports = {
            partition: WorkerReport(
                self._name, connection, beat, _lag(state, connection), problems, self._mail_keys, RULES
            )
            for partition, state in self._partitions().items()
        }
        await self._store.report(reports, connection)


def _lag(state: PartitionState, connection: int) -> int | None:
    """None unless the partition was claimed over this connection: after a reconnect its store may lack data."""
    return state.behind if state.live and state.connection == connection else None
