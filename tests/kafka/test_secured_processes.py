"""The processes as they are deployed, against an Apache Kafka with TLS and SASL; and workers that keep their place
in the group."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest

from engine.local.loopback import free_port
from engine.settings import Redis
from tests.flows.test_stream import PARTITIONS, Deployment, deployed, shopping
from tests.kafka.secured import PASSWORD, Secured
from tests.patience import PATIENCE_S
from tests.services import Broker, Valkey

pytestmark = pytest.mark.kafka

WRITE_KEY = "a-write-key-that-is-long-enough-for-anybody"
EVENTS = 30


async def listening(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if (await client.get("/health/live")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


def doctor(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", "doctor", "--json"]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


async def test_events_count_over_tls_with_a_password(
    secured: Secured, valkey: Valkey, unique: Callable[[str], str], tmp_path: Path
) -> None:
    async with deployed(secured.broker, valkey, unique, tmp_path, secured.kafka("SASL_SSL")) as deployment:
        port = free_port()
        web = {"CUELINE_WEB__PORT": str(port), "CUELINE_WEB__WRITE_KEYS": json.dumps([WRITE_KEY])}
        await deployment.work("worker")
        await deployment.supervisor.run(
            "api", [sys.executable, "-m", "engine", "api"], deployment.environment() | web
        )
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", auth=(WRITE_KEY, ""), trust_env=False, timeout=PATIENCE_S
        ) as client:
            await listening(client)
            for number in range(EVENTS):
                payload = {"type": "page", "anonymousId": f"visitor-{number % 7}", "messageId": f"m-{number}"}
                assert (await client.post("/v1/page", json=payload)).status_code == 200
        tallies = await deployment.until(lambda tallies: tallies.get("applied", 0) >= EVENTS)
        assert tallies["applied"] == EVENTS
        ran = await asyncio.to_thread(doctor, deployment.environment())
        assert ran.returncode == 0, ran.stdout
        logs = [path.read_text() for path in (tmp_path / "logs").glob("*.log")]
        assert len(logs) == 2
        assert PASSWORD not in "".join([*logs, ran.stdout, ran.stderr])


@pytest.mark.parametrize("command", [["api"], ["work"]])
async def test_a_process_that_is_kept_out_says_why_and_shows_no_secret(
    secured: Secured, valkey: Valkey, tmp_path: Path, command: list[str]
) -> None:
    wrong = Deployment(secured.kafka("SASL_SSL", sasl_password="wrong-secret"), Redis(url=valkey.url), tmp_path)
    try:
        ran = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "engine", *command],
            env={**os.environ, **wrong.environment(), "CUELINE_STREAM__METRICS_PORT": "0"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        await wrong.store.close()
    assert ran.returncode == 1
    assert "it does not know kafka.sasl_user with this kafka.sasl_password" in ran.stderr
    assert "wrong-secret" not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("instances", [True, False])
async def test_a_worker_that_comes_back_under_its_name_moves_no_partition_of_others(
    kafka: Broker, valkey: Valkey, unique: Callable[[str], str], tmp_path: Path, instances: bool
) -> None:
    def place(name: str) -> dict[str, str]:
        named = {"CUELINE_KAFKA__GROUP_INSTANCE_ID": name} if instances else {}
        return {"CUELINE_KAFKA__SESSION_TIMEOUT_S": "45", **named}

    async with deployed(kafka, valkey, unique, tmp_path) as deployment:
        for name in ("one", "two"):
            await deployment.work(name, **place(name))
        await deployment.until_they_own(one=PARTITIONS // 2, two=PARTITIONS // 2)
        before, kept = await epochs(deployment), await owned_by(deployment, "two")
        await deployment.supervisor.stop("one")
        await deployment.work("one", **place("one"))
        await deployment.until_they_own(one=PARTITIONS // 2, two=PARTITIONS // 2)
        messages = shopping(200, 50)
        await deployment.log.publish(messages)
        await deployment.until(lambda tallies: tallies.get("applied", 0) >= len(messages))
        after = await epochs(deployment)
        claimed = {partition for partition in range(PARTITIONS) if after[partition] != before[partition]}
        assert claimed == (set(range(PARTITIONS)) - kept if instances else set(range(PARTITIONS)))


async def epochs(deployment: Deployment) -> list[int]:
    """Of each partition; a claim, which every rebalance ends with, raises it."""
    return [(await deployment.store.position(partition)).epoch for partition in range(PARTITIONS)]


async def owned_by(deployment: Deployment, name: str) -> set[int]:
    """The partitions that a worker says it has."""
    pid = deployment.supervisor.pid(name)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            reports = await deployment.store.reports()
            owned = {p for p, report in enumerate(reports) if report and f"-{pid}-" in report.worker}
            if len(owned) == PARTITIONS // 2:
                return owned
            await asyncio.sleep(0.1)
