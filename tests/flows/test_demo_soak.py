"""The demo lives on: weeks of its customers' time pass, and nothing dies and nothing is refused."""

import asyncio
import json

import pytest

from tests.flows.demos import Demos
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.slow

SPEED, SECONDS = 6_000, 200  # two weeks, less what starting and ending take
WITHIN_S = PATIENCE_S


async def test_two_weeks_pass_and_every_event_counts(start: Demos) -> None:
    demo = await start("--speed", str(SPEED), "--rate", "100", "--seconds", str(SECONDS), "--json")
    out, _ = await asyncio.wait_for(demo.communicate(), SECONDS + WITHIN_S)
    assert demo.returncode == 0, out
    result = json.loads(out.splitlines()[-1])
    assert (result["restarts"], result["eventsDeadLettered"], result["eventsDuplicate"]) == (0, 0, 0), out
    assert result["eventsApplied"] == result["eventsSent"] > 10_000
    assert result["cues"] > 0
