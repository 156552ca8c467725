"""Decisions for ids that became one customer's, on both stores: one cap for all of them, whoever asks and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import Any

import pytest

from engine.customer_id import customer_id
from engine.identity.link import LinkTrust
from engine.identity.marker import Marker, Phase
from engine.identity.ties import Ties, packed
from engine.meter import PrometheusMeter
from engine.ports.decision_store import Reservation, Taking
from engine.ports.stream_store import Commit, HistoryChange, Timers
from engine.settings import Redis
from engine.state.tied_rows import tied
from engine.store.followed_views import FollowedViews
from engine.store.keys import RedisKeys
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from tests.decisions.builders import NOW
from tests.flows.test_decisions import BUSY_ROW, PARTITIONS, Store, ask, batcher, ids, put
from tests.services import Valkey

KEYS = RedisKeys(PARTITIONS)
rounds = pytest.mark.parametrize("rounds", [10, pytest.param(200, marks=pytest.mark.slow)])


@pytest.fixture(params=["memory", "redis"])
def redis_settings(request: pytest.FixtureRequest) -> Redis | None:
    if request.param == "memory":
        return None
    valkey: Valkey = request.getfixturevalue("valkey")
    return Redis(url=valkey.url)


@pytest.fixture
async def store(redis_settings: Redis | None) -> AsyncIterator[Store]:
    """Either form, empty."""
    opened = RedisStore(redis_settings, PARTITIONS) if redis_settings else MemoryStore(PARTITIONS)
    yield opened
    await opened.close()


async def link(store: Store, lower: str, upper: str) -> None:
    """What a worker commits in the lower id's partition."""
    customer = lower.encode()
    partition = KEYS.of_customer(customer)
    marker = Marker(Phase.MERGED, customer_id(upper), LinkTrust.SIGNED, NOW)
    row = tied(packed(Ties(marker, kept=BUSY_ROW)), b"")
    at = await store.claim(partition)
    frozen = [HistoryChange(customer, True)]
    await store.commit(
        Commit(
            partition, at.epoch, at.offset, at.offset, [customer], [row], Timers([], []), [], {}, histories=frozen
        )
    )


class Meanwhile:
    """A store in which some ids are linked between a decision's reading and its reserving."""

    def __init__(self, store: Store, *links: tuple[str, str]) -> None:
        self._store = store
        self._links = list(links)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        while self._links:
            await link(self._store, *self._links.pop())
        return await self._store.reserve(reservations)


async def test_a_link_overtakes_a_decision_which_is_then_made_for_whose_the_id_is(store: Store) -> None:
    await put(store, BUSY_ROW, "browser")
    meter = PrometheusMeter()
    at = batcher(FollowedViews(Meanwhile(store, ("browser", "ann"))), meter)
    answer = await ask(at, "browser", limit=1)
    assert (ids(answer), answer.fallback, answer.customer_id) == (["cart-help"], False, "browser")
    assert answer.decision_id.startswith(f"{KEYS.of_customer(b'ann')}-")
    assert await at.recall(answer.decision_id) is not None
    views = await store.views([customer_id("browser"), customer_id("ann")])
    assert [dict(view.given(NOW + 1)) for view in views] == [{}, {"cart-help": [NOW]}]


async def test_who_becomes_another_again_and_again_gets_the_fallback_in_the_end(store: Store) -> None:
    names = ["browser", *(f"user-{i}" for i in range(9))]
    links = list(pairwise(names))

    class Always(Meanwhile):
        async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
            await link(self._store, *links.pop(0))
            return await self._store.reserve(reservations)

    await put(store, BUSY_ROW, "browser")
    meter = PrometheusMeter()
    answer = await ask(batcher(FollowedViews(Always(store)), meter), "browser", limit=1)
    assert answer.fallback
    assert meter.value("decision_fallbacks", "runtime.state_unavailable") == 1


@rounds
async def test_three_ids_of_one_customer_have_one_cap_through_two_processes(store: Store, rounds: int) -> None:
    for number in range(rounds):
        user, browser, phone = (f"{kind}-{number}" for kind in ("ann", "browser", "phone"))
        await put(store, BUSY_ROW, user)
        await link(store, browser, user)
        await link(store, phone, browser)
        processes = [batcher(FollowedViews(store)) for _ in range(2)]
        asked = [(processes[i % 2], (user, browser, phone)[i % 3]) for i in range(64)]
        answers = await asyncio.gather(*(ask(at, key, limit=1) for at, key in asked))
        assert [ids(answer) for answer in answers].count(["cart-help"]) == 1


@rounds
async def test_a_link_in_mid_flight_gives_each_id_its_own_once_and_forgets_none(store: Store, rounds: int) -> None:
    for number in range(rounds):
        user, browser = f"ann-{number}", f"browser-{number}"
        await put(store, BUSY_ROW, user, browser)
        processes = [batcher(FollowedViews(store)) for _ in range(2)]
        asked = [(processes[i % 2], (user, browser)[i // 2 % 2]) for i in range(64)]
        tasks = [asyncio.ensure_future(ask(at, key, limit=1)) for at, key in asked[:32]]
        linked = asyncio.ensure_future(link(store, browser, user))
        tasks += [asyncio.ensure_future(ask(at, key, limit=1)) for at, key in asked[32:]]
        answers = await asyncio.gather(*tasks)
        await linked
        given = [ids(answer) for answer in answers].count(["cart-help"])
        assert 1 <= given <= 2
        late = await asyncio.gather(*(ask(processes[0], key, limit=1) for key in (browser, user) * 4))
        assert all(ids(answer) != ["cart-help"] for answer in late[::2])
