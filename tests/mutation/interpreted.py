"""Kernels as plain Python that means what the compiled code means: no compilation for a mutant.

Under ``NUMBA_DISABLE_JIT=1`` numba hands kernels back uncompiled, but then a record has no attributes and a
small unsigned number wraps where compiled code widens it. Here arrays give whole numbers as Python's and
records as `Row`, and what is written wraps to its field as a store instruction does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np


def narrowed(value: Any, kind: np.dtype[Any]) -> Any:
    """`value` as a field of `kind` keeps it."""
    if kind.kind not in "iu" or isinstance(value, np.ndarray):
        return value
    lowest, span = int(np.iinfo(kind).min), 1 << 8 * kind.itemsize
    return (int(value) - lowest) % span + lowest


def widened(value: Any) -> Any:
    """What compiled code has in its hand after reading `value`."""
    if isinstance(value, np.void):
        return Row(value)
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    return value.view(Plain) if isinstance(value, np.ndarray) else value


class Plain(np.ndarray):
    """An array as kernels see it."""

    def __getitem__(self, index: Any) -> Any:
        return widened(super().__getitem__(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, narrowed(value, self.dtype))


class Row:
    """A record of an array: its fields as attributes, written through."""

    __slots__ = ("_record",)

    def __init__(self, record: np.void) -> None:
        object.__setattr__(self, "_record", record)

    def __getattr__(self, name: str) -> Any:
        try:
            return widened(self._record[name])
        except ValueError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._record[name] = narrowed(value, self._record.dtype[name])

    __getitem__, __setitem__ = __getattr__, __setattr__


def argument(value: Any) -> Any:
    """An argument as a kernel takes it, whole tuples too."""
    if isinstance(value, tuple):
        members = map(argument, value)
        return type(value)(*members) if hasattr(value, "_fields") else tuple(members)
    return widened(value)


def interpreted(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, taking what compiled code would take; kernels that it calls in turn get that as it is."""

    @wraps(function)
    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*map(argument, arguments))

    return call


def njit(*functions: Callable[..., Any], **flags: Any) -> Any:
    """In the place of ``numba.njit``."""
    return interpreted(functions[0]) if functions else interpreted
