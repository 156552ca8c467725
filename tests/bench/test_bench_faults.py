"""The fault benchmark run in short: it must find nothing, and its comparison must be able to."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from engine.errors import BadSettings
from loadtest.endless_log import made_up
from loadtest.faults import FaultsResult, KillTarget, RecoveryTimes, bench_faults

RULES = Path(__file__).parent.parent.parent / "rules"


async def run(kills: int, targets: tuple[KillTarget, ...], broker: str, **topic_config: str) -> FaultsResult:
    config = {name.replace("_", "."): value for name, value in topic_config.items()}
    return await bench_faults(made_up(1), kills, targets, broker, 8, RULES, 1, Console(quiet=True), config)


@pytest.mark.slow
async def test_workers_and_redis_killed_on_the_embedded_broker() -> None:
    result = await run(4, ("worker", "redis"), "tansu")
    assert result.exact, result
    assert result.kills == {"worker": 2, "redis": 2}
    assert result.events_sent > 10_000
    assert result.rows > 1_000
    assert result.cues > 100


@pytest.mark.kafka
async def test_everything_killed_on_apache_kafka() -> None:
    result = await run(3, ("worker", "redis", "broker"), "kafka", compression_type="lz4")
    assert result.exact, result
    assert result.kills == {"worker": 1, "redis": 1, "broker": 1}


async def test_a_broker_that_forgets_is_not_killed_and_one_without_settings_has_none() -> None:
    with pytest.raises(BadSettings, match="--broker kafka"):
        await run(1, ("broker",), "tansu")
    with pytest.raises(BadSettings, match="--broker kafka"):
        await run(1, ("worker",), "tansu", compression_type="lz4")


@pytest.mark.parametrize("fault", ["rows_different", "events_lost", "events_doubled", "cues_different"])
def test_exact_means_exact(fault: str) -> None:
    good = FaultsResult({}, "tansu", 1, 1, 0, 0, 0, 1, 0, 0, RecoveryTimes(0, 0))
    assert good.exact
    assert not msgspec.structs.replace(good, **{fault: 1}).exact
