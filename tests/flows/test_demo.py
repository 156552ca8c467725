"""``cueline demo`` as the README starts it: with its defaults, until Ctrl-C."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START_S, END_S = 60, 15


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[object]:
    """Starts the command in a folder of its own, as a demo keeps its files where it is started."""
    started: list[asyncio.subprocess.Process] = []

    async def demo(*arguments: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine", "demo", "--port", "0", "--rules", str(ROOT / "rules"), *arguments),
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        started.append(process)
        return process

    yield demo
    for process in started:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await asyncio.wait_for(process.wait(), END_S)


async def test_without_arguments_it_runs_until_it_is_interrupted(start) -> None:
    demo = await start()
    async with asyncio.timeout(START_S):
        seen = [line async for line in _until(demo, b"ready in")]
    assert demo.returncode is None, b"".join(seen)

    demo.send_signal(signal.SIGINT)
    rest, _ = await asyncio.wait_for(demo.communicate(), END_S)
    assert demo.returncode == 0, rest
    assert b"Traceback" not in rest


@pytest.mark.parametrize("seconds", ["4", "-1", "nan", "inf"])
async def test_a_time_that_is_too_short_or_none_is_told(start, seconds: str) -> None:
    demo = await start("--seconds", seconds)
    told, _ = await asyncio.wait_for(demo.communicate(), END_S)
    assert demo.returncode == 2
    assert b"5 at least" in told


async def _until(demo: asyncio.subprocess.Process, words: bytes) -> AsyncIterator[bytes]:
    assert demo.stdout is not None
    async for line in demo.stdout:
        yield line
        if words in line:
            return
