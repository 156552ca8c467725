"""The engine's time. Production reads the wall; a replay runs on an anchor that makes hours seconds."""

from __future__ import annotations

import time

from engine.ports.clock import ClockAnchor


def wall_ms() -> int:
    """Wall time in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class EngineClock:
    """Engine time: the wall's until an anchor is set."""

    def __init__(self) -> None:
        self.anchor: ClockAnchor | None = None

    def now_ms(self) -> int:
        """Engine time in epoch milliseconds."""
        wall, anchor = wall_ms(), self.anchor
        if anchor is None:
            return wall
        return anchor.engine_ms + int((wall - anchor.wall_ms) * anchor.speed)
