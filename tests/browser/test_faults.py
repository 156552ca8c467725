"""What the page says while a process is away, on real processes. The demo itself is stopped meanwhile
(SIGSTOP), so that it starts none again before the page was looked at."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.running import RunningDemo, running_demo
from tests.processes import kill

SAID_WITHIN_MS = 30_000  # a worker counts as gone after 4 s, Kafka as silent after 5
BACK_WITHIN_MS = 90_000

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module")
async def demo(tmp_path: Path, browser: Browser) -> AsyncIterator[RunningDemo]:
    async with running_demo(tmp_path) as demo:
        yield demo


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, demo: RunningDemo) -> Page:
    """The page of a demo that is live and knows customers."""
    page = await browser.new_page()
    await page.goto(demo.url)
    await _is_live(page)
    await expect(page.get_by_test_id("customer-id")).to_be_visible(timeout=BACK_WITHIN_MS)
    return page


async def _is_live(page: Page) -> None:
    await expect(page.get_by_test_id("live")).to_have_text("live", timeout=BACK_WITHIN_MS)
    for part in ("worker", "redis", "kafka"):
        await expect(page.get_by_test_id(f"health-{part}")).to_have_text("ok")
    await expect(page.get_by_test_id("stream-status")).to_have_text("connected")


async def _goes_on(page: Page) -> None:
    """It is live again, nothing is amiss any more, and new events are counted."""
    await _is_live(page)
    for part in ("page", "worker", "redis", "kafka", "stalled"):
        await expect(page.get_by_test_id(f"alert-{part}")).to_have_count(0, timeout=BACK_WITHIN_MS)
    before = await _events(page)
    await page.wait_for_function(
        "before => Number(document.getElementById('events-total').textContent.replaceAll(',', '')) > before",
        arg=before,
        timeout=BACK_WITHIN_MS,
    )


async def _events(page: Page) -> int:
    return int((await page.get_by_test_id("events-total").inner_text()).replace(",", ""))


@contextmanager
def _killed(demo: RunningDemo, pid: int) -> Iterator[None]:
    """A child of the demo is killed, and started again on leaving."""
    with demo.stopped():
        kill(pid)
        yield


async def test_a_killed_worker_is_said_to_be_down_and_nothing_else(page: Page, demo: RunningDemo) -> None:
    with _killed(demo, await demo.child("engine work")):
        await expect(page.get_by_test_id("health-worker")).to_have_text("down", timeout=SAID_WITHIN_MS)
        await expect(page.get_by_test_id("alert-worker")).to_contain_text("no worker")
        await expect(page.get_by_test_id("live")).to_have_text("not live")
        for part in ("redis", "kafka"):
            await expect(page.get_by_test_id(f"health-{part}")).to_have_text("ok")
        await expect(page.get_by_test_id("stream-status")).to_have_text("connected")
        await expect(page.get_by_test_id("customer-stale")).to_be_hidden()  # Redis answers
    await _goes_on(page)


async def test_a_killed_redis_is_said_and_what_was_known_stays(
    page: Page, demo: RunningDemo, browser: Browser
) -> None:
    counted = await _events(page)
    with _killed(demo, await demo.child("valkey")):
        await expect(page.get_by_test_id("health-redis")).to_have_text("down", timeout=SAID_WITHIN_MS)
        await expect(page.get_by_test_id("alert-redis")).to_contain_text("Redis down: ")
        await expect(page.get_by_test_id("health-worker")).to_have_text("unknown")  # its reports lie in Redis
        await expect(page.get_by_test_id("live")).to_have_text("not live")
        await expect(page.get_by_test_id("stream-status")).to_have_text("connected")
        await expect(page.get_by_test_id("customer-stale")).to_contain_text("not renewed since", timeout=10_000)
        await expect(page.get_by_test_id("customer-id")).to_be_visible()
        assert await _events(page) >= counted
        late = await browser.new_page()  # opened now: it knows of the outage, and of the chart before
        await late.goto(demo.url)
        await expect(late.get_by_test_id("health-redis")).to_have_text("down", timeout=10_000)
        assert int(await late.get_by_test_id("chart").get_attribute("data-points") or 0) > 1
        await late.close()
    await _goes_on(page)
    await expect(page.get_by_test_id("customer-stale")).to_be_hidden(timeout=10_000)


async def test_a_killed_kafka_is_said_to_be_down(page: Page, demo: RunningDemo) -> None:
    with _killed(demo, await demo.child("tansu")):
        await expect(page.get_by_test_id("health-kafka")).to_have_text("down", timeout=SAID_WITHIN_MS)
        await expect(page.get_by_test_id("alert-kafka")).to_contain_text("Kafka down: ")
        await expect(page.get_by_test_id("live")).to_have_text("not live")
        await expect(page.get_by_test_id("health-redis")).to_have_text("ok")
    await _goes_on(page)


async def test_a_killed_api_is_said_to_be_lost_and_the_list_goes_on(page: Page, demo: RunningDemo) -> None:
    cues = page.get_by_test_id("cue-item")
    await page.get_by_test_id("pause").click()
    shown = await cues.locator(".say").all_inner_texts()
    with _killed(demo, await demo.child("engine api")):
        await expect(page.get_by_test_id("stream-status")).to_have_text("reconnecting", timeout=SAID_WITHIN_MS)
        await expect(page.get_by_test_id("alert-page")).to_contain_text("no longer live")
        for part in ("worker", "redis", "kafka"):
            await expect(page.get_by_test_id(f"health-{part}")).to_have_text("unknown")
    await _goes_on(page)
    assert (await cues.locator(".say").all_inner_texts())[: len(shown)] == shown
    await expect(page.get_by_test_id("new-cues")).to_have_text(
        re.compile(r"^[1-9]\d* new$"), timeout=BACK_WITHIN_MS
    )
