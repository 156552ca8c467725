"""Processes as they are deployed say whether they can do their work, and their metrics say the same."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from engine.local.supervisor import Supervisor
from engine.meter import total
from tests.patience import PATIENCE_S
from tests.processes import redis_command
from tests.services import Broker, Valkey

RULES = Path(__file__).parent.parent.parent / "rules"
WITHIN_S = PATIENCE_S


@pytest.fixture(params=["api", "work"])
async def process(
    request: pytest.FixtureRequest,
    own: Valkey,
    broker: Broker,
    unique: Callable[[str], str],
    free_port: Callable[[], int],
    tmp_path: Path,
) -> AsyncIterator[httpx.AsyncClient]:
    port, supervisor = free_port(), Supervisor(tmp_path / "logs")
    topics = {
        f"CUELINE_KAFKA__{name.upper()}_TOPIC": unique(name) for name in ("events", "outcomes", "deadletters")
    }
    environment = {
        **topics,
        "CUELINE_KAFKA__BROKERS": broker.bootstrap,
        "CUELINE_KAFKA__PARTITIONS": "2",
        "CUELINE_KAFKA__IDEMPOTENT": str(broker.durable).lower(),
        "CUELINE_REDIS__URL": own.url,
        "CUELINE_REDIS__TIMEOUT_S": "0.5",
        "CUELINE_WEB__PORT": str(port),
        "CUELINE_STREAM__METRICS_PORT": str(port),
        "CUELINE_KAFKA__GROUP": unique("group"),
        "CUELINE_KAFKA__REBALANCE_TIMEOUT_S": "2",
        "CUELINE_RULES__DIRECTORY": str(RULES),
    }
    command = [sys.executable, "-m", "engine", request.param]
    if request.param == "work":
        command += ["--directory", str(tmp_path / "worker")]
    await supervisor.run(request.param, command, environment)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S
    ) as client:
        yield client
    await supervisor.stop_all(grace=2)


async def until(client: httpx.AsyncClient, status: int) -> httpx.Response:
    """Ask whether it is ready until it answers with `status`."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                answer = await client.get("/health/ready")
                if answer.status_code == status:
                    return answer
            except httpx.TransportError:
                pass  # it does not listen yet
            await asyncio.sleep(0.05)


async def gauge(client: httpx.AsyncClient) -> float:
    return total((await client.get("/metrics")).text, "process_ready")


async def test_ready_is_told_while_redis_goes_and_comes_back(own: Valkey, process: httpx.AsyncClient) -> None:
    assert (await until(process, 200)).json()["problems"] == {}
    assert await gauge(process) == 1
    own.kill()
    answer = await until(process, 503)
    assert set(answer.json()["problems"]) == {"store"}
    assert await gauge(process) == 0
    assert (await process.get("/health/live")).status_code == 200
    await own.start()
    await until(process, 200)
    assert await gauge(process) == 1


async def test_a_count_that_is_none_ends_no_process(
    process: httpx.AsyncClient, own: Valkey, tmp_path: Path
) -> None:
    await until(process, 200)
    assert await redis_command(own.url, "HSET {p1}:m call|web|s rubbish call|web|f 1 version 1") == b":3"
    log = next((tmp_path / "logs").glob("*.log"))
    async with asyncio.timeout(WITHIN_S):
        while "field 'call|web|s' of '{p1}:m': passed over" not in log.read_text():
            assert (await process.get("/health/live")).status_code == 200
            await asyncio.sleep(0.1)
    await until(process, 200)
