"""The stream benchmark run in short: both readers read, and what is reported belongs together."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from loadtest.stream import bench_stream

RULES = Path(__file__).parent.parent.parent / "rules"


@pytest.mark.slow
async def test_both_readers_are_timed_on_one_topic() -> None:
    result = await bench_stream(60_000, 2_000, 8, RULES, 3, 1, Console(quiet=True))
    assert 0 < result.engine.events <= 60_000
    assert 0 < result.stock_faust.events <= 60_000
    for reader in (result.engine, result.stock_faust):
        rounded = 0.0005 / reader.seconds
        assert reader.events_per_second == pytest.approx(reader.events / reader.seconds, rel=0.001 + rounded)
        assert reader.cpu_seconds_per_million_events > 0
    quotient = result.engine.events_per_second / result.stock_faust.events_per_second
    assert result.ratio == pytest.approx(quotient, rel=0.01)
    assert result.indicators == 7
