"""Event streams of an id that becomes another customer's: they end, and lead there when they come back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.flows.api import AGENT, WRITER, Process, frames, next_cue, serving
from tests.flows.test_linked_decisions import link
from tests.flows.test_web_cues import clients


@pytest.fixture
async def api(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(process) as client:
        yield client


async def test_a_stream_ends_when_its_id_becomes_anothers_and_leads_there_then(
    process: Process, api: httpx.AsyncClient
) -> None:
    async with (
        api.stream("GET", "/v1/customers/browser/cues", headers=AGENT) as moved,
        api.stream("GET", "/v1/customers/other/cues", headers=AGENT) as stays,
    ):
        stream = frames(moved)
        await anext(stream)
        await clients(process, 2)
        await link(process.store, "browser", "ann")
        assert [frame.comment async for frame in stream] == ["these cues are another customer's now, come back"]
        await clients(process, 1)
        async with api.stream("GET", "/v1/customers/browser/cues", headers=AGENT) as again:
            await clients(process, 2)
            await process.cue("ann", "hello")
            await process.cue("other", "to whom it was")
            assert (await next_cue(frames(again))).data["say"] == "hello"
            assert (await next_cue(frames(stays))).data["say"] == "to whom it was"


async def test_a_public_key_is_given_nothing_of_the_user_whom_an_anonymous_id_became(
    process: Process, api: httpx.AsyncClient
) -> None:
    await link(process.store, "browser", "ann")
    async with api.stream("GET", "/v1/customers/browser/cues", headers=WRITER) as answer:
        stream = frames(answer)
        await anext(stream)
        await clients(process, 1)
        await process.cue("ann", "for ann")
        await process.cue("ann", "for all", anonymous=True)
        assert (await next_cue(stream)).data["say"] == "for all"
