"""The fault benchmark run in short: it must find nothing, and its comparison must be able to."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from engine.errors import BadSettings
from engine.events import LINKED, Rank
from engine.identity.link import Link, LinkTrust, link_of
from engine.kernels.partition import partition_of
from loadtest.endless_log import SEND, made_up
from loadtest.fault_results import FaultsResult, LinkedFaultsResult, RecoveryTimes
from loadtest.faults import KillTarget, bench_faults
from loadtest.linked_histories import different
from loadtest.linked_people import (
    CUSTOMERS,
    VISITORS,
    LinkedPeople,
    all_ids,
    customer,
    links_in_order,
    visitor,
)
from loadtest.misplaced import ONE_OF, place
from loadtest.offer_taker import Give

RULES = Path(__file__).parent.parent.parent / "rules"


async def run(
    kills: int,
    targets: tuple[KillTarget, ...],
    broker: str,
    partitions: int = 8,
    post: bool = False,
    links: bool = False,
    **topic_config: str,
) -> FaultsResult:
    config = {name.replace("_", "."): value for name, value in topic_config.items()}
    console = Console(quiet=True)
    log = made_up(1)
    return await bench_faults(log, kills, targets, broker, partitions, RULES, 1, console, config, post, links)


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


@pytest.mark.slow
async def test_visitors_become_customers_while_workers_and_redis_are_killed() -> None:
    result = await run(4, ("worker", "redis"), "tansu", links=True)
    assert isinstance(result, LinkedFaultsResult)
    assert result.exact, result
    assert result.links > VISITORS
    assert result.given > 200
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


@pytest.mark.parametrize("fault", ["rows_different", "holes", "histories_different", "customers"])
def test_of_linked_people_exact_means_more(fault: str) -> None:
    good = LinkedFaultsResult(
        {}, "tansu", 1, 1, 0, 0, 0, 1, 0, 0, RecoveryTimes(0, 0),
        links=1, customers=CUSTOMERS, given=1, histories_different=0,
    )  # fmt: skip
    assert good.exact
    assert not msgspec.structs.replace(good, **{fault: 1}).exact


def test_every_visitor_becomes_one_of_the_customers_by_signed_links() -> None:
    links, whose = links_in_order(random.Random(1)), all_ids()
    assert not [link for link in links if link.refusal]
    to: dict[str, str] = {}
    trusted: dict[tuple[str, str], LinkTrust] = {}
    for link in links:
        pair = link.lower, link.upper
        trusted[pair] = max(trusted.get(pair, link.trust), link.trust)
        assert to.setdefault(link.lower, link.upper) == link.upper
    assert set(trusted.values()) == {LinkTrust.SIGNED}
    for one, owner in whose.items():
        at: str = one
        while at in to:
            at = to[at]
        assert at == owner
    assert len({*whose.values()}) == CUSTOMERS
    assert len([one for one in to if one.startswith("visitor-")]) == VISITORS
    for way in ("unsigned", "address", "twice"):
        assert sum(_goes(way, link, links) for link in links) > 50


def _goes(way: str, link: Link, links: list[Link]) -> bool:
    if way == "unsigned":
        return not link.signed
    return link.upper_rank is Rank.ADDRESS if way == "address" else links.count(link) > 1


def test_people_are_announced_within_the_log_and_named_from_then_on() -> None:
    people = LinkedPeople(made_up(1), 2, random.Random(1))
    linked: set[str] = set()
    named = {True: 0, False: 0}
    seen = 0
    for message in people(0):
        if message.event.kind == LINKED:
            linked.add(link_of(message.customer, message.event).lower)
            continue
        seen += 1
        if message.customer.startswith("visitor-"):
            named[message.customer in linked] += 1
    assert people.announced == len(links_in_order(random.Random(1)))
    assert people.done.is_set()
    assert linked >= {visitor(number) for number in range(VISITORS)}
    assert seen - people.announced * 2 > SEND
    assert min(named.values()) > 500


BEFORE, SINCE = ({"chat": [5]}, {"chat": [5], ">": [1]})
ANN, PAGE = customer(0), visitor(0)
TAKEN = Give("0-bench-1", PAGE, "bench-1", 1)


@pytest.mark.parametrize(
    ("ann", "page", "wrong"),
    [
        ({**BEFORE, "bench-1": [1]}, SINCE, []),
        ({**BEFORE, "bench-1": [1, 2]}, SINCE, []),
        (BEFORE, SINCE, [ANN]),
        ({**BEFORE, "bench-1": [1, 1]}, SINCE, [ANN]),
        ({**BEFORE, "bench-1": [1, 2, 2]}, SINCE, [ANN]),
        ({**BEFORE, "bench-1": [1, 3]}, SINCE, [ANN]),
        ({"chat": [5, 6], "bench-1": [1]}, SINCE, [ANN]),
        ({**BEFORE, "bench-1": [1]}, {**SINCE, "bench-1": [1]}, []),
        ({**BEFORE, "bench-1": [1]}, BEFORE, [PAGE]),
    ],
)
def test_what_was_taken_is_once_in_the_history_of_the_customer(
    ann: dict[str, list[int]], page: dict[str, list[int]], wrong: list[str]
) -> None:
    tried = [TAKEN, Give("0-bench-2", ANN, "bench-1", 2)]
    found = different({ANN: ann, PAGE: page}, {ANN: BEFORE, PAGE: SINCE}, [TAKEN], tried, {ANN: ANN, PAGE: ANN})
    assert found == wrong
