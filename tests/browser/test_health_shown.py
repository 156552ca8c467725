"""What the page says of worker, Redis and Kafka, of what happened, and of a customer it cannot ask about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from engine.errors import Unavailable
from engine.ports.health import OK, ComponentHealth, SystemHealth
from engine.ports.offer_history import View
from tests.browser.running import TOO_WIDE
from tests.flows.api import Process

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOWN = ComponentHealth("down", "Redis has not answered for 4 s")
BEHIND = ComponentHealth("degraded", "Redis came back older than it was")
UNKNOWN = ComponentHealth("unknown", "workers report to Redis")
WELL = {"worker": OK, "redis": OK, "kafka": OK}


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, url: str, process: Process) -> Page:
    """The page of an engine that is well."""
    process.health = SystemHealth(**WELL)
    page = await browser.new_page(viewport={"width": 360, "height": 740})
    await page.goto(url)
    await expect(page.get_by_test_id("live")).to_have_text("live", timeout=10_000)
    return page


async def _says(page: Page, states: Mapping[str, str]) -> None:
    for part, state in states.items():
        await expect(page.get_by_test_id(f"health-{part}")).to_have_text(state, timeout=10_000)


async def test_all_well_is_live_and_nothing_is_amiss(page: Page) -> None:
    await _says(page, {"worker": "ok", "redis": "ok", "kafka": "ok"})
    await expect(page.get_by_test_id("stream-status")).to_have_text("connected")
    await expect(page.locator("#alerts > *")).to_have_count(0)
    assert await page.title() == "Cueline live"


@pytest.mark.parametrize(
    ("parts", "states", "live", "alerts"),
    [
        ({"redis": DOWN, "worker": UNKNOWN}, ("unknown", "down", "ok"), "not live", ["redis"]),
        ({"redis": BEHIND}, ("ok", "degraded", "ok"), "live, degraded", ["redis"]),
        ({"kafka": DOWN, "redis": BEHIND}, ("ok", "degraded", "down"), "not live", ["redis", "kafka"]),
        ({"worker": UNKNOWN}, ("unknown", "ok", "ok"), "checking", []),
        ({"worker": ComponentHealth("down")}, ("down", "ok", "ok"), "not live", ["worker"]),
    ],
)
async def test_each_part_is_shown_apart(
    page: Page,
    process: Process,
    parts: dict[str, ComponentHealth],
    states: Sequence[str],
    live: str,
    alerts: list[str],
) -> None:
    process.health = SystemHealth(**WELL | parts)
    await _says(page, dict(zip(("worker", "redis", "kafka"), states, strict=True)))
    await expect(page.get_by_test_id("live")).to_have_text(live)
    boxes = await page.locator("#alerts > *").evaluate_all("boxes => boxes.map((box) => box.dataset.testid)")
    assert boxes == [f"alert-{name}" for name in alerts]
    assert await page.title() == f"Cueline {live}"
    assert await page.evaluate(TOO_WIDE) == []
    process.health = SystemHealth(**WELL)
    await expect(page.get_by_test_id("live")).to_have_text("live", timeout=10_000)
    await expect(page.locator("#alerts > *")).to_have_count(0)


async def test_a_reason_is_there_in_text_on_hover_and_on_a_tap(page: Page, process: Process) -> None:
    process.health = SystemHealth(**WELL | {"redis": DOWN})
    await expect(page.get_by_test_id("alert-redis")).to_have_text(f"Redis down: {DOWN.reason}.", timeout=10_000)
    light, about = page.locator(".light").nth(1), page.get_by_test_id("health-redis-about")
    await expect(light.locator("summary")).to_have_attribute("title", DOWN.reason)
    await expect(about).to_be_hidden()
    await light.locator("summary").click()
    await expect(about).to_have_text(DOWN.reason)
    assert await page.evaluate(TOO_WIDE) == []
    await page.locator(".light").first.locator("summary").click()
    await expect(about).to_be_hidden()
    await expect(page.get_by_test_id("health-worker-about")).to_contain_text("reads the events")
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("health-worker-about")).to_be_hidden()


async def test_a_change_is_read_aloud_once_however_the_seconds_count(page: Page, process: Process) -> None:
    alert, aloud = page.get_by_test_id("alert-redis"), page.get_by_test_id("aloud")
    process.health = SystemHealth(**WELL | {"redis": DOWN})
    await expect(aloud).to_have_text(f"Redis down: {DOWN.reason}.", timeout=10_000)
    process.health = SystemHealth(**WELL | {"redis": ComponentHealth("down", "no answer for 9 s")})
    await expect(alert).to_have_text("Redis down: no answer for 9 s.", timeout=10_000)
    await expect(aloud).to_have_text(f"Redis down: {DOWN.reason}.")
    process.health = SystemHealth(**WELL | {"redis": BEHIND})
    await expect(aloud).to_have_text(f"Redis degraded: {BEHIND.reason}.", timeout=10_000)
    process.health = SystemHealth(**WELL)
    await expect(aloud).to_have_text(f"Over: Redis degraded: {BEHIND.reason}.", timeout=10_000)


async def test_what_happened_stays_and_is_text(page: Page, process: Process) -> None:
    lost = "20:31:07 UTC: Redis came back without <b>7</b> events: 3 customers are lost"
    process.notices = [lost]
    alert = page.get_by_test_id("alert-notices")
    await expect(alert).to_have_text(lost, timeout=10_000)
    process.notices = [lost, "20:35:00 UTC: once more"]
    await expect(alert.locator("li")).to_have_text(["20:35:00 UTC: once more"], timeout=10_000)
    await expect(page.get_by_test_id("live")).to_have_text("live")  # what is lost is over


async def test_a_customer_who_cannot_be_asked_about_stays_with_a_date(
    page: Page, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = page.get_by_test_id("customer-stale")
    await process.know("ann")
    await page.get_by_test_id("customer-input").fill("ann")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("customer-id")).to_have_text("ann", timeout=10_000)
    await expect(stale).to_be_hidden()

    async def away(customers: Sequence[str]) -> list[View]:
        raise Unavailable("Redis is away")

    with monkeypatch.context() as patched:
        patched.setattr(process.store, "views", away)
        await expect(stale).to_contain_text("not renewed since", timeout=10_000)
        await expect(page.get_by_test_id("customer-id")).to_be_visible()
        assert await page.evaluate(TOO_WIDE) == []
    await expect(stale).to_be_hidden(timeout=10_000)
    await page.get_by_test_id("customer-input").fill("nobody")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("no-customer")).to_contain_text("nobody", timeout=10_000)
    await expect(page.get_by_test_id("customer-id")).to_be_hidden()
