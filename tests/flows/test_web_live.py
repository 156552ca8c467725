"""The live page's stream, over real sockets: what went before, then what comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx

from engine.errors import Unavailable
from engine.ports.cue_store import CueEntry
from engine.web.pages.demo import NEWEST
from tests.flows.api import AGENT, Process, Seen, frames, next_cue, serving, settings
from tests.patience import PATIENCE_S


async def next_of(kind: str, stream: AsyncIterator[Seen]) -> dict[str, Any]:
    """The data of the next event of a `kind`."""
    async with asyncio.timeout(PATIENCE_S):
        async for seen in stream:
            if seen.event == kind:
                data: dict[str, Any] = seen.data
                return data
    raise AssertionError("the stream ended")


def process() -> Process:
    return Process(settings(demo_page=True))


def live(api: httpx.AsyncClient) -> Any:
    return api.stream("GET", "/v1/live", headers=AGENT, timeout=20)


async def test_a_page_opened_late_is_given_the_newest_cues_and_the_chart_first() -> None:
    page = process()
    async with serving(page) as api:
        for number in range(NEWEST + 2):
            await page.cue(f"customer-{number % 7}", f"cue {number}")
        async with live(api) as early:
            stream = frames(early)
            while len((await next_of("pulse", stream))["points"]) != 1:
                pass  # the first has all that there are
        async with live(api) as late:
            stream = frames(late)
            history = await next_of("history", stream)
            heartbeat = await next_of("pulse", stream)
    assert [one["cue"]["say"] for one in history["cues"]] == [f"cue {n}" for n in range(2, NEWEST + 2)]
    assert len(history["points"]) >= 2
    times = [at for at, _, _ in history["points"]]
    assert times == sorted(times)
    assert heartbeat["tallies"]["cues"] == NEWEST + 2


async def test_a_cue_that_comes_later_is_an_event_and_no_point_comes_twice() -> None:
    page = process()
    async with serving(page) as api, live(api) as answer:
        stream = frames(answer)
        history = await next_of("history", stream)
        assert history["cues"] == []
        await page.cue("ann", "hello")
        seen = await next_cue(stream)
        assert seen.data["say"] == "hello"
        points = history["points"]
        for _ in range(3):
            points += (await next_of("pulse", stream))["points"]
        (entry,) = await page.store.newest(5)
        assert seen.id == entry.id
    times = [at for at, _, _ in points]
    assert len(set(times)) == len(times) >= 3


async def test_without_its_store_the_page_is_served_all_the_same(monkeypatch: Any) -> None:
    page = process()

    async def away(limit: int) -> list[CueEntry]:
        raise Unavailable("away")

    monkeypatch.setattr(page.store, "newest", away)
    async with serving(page) as api, live(api) as answer:
        stream = frames(answer)
        assert (await next_of("history", stream))["cues"] == []
        assert (await next_of("pulse", stream))["ruleFaults"] == []
