"""What the four groups of verbs share: the connection, the keys, the settings."""

from __future__ import annotations

from engine.settings import Redis
from engine.store.connection import Line
from engine.store.keys import Keys
from engine.store.library import ensure


class Verbs:
    """Base of the groups. Nothing is connected before the first call."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        self._settings = settings
        self._keys = Keys(partitions)
        self._lines: list[Line] = []
        self._line = self._new_line()

    def _new_line(self) -> Line:
        line = Line(self._settings.url, self._settings.timeout_s, ensure)
        self._lines.append(line)
        return line
