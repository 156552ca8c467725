"""Every call of a real bank's month as events of its contact centre: what is taken adds up to its log."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.events import Kind
from tests.sources.bank_calls import MONTH, calls, moment, taken

#: Calls within so many days, and those of them of whom nobody is known.
CALLS = [(2, 4_738, 1_615), pytest.param(MONTH, 42_078, 23_030, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("days", "number", "unknown"), CALLS)
def test_every_call_is_taken(data: Path, days: int, number: int, unknown: int) -> None:
    log = calls(data, days)
    found = taken(data, days)
    assert sum(name.startswith("contact:") for name in found) == unknown
    assert sum(call["customer_id"] == "0" for call in log) == unknown
    kinds = Counter(event.kind for events in found.values() for event in events)
    queued = [call for call in log if call["q_start"] != call["q_exit"]]
    left = sum(call["outcome"] == "HANG" for call in queued)
    assert kinds[Kind.CONTACT_STARTED] == len(log) == number
    assert kinds[Kind.CONTACT_QUEUED] == len(queued)
    assert kinds[Kind.CONTACT_ABANDONED] == left
    assert kinds[Kind.CONTACT_ENDED] == len(log) - left


@pytest.mark.parametrize("time", ["0:00:00", "23:59:59", "24:00:01"])
def test_the_banks_clock_goes_on_past_midnight(time: str) -> None:
    hours, minutes, seconds = map(int, time.split(":"))
    assert moment("990801", time) == moment("990801", "0:00:00") + ((hours * 60 + minutes) * 60 + seconds) * 1_000
