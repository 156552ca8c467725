"""README's website in a browser, on a page of another origin: its code as it stands there, and beacons."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error, Page

from engine.access import PUBLIC_SCOPES, Scope, Trust
from tests.flows.access import ADMIN, TOKEN_KEYS, record, visitor_token
from tests.flows.api import Process, serving, settings
from tests.patience import PATIENCE_S
from tests.sdks.pages import serving_files

pytestmark = pytest.mark.asyncio(loop_scope="module")

README = (Path(__file__).parents[2] / "README.md").read_text()
(SNIPPET,) = (block for block in re.findall(r"```html\n(.*?)```", README, re.DOTALL) if "listen(" in block)
(TICKET,) = (block for block in re.findall(r"```js\n(.*?)```", README, re.DOTALL) if "EventSource" in block)
KEY = "the-public-key-of-the-shop"

#: what the snippet leaves to the website
OFFER_CHAT = "<script>const shown = [], offerChat = (say, yes) => { shown.push(say); yes() }</script>"

#: README's code for an EventSource, whose cues are kept
LISTEN = f"""async ([cueline, key, visitor]) => {{
    const authorization = `Bearer ${{key}}`
    {TICKET}
    window.shown = []
    cues.addEventListener("cue", ({{ data }}) => shown.push(JSON.parse(data).say))
    await new Promise((open) => cues.onopen = open)
    return cues.url
}}"""
#: how an EventSource ends that is refused
REFUSED = """(url) => new Promise((done) => {
    const again = new EventSource(url)
    again.onerror = () => done(again.readyState === EventSource.CLOSED)
})"""
DECIDE = """async ([cueline, key]) => {
    const answer = await fetch(`${cueline}/v1/decisions`, { method: "POST", credentials: "include",
        headers: { authorization: `Bearer ${key}`, traceparent: "00-0-0-00", "x-requested-with": "fetch" },
        body: JSON.stringify({ customerId: "ann", channel: "web" }) })
    return (await answer.json()).offers.map(({ offerId }) => offerId)
}"""
BEACON = """([cueline, writeKey, type]) => navigator.sendBeacon(`${cueline}/v1/track`, new Blob(
    [JSON.stringify({ writeKey, anonymousId: "ann", messageId: type, event: "Product Viewed" })], { type }))"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (found := tmp_path / "shop").mkdir()
    (found / "empty.html").write_text("<title>Shop</title>")
    return found


@pytest.fixture
def shop(folder: Path) -> Iterator[str]:
    """The origin of the shop's pages."""
    with serving_files(folder) as url:
        yield url.rstrip("/")


@pytest.fixture
def process(shop: str) -> Process:
    """An api process with a public key for the shop's pages."""
    public = record(KEY, Trust.PUBLIC, *PUBLIC_SCOPES, origins=[shop])
    return Process(settings(keys=[public, record(ADMIN, Trust.SECRET, Scope.ADMIN)], token_keys=TOKEN_KEYS))


@pytest_asyncio.fixture(loop_scope="module")
async def api(process: Process, browser: Browser) -> AsyncIterator[httpx.AsyncClient]:
    """The process, served until before the browser ends."""
    async with serving(process) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, api: httpx.AsyncClient, shop: str) -> Page:
    """An empty page of the shop."""
    page = await browser.new_page()
    await page.goto(f"{shop}/empty.html")
    return page


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that nothing tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


async def shown(page: Page, *says: str) -> None:
    """Wait until these are the cues that the page was given."""
    await page.wait_for_function("says => shown.join() === says", arg=",".join(says), timeout=PATIENCE_S * 1_000)


async def test_the_snippet_tells_listens_and_comes_back(
    process: Process, api: httpx.AsyncClient, browser: Browser, folder: Path, shop: str
) -> None:
    cueline = str(api.base_url).rstrip("/")
    snippet = SNIPPET.replace("https://cueline.example", cueline).replace('"…"', f'"{KEY}"')
    (folder / "index.html").write_text(f"<title>Shop</title>{OFFER_CHAT}{snippet}")
    page = await browser.new_page()
    asked: list[tuple[str, str | None]] = []
    page.on("request", lambda request: asked.append((request.url, request.headers.get("last-event-id"))))
    await page.goto(f"{shop}/index.html")
    visitor = await page.evaluate("visitor")
    await until(lambda: process.app.feed.clients == 1)

    assert (
        await page.evaluate("track('Product Viewed', { product_id: 'tv-55' }).then(({ status }) => status)") == 200
    )
    assert [message.customer for message in process.log.messages] == [visitor]

    await process.know(visitor, recent_total=1, life_last_at=process.clock.now)
    question = {"customerId": visitor, "channel": "web"}
    decision = (await api.post("/v1/decisions", json=question, headers={"x-api-key": ADMIN})).json()
    offer = decision["offers"][0]["offerId"]
    given = {"decision_id": decision["decisionId"], "offer_id": offer, "anonymous": True}
    await process.cue(visitor, "one: {a} – \\n", **given)
    await shown(page, "one: {a} – \\n")
    await until(lambda: len(process.log.outcomes) == 2)
    assert {one.outcome for one in process.log.outcomes} == {"displayed", "accepted"}

    (one,) = process.app.feed.listeners()
    one.close()
    await until(lambda: process.app.feed.clients == 0)
    await process.cue(visitor, "two", **given)
    await shown(page, "one: {a} – \\n", "two")
    await page.reload()
    await until(lambda: process.app.feed.clients == 1)
    await process.cue(visitor, "three", **given)
    await shown(page, "three")

    kept = [entry.id for entry in await process.store.newest(3)]
    assert [last for url, last in asked if url.endswith("/cues") and last is not None] == ["", kept[0], kept[1]]
    assert not any(KEY in url for url, _ in asked)


async def test_an_event_source_shows_a_ticket_and_can_show_it_once(
    process: Process, api: httpx.AsyncClient, page: Page
) -> None:
    url = await page.evaluate(LISTEN, [str(api.base_url).rstrip("/"), visitor_token(), "ann"])
    await process.cue("ann", "Hi")
    await shown(page, "Hi")
    assert await page.evaluate(REFUSED, url)


async def test_a_page_asks_for_its_own_visitors_offers_where_its_origin_is_allowed(
    process: Process, api: httpx.AsyncClient, page: Page, folder: Path
) -> None:
    await process.know("ann", recent_total=1, life_last_at=process.clock.now)
    asked = [str(api.base_url).rstrip("/"), visitor_token()]
    assert await page.evaluate(DECIDE, asked) == ["newsletter"]
    with serving_files(folder) as stranger:
        await page.goto(f"{stranger}empty.html")
        with pytest.raises(Error, match="Failed to fetch"):
            await page.evaluate(DECIDE, asked)


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
async def test_beacons_arrive(process: Process, api: httpx.AsyncClient, page: Page, kind: str) -> None:
    assert await page.evaluate(BEACON, [str(api.base_url).rstrip("/"), KEY, kind])
    await until(lambda: [message.event.id for message in process.log.messages] == [kind])
