"""Handling of SIGINT and SIGTERM. Until there is something to shut down, they end the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def end_at_once() -> None:
    """Die of the signal, without a traceback: while modules are imported, kernels compiled, services connected to.

    A signal that was ignored when the process began stays ignored, as shells want it for background jobs.
    """
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
            # for the first process of a container the kernel drops signals whose action is the default
            signal.signal(number, _exit if os.getpid() == 1 else signal.SIG_DFL)


def _exit(number: int, frame: FrameType | None) -> None:
    """With the code that a shell gives to one that died of the signal."""
    os._exit(128 + number)


def interrupt() -> None:
    """SIGINT becomes KeyboardInterrupt again, for a command that cleans up after itself."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def stop_on_signals(stop: asyncio.Event) -> None:
    """From now on a signal sets `stop`, for a graceful shutdown."""
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
