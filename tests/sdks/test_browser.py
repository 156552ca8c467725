"""Segment's library for browsers, in a browser, on a page of another site: what it sends counts, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.running import running_browser
from tests.sdks.pages import serving_files
from tests.sdks.proxy import Fate, between
from tests.sdks.site import Site

pytestmark = pytest.mark.sdks

#: What a page does by the library, whose settings it would else fetch from its maker. Returns the visitor's id.
VISIT = """async ([writeKey, url, deliveryStrategy]) => {
    const settings = { apiKey: writeKey, apiHost: `${new URL(url).host}/v1`, protocol: "http", deliveryStrategy }
    const [analytics] = await AnalyticsNext.AnalyticsBrowser.load(
        { writeKey, cdnSettings: { integrations: { "Segment.io": settings } } })
    await Promise.all([
        analytics.page("Start"),
        analytics.track("Products Searched", { query: "tv" }),
        analytics.track("Product Viewed", { product_id: "tv-55", price: "€499.50", nothing: undefined }),
        analytics.track("Product Added", { product_id: "tv-55", price: 499.5, quantity: 2 }),
        analytics.identify({ plan: "free" }),
    ])  // sent, or in the library's batch
    return analytics.user().anonymousId()
}"""
KINDS = {"page_viewed": 1, "searched": 1, "item_viewed": 1, "cart_added": 1, "identified": 1}
EVENTS = len(KINDS)
BY_BATCHES: dict[str, Any] = {"strategy": "batching", "config": {"size": EVENTS}}

#: A batch of one event as a beacon, which a page sends when it is left; JSON in a blob makes a browser ask first.
BEACON = """([writeKey, url, type]) => navigator.sendBeacon(`${url}/v1/batch`, new Blob(
    [JSON.stringify({ writeKey, batch: [{ type: "page", anonymousId: "ann", messageId: type }] })], { type }))"""
PACKED = """async ([writeKey, url]) => {
    const batch = [{ type: "page", anonymousId: "ann", messageId: "packed" }]
    const plain = new Blob([JSON.stringify({ writeKey, batch })])
    const body = await new Response(plain.stream().pipeThrough(new CompressionStream("gzip"))).blob()
    const headers = { "content-encoding": "gzip", "x-requested-with": "XMLHttpRequest", "sentry-trace": "0-0" }
    return (await fetch(`${url}/v1/batch`, { method: "POST", headers, body })).ok
}"""


@pytest.fixture
async def page(chromium: str, fetched: Path, tmp_path: Path) -> AsyncIterator[Page]:
    """A page of a shop that has the library in it."""
    (shop := tmp_path / "shop").mkdir()
    (shop / "index.html").write_text("<title>Shop</title><script src=library/index.js></script>")
    (shop / "library").symlink_to(fetched / "node_modules" / "@segment" / "analytics-next" / "dist" / "umd")
    with serving_files(shop) as url:
        async with running_browser(chromium) as browser:
            opened = await browser.new_page()
            await opened.goto(url)
            yield opened


async def arrived(site: Site, events: int) -> dict[str, int]:
    """The tallies, once so many events have arrived: nothing says when a browser has sent all."""
    return await site.deployment.until(lambda tallies: tallies.get("events", 0) == events)


@pytest.mark.parametrize("strategy", [None, BY_BATCHES], ids=["one by one", "batches"])
async def test_a_visit_on_another_sites_page_counts(
    site: Site, page: Page, strategy: dict[str, Any] | None
) -> None:
    visitor = await page.evaluate(VISIT, [Site.key, site.url, strategy])
    assert (await arrived(site, EVENTS))["applied"] == EVENTS
    kinds, features = await site.customer(visitor)
    assert kinds == KINDS
    assert features["session.max_price"] == 499.5
    assert await site.measured("events_warned") == 0


async def test_what_is_not_sent_yet_is_sent_when_the_page_is_left(site: Site, page: Page) -> None:
    visitor = await page.evaluate(VISIT, [Site.key, site.url, {"strategy": "batching"}])  # of ten, in five seconds
    await page.goto("about:blank")
    await arrived(site, EVENTS)
    assert (await site.customer(visitor))[0] == KINDS


async def test_what_the_library_sends_again_by_itself_counts_once(site: Site, page: Page) -> None:
    async with between(site.url, Fate.REFUSED, Fate.UNANSWERED) as (url, proxy):
        visitor = await page.evaluate(VISIT, [Site.key, url, BY_BATCHES])
        tallies = await arrived(site, 2 * EVENTS)
        assert [headers.get("x-retry-count") for headers in proxy.seen] == [None, "1", "2"]
    assert (tallies["applied"], tallies["duplicates"]) == (EVENTS, EVENTS)
    assert (await site.customer(visitor))[0] == KINDS


async def test_beacons_and_packed_batches_of_another_sites_page_count(site: Site, page: Page) -> None:
    assert await page.evaluate(PACKED, [Site.key, site.url])
    for kind in ("text/plain", "application/json"):
        assert await page.evaluate(BEACON, [Site.key, site.url, kind])
    assert (await arrived(site, 3))["applied"] == 3
