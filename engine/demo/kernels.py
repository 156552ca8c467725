"""The kernels, compiled before the demo's processes start: each of them would compile all for itself meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable

from engine.errors import Unavailable
from engine.kernels import cache
from engine.kernels.cache_directory import is_filled
from engine.local.parent_death import dying_with_parent

WARM_UP = (sys.executable, "-m", "engine.kernels.warm")


def kept() -> bool:
    """Whether compiled kernels can be kept on disk; where not, each process compiles in memory at its start."""
    return cache.opened().folder is not None


async def compile_kernels(say: Callable[[str], None]) -> None:
    """Returns when the kernels lie on disk, at once when they do already. Raises `Unavailable`."""
    folder = cache.opened().folder
    if folder is None or is_filled(folder):
        return
    say("compiling the kernels for this processor, up to a minute or two …")
    warm_up = await asyncio.create_subprocess_exec(
        *dying_with_parent(WARM_UP), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        shown, _ = await warm_up.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            warm_up.kill()
    if warm_up.returncode:
        raise Unavailable(f"the kernels cannot be compiled: {shown.decode(errors='replace')[-1_000:]}")
