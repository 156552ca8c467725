"""Rule files compiled in a process of its own: many rules take seconds, and a thread would hold the interpreter.

``python -m engine.rulebook.apart DIRECTORY`` writes the rulebook, or its faults, to standard output.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.errors import BadRule
from engine.rulebook.directory import load, stamps
from engine.rulebook.model import Rulebook
from engine.rulebook.wire import from_bytes, to_bytes
from engine.steps import in_slices

log = logging.getLogger("cueline")

#: Less is compiled within a tenth of a second, sooner than a process starts.
LARGE = 32 * 1024  # bytes of rule files
WITHIN_S = 60.0
NICE = 5  # the process that uses the rules goes before


class _Result(msgspec.Struct, frozen=True, array_like=True):
    """What the child says: the rulebook's bytes, or the faults."""

    rulebook: bytes
    faults: list[str]


_decode = msgspec.msgpack.Decoder(_Result).decode


async def load_beside(directory: Path) -> Rulebook:
    """As `directory.load`, beside what the event loop does: rule files of `LARGE` bytes and more in another
    process, fewer in a thread. Raises `BadRule`."""
    if await asyncio.to_thread(_size, directory) < LARGE:
        return await asyncio.to_thread(load, directory)
    try:
        result = _decode(await asyncio.to_thread(_output, directory))
        if result.faults:
            raise BadRule(result.faults)
        return await in_slices(from_bytes(result.rulebook))
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
        log.warning("the rules are compiled in this process, since another failed: %r", error)
        return await asyncio.to_thread(load, directory)


def _size(directory: Path) -> int:
    return sum(size for _, _, size, *_ in stamps(directory).values())


def _output(directory: Path) -> bytes:
    """What the child writes. Raises OSError, or SubprocessError when it fails or does not end."""
    command = [sys.executable, "-m", __name__, str(directory)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=WITHIN_S, check=True
    ).stdout


def main(directory: Path, write: Callable[[bytes], object]) -> None:
    """Compile `directory`; `write` gets the result."""
    try:
        result = _Result(to_bytes(load(directory)), [])
    except BadRule as bad:
        result = _Result(b"", bad.faults)
    write(msgspec.msgpack.encode(result))


if __name__ == "__main__":
    os.nice(NICE)
    main(Path(sys.argv[1]), sys.stdout.buffer.write)
