"""The release whose rows were of version 1 is replaced by this one while events come in: none is lost or counted
twice, and features go on as the table in `docs/upgrade.md` says.

The order is that of the document: workers of before are stopped, apis are replaced, new workers start. Then, all
processes being new, links are switched on, and browsers that the release of before knew become customers. Whoever
sends events repeats what was not acknowledged, under the same ids, as SDKs do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import msgspec
import pytest
import redis.asyncio

from engine.access import Scope, Trust
from engine.errors import BadSettings
from engine.local.loopback import HOST
from engine.state import row_codec
from loadtest.interpreters import interpreter_for
from loadtest.layouts import ROOT, Layouts
from loadtest.side import MeasuredProcess, Side, api, worker
from tests.flows.access import record
from tests.patience import PATIENCE_S
from tests.processes import gone
from tests.services import Broker, Valkey

pytestmark = pytest.mark.slow

BEFORE = "0131ed0cd44677772424aee3168fbe6e459db480"  # its rows are of version 1
PARTITIONS = 4
KEY = "a-key-for-all-of-it-that-nobody-guesses"
MINUTE = 60_000
CUSTOMERS = [f"customer-{number}" for number in range(60)]
BROWSERS = {f"browser-{number}": f"customer-{number}" for number in range(20)}  # and whose they turn out to be
FEW = 32  # events: of no more all is known to a row of version 1
BATCH = 15  # customers, one event of each: fewer than 32 that a row would recognise when they are sent again
BATCHES = 60  # before, while nobody works, and after

SEARCHED, VIEWED, ADDED, ORDERED = "Products Searched", "Product Viewed", "Product Added", "Order Completed"
BEGAN, OVER = "Live Chat Conversation Started", "Live Chat Conversation Ended"
PRICE = 19.99

LINKS = {
    "CUELINE_IDENTITY__LINKS": "true",
    "CUELINE_IDENTITY__SECRET": "0123456789abcdef" * 4,
    "CUELINE_POST__ON": "true",
    "CUELINE_POST__SECRETS": msgspec.json.encode([{"id": "a", "secret": "fedcba9876543210" * 4}]).decode(),
}

Payload = dict[str, Any]


class Shop:
    """Makes events of `CUSTOMERS`, of every second one ten times as many; ``told`` are those that were
    acknowledged."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._at = round(time.time() * 1_000) - 120 * MINUTE
        self._made = 0
        self.told: dict[str, list[Payload]] = {customer: [] for customer in (*CUSTOMERS, *BROWSERS)}

    def batch(self) -> list[Payload]:
        weights = [1 if number % 2 else 10 for number in range(len(CUSTOMERS))]
        chosen = dict.fromkeys(self._chance.choices(CUSTOMERS, weights, k=BATCH))
        return [self._event(customer) for customer in chosen]

    def _event(self, customer: str) -> Payload:
        """Some seconds after the one before, so that no page and product are one view."""
        self._at += 2_000
        radio = {"product_id": "radio", "category": "audio", "price": PRICE}
        calls: list[tuple[str, Payload]] = [
            (SEARCHED, {}),
            (VIEWED, radio),
            (ADDED, {**radio, "quantity": 2}),
            (ORDERED, {"order_id": f"o-{self._made}", "total": 2 * PRICE}),
            (BEGAN, {"conversation_id": f"c-{self._made}"}),
        ]
        name, about = self._chance.choice(calls)
        return self.event(customer, name, about)

    def browsing(self) -> list[Payload]:
        """Of browsers whose customers nobody knows yet."""
        self._at += 2_000
        chosen = self._chance.sample(list(BROWSERS), BATCH)
        return [self.event(browser, SEARCHED, {}) for browser in chosen]

    def event(self, customer: str, name: str, about: Mapping[str, object]) -> Payload:
        self._made += 1
        return {
            "type": "track",
            "event": name,
            "anonymousId" if customer in BROWSERS else "userId": customer,
            "messageId": f"m-{self._made}",
            "timestamp": self._at,
            "properties": dict(about),
        }

    @property
    def events(self) -> int:
        return sum(map(len, self.told.values()))


def expected(told: Sequence[Payload]) -> dict[str, float]:
    """What a row says of these events, in order, whichever release has read them."""
    orders: dict[str, float] = {}
    pieces = 0
    for event in told:
        about = event["properties"]
        if event["event"] == ORDERED and about["order_id"] not in orders:
            orders[about["order_id"]], pieces = about["total"], 0
        elif event["event"] == ADDED:
            pieces += about["quantity"]
    return {
        "customer.events": len(told),
        "events.count_24h": len(told),
        "events.count_30d": len(told),
        "purchases.count": len(orders),
        "purchases.value": sum(orders.values()),
        "cart.items": pieces,
        "cart.value": PRICE * pieces,
        "contact.count": sum(event["event"] == BEGAN for event in told),
        "contact.open": 0,
    }


