"""Money as rows keep it: whole hundredths of the shop's currency, so that sums are exact in any order."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel


@kernel
def hundredths(value):
    """An amount (float64, from 0 to `wire.MAX_VALUE`) in hundredths (int64), a half rounded up."""
    return np.int64(np.floor(value * 100.0 + 0.5))


@kernel
def currency(amount):
    """Hundredths as an amount: the float64 nearest to it."""
    return amount / 100.0
