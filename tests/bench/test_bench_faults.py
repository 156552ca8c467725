"""The fault benchmark run in short: it must find nothing, and its comparison must be able to."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from engine.errors import BadSettings
from engine.kernels.partition import partition_of
from loadtest.endless_log import made_up
from loadtest.faults import FaultsResult, KillTarget, RecoveryTimes, bench_faults
from loadtest.misplaced import ONE_OF, place

RULES = Path(__file__).parent.parent.parent / "rules"


async def run(
    kills: int,
    targets: tuple[KillTarget, ...],
    broker: str,
    partitions: int = 8,
    post: bool = False,
    **topic_config: str,
) -> FaultsResult:
    config = {name.replace("_", "."): value for name, value in topic_config.items()}
    console = Console(quiet=True)
    return await bench_faults(made_up(1), kills, targets, broker, partitions, RULES, 1, console, config, post)


@pytest.mark.slow
async def test_workers_and_redis_killed_on_the_embedded_broker() -> None:
    result = await run(4, ("worker", "redis"), "tansu")
    assert result.exact, result
    assert result.kills == {"worker": 2, "redis": 2}
    assert result.events_sent > 10_000
    assert result.rows > 1_000
    assert result.cues > 100
    assert result.mailed == 0


@pytest.mark.slow
async def test_workers_that_mail_what_is_misplaced_and_redis_killed() -> None:
    result = await run(4, ("worker", "redis"), "tansu", post=True)
    assert result.exact, result
    assert result.holes == 0
    assert result.mailed > 3_000
    assert result.cues > 100


@pytest.mark.kafka
async def test_everything_killed_on_apache_kafka() -> None:
    result = await run(3, ("worker", "redis", "broker"), "kafka", compression_type="lz4")
    assert result.exact, result
    assert result.kills == {"worker": 1, "redis": 1, "broker": 1}


@pytest.mark.kafka
async def test_workers_that_mail_redis_and_broker_killed_on_apache_kafka() -> None:
    result = await run(3, ("worker", "redis", "broker"), "kafka", post=True)
    assert result.exact, result
    assert result.mailed > 3_000


async def test_a_broker_that_forgets_is_not_killed_and_one_without_settings_has_none() -> None:
    with pytest.raises(BadSettings, match="--broker kafka"):
        await run(1, ("broker",), "tansu")
    with pytest.raises(BadSettings, match="--broker kafka"):
        await run(1, ("worker",), "tansu", compression_type="lz4")


async def test_of_one_partition_nothing_is_misplaced() -> None:
    with pytest.raises(BadSettings, match="--partitions"):
        await run(1, ("worker",), "tansu", partitions=1, post=True)


@pytest.mark.parametrize("partitions", [2, 3, 16])
def test_a_third_is_misplaced_and_again_there_when_it_is_sent_again(partitions: int) -> None:
    messages = list(islice(made_up(1)(0), 3_000))
    places = [place(message, partitions) for message in messages]
    homes = [partition_of(message.customer.encode(), partitions) for message in messages]
    away = Counter(at for at, home in zip(places, homes, strict=True) if at != home)
    assert abs(away.total() - len(messages) / ONE_OF) < 150  # six times the deviation
    assert set(away) == set(range(partitions))
    assert places == [place(message, partitions) for message in messages]


@pytest.mark.parametrize("fault", ["rows_different", "events_lost", "events_doubled", "cues_different", "holes"])
def test_exact_means_exact(fault: str) -> None:
    good = FaultsResult({}, "tansu", 1, 1, 0, 0, 0, 1, 0, 0, RecoveryTimes(0, 0))
    assert good.exact
    assert not msgspec.structs.replace(good, **{fault: 1}).exact
