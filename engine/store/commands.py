"""What all groups of store commands share: the connection, the keys, the settings."""

from __future__ import annotations

from engine.settings import Redis
from engine.store.connection import Connection
from engine.store.functions.library import ensure
from engine.store.keys import RedisKeys


class Commands:
    """Base of the groups. Nothing is connected before the first call."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        self._settings = settings
        self._keys = RedisKeys(partitions)
        self._connections: list[Connection] = []
        self._connection = self._new_connection()

    def _new_connection(self) -> Connection:
        connection = Connection(self._settings, ensure)
        self._connections.append(connection)
        return connection
