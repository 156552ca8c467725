"""Every call of a real bank's month as events of its contact centre: what is taken adds up to its log."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from engine.customer_id import CustomerId
from engine.events import Event, Kind, Message
from engine.kernels import row as layout
from engine.ports.sources import Delivery, Receipt
from engine.stream.evaluator import IndicatorEvaluator
from tests.kernels.builders import features, rulebook
from tests.kernels.values import decoded
from tests.sources.contacts import mapped

HAIFA = ZoneInfo("Asia/Jerusalem")
END = round(datetime(1999, 9, 1, tzinfo=HAIFA).timestamp() * 1_000) + 20 * 365 * 86_400_000
SHIFT_MS = 20 * 365 * 86_400_000  # rows keep times from 2000 on

#: A mapping file as that bank would write it.
BANK = mapped("""
source: bank
contact: call.id
customer: call.customer
time: at
agent: call.server
reason: call.outcome
channel: voice
kinds:
  - {kind: started, when: {what: entered}}
  - {kind: queued, when: {what: queued}}
  - {kind: connected, when: {what: answered}}
  - {kind: abandoned, when: {what: left, call.outcome: HANG, call.queued: true}}
  - {kind: ended, when: {what: left}}
""")


def moment(date: str, time: str) -> int:
    """Epoch milliseconds of the bank's own clock, which goes on past 24:00:00."""
    hours, minutes, seconds = map(int, time.split(":"))
    day = datetime.strptime(date, "%y%m%d").replace(tzinfo=HAIFA)
    return round((day + timedelta(hours=hours, minutes=minutes, seconds=seconds)).timestamp() * 1_000) + SHIFT_MS


def calls(data: Path) -> list[dict[str, str]]:
    with gzip.open(data / "technion_calls" / "august_1999_calls.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


def identity(number: int) -> str:
    """Call ids occur again within the month, lines in a file do not."""
    return f"line-{number}"


def told(number: int, call: dict[str, str]) -> Iterator[dict[str, Any]]:
    """What the bank's telephone system would say of a call."""
    queued = call["q_start"] != call["q_exit"]
    about = {
        "id": identity(number),
        "customer": call["customer_id"],  # 0 where nobody is known: a placeholder
        "outcome": call["outcome"],
        "server": "" if call["server"] == "NO_SERVER" else call["server"],
        **({"queued": True} if queued else {}),
    }

    def said(what: str, *times: str) -> dict[str, Any]:
        return {"what": what, "at": max(within(call, call[time]) for time in times), "call": about}

    served = call["ser_start"] != call["ser_exit"]
    yield said("entered", "vru_entry")
    if queued:
        yield said("queued", "q_start")
    if served:
        yield said("answered", "ser_start")
    yield said("left", "vru_exit", *(["q_exit"] if queued else []), *(["ser_exit"] if served else []))


def within(call: dict[str, str], time: str) -> int:
    """A moment of a call. Of some calls past midnight the clock began anew."""
    at, entered = moment(call["date"], time), moment(call["date"], call["vru_entry"])
    return at + 24 * 3_600_000 if at < entered - 12 * 3_600_000 else at


def taken(data: Path) -> dict[CustomerId, list[Event]]:
    found: dict[CustomerId, list[Event]] = defaultdict(list)
    for number, call in enumerate(calls(data)):
        body = msgspec.json.encode(list(told(number, call)))
        for one in BANK.events(Delivery(body), Receipt(END, END, f"m-{number}")):
            assert isinstance(one, Message), (call, one)
            found[one.customer].append(one.event)
    return found


def test_a_month_of_calls(data: Path) -> None:
    log = calls(data)
    found = taken(data)
    unknown = [name for name in found if name.startswith("contact:")]
    assert len(unknown) == sum(call["customer_id"] == "0" for call in log) == 23_030
    kinds = Counter(event.kind for events in found.values() for event in events)
    queued = [call for call in log if call["q_start"] != call["q_exit"]]
    left = sum(call["outcome"] == "HANG" for call in queued)
    assert kinds[Kind.CONTACT_STARTED] == len(log) == 42_078
    assert kinds[Kind.CONTACT_QUEUED] == len(queued)
    assert kinds[Kind.CONTACT_ABANDONED] == left
    assert kinds[Kind.CONTACT_ENDED] == len(log) - left
    counts = Counter(call["customer_id"] for call in log if call["customer_id"] != "0")
    several = {name: number for name, number in counts.items() if number > 1}
    assert len(several) > 1_000
    nothing = IndicatorEvaluator(rulebook(never="customer.events < 0"))
    for name, number in [*several.items()][:1_000]:
        events = sorted(found[CustomerId(name)], key=lambda event: event.at)
        batch = decoded([msgspec.msgpack.encode(event) for event in events], END)
        rows = np.zeros(1, layout.ROW)
        nothing.advance(rows, np.zeros(len(batch), np.int32), batch)
        seen = features(rows, END)
        assert (seen["contact.count"], seen["contact.open"]) == (number, 0), name


@pytest.mark.parametrize("time", ["0:00:00", "23:59:59", "24:00:01"])
def test_the_banks_clock_goes_on_past_midnight(time: str) -> None:
    hours, minutes, seconds = map(int, time.split(":"))
    assert moment("990801", time) == moment("990801", "0:00:00") + ((hours * 60 + minutes) * 60 + seconds) * 1_000
