"""Made-up traffic against the log it is fitted to.

Tolerances: quantiles of gaps within 12 % and of session lengths within one event (log samples of 12
thousand gaps and 5 thousand sessions); shares of the funnel within four standard errors of the log's.
"""

import csv
import math
import os
from collections import defaultdict
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.events import Kind, Message
from engine.traffic.generator import ASSUMED, Goods, Traffic, Visit

DATA = Path(os.environ.get("CUELINE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
START = 1_700_000_000_000
#: seconds, kind and category of each event
Session = list[tuple[float, Kind, str]]
Sessions = list[Session]
SHOP = {Kind.ITEM_VIEWED, Kind.CART_ADDED, Kind.ORDER_COMPLETED}


@pytest.fixture(scope="module")
def log() -> Sessions:
    """The log's sessions."""
    path = DATA / "rees46/2019-Oct.first2h50.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there (set CUELINE_DATA)")
    kinds = {"view": Kind.ITEM_VIEWED, "cart": Kind.CART_ADDED, "purchase": Kind.ORDER_COMPLETED}
    sessions = defaultdict[str, Session](list)
    with path.open() as file:
        for row in csv.DictReader(file):
            at = datetime.fromisoformat(row["event_time"][:19]).replace(tzinfo=UTC).timestamp()
            sessions[row["user_session"]].append((at, kinds[row["event_type"]], row["category_id"]))
    return list(sessions.values())


@pytest.fixture(scope="module")
def made() -> Sessions:
    """The shop's events of 20,000 made-up sessions."""
    rng = np.random.default_rng(20191001)
    goods = Goods.stocked(rng)
    visits = [Visit(rng, goods, ASSUMED).made() for _ in range(20_000)]
    return [
        [(at / 1_000, kind, str(item.category) if item else "") for at, kind, item in visit if kind in SHOP]
        for visit in visits
    ]


def gaps(sessions: Sessions, to_purchase: bool) -> NDArray[np.float64]:
    return np.array(
        [
            after[0] - before[0]
            for session in sessions
            for before, after in pairwise(session)
            if (after[1] is Kind.ORDER_COMPLETED) == to_purchase
        ]
    )


@pytest.mark.parametrize("q", [0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
def test_gaps_between_views_follow_the_log(log: Sessions, made: Sessions, q: float) -> None:
    # the log has whole seconds, cut off
    assert np.quantile(np.floor(gaps(made, False)), q) == pytest.approx(np.quantile(gaps(log, False), q), rel=0.12)


@pytest.mark.parametrize("q", [0.25, 0.5, 0.75])
def test_gaps_before_a_purchase_follow_the_log(log: Sessions, made: Sessions, q: float) -> None:
    # only 213 of them in the log
    assert np.quantile(gaps(made, True), q) == pytest.approx(np.quantile(gaps(log, True), q), rel=0.2)


def test_session_lengths_follow_the_log(log: Sessions, made: Sessions) -> None:
    qs = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    found = np.quantile([len(s) for s in made], qs)
    expected = np.quantile([len(s) for s in log], qs)
    assert np.abs(found - expected).max() <= 1
    assert np.mean([len(s) for s in made]) == pytest.approx(np.mean([len(s) for s in log]), rel=0.1)
    assert np.mean([len(s) == 1 for s in made]) == pytest.approx(np.mean([len(s) == 1 for s in log]), abs=0.03)


@pytest.mark.parametrize("kind", [Kind.CART_ADDED, Kind.ORDER_COMPLETED])
def test_the_funnel_follows_the_log(log: Sessions, made: Sessions, kind: Kind) -> None:
    share = np.mean([any(event[1] is kind for event in session) for session in log])
    found = np.mean([any(event[1] is kind for event in session) for session in made])
    assert abs(found - share) <= 4 * math.sqrt(share * (1 - share) / len(log))


def test_bursts_are_as_common_as_in_the_log(log: Sessions, made: Sessions) -> None:
    """Three views, each within 10 s of the one before: what `session.bursts` counts."""

    def bursty(session: Session) -> bool:
        views = [at for at, kind, _ in session if kind is Kind.ITEM_VIEWED]
        return any(c - b <= 10 and b - a <= 10 for a, b, c in zip(views, views[1:], views[2:], strict=False))

    share = np.mean([bursty(session) for session in log])
    found = np.mean([bursty([(math.floor(at), kind, c) for at, kind, c in session]) for session in made])
    assert found == pytest.approx(share, rel=0.35)


def test_views_stay_in_a_category_as_in_the_log(log: Sessions, made: Sessions) -> None:
    def staying(sessions: Sessions) -> float:
        return float(np.mean([a[2] == b[2] for s in sessions for a, b in pairwise(s) if b[1] is Kind.ITEM_VIEWED]))

    assert staying(made) == pytest.approx(staying(log), abs=0.04)


def some(count: int, seed: int = 7, customers: int = 3_000, rate: float = 200) -> list[Message]:
    return list(islice(Traffic(np.random.default_rng(seed), START, customers, rate), count))


def test_equal_seeds_give_equal_traffic() -> None:
    assert some(500, rate=20) == some(500, rate=20)
    assert some(500, rate=20) != some(500, seed=8, rate=20)


def test_events_are_in_time_order_from_the_start_with_ids_of_their_own() -> None:
    messages = some(20_000)
    times = [message.event.at for message in messages]
    assert times == sorted(times)
    assert START <= times[0] < START + 1_000
    assert len({message.event.id for message in messages}) == len(messages)
    assert all(message.event.value >= 0 and math.isfinite(message.event.value) for message in messages)


def test_the_rate_is_as_asked_from_the_first_seconds_on() -> None:
    messages = some(40_000, customers=100_000)
    times = np.array([message.event.at for message in messages]) - START
    assert np.sum(times < 20_000) == pytest.approx(20 * 200, rel=0.15)
    assert len(times) / (times[-1] / 1_000) == pytest.approx(200, rel=0.1)


def test_customers_return_and_are_never_more_than_asked() -> None:
    messages = some(40_000, customers=500, rate=5)
    assert len({message.customer for message in messages}) == 500
    days = defaultdict[str, set[int]](set)
    for message in messages:
        days[message.customer].add(message.event.at // 1_800_000)
    assert np.mean([len(times) > 1 for times in days.values()]) > 0.9


def test_all_kinds_the_rules_need_occur_and_calls_are_few() -> None:
    kinds = [message.event.kind for message in some(60_000, customers=100_000)]
    for kind in (Kind.SEARCHED, Kind.REVIEW_READ, Kind.PAGE_VIEWED, Kind.LIST_VIEWED, Kind.CHECKOUT_STARTED):
        assert kinds.count(kind) > 100
    assert 0 < kinds.count(Kind.CONTACT_STARTED) < len(kinds) / 200
    assert 0 < kinds.count(Kind.CART_REMOVED) < kinds.count(Kind.CART_ADDED)
