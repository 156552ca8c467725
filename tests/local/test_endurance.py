"""Many kills at random moments, also while a service is on its way up: everything is back, nothing is left."""

import asyncio
import random
import sys
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from engine.local import Change, LocalServices, State
from tests.patience import PATIENCE_S
from tests.processes import gone, kill, redis_command

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="waits on others' children")]

KILLS = 40
NAMES = ("kafka", "redis", "sleeper")
SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]


class Watched:
    """An `on_change` that knows which children are ready and every process there has been."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self.ready: dict[str, int] = {}
        self.changed = asyncio.Event()

    def __call__(self, change: Change) -> None:
        if change.pid:
            self.pids.add(change.pid)
        if change.state is State.READY:
            self.ready[change.name] = change.pid
        else:
            self.ready.pop(change.name, None)
        self.changed.set()

    async def all_ready(self, killed: int) -> None:
        """Until each is ready, none of them as the process that was killed last."""
        while set(self.ready) != set(NAMES) or killed in self.ready.values():
            self.changed.clear()
            await self.changed.wait()


@pytest.mark.parametrize("seed", [1, 2])
async def test_everything_is_back_after_kills_at_random_moments(tmp_path: Path, seed: int) -> None:
    chance, watched, killed = random.Random(seed), Watched(), 0
    async with LocalServices(tmp_path, partitions=2, appendonly=True, on_change=watched) as services:
        await services.supervisor.run("sleeper", SLEEPER)
        assert await redis_command(services.redis_url, "SET k kept") == b"+OK"
        assert await redis_command(services.redis_url, "WAITAOF 1 0 5000") == b"*2"
        for _ in range(KILLS):
            if pid := services.supervisor.pid(chance.choice(NAMES)):
                kill(killed := pid)
                await gone(pid)
            await asyncio.sleep(chance.uniform(0, 0.3))
        async with asyncio.timeout(PATIENCE_S):
            await watched.all_ready(killed)
        assert await redis_command(services.redis_url, "GET k") == b"$4"
        assert (await partitions_of(services.brokers))["cueline.events"] == 2
    assert len(watched.pids) > 2 * len(NAMES)
    for pid in watched.pids:
        await gone(pid)


async def partitions_of(brokers: str) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    finally:
        await admin.close()
