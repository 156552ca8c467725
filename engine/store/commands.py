"""What all groups of store commands share: the connection, the keys, the settings."""

from __future__ import annotations

from collections.abc import Sequence

from engine.identity.erased_ids import ErasedIds
from engine.settings import Redis
from engine.store.connection import Connection
from engine.store.functions.library import ensure
from engine.store.keys import RedisKeys


class Commands:
    """Base of the groups. Nothing is connected before the first call."""

    _erased_ids = ErasedIds()

    def __init__(self, settings: Redis, partitions: int) -> None:
        self._settings = settings
        self._keys = RedisKeys(partitions)
        self._connections: list[Connection] = []
        self._connection = self._new_connection()

    def _new_connection(self) -> Connection:
        connection = Connection(self._settings, ensure)
        self._connections.append(connection)
        return connection

    def _parts(self, partitions: Sequence[int]) -> list[list[int]]:
        """Which positions of ``partitions`` one command may take: on a cluster those of one partition, whose keys
        share a slot; else all. (A command for each of 16 partitions took a third of a single server's rate.)"""
        if not self._connection.clustered:
            return [list(range(len(partitions)))]
        held: dict[int, list[int]] = {}
        for position, partition in enumerate(partitions):
            held.setdefault(partition, []).append(position)
        return list(held.values())
