"""One customer, everywhere: somebody browses unknown, logs in, and calls; the agent's desktop knows at once.

It goes through the API, as a shop, its login page and its contact centre do, and is measured as the agent sees it:
from the call's being sent to the cue's being read.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import numpy as np
from rich.markup import escape

from engine.demo.cue_lines import cues
from engine.demo.keys import DemoKeys
from engine.demo.sample import Sample
from engine.errors import CuelineError, Unavailable
from engine.events import Cue
from engine.replay.http_sender import HttpSender
from engine.retry import attempts

FIRST_AFTER_S, AGAIN_AFTER_S = 2.0, 60.0
WITHIN_S = 10.0  # for the link to be followed, and for the cue
LOOK_S = 0.02
LOOKED_AT = (("oled-55", 1_099.0), ("oled-65", 1_599.0), ("qled-55", 899.0), ("qled-65", 1_299.0))
SEARCHES = 3
BROWSED = len(LOOKED_AT) + SEARCHES

Call = dict[str, Any]
Result = TypeVar("Result")


class Person(msgspec.Struct, frozen=True):
    """Who plays: first a ``browser`` that nobody knows, then the ``customer``."""

    browser: str
    customer: str


class Scene:
    """Plays it again and again with another person. ``sent`` events were accepted so far; of the times ``played``,
    those with a cue are in ``cue_ms``."""

    def __init__(self, client: httpx.AsyncClient, keys: DemoKeys, seed: int, say: Callable[[str], None]) -> None:
        self.sent = self.played = 0
        self.cue_ms = Sample(np.random.default_rng(seed))
        self._client = client
        self._sender = HttpSender(client, keys.feed, patience_s=WITHIN_S)
        self._agent = {"authorization": f"Bearer {keys.api}"}
        self._centre = {
            "authorization": f"Bearer {keys.feed}",
            "content-type": "application/cloudevents+json",
        }
        self._say = say
        self._over = asyncio.Event()

    def end(self) -> None:
        """Play no more; `run` returns once what is in flight has been answered."""
        self._over.set()

    async def run(self) -> None:
        """Until `end`. A process that dies meanwhile ends one performance, not the run."""
        wait = FIRST_AFTER_S
        while not await _within(self._over.wait(), wait):
            number = self.played = self.played + 1
            with contextlib.suppress(httpx.HTTPError, CuelineError):
                await self._play(Person(f"scene-browser-{number}", f"scene-anna-{number}"))
            wait = AGAIN_AFTER_S

    async def _play(self, person: Person) -> None:
        await self._send(_browsing(person))
        await self._send([_login(person)])
        if not await self._is_one(person):
            return
        async with self._desktop(person) as desktop:
            began = time.perf_counter()
            await self._call(person)
            cue = await _within(_first_cue(desktop), WITHIN_S)
        if cue is not None:
            self.cue_ms.add((time.perf_counter() - began) * 1_000)
            self._describe(person, cue)

    async def _send(self, calls: Sequence[Call]) -> None:
        refused = await self._sender.send_calls([msgspec.json.encode(call) for call in calls])
        self.sent += len(calls) - len(refused)

    async def _is_one(self, person: Person) -> bool:
        """Whether what the browser did is on the customer's page in time, and not the scene's end."""
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline and not self._over.is_set():
            answer = await self._client.get(
                f"/v1/customers/{quote(person.customer, safe='')}", headers=self._agent
            )
            if answer.is_success and len(answer.json()["timeline"]) > BROWSED:
                return True
            await asyncio.sleep(LOOK_S)
        return False

    @asynccontextmanager
    async def _desktop(self, person: Person) -> AsyncIterator[httpx.Response]:
        """The cues of the one on the line, as an agent's desktop reads them."""
        asked = {"customer": person.customer}
        async with self._client.stream(
            "GET", "/v1/agents/me/cues", params=asked, headers=self._agent, timeout=WITHIN_S
        ) as answer:
            answer.raise_for_status()
            yield answer

    async def _call(self, person: Person) -> None:
        """Sent again where the answer got lost, as a contact centre would: it has an id, and counts once."""
        async for attempt in attempts("the call", Unavailable, patience_s=WITHIN_S):
            with attempt:
                await self._post(_calling(person))
        self.sent += 1

    async def _post(self, call: bytes) -> None:
        try:
            answer = await self._client.post("/v1/contact-events/cloudevents", content=call, headers=self._centre)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise Unavailable(f"the contact centre's call: {error!r}") from error

    def _describe(self, person: Person, cue: Cue) -> None:
        """The first time, in the terminal."""
        if self.cue_ms.count == 1:
            self._say(
                f"one customer, everywhere: {person.browser} looked at {len(LOOKED_AT)} items, searched "
                f"{SEARCHES} times, logged in as {person.customer} and called; {self.cue_ms.values[0]:.0f} ms "
                f"later the agent's desktop read: {escape(cue.say)}"
            )


def _browsing(person: Person) -> list[Call]:
    """Items looked at, then searches in vain."""
    views: list[Call] = [
        {"event": "Product Viewed", "properties": {"product_id": item, "category": "tv", "price": price}}
        for item, price in LOOKED_AT
    ]
    calls = [*views, *({"event": "Products Searched"} for _ in range(SEARCHES))]
    return [
        {"type": "track", "anonymousId": person.browser, "messageId": f"{person.browser}-{place}", **call}
        for place, call in enumerate(calls)
    ]


def _login(person: Person) -> Call:
    return {
        "type": "identify",
        "anonymousId": person.browser,
        "userId": person.customer,
        "messageId": f"{person.browser}-login",
    }


def _calling(person: Person) -> bytes:
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"{person.customer}-call",
            "source": "demo",
            "type": "cueline.demo.contact.started",
            "data": {"contactId": f"{person.customer}-call", "customerId": person.customer, "channel": "voice"},
        }
    )


async def _first_cue(desktop: httpx.Response) -> Cue | None:
    async for cue in cues(desktop):
        return cue
    return None


async def _within(awaited: Awaitable[Result], seconds: float) -> Result | None:
    """What `awaited` came to, None when it was not there in time."""
    try:
        async with asyncio.timeout(seconds):
            return await awaited
    except TimeoutError:
        return None
