"""Retry with backoff: the one way to repeat what failed because a service was unavailable.

stamina computes the delays: exponential up to a maximum, with jitter, so that clients refused together do not
retry together.

    async for attempt in attempts("an outcome", Unavailable):
        with attempt:
            await learn(outcome)
"""

from __future__ import annotations

import functools
import logging
import math
import random
import time
from collections.abc import AsyncIterator

import stamina
from stamina.instrumentation import set_on_retry_hooks

from engine.errors import CuelineError, Overloaded

log = logging.getLogger("cueline")

FIRST_S = 0.2
LONGEST_S = 5.0


def attempts(
    what: str,
    on: type[CuelineError] | tuple[type[CuelineError], ...],
    *,
    patience_s: float | None = None,
    first_s: float = FIRST_S,
    longest_s: float = LONGEST_S,
) -> AsyncIterator[stamina.Attempt]:
    """Attempts until one ends without an error of `on`; any other error, and a cancellation, passes at once.

    The first delay is `first_s` to twice as long, then it grows up to `longest_s`; the Retry-After of an
    `Overloaded` is respected, plus up to a fifth. An attempt that fails after `patience_s` (None: for ever), or
    would be repeated later than that, raises its error. `what` is for the log: no customer's name in it.
    """
    _silence()
    give_up = math.inf if patience_s is None else time.monotonic() + patience_s

    def pause(error: Exception) -> bool | float:
        if not isinstance(error, on):
            return False
        log.info("%s waits: %s", what, error)
        stated = error.retry_after if isinstance(error, Overloaded) else 0
        if not stated:
            return True
        return time.monotonic() + stated <= give_up and stated * random.uniform(1.0, 1.2)

    return stamina.retry_context(
        pause,
        attempts=None,
        timeout=patience_s,
        wait_initial=first_s,
        wait_jitter=first_s,
        wait_max=longest_s,
    )


@functools.cache
def _silence() -> None:
    """stamina itself would log the arguments of what it tries again and count in a registry nobody scrapes."""
    set_on_retry_hooks(())
