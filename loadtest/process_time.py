"""Processor time of other processes, to the nanosecond (``/proc/PID/stat`` counts hundredths of a second)."""

from __future__ import annotations

import ctypes
import math
import sys
import time
from functools import cache
from pathlib import Path

from engine.errors import BadSettings, Unavailable


def check_platform() -> None:
    """Raises `BadSettings` where the processor time of another process cannot be read."""
    if sys.platform != "linux":
        raise BadSettings("the processor time of another process can be read on Linux only")


def cpu_seconds(pid: int) -> float:
    """Processor time, user and system, of `pid` and its descendants with all their threads; NaN elsewhere than
    on Linux. Of descendants that ended nothing is counted.

    Raises `Unavailable` when there is no such process.
    """
    if sys.platform != "linux":
        return math.nan
    spent = _own_seconds(pid)
    for child in _children(pid):
        spent += cpu_seconds(child)
    return spent


def _own_seconds(pid: int) -> float:
    clock = ctypes.c_int()
    failed = pid <= 0 or _libc().clock_getcpuclockid(pid, ctypes.byref(clock))  # 0 would be this process
    try:
        if not failed:
            return time.clock_gettime(clock.value)
    except OSError:  # it ended between the two calls
        pass
    raise Unavailable(f"process {pid} is gone")


def _children(pid: int) -> list[int]:
    try:
        files = list(Path(f"/proc/{pid}/task").glob("*/children"))
        return [int(child) for file in files for child in file.read_text().split()]
    except OSError:
        return []


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
