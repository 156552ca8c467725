"""The live page in a real headless browser, with the whole demo behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from playwright.async_api import TimeoutError as TooLate

from engine.local.loopback import free_port
from tests.browser.running import TOO_WIDE, RunningDemo, running_demo

COUNTED = re.compile(r"^[1-9][0-9,]*$")  # a whole number above 0
CHOSEN = 4  # customers looked at


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> AsyncIterator[RunningDemo]:
    """A demo for all tests of this file: none of them harms it."""
    async with running_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


async def test_events_move_a_cue_arrives_and_its_customer_has_offers(demo: RunningDemo, browser: Browser) -> None:
    faults: list[str] = []
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto(demo.url)
    await expect(page.get_by_test_id("live")).to_have_text("live", timeout=10_000)
    await expect(page.get_by_test_id("stream-status")).to_have_text("connected")
    for part in ("worker", "redis", "kafka"):
        await expect(page.get_by_test_id(f"health-{part}")).to_have_text("ok")
    total = page.get_by_test_id("events-total")
    await expect(total).to_have_text(COUNTED, timeout=20_000)
    before = int((await total.inner_text()).replace(",", ""))
    await page.wait_for_function(
        """before => Number(document.querySelector("[data-testid=events-total]")
            .textContent.replaceAll(",", "")) > before""",
        arg=before,
        timeout=10_000,
    )
    await expect(page.get_by_test_id("events-per-second")).to_have_text(COUNTED, timeout=10_000)
    await expect(page.get_by_test_id("customers-total")).to_have_text(COUNTED)
    await expect(page.locator("#alerts > *")).to_have_count(0)

    await expect(page.get_by_test_id("indicator").first).to_contain_text(re.compile("[a-z ]+[1-9][0-9,]*"))
    cues = page.get_by_test_id("cue-item")
    await expect(cues.nth(CHOSEN - 1)).to_be_attached(timeout=25_000)
    offered = False
    for place in range(CHOSEN):  # what one was cued with may be all that there was for them
        await cues.nth(place).hover()  # holds the list still, which the look at another channel let go
        customer = await cues.nth(place).locator(".id").inner_text()
        await cues.nth(place).click()
        await expect(page.get_by_test_id("customer-id")).to_have_text(customer, timeout=10_000)
        await expect(page.get_by_test_id("features").locator("tr").first).to_be_visible()
        offers = page.get_by_test_id("offer-item").or_(page.get_by_test_id("suppressed-item"))
        await expect(offers.first).to_be_attached(timeout=10_000)
        if offered := await _channel_with_offers(page):
            break
    assert offered, "no channel has an offer for any customer who was just given a cue"
    await expect(page.get_by_test_id("offer-why").locator("li").first).to_be_visible()

    await page.get_by_test_id("customer-input").fill("nobody <b>at all</b>")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("no-customer")).to_contain_text("nobody <b>at all</b>", timeout=10_000)
    assert not faults


async def test_a_customer_who_logged_in_and_called_has_one_timeline_under_each_id(
    demo: RunningDemo, browser: Browser
) -> None:
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    await page.goto(demo.url)
    timeline = page.get_by_test_id("timeline")
    for asked, other in (("scene-anna-1", "scene-browser-1"), ("scene-browser-1", "scene-anna-1")):
        await page.locator("#customer-input").fill(asked)
        await page.locator("#customer-input").press("Enter")
        await expect(page.get_by_test_id("customer-id")).to_have_text(asked)
        await expect(timeline).to_contain_text("contact started", timeout=20_000)
        for what, times in (("item viewed", 4), ("searched", 3), ("identified", 1)):
            await expect(timeline.get_by_text(what, exact=True)).to_have_count(times)
        await expect(page.get_by_test_id("identities")).to_have_text(
            f"also known as {other}, contact:scene-anna-1-call"
        )
        await expect(page.get_by_test_id("identities")).to_have_attribute(
            "title", re.compile(r"scene-browser-1: identified \(signed\), merged")
        )
    await page.close()


@pytest.mark.parametrize("width", [360, 400])
async def test_on_a_phone_nothing_is_cut_off_and_a_chosen_customer_comes_into_view(
    demo: RunningDemo, browser: Browser, width: int
) -> None:
    page = await browser.new_page(viewport={"width": width, "height": 740})
    await page.goto(demo.url)
    cue = page.get_by_test_id("cue-item").first
    await expect(cue).to_be_visible(timeout=25_000)
    await expect(page.get_by_test_id("customer-id")).to_be_visible(timeout=10_000)
    assert await page.evaluate(TOO_WIDE) == []
    await cue.hover()  # holds the list still
    customer = await cue.locator(".id").inner_text()
    await cue.click()
    await expect(page.get_by_test_id("customer-id")).to_have_text(customer, timeout=10_000)
    await expect(page.get_by_test_id("customer-id")).to_be_in_viewport()
    await expect(page.locator("#customer")).to_be_in_viewport(ratio=0.9)
    await expect(page.get_by_role("button", name="Show")).to_be_in_viewport(ratio=1)
    assert await page.evaluate(TOO_WIDE) == []


async def test_a_broken_rule_file_is_told_where_until_it_is_mended(demo: RunningDemo, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(demo.url)
    alert, revision = page.get_by_test_id("alert-rules"), page.get_by_test_id("revision")
    await expect(page.get_by_test_id("live")).to_have_text("live", timeout=10_000)
    before = await revision.inner_text()
    broken = demo.folder / "rules" / "broken.yaml"
    broken.write_text("indicators:\n  - {name: odd, description: odd, when: no.such >= 1}\n")
    await expect(alert).to_contain_text(re.compile(r"broken\.yaml:2:\d+: odd: "), timeout=10_000)
    await expect(revision).to_have_text(before)
    await expect(page.get_by_test_id("live")).to_have_text("live")  # by the rules before
    broken.unlink()
    await expect(alert).to_have_count(0, timeout=10_000)


async def test_a_lost_stream_is_said_and_taken_up_again(demo: RunningDemo, browser: Browser) -> None:
    wire = Wire(int(demo.url.rstrip("/").rpartition(":")[2]))
    await wire.join()
    page = await browser.new_page()
    await page.goto(f"http://127.0.0.1:{wire.port}/")
    await expect(page.get_by_test_id("live")).to_have_text("live", timeout=10_000)
    await expect(page.get_by_test_id("alert-page")).to_have_count(0)
    await wire.cut()
    await expect(page.get_by_test_id("alert-page")).to_contain_text("reconnecting", timeout=15_000)
    await expect(page.get_by_test_id("stream-status")).to_have_text("reconnecting")
    await expect(page.get_by_test_id("live")).to_have_text("reconnecting")
    for part in ("worker", "redis", "kafka"):  # of which a page that hears nothing knows nothing
        await expect(page.get_by_test_id(f"health-{part}")).to_have_text("unknown")
    await wire.join()
    await expect(page.get_by_test_id("stream-status")).to_have_text("connected", timeout=30_000)
    await expect(page.get_by_test_id("live")).to_have_text("live")
    await expect(page.get_by_test_id("alert-page")).to_have_count(0)
    await wire.cut()


class Wire:
    """A TCP relay to the demo that can be cut."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, free_port()
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()

    async def join(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for end in self._ends:
            end.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        ends = {writer, far_writer}
        self._ends |= ends
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        self._ends -= ends

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


async def _channel_with_offers(page: Page) -> bool:
    """Look at the channels one after the other until one has offers."""
    for name in await page.locator("#channels button").all_inner_texts():
        await page.get_by_test_id(f"channel-{name}").click()
        try:
            await page.get_by_test_id("offer-item").first.wait_for(timeout=2_500)
            return True
        except TooLate:
            continue
    return False
