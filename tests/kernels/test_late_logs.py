"""Real shops' logs with every event up to ten minutes late, held against the same events in order.

Who has no more of anything than a row keeps differs in no byte. Of the others what is exact stays exact, and the
rest keeps to its bound. How many are which is asserted, so that neither half is empty.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.events import Kind
from engine.kernels.catalogue import FEATURES
from engine.kernels.features import read_many
from engine.kernels.groups import cart, category, indicator, item, message_id, order_state, recent
from engine.kernels.row import ROW
from engine.replay.log_reader import LineFaults, LogReader
from engine.sources.segment.payload import message
from engine.state.catalogue import BY_NAME
from tests.kernels import oracle
from tests.kernels.builders import DAY, MINUTE, NOTHING, SECOND, Happening
from tests.kernels.values import decoded

pytestmark = pytest.mark.slow

LATE_MS = 10 * MINUTE
#: When features are read: milliseconds after the last event.
AFTERWARDS = (SECOND, 29 * MINUTE, 31 * MINUTE, DAY)
#: What depends on the order of arrival, by its nature.
BESIDE = {name for group in (indicator.FIELDS, message_id.FIELDS) for name, *_ in group} | {"active_count"}
FIELDS = sorted(set(ROW.names or ()) - BESIDE)

#: What rests on events of which some are forgotten, by how names of features begin, and which events those are.
RESTS_ON = {
    "session.": "events",
    "item.": "items",
    "category.": "categories",
    "cart.": "changes",
    "purchases.gap": "orders",
    "purchases.regularity": "orders",
}
#: Of a session these are exact all the same.
SUMS = {"seconds", "events", "items", "searches", "reviews", "cart_adds", "max_price"}

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]


class Log(NamedTuple):
    """Events in order of time, and whose each is."""

    columns: NDArray[np.void]
    slots: NDArray[np.int32]

    @property
    def customers(self) -> int:
        return int(self.slots.max()) + 1

    def rows(self, arrival: NDArray[np.int64]) -> NDArray[np.void]:
        """Everybody's row, when events came in in that order."""
        rows = np.zeros(self.customers, ROW)
        NOTHING.advance(rows, self.slots[arrival], self.columns[arrival])
        return rows

    def late(self, arrival: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many events of each customer came in after a later one."""
        found, newest = np.zeros(self.customers, np.int64), np.full(self.customers, -1)
        for slot, place in zip(self.slots[arrival].tolist(), arrival.tolist(), strict=True):
            found[slot] += place < newest[slot]
            newest[slot] = max(newest[slot], place)
        return found

    def number_of(self, *kinds: Kind) -> NDArray[np.int64]:
        """How many events of some kinds each customer has; of none named, of all."""
        among = np.isin(self.columns["kind"], kinds) if kinds else np.ones(len(self.slots), np.bool_)
        return np.bincount(self.slots[among], minlength=self.customers)

    def different(self, name: str) -> NDArray[np.int64]:
        """How many different words each customer has in a column."""
        pairs = {pair for pair in zip(self.slots.tolist(), self.columns[name].tolist(), strict=True) if pair[1]}
        return np.bincount([slot for slot, _ in pairs], minlength=self.customers)

    def happened_to(self, slot: int) -> list[Happening]:
        """As the oracle sees them."""
        own = self.columns[self.slots == slot]
        names = ("at", "id", "item", "category", "value", "quantity", "order")
        return [
            Happening(kind=Kind(int(event["kind"])), **{name: event[name].item() for name in names})
            for event in own
        ]


def read(path: Path) -> Log:
    reader = LogReader(path, lambda payload, fallback: message(payload, 0, 0, fallback_id=fallback))
    messages = sorted(reader.messages(LineFaults()), key=lambda said: said.event.at)
    times = np.array([said.event.at for said in messages], np.int64)
    slots: dict[str, int] = {}
    whose = np.array([slots.setdefault(said.customer, len(slots)) for said in messages], np.int32)
    return Log(decoded([msgspec.msgpack.encode(said.event) for said in messages], times), whose)


def kept(log: Log) -> dict[str, Flags]:
    """Of which customers a row keeps all events, items …"""
    return {
        "events": log.number_of() <= recent.RECENT,
        "items": log.different("item") <= item.ITEMS,
        "categories": log.different("category") <= category.CATEGORIES,
        "changes": log.number_of(Kind.CART_ADDED, Kind.CART_REMOVED) <= cart.CHANGES,
        "orders": log.number_of(Kind.ORDER_COMPLETED) <= order_state.ORDERS,
    }


def exact(feature: str, all_kept: dict[str, Flags]) -> Flags:
    """Of which customers a feature does not depend on the order of arrival."""
    part, name = feature.split(".")
    rests = next((what for start, what in RESTS_ON.items() if feature.startswith(start)), None)
    if rests is None or (part == "session" and name in SUMS):
        return np.ones(len(all_kept["events"]), np.bool_)
    return all_kept[rests]


def features(rows: NDArray[np.void], after: int) -> Numbers:
    found = np.zeros((len(rows), FEATURES))
    read_many(rows, rows["life_last_at"] + after, found)
    return found


def assert_bounds(log: Log, slot: int, came_late: int, ordered: Numbers, late: Numbers) -> None:
    """What is not exact of one customer; ``ordered`` and ``late`` are features a second after the last event."""
    then, now = (
        {name: float(values[entry.index]) for name, entry in BY_NAME.items()} for values in (ordered, late)
    )
    assert now["session.longest_pause"] >= then["session.longest_pause"]
    assert now["session.number"] >= then["session.number"]
    for name in ("session.pages", "session.bursts"):
        assert abs(now[name] - then[name]) <= came_late
    happened = log.happened_to(slot)
    truth = oracle.of_items(happened) | oracle.of_categories(happened)
    for name in ("item.top_views", "item.top_days", "category.top_views", "category.top_days", "category.count"):
        assert now[name] <= truth[name]
    assert 0 <= now["cart.items"] <= sum(one.quantity for one in happened if one.kind == Kind.CART_ADDED)


#: Each log with how many customers it has, and of how many a row forgets something.
LOGS = [
    ("rees46/2019-Oct.first2h50.csv", 4_504, 38),
    ("taobao/UserBehavior.20171126T0100Z.csv.gz", 58_732, 1),
    ("otto/train.jsonl", 20, 6),
]


@pytest.mark.parametrize(("name", "customers", "forgotten"), LOGS)
@pytest.mark.parametrize("seed", [1, 2])
def test_events_that_come_up_to_ten_minutes_late(
    data: Path, name: str, customers: int, forgotten: int, seed: int
) -> None:
    log = read(data / name)
    delays = np.random.default_rng(seed).integers(0, LATE_MS, len(log.slots))
    arrival = np.argsort(log.columns["at"] + delays, kind="stable")
    came_late = log.late(arrival)
    ordered, late = log.rows(np.arange(len(arrival))), log.rows(arrival)

    all_kept = kept(log)
    within = np.logical_and.reduce(list(all_kept.values()))
    assert (log.customers, int((~within).sum())) == (customers, forgotten)
    assert [field for field in FIELDS if ordered[field][within].tobytes() != late[field][within].tobytes()] == []
    for after in AFTERWARDS:
        then, now = features(ordered, after), features(late, after)
        same = (then == now) | (np.isnan(then) & np.isnan(now))
        for feature, entry in BY_NAME.items():
            assert same[exact(feature, all_kept), entry.index].all(), feature
    then, now = features(ordered, SECOND), features(late, SECOND)
    for slot in np.flatnonzero(~within).tolist():
        assert_bounds(log, slot, int(came_late[slot]), then[slot], now[slot])
