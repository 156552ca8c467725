"""A real bank's month of calls (Technion, August 1999), as its log has them and as events of a contact centre."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from engine.customer_id import CustomerId
from engine.events import Event, Message
from engine.ports.sources import Delivery, Receipt
from tests.sources.contacts import mapped

MONTH = 31
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


def calls(data: Path, days: int = MONTH) -> list[dict[str, str]]:
    """Those of the first `days`, in the order of the file."""
    with gzip.open(data / "technion_calls" / "august_1999_calls.csv.gz", "rt") as file:
        return [call for call in csv.DictReader(file) if day_of(call) <= days]


def day_of(call: dict[str, str]) -> int:
    """Of August, from 1 on."""
    return int(call["date"]) - 990_800


def customer_of(number: int, call: dict[str, str]) -> str:
    """Whose events a call's are."""
    return call["customer_id"] if call["customer_id"] != "0" else f"contact:{identity(number)}"


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


def taken(data: Path, days: int = MONTH) -> dict[CustomerId, list[Event]]:
    """The events of each customer."""
    found: dict[CustomerId, list[Event]] = defaultdict(list)
    for number, call in enumerate(calls(data, days)):
        body = msgspec.json.encode(list(told(number, call)))
        for one in BANK.events(Delivery(body), Receipt(END, END, f"m-{number}")):
            assert isinstance(one, Message), (call, one)
            found[one.customer].append(one.event)
    return found
