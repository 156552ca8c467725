"""A whole deployment as a site sees it: an api and a worker as processes, over a real broker and Valkey."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from engine.local.loopback import free_port
from engine.meter import total
from tests.flows.test_stream import Deployment
from tests.patience import PATIENCE_S

KEY, SECRET = (f"{place}-{secrets.token_hex(16)}" for place in ("site", "desk"))


class Site:
    """What a deployment answers at `url`, and what came of it. `key` is for events, `secret` for everything."""

    key, secret = KEY, SECRET

    def __init__(self, deployment: Deployment, client: httpx.AsyncClient) -> None:
        self.deployment = deployment
        self.client = client
        self.url = str(client.base_url).rstrip("/")

    async def counted(self) -> dict[str, int]:
        """The tallies, once every event that the api took is in them."""
        taken = await self.measured("events_accepted")
        return await self.deployment.until(lambda tallies: tallies.get("events", 0) == taken)

    async def customer(self, name: str) -> tuple[Counter[str], dict[str, float]]:
        """What the customer's page says: the last events by their kinds, and the features."""
        answer = (await self.client.get(f"/v1/customers/{name}")).raise_for_status().json()
        kinds = Counter(event["kind"] for event in answer["timeline"])
        return kinds, {feature: reading["value"] for feature, reading in answer["features"].items()}

    async def measured(self, metric: str) -> float:
        """A metric of the api, over all labels."""
        return total((await self.client.get("/metrics")).text, metric)


@asynccontextmanager
async def served(deployment: Deployment) -> AsyncIterator[Site]:
    """The site of `deployment`, whose workers end with it."""
    port = free_port()
    environment = {
        "CUELINE_WEB__PORT": str(port),
        "CUELINE_WEB__WRITE_KEYS": json.dumps([KEY]),
        "CUELINE_WEB__API_KEYS": json.dumps([SECRET]),
    }
    api = [sys.executable, "-m", "engine", "api"]
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"x-api-key": SECRET},
        trust_env=False,
        timeout=PATIENCE_S,
    ) as client:

        async def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get("/health/ready")).status_code == 200
            return False

        await asyncio.gather(
            deployment.work("worker", CUELINE_STREAM__CLOCK="wall"),
            deployment.supervisor.run("api", api, {**deployment.environment(), **environment}, ready, PATIENCE_S),
        )
        yield Site(deployment, client)


async def finished(*argv: str, env: Mapping[str, str]) -> str:
    """What a program printed that has to end well."""
    process = await asyncio.create_subprocess_exec(
        *argv, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    except BaseException:
        process.kill()
        raise
    assert process.returncode == 0, printed.decode()
    return printed.decode()
