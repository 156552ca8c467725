"""The demo as a process: started in a folder of its own, listened to, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
END_S = PATIENCE_S
LINES = 60  # of each log, shown


class Demos:
    """Starts the command in `folder`, as a demo keeps its files where it is started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[asyncio.subprocess.Process] = []

    async def __call__(self, *arguments: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine", "demo", "--port", "0", "--rules", str(ROOT / "rules"), *arguments),
            cwd=self._folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._started.append(process)
        return process

    async def end(self) -> None:
        """Ctrl-C for those that run, and what they and their children have said, which a test that fails shows."""
        for process in self._started:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            out, _ = await asyncio.wait_for(process.communicate(), END_S)
            print(out.decode(errors="replace"), f"ended with {process.returncode}")
        for log in sorted(self._folder.glob("**/logs/*.log")):
            lines = log.read_text(errors="replace").splitlines()[-LINES:]
            print(f"-- {log.name}", *lines, sep="\n")


async def until(demo: asyncio.subprocess.Process, words: bytes) -> AsyncIterator[bytes]:
    """Its lines, until one has `words` in it."""
    assert demo.stdout is not None
    async for line in demo.stdout:
        yield line
        if words in line:
            return


async def events_applied(metrics: bytes) -> None:
    """Wait until the worker, whose address is the last in the demo's line, has applied events."""
    address = metrics.split()[-1].decode()
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                exposition = (await client.get(address)).text
                if re.search(r"^cueline_stream_applied_total [1-9]", exposition, re.MULTILINE):
                    return
            await asyncio.sleep(0.1)


async def child(parent: int, words: str) -> int:
    """The process of `parent` whose command line has `words` in it."""
    listing = await asyncio.create_subprocess_exec(
        *("ps", "-A", "-ww", "-o", "pid=,ppid=,args="), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await listing.communicate()
    rows = (line.split(None, 2) for line in out.decode().splitlines())
    return next(int(pid) for pid, of, args in rows if int(of) == parent and words in args)
