"""The README's calls, pasted into a shell a minute apart at the demo's pace, give what the README says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.clock import wall_ms
from engine.demo.feed import TRAFFIC_SPEED
from engine.local.loopback import HOST
from engine.local.services import TANSU_GROUP, LocalServices
from engine.ports.clock import ClockAnchor
from engine.settings import Redis
from engine.store.redis import RedisStore
from tests.flows.demos import ROOT

README = (ROOT / "README.md").read_text()
PARTITIONS = 2
WITHIN_S = 60.0
READY_WITHIN_S = 120.0
MINUTE_MS = 60_000


class Shell:
    """Somebody who reads: pastes a snippet, lets a minute pass, pastes the next."""

    def __init__(self, folder: Path, port: int, store: RedisStore) -> None:
        self._folder, self._port, self._store = folder, port, store
        self._engine_ms, self._jar = wall_ms(), ""

    async def paste(self, snippet: str) -> str:
        """What it prints. The variables of snippets pasted before are set."""
        process = await self.begin(snippet)
        out, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert process.returncode == 0, err
        return out.decode()

    async def begin(self, snippet: str) -> asyncio.subprocess.Process:
        """The snippet, under way."""
        here = snippet.replace("http://127.0.0.1:8080", f"http://{HOST}:{self._port}")
        return await asyncio.create_subprocess_exec(
            *("sh", "-e", "-c", f"BASE=http://{HOST}:{self._port}\n{here}"),
            cwd=self._folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def minute(self) -> None:
        """One passes on the wall, in an instant."""
        self._engine_ms += round(MINUTE_MS * TRAFFIC_SPEED)
        await self.set_clock()

    async def set_clock(self) -> None:
        await self._store.set_clock(ClockAnchor(self._engine_ms, wall_ms(), TRAFFIC_SPEED))
        await asyncio.sleep(0.5)  # processes look at it five times a second

    async def applied(self, events: int) -> None:
        async with asyncio.timeout(WITHIN_S):
            while (await self._store.tallies()).get("applied", 0) < events:
                await asyncio.sleep(0.05)


@pytest.fixture
async def shell(tmp_path: Path, free_port: Any) -> AsyncIterator[Shell]:
    port, worker_port = free_port(), free_port()
    async with LocalServices(tmp_path / "services", PARTITIONS) as services:
        environment = {
            **TANSU_GROUP,
            "CUELINE_KAFKA__BROKERS": services.brokers,
            "CUELINE_KAFKA__PARTITIONS": str(PARTITIONS),
            "CUELINE_KAFKA__IDEMPOTENT": "false",
            "CUELINE_REDIS__URL": services.redis_url,
            "CUELINE_STREAM__CLOCK": "replay",
            "CUELINE_STREAM__METRICS_PORT": str(worker_port),
            "CUELINE_WEB__PORT": str(port),
            "CUELINE_WEB__WRITE_KEYS": '["write-key-of-the-readme"]',
            "CUELINE_WEB__API_KEYS": '["api-key-of-the-readme-1"]',
            "CUELINE_WEB__DEMO_PAGE": "true",
            "CUELINE_RULES__DIRECTORY": str(ROOT / "rules"),
        }
        store = RedisStore(Redis(url=services.redis_url), PARTITIONS)
        shell = Shell(tmp_path, port, store)
        await shell.set_clock()
        engine = [sys.executable, "-m", "engine"]
        run = services.supervisor.run
        await run("api", [*engine, "api"], environment)
        await run("work", [*engine, "work"], environment)
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                try:
                    await shell.paste("curl -sf $BASE/health/ready")
                    break
                except AssertionError:  # not yet
                    await asyncio.sleep(0.1)
        yield shell
        await store.close()


def snippets(heading: str) -> list[str]:
    """The shell's code under a heading of the README."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def calls(snippet: str) -> list[str]:
    """Its calls, one each."""
    return [f"curl{call}" for call in re.split(r"^curl", snippet, flags=re.MULTILINE)[1:]]


async def test_what_is_typed_by_hand_is_answered_as_the_readme_says(shell: Shell) -> None:
    key = next(snippet for snippet in snippets("One minute to the first result") if "demo.jar" in snippet)
    await shell.paste(key)
    await shell.minute()

    viewed, searched = calls(snippets("The website")[0])
    assert json.loads(await shell.paste(viewed)) == {"messageId": "m-1", "accepted": 1}
    await shell.minute()
    assert json.loads(await shell.paste(searched))["accepted"] == 3
    await shell.applied(4)
    await shell.minute()

    ask, report, page = calls(snippets("The agent desktop")[0])
    decision = json.loads(await shell.paste(ask))
    assert not decision["fallback"]
    offer = decision["offers"][0]
    assert offer["offerId"] == "search_help"
    assert all(offer[name] for name in ("say", "why", "propensity", "value", "priority"))
    given = {offer["offerId"] for offer in decision["offers"]}
    assert decision["suppressed"]
    assert given.isdisjoint(refused["offerId"] for refused in decision["suppressed"])
    await shell.minute()

    blanks = '"decisionId":"…","offerId":"…"'
    assert blanks in report
    filled = json.dumps({"decisionId": decision["decisionId"], "offerId": offer["offerId"]})[1:-1]
    assert json.loads(await shell.paste(report.replace(blanks, filled)))["outcome"] == "accepted"
    await shell.minute()

    customer = json.loads(await shell.paste(page))
    assert [indicator["name"] for indicator in customer["indicators"]] == ["search_struggle"]
    assert len(customer["timeline"]) == 4
    assert customer["features"]["session.searches"]["value"] == 3
    assert "search_help" in customer["offersGiven"]


async def test_a_stream_that_is_open_has_the_cue_at_once(shell: Shell) -> None:
    await shell.paste(next(s for s in snippets("One minute to the first result") if "demo.jar" in s))
    streams, search = snippets("The agent desktop")[1:3]
    listening = [await shell.begin(stream) for stream in calls(streams)]
    try:
        for stream in listening:
            assert stream.stdout is not None
            assert await asyncio.wait_for(stream.stdout.readline(), WITHIN_S)  # it is open
        await shell.minute()
        await shell.paste(search)
        for stream in listening:
            cue = await asyncio.wait_for(_cue(stream), WITHIN_S)
            assert (cue["customer"], cue["offerId"]) == ("visitor-2", "search_help")
    finally:
        for stream in listening:
            os.killpg(stream.pid, signal.SIGKILL)  # the shell, and what it runs
            await stream.wait()


async def _cue(stream: asyncio.subprocess.Process) -> dict[str, Any]:
    """The first that it prints."""
    assert stream.stdout is not None
    async for line in stream.stdout:
        if line.startswith(b"data:"):
            cue: dict[str, Any] = json.loads(line[5:])
            return cue
    raise AssertionError("the stream ended")