def of_kinds(told: Sequence[Payload]) -> dict[str, float]:
    """What version 1 knew only of a customer's last 32 events."""
    names = [event["event"] for event in told]
    return {
        "customer.searches": names.count(SEARCHED),
        "customer.items": names.count(VIEWED),
        "searches.count_7d": names.count(SEARCHED),
        "orders.count_30d": names.count(ORDERED),
        "events.count_52w": len(told),
    }


class Deployment:
    """Processes of a release, one after the other, behind one address."""

    def __init__(self, folder: Path, broker: Broker, valkey: Valkey, name: str) -> None:
        self._folder = folder
        self._settings = {
            "CUELINE_KAFKA__BROKERS": broker.bootstrap,
            "CUELINE_KAFKA__PARTITIONS": str(PARTITIONS),
            "CUELINE_KAFKA__EVENTS_TOPIC": name,
            "CUELINE_KAFKA__GROUP": name,
            "CUELINE_REDIS__URL": valkey.url,
            "CUELINE_WEB__HOST": HOST,
            "CUELINE_WEB__KEYS": msgspec.json.encode([record(KEY, Trust.SECRET, Scope.ADMIN)]).decode(),
            "NUMBA_CACHE_DIR": "",  # beside the sources
        }
        self._client = redis.asyncio.Redis.from_url(valkey.url)
        self._made = 0
        self._http = httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S, auth=(KEY, ""))
        self.api: MeasuredProcess | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Deployment]:
        async with self._http, self._client:
            yield self

    def worker(self, side: Side) -> MeasuredProcess:
        self._made += 1
        folder = self._folder / f"{side.name}-{self._made}"
        folder.mkdir()
        return worker(side, folder, self._of(side))

    def new_api(self, side: Side) -> MeasuredProcess:
        return api(side, self._folder, self._of(side))

    def follow_links(self) -> None:
        """Processes started from now on follow them."""
        self._settings |= LINKS

    async def send(self, batch: Sequence[Payload]) -> None:
        """Returns once it was acknowledged, by whichever process there is."""
        body = {"batch": batch}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await self._http.post(self._url("/v1/batch"), json=body)
                except httpx.TransportError:
                    answer = httpx.Response(503)
                if answer.status_code == 200:
                    assert answer.json()["accepted"] == len(batch), answer.text
                    return
                assert answer.status_code == 503, answer.text
                await asyncio.sleep(0.1)

    async def page(self, customer: str) -> Payload:
        answer = await self._http.get(self._url(f"/v1/customers/{customer}"))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def features(self, customer: str) -> dict[str, float]:
        return {name: reading["value"] for name, reading in (await self.page(customer))["features"].items()}

    async def decide(self, customer: str) -> Payload:
        asked = {"customerId": customer, "channel": "agent", "deadlineMs": 2_000}
        answer = await self._http.post(self._url("/v1/decisions"), json=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def until_applied(self, events: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self._tally("applied") < events:
                await asyncio.sleep(0.05)

    async def rows(self) -> dict[str, bytes]:
        """Everybody's, as it is stored."""
        found: dict[str, bytes] = {}
        async for name in self._client.scan_iter(b"{p*}:c:*", count=1_000):
            row = await self._client.get(name)
            assert isinstance(row, bytes)
            found[name.decode().partition(":c:")[2]] = row
        return found

    async def _tally(self, name: str) -> int:
        found = [await self._client.hget(f"{{p{partition}}}:n", name) for partition in range(PARTITIONS)]
        return sum(int(value or 0) for value in found)

    def _of(self, side: Side) -> dict[str, str]:
        return {**self._settings, "CUELINE_CONTACTS__MAPPINGS": str(side.folder / "config" / "sources")}

    def _url(self, path: str) -> str:
        assert self.api is not None
        return f"http://{HOST}:{self.api.port}{path}"


async def stopped(process: MeasuredProcess) -> None:
    """As a service manager stops it."""
    os.kill(process.pid, signal.SIGTERM)
    await gone(process.pid)


@pytest.fixture(scope="module")
def before() -> Iterator[Side]:
    """The release of before, laid out from the history of this checkout. Where that lacks it, as a shallow clone's
    does, there is nothing to rehearse, in CI either."""
    layouts = Layouts()
    try:
        commit = layouts.resolve(BEFORE)
    except BadSettings as error:
        pytest.skip(f"the release of before is not here: {error}")
    with layouts.held():
        folder = layouts.commit(commit).folder
        yield Side("before", folder, interpreter_for(folder, layouts.home), folder / "rules")


async def test_the_release_of_before_is_replaced_under_load(
    before: Side, broker: Broker, valkey: Valkey, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    today, shop = Side("today", ROOT, Path(sys.executable), ROOT / "rules"), Shop(7)
    async with Deployment(tmp_path, broker, valkey, unique("upgrade")).open() as deployment:

        async def write(batches: int) -> None:
            for _ in range(batches):
                await say(deployment, shop, shop.batch())
                await say(deployment, shop, shop.browsing())

        async with deployment.new_api(before) as old_api, deployment.worker(before) as old_worker:
            deployment.api = old_api
            await write(BATCHES)
            writing = asyncio.ensure_future(write(BATCHES))
            await deployment.until_applied(2 * BATCHES)
            await stopped(old_worker)
            stored = await deployment.rows()
            assert {row[0] for row in stored.values()} == {1}
            read_before = dict(
                zip(stored, row_codec.read(list(stored.values()))["recent_total"].tolist(), strict=True)
            )
            async with deployment.new_api(today) as new_api:
                deployment.api = new_api
                await stopped(old_api)
                await writing
                assert not (await deployment.decide(CUSTOMERS[0]))["fallback"]
                async with deployment.worker(today) as new_worker:
                    known = {customer: shop.told[customer][:count] for customer, count in read_before.items()}
                    await say(deployment, shop, orders_again(shop, known))
                    await write(BATCHES)
                    for chats in chats_to_end(shop, known):
                        await say(deployment, shop, chats)
                    await deployment.until_applied(shop.events)
                    assert 2 in {row[0] for row in (await deployment.rows()).values()}  # others did not come back
                    await assert_features(deployment, shop)
                    await stopped(new_worker)
                deployment.follow_links()
                async with deployment.worker(today), deployment.new_api(today) as linking:
                    writing = asyncio.ensure_future(write(BATCHES))
                    deployment.api = linking
                    await stopped(new_api)
                    await become_customers(deployment, shop)
                    await writing
                    await assert_linked(deployment, shop)


async def become_customers(deployment: Deployment, shop: Shop) -> None:
    """All browsers log in, while events of both ids come in."""
    for browser, customer in BROWSERS.items():
        login = shop.event(customer, "", {}) | {"type": "identify", "anonymousId": browser}
        await say(deployment, shop, [login])


async def assert_linked(deployment: Deployment, shop: Shop) -> None:
    """Each browser is its customer, who has the events of both."""
    for browser, customer in BROWSERS.items():
        whole = [*shop.told[browser], *shop.told[customer]]
        async with asyncio.timeout(PATIENCE_S):
            while (await deployment.features(browser))["customer.events"] != len(whole):
                await asyncio.sleep(0.05)
        seen = [await deployment.page(one) for one in (browser, customer)]
        assert [page["identities"]["customerId"] for page in seen] == [customer, customer]
        assert seen[0]["features"]["customer.events"]["value"] == len(whole)
        expected_now = expected(shop.told[customer])
        for name in ("purchases.count", "purchases.value", "cart.items", "contact.count"):
            assert seen[1]["features"][name]["value"] == pytest.approx(expected_now[name]), (customer, name)


async def say(deployment: Deployment, shop: Shop, batch: Sequence[Payload]) -> None:
    await deployment.send(batch)
    for event in batch:
        shop.told[event.get("userId") or event["anonymousId"]].append(event)


def orders_again(shop: Shop, known: Mapping[str, Sequence[Payload]]) -> list[Payload]:
    """The last order that the old worker has read of each customer, as a server tells it again."""
    batch = []
    for customer, told in known.items():
        orders = [event["properties"] for event in told if event["event"] == ORDERED]
        batch += [shop.event(customer, ORDERED, orders[-1])] if orders else []
    assert len(batch) > len(CUSTOMERS) / 2
    return batch


def chats_to_end(shop: Shop, known: Mapping[str, Sequence[Payload]]) -> Iterator[list[Payload]]:
    """The end of the last chat that the old worker has read, and of each since, one of a customer at a time.
    Version 1 knew of one alone whether it goes on."""
    left = {}
    for customer, told in shop.told.items():
        began = [event["properties"] for event in told if event["event"] == BEGAN]
        before = sum(event["event"] == BEGAN for event in known.get(customer, ()))
        left[customer] = began[max(before - 1, 0) :]
    while any(left.values()):
        yield [shop.event(customer, OVER, chats.pop(0)) for customer, chats in left.items() if chats]


async def assert_features(deployment: Deployment, shop: Shop) -> None:
    few = 0
    for customer, told in shop.told.items():
        got = await deployment.features(customer)
        for name, value in expected(told).items():
            assert got[name] == pytest.approx(value), (customer, name)
        for name, value in of_kinds(told).items():
            assert got[name] == pytest.approx(value) if len(told) <= FEW else got[name] <= value, (customer, name)
        assert not (await deployment.decide(customer))["fallback"]
        few += 0 < len(told) <= FEW
    assert 0 < few < len(CUSTOMERS)
