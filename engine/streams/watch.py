"""The lag watchdog: lag that does not move must end the process, for a restart mends what logs only tell."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

from engine.errors import Stuck
from engine.ports import Meter


class LagWatch:
    """Remembers when each partition last moved. Times are monotonic seconds, passed in."""

    def __init__(self, limit_s: float, meter: Meter) -> None:
        self._limit_s = limit_s
        self._meter = meter
        self._moved: dict[int, tuple[int, float]] = {}
        self.seen = False  # every partition's end is known: the process may call itself ready

    def begin(self) -> None:
        """Forget everything: the assignment changed."""
        for partition in self._moved:
            self._meter.set("lag_records", nan, str(partition))
        self._moved.clear()
        self.seen = False

    def look(self, lags: Mapping[int, tuple[int, int]], now: float) -> None:
        """Take (next offset, records behind) by partition; raises `Stuck`."""
        for partition, (offset, behind) in lags.items():
            before = self._moved.get(partition)
            self._meter.set("lag_records", behind, str(partition))
            if before is None or behind == 0 or before[0] != offset:
                self._moved[partition] = (offset, now)
            elif now - before[1] > self._limit_s:
                raise Stuck(
                    f"partition {partition} stands at offset {offset}, {behind} records behind, "
                    f"for {now - before[1]:.0f} s"
                )
        self.seen = True
