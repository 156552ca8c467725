"""Redis is killed after the demo's log has begun anew: what is left is shown again soon, and a loss is said."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.flows.demos import Demos, child, events_applied, until

pytestmark = pytest.mark.slow

START_S = 120
BACK_S = 15.0
LOG_BATCHES = 120  # some 25 seconds: time for the scene before it begins anew again
FIRST = 50  # customers among whom one whose events lie in the old log is looked for


@pytest.mark.parametrize("file_is_lost", [False, True])
async def test_pages_and_decisions_are_back_soon_and_a_loss_is_said(
    start: Demos, tmp_path: Path, file_is_lost: bool
) -> None:
    demo = await start("--json", "--log-batches", str(LOG_BATCHES))
    async with asyncio.timeout(START_S):
        lines = [line async for line in until(demo, b"metrics ")]
        await events_applied(lines[-1])
    async with _client(b"".join(lines).decode()) as client, asyncio.timeout(START_S):
        known = await _somebody(client)
        customer = known["customerId"]
        _ = [line async for line in until(demo, b"begins anew")]
        _ = [line async for line in until(demo, b"worker: ready")]
        await _all_is_well(client)
        if file_is_lost:
            shutil.rmtree(tmp_path / ".cueline/demo/valkey/appendonlydir")
        os.kill(await child(demo.pid, "valkey"), signal.SIGKILL)
        async with asyncio.timeout(BACK_S):
            _ = [line async for line in until(demo, b"redis: ready")]
            await _is_back(client, customer)
        page = await client.get(f"/v1/customers/{customer}")
        notices = (await client.get("/health/ready")).json()["notices"]
        pulse = await _pulse(client)

    assert pulse["notices"] == notices
    if file_is_lost:
        assert page.status_code == 404 or page.json()["firstAt"] > known["firstAt"]
        assert ["customers are lost" in notice for notice in notices] == [True]
        async with asyncio.timeout(BACK_S):
            said = [line async for line in until(demo, b"customers are lost")]
        assert notices[0].encode() in said[-1]
    else:
        assert page.json()["firstAt"] == known["firstAt"]
        assert notices == []
    demo.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(demo.communicate(), START_S)
    assert demo.returncode == 0, out
    assert json.loads(out.splitlines()[-1])["restarts"] == 1
    assert not (tmp_path / ".cueline/demo/valkey/appendonlydir").exists()


def _client(said: str) -> httpx.AsyncClient:
    url, key = re.search(r"http://[\d.:]+", said), re.search(r"API key (\S+)", said)
    assert url
    assert key
    headers = {"authorization": f"Bearer {key[1]}"}
    return httpx.AsyncClient(base_url=url[0], headers=headers, trust_env=False, timeout=5)


async def _all_is_well(client: httpx.AsyncClient) -> None:
    while (await client.get("/health/ready")).status_code != 200:
        await asyncio.sleep(0.1)


async def _somebody(client: httpx.AsyncClient) -> dict[str, Any]:
    while True:
        for number in range(FIRST):
            page = await client.get(f"/v1/customers/shopper-{number:06d}")
            if page.status_code == 200:
                known: dict[str, Any] = page.json()
                return known


async def _decision(client: httpx.AsyncClient, customer: str) -> dict[str, Any]:
    question = {"customerId": customer, "channel": "agent", "peek": True, "deadlineMs": 1_000}
    answer: dict[str, Any] = (await client.post("/v1/decisions", json=question)).json()
    return answer


async def _is_back(client: httpx.AsyncClient, customer: str) -> None:
    """Pages are shown (or the customer is known to be unknown), and decisions rest on rows."""
    while True:
        page = (await client.get(f"/v1/customers/{customer}")).status_code
        if page in (200, 404) and not (await _decision(client, customer))["fallback"]:
            return
        await asyncio.sleep(0.1)


async def _pulse(client: httpx.AsyncClient) -> dict[str, Any]:
    async with client.stream("GET", "/v1/live") as live, asyncio.timeout(START_S):
        kind = ""
        async for line in live.aiter_lines():
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:") and kind == "pulse":
                pulse: dict[str, Any] = json.loads(line[5:])
                return pulse
    raise AssertionError("the stream ended")
