"""The one place that chooses the compiler's flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

from engine.kernels.cache import cached

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile `function` to machine code: kept on disk (`engine.kernels.cache`), without the interpreter lock.

    ``error_model="numpy"``: a division by zero gives inf or NaN, as in the arrays around it.
    """
    return cast(F, cached(numba.njit(nogil=True, error_model="numpy")(function)))


def inlined(function: F) -> F:
    """Like `kernel`, but numba copies the body into every kernel that calls it.

    For small hot kernels with many array arguments: handing over ten arrays costs 70 ns.
    """
    compiled = numba.njit(nogil=True, error_model="numpy", inline="always")(function)
    return cast(F, cached(compiled))
