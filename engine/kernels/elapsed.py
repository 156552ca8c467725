"""Time since something, as features have it."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel


@kernel
def since(at, now, unit):
    """Time from `at` to `now` in `unit` ms; NaN for never. Not below 0 (an event may lie ahead of now)."""
    if at == 0:
        return np.nan
    return max(now - at, 0) / unit
