"""When an event of a log is due in wall time. Pure: time is an argument."""

from __future__ import annotations

import math

from engine.ports.clock import ClockAnchor


def due(at: int, anchor: ClockAnchor) -> int:
    """Wall time (epoch ms) at which the engine's clock under `anchor` has surely reached event time `at`.

    A frozen clock (speed 0) makes everything due at once: that is ``max``.
    """
    if anchor.speed == 0:
        return anchor.wall_ms
    # the engine rounds down, so one millisecond more keeps the API from seeing a future event
    return anchor.wall_ms + math.floor((at - anchor.engine_ms) / anchor.speed) + 1


def parse_speed(text: str) -> float:
    """``max`` (0: unpaced) or a number above 0, how many times as fast as it happened. Raises ValueError.

    >>> parse_speed("60"), parse_speed("max")
    (60.0, 0.0)
    """
    if text.strip().lower() == "max":
        return 0.0
    speed = float(text)
    if not 0 < speed < math.inf:
        raise ValueError("speed is max or a number above 0")
    return speed
