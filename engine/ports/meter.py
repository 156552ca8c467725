"""Where measurements go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np


class Meter(Protocol):
    """Where measurements go, and the value of a counter or gauge. Names are those of `engine.meter.METRICS`;
    an unknown one raises KeyError.

    `on_read` takes what is to be called before each reading, in its thread: somebody who gathers measurements and
    writes many at once writes them then.
    """

    def add(self, name: str, amount: float = 1, label: str = "") -> None: ...
    def set(self, name: str, value: float, label: str = "") -> None: ...
    def observe(self, name: str, seconds: float, label: str = "") -> None: ...
    def observe_many(self, name: str, seconds: np.ndarray, label: str = "") -> None: ...
    def value(self, name: str, label: str = "") -> float: ...
    def on_read(self, settle: Callable[[], None]) -> None: ...
