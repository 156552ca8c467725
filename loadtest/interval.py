"""How sure a ratio is: Student's interval on the logarithms of paired ratios.

A ratio of 2 and one of 1/2 are equally far from 1 on the logarithmic scale, and what slows both halves of a
pair cancels. Student's interval holds what it promises from two pairs on; a bootstrap of so few covers too
little. Method: A. Georges, D. Buytaert, L. Eeckhout, "Statistically Rigorous Java Performance Evaluation",
OOPSLA 2007, section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

#: 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom: NIST/SEMATECH e-Handbook, table 1.3.6.7.2.
T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
Z_975 = 1.959964


class Interval(msgspec.Struct, frozen=True):
    """A ratio and where the true one lies in 95 of 100 such measurements."""

    ratio: float
    low: float
    high: float


def interval(ratios: Sequence[float]) -> Interval:
    """The geometric mean of paired ratios (all above 0) and its 95 % interval. Raises ValueError for fewer
    than two, of which there is no spread."""
    count = len(ratios)
    if count < 2:
        raise ValueError("an interval needs two pairs at least")
    logs = [math.log(ratio) for ratio in ratios]
    mean = math.fsum(logs) / count
    variance = math.fsum((value - mean) ** 2 for value in logs) / (count - 1)
    half = t_975(count - 1) * math.sqrt(variance / count)
    return Interval(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def t_975(freedom: int) -> float:
    """The 97.5 % quantile of Student's t; beyond the table by the first terms of its expansion (Abramowitz and
    Stegun, Handbook of Mathematical Functions, 26.7.5)."""
    if freedom <= len(T_975):
        return T_975[freedom - 1]
    z = Z_975
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
