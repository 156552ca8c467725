"""The lag watchdog: a partition with lag and no progress must end the process, so that it is restarted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import nan

from engine.errors import Stuck
from engine.ports.meter import Meter


class LagWatchdog:
    """Remembers when each partition last made progress. Times are monotonic seconds, passed in."""

    def __init__(self, limit_s: float, meter: Meter) -> None:
        self.limit_s = limit_s
        self._meter = meter
        self._moved: dict[int, tuple[int, float]] = {}
        self.seen = False  # every partition's end is known: the process may report ready

    def begin(self) -> None:
        """Forget everything: the assignment changed."""
        for partition in self._moved:
            self._meter.set("lag_records", nan, str(partition))
        self._moved.clear()
        self.seen = False

    def look(self, lags: Mapping[int, tuple[int, int | None]], now: float, paused: Collection[int] = ()) -> None:
        """Take (next offset, records behind) by partition; raises `Stuck`. Those `paused` need not move.

        ``None`` is an end that is not known yet: it is the only sign of a fetch that never returns.
        """
        for partition, (offset, behind) in lags.items():
            before = self._moved.get(partition)
            self._meter.set("lag_records", nan if behind is None else behind, str(partition))
            if before is None or behind == 0 or before[0] != offset or partition in paused:
                self._moved[partition] = (offset, now)
            elif now - before[1] > self.limit_s:
                how_far = "its end unknown" if behind is None else f"{behind} records behind"
                raise Stuck(
                    f"partition {partition} has been at offset {offset}, {how_far}, for {now - before[1]:.0f} s"
                )
        self.seen = all(behind is not None for _, behind in lags.values())
