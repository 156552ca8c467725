"""A signal in a command's first second ends it at once, without a traceback. Real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.services import Valkey

ROOT = Path(__file__).parent.parent.parent
WITHIN_S = 300.0  # kernels may have to be compiled first
Process = asyncio.subprocess.Process

COMMANDS = {
    "api": ["api"],
    "work": ["work"],
    "demo": ["demo", "--port", "0", "--no-browser"],
    "doctor": ["doctor"],
    "rules": ["rules", "check", str(ROOT / "rules")],
}


@asynccontextmanager
async def started(
    folder: Path, *command: str, imports: bool = False, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """`imports`: each module says on standard error that it has been imported."""
    watched = ["-X", "importtime"] if imports else []
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, *watched, "-m", "engine", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended_by(process: Process, number: signal.Signals) -> None:
    """Send it and hold that the process died of it, saying nothing of it."""
    process.send_signal(number)
    async with asyncio.timeout(WITHIN_S):
        _, said = await process.communicate()
    assert process.returncode == -number
    assert b"Traceback" not in said
    assert b"Interrupt" not in said


@pytest.mark.parametrize("module", ["typer", "engine.errors"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", COMMANDS)
async def test_while_modules_are_imported(
    tmp_path: Path, command: str, number: signal.Signals, module: str
) -> None:
    async with started(tmp_path, *COMMANDS[command], imports=True) as process:
        assert process.stderr
        async with asyncio.timeout(WITHIN_S):
            while (line := await process.stderr.readline()).rpartition(b"|")[2].strip() != module.encode():
                assert line, "it ended before"
        await ended_by(process, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["api", "work"])
@pytest.mark.parametrize("silent", ["redis", "kafka"])
async def test_while_it_waits_for_a_service(
    tmp_path: Path, valkey: Valkey, command: str, number: signal.Signals, silent: str
) -> None:
    """The service takes the connection and says nothing."""
    connected = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()  # until the other side is gone
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        address = "{}:{}".format(*server.sockets[0].getsockname())
        environment = {
            "CUELINE_REDIS__URL": f"redis://{address}/0" if silent == "redis" else valkey.url,
            "CUELINE_REDIS__TIMEOUT_S": "60",
            "CUELINE_KAFKA__BROKERS": address,
            "CUELINE_RULES__DIRECTORY": str(ROOT / "rules"),
        }
        async with started(tmp_path, command, environment=environment) as process:
            async with asyncio.timeout(WITHIN_S):
                await connected.wait()
            await ended_by(process, number)


async def test_what_was_ignored_stays_ignored(tmp_path: Path) -> None:
    """As `nohup` and shells have it for what runs in the background."""
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from engine.process.signals import end_at_once, interrupt\n"
        "end_at_once(); interrupt(); signal.raise_signal(signal.SIGINT); print('still here')"
    )
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", script],
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert (said, process.returncode) == (b"still here\n", 0)
