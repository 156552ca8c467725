"""``python -m tests.flows.first_decision URL``: the HTTP process of the settings in the environment, run within
this one, is asked for a decision as soon as it is ready. Prints what that decision did for the first time."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import httpx
import msgspec
from redis.asyncio import Redis

from engine.kernels.warm import tally
from engine.process.api import run_api
from engine.settings_sources import read_settings

WITHIN_S = 120.0


class Firsts(msgspec.Struct, frozen=True):
    """Kernels read from disk or compiled, modules imported and connections to Redis made, by one decision."""

    kernels: int
    modules: list[str]
    connections: int
    fallback: bool
    kernels_before: int  # those that were ready by then


async def main(url: str) -> None:
    """Run the process, ask it once, print `Firsts` as JSON."""
    settings = read_settings()
    serving = asyncio.ensure_future(run_api(settings))
    headers = {"authorization": f"Bearer {settings.web.api_keys[0].get_secret_value()}"}
    redis = Redis.from_url(settings.redis.url)
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client, redis:
        async with asyncio.timeout(WITHIN_S):
            await ready(client, serving)
        await client.post("/v1/nothing", json={})  # what the client itself does for the first time
        print(msgspec.json.encode(await firsts(client, redis)).decode())
    serving.cancel()


async def firsts(client: httpx.AsyncClient, redis: Redis) -> Firsts:
    """What the next decision is the first to do."""
    connections, kernels, modules = await connections_of(redis), sum(tally()), set(sys.modules)
    asked = {"customerId": "somebody", "channel": "web", "deadlineMs": 10_000}
    answer = (await client.post("/v1/decisions", json=asked)).raise_for_status().json()
    return Firsts(
        sum(tally()) - kernels,
        sorted(set(sys.modules) - modules),
        await connections_of(redis) - connections,
        answer["fallback"],
        kernels,
    )


async def ready(client: httpx.AsyncClient, serving: asyncio.Future[None]) -> None:
    """Returns when the process is; raises what ended it."""
    while not serving.done():
        with suppress(httpx.TransportError):  # it does not listen yet
            if (await client.get("/health/ready")).status_code == httpx.codes.OK:
                return
        await asyncio.sleep(0.05)
    await serving


async def connections_of(redis: Redis) -> int:
    """How many connections the server has taken so far."""
    return int((await redis.info("stats"))["total_connections_received"])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
