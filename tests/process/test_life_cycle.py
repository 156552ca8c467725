"""Whatever ends a part of a process ends the process, which says so and fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from engine.errors import CuelineError
from engine.process.life_cycle import Process
from engine.settings import Kafka, Redis, Settings
from tests.patience import PATIENCE_S
from tests.services import Broker, Valkey


async def fails() -> None:
    raise ValueError("no number")


async def returns() -> None:
    pass


async def is_cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("part", "error", "said"),
    [
        (fails, ValueError, "fails failed, so this process ends: ValueError: no number"),
        (returns, CuelineError, "returns failed, so this process ends: CuelineError: returns ended by itself"),
        (
            is_cancelled,
            CuelineError,
            "is_cancelled failed, so this process ends: CuelineError: is_cancelled",
        ),
    ],
)
async def test_a_part_that_ends_is_logged_and_raised(
    part: Callable[..., object], error: type[Exception], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    process = Process(Settings())
    process.begin(part())  # type: ignore[arg-type]
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(error):
            await process.until_stopped()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.messages[0].startswith(said)


async def test_what_fails_while_the_process_stops_is_raised_too(
    valkey: Valkey, broker: Broker, unique: Callable[[str], str]
) -> None:
    kafka = Kafka(
        brokers=broker.bootstrap,
        idempotent=broker.durable,
        partitions=1,
        events_topic=unique("events"),
        outcomes_topic=unique("outcomes"),
        deadletters_topic=unique("deadletters"),
    )
    process = Process(Settings(kafka=kafka, redis=Redis(url=valkey.url)))

    async def fails_at_the_end() -> None:
        await process.stop.wait()
        raise ValueError("at the end")

    async def run() -> None:
        async with process.open():
            process.begin(fails_at_the_end())
            process.stop.set()
            await process.until_stopped()

    with pytest.raises(ValueError, match="at the end"):
        await run()


async def test_who_is_asked_to_stop_has_not_failed(caplog: pytest.LogCaptureFixture) -> None:
    process, ended = Process(Settings()), asyncio.Event()

    async def obeys() -> None:
        await process.stop.wait()
        ended.set()

    process.begin(obeys())
    process.stop.set()
    await process.until_stopped()
    await ended.wait()
    await asyncio.sleep(0)
    assert (process.failure, caplog.records) == (None, [])
