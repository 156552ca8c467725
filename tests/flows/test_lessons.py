"""Outcomes that anybody may have written teach what was delivered, within an hour's bound, and weigh less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from engine.customer_id import customer_id
from engine.decisions.record import RECORD_VERSION, DecisionRecord, Given, encode_record
from engine.events import REWARDS
from engine.kernels.partition import partition_of
from engine.ports.decision_store import Reservation
from engine.process.learned_counts import LearnedCounts
from engine.settings import Settings
from models.propensity import fit
from tests.flows.access import TOKEN_KEYS, visitor_token
from tests.flows.api import AGENT, NOW, PARTITIONS, WRITER, Process, calling, rules, settings

PROXY = "127.0.0.1"


def process_with(**lessons: Any) -> Process:
    base = settings(trusted_proxies=[PROXY], token_keys=TOKEN_KEYS)
    rates = {"address_per_second": 0, "visitor_events_per_second": 0}
    return Process(Settings.model_validate({**base.model_dump(), "lessons": lessons, "rates": rates}))


@pytest.fixture
def process() -> Process:
    return process_with()


async def given(process: Process, visitor: str, cue: bool = False, delivered: bool = True, nth: int = 0) -> str:
    """A decision, or a cue, of ``help_chat`` on the web; returns its id."""
    name = f"{partition_of(visitor.encode(), PARTITIONS)}-{visitor}-{nth}"
    record = DecisionRecord(
        RECORD_VERSION, customer_id(visitor), "web", NOW, "r", (Given("help_chat", "", 1.0, 0.2, 1.0),), (), b"",
        "bursty_session" if cue else "", (), "all", cue,
    )  # fmt: skip
    await process.store.reserve([Reservation(customer_id(visitor), name, NOW, (), encode_record(record))])
    if cue and delivered:
        process.store._delivered.add(name)
    return name


async def reported(
    process: Process,
    api: httpx.AsyncClient,
    name: str,
    address: str = "198.51.100.1",
    outcome: str = "accepted",
    shown: Mapping[str, str] = WRITER,
) -> bool:
    """Report an outcome by the public key, or what is `shown`, and let it be learned; whether it teaches."""
    body = {"decisionId": name, "offerId": "help_chat", "outcome": outcome}
    answer = await api.post("/v1/outcomes", json=body, headers={**shown, "x-forwarded-for": address})
    assert answer.status_code == 202
    said = process.log.outcomes[-1]
    await process.store.learn(said, REWARDS.get(said.outcome))
    return said.teaches


async def propensity(process: Process) -> float:
    """What ``help_chat`` is held to be worth on the web, believed 0.2 by evidence 20."""
    learned = LearnedCounts(process.store, process.settings.lessons.unsigned_weight)
    await learned.refresh()
    table = fit(rules().offers, learned.counts)
    offer = next(i for i, one in enumerate(table.offers) if one.id == "help_chat")
    return float(table.mean[offer, table.channels.index("web")])


async def test_six_hundred_invented_visitors_of_one_address(process: Process, api: httpx.AsyncClient) -> None:
    taught = [await reported(process, api, await given(process, f"v{i}")) for i in range(600)]
    assert taught.count(True) == 3
    assert await propensity(process) == pytest.approx((4 + 1.5) / 21.5)
    assert process.meter.value("outcomes_not_taught", "bound") == 597


async def test_six_hundred_invented_visitors_of_six_hundred_addresses(
    process: Process, api: httpx.AsyncClient
) -> None:
    taught = [
        await reported(process, api, await given(process, f"v{i}"), f"10.{i // 250}.0.{i % 250}")
        for i in range(600)
    ]
    assert taught.count(True) == 10  # a quarter of what is known, 20 observations, at half weight
    assert await propensity(process) == pytest.approx((4 + 5) / 25)


async def test_a_secret_key_teaches_without_a_bound(process: Process, api: httpx.AsyncClient) -> None:
    for i in range(30):
        name = await given(process, f"v{i}")
        body = {"decisionId": name, "offerId": "help_chat", "outcome": "accepted"}
        assert (await api.post("/v1/outcomes", json=body, headers=AGENT)).status_code == 202
        said = process.log.outcomes[-1]
        assert (said.teaches, said.trust, said.key) == (True, 1, "api-key-1")
        await process.store.learn(said, True)
    assert await propensity(process) == pytest.approx((4 + 30) / 50)


async def test_a_visitor_asks_and_accepts_as_often_as_it_likes_and_teaches_little(
    process: Process, api: httpx.AsyncClient
) -> None:
    for number, visitor in enumerate(("ann", "bob"), 1):
        shown = {"authorization": f"Bearer {visitor_token(userId=visitor)}"}
        own = [await given(process, visitor, nth=nth) for nth in range(30)]
        taught = [await reported(process, api, name, f"192.0.2.{i}", shown=shown) for i, name in enumerate(own)]
        assert taught == [True] * 3 + [False] * 27
        assert await propensity(process) == pytest.approx((4 + 3 * number) / (20 + 3 * number))
    assert {(said.trust, said.key) for said in process.log.outcomes} == {(1, "visitor-tokens")}
    assert await reported(process, api, await given(process, "carl"))  # it takes nothing of those unknown


async def test_a_visitors_cue_teaches_once_a_stream_had_it(process: Process, api: httpx.AsyncClient) -> None:
    for visitor, delivered in (("ann", False), ("bob", True)):
        shown = {"authorization": f"Bearer {visitor_token(userId=visitor)}"}
        name = await given(process, visitor, cue=True, delivered=delivered)
        assert await reported(process, api, name, shown=shown) == delivered


async def test_a_cue_teaches_once_a_stream_had_it(process: Process, api: httpx.AsyncClient) -> None:
    assert not await reported(process, api, await given(process, "a", cue=True, delivered=False))
    assert process.meter.value("outcomes_not_taught", "undelivered") == 1
    assert await reported(process, api, await given(process, "b", cue=True))
    assert await propensity(process) == pytest.approx((4 + 0.5) / 20.5)


async def test_what_teaches_nothing_takes_nothing_of_the_bound(process: Process, api: httpx.AsyncClient) -> None:
    for i in range(20):
        await reported(process, api, await given(process, f"v{i}"), outcome="displayed")
    assert await reported(process, api, await given(process, "w"))


@pytest.mark.parametrize(("known", "most"), [(0.0, 5), (20.0, 10), (1_000.0, 500)])
async def test_the_more_is_known_the_more_may_be_added(known: float, most: int) -> None:
    process = process_with()
    process.known = known
    async with calling(process) as api:
        taught = [
            await reported(process, api, await given(process, f"v{i}"), f"10.0.{i // 250}.{i % 250}")
            for i in range(most + 2)
        ]
    assert taught == [True] * most + [False] * 2


async def test_a_weight_of_nothing_teaches_nothing() -> None:
    process = process_with(unsigned_weight=0)
    async with calling(process) as api:
        await reported(process, api, await given(process, "a"))
    assert await propensity(process) == pytest.approx(0.2)


async def test_what_unknown_reporters_add_lets_them_add_no_more(process: Process, api: httpx.AsyncClient) -> None:
    """Else a quarter an hour would be two hundred times as much in a day."""
    learned = LearnedCounts(process.store, 1.0)
    for i in range(8):
        name = await given(process, f"v{i}")
        assert await reported(process, api, name, f"10.0.0.{i}")
    await learned.refresh()
    assert learned.counts["help_chat", "web"] == (8, 0)
    assert learned.of_known_reporters("help_chat", "web") == 0
    name = await given(process, "known")
    body = {"decisionId": name, "offerId": "help_chat", "outcome": "rejected"}
    assert (await api.post("/v1/outcomes", json=body, headers=AGENT)).status_code == 202
    await process.store.learn(process.log.outcomes[-1], False)
    await learned.refresh()
    assert learned.of_known_reporters("help_chat", "web") == 1
