"""The live page in a real headless browser, with the whole demo behind it."""

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page

ROOT = Path(__file__).parents[2]
START_S = 60  # the first run compiles the kernels
COUNTED = re.compile(r"^[1-9][0-9,]*$")  # a whole number above 0
CHOSEN = 4  # customers looked at
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
#: what is shown and reaches beyond the window or the card that it lies in
TOO_WIDE = """() => [...document.querySelectorAll("body *:not(.skip, .quiet)")].filter((one) => {
    const box = one.getBoundingClientRect(), around = one.closest("section")?.getBoundingClientRect()
    return box.width && (box.left < 0 || box.right > Math.min(innerWidth, around?.right ?? innerWidth) + 0.5)
}).map((one) => `${one.tagName} ${one.id} ${one.textContent.slice(0, 40)}`)"""


@pytest.fixture
def chromium() -> str:
    """The browser's program; asked for before the demo is started."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        told = "no chromium: apt-get install chromium, or name it in CHROMIUM"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    return found


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def answers(url: str, demo: asyncio.subprocess.Process) -> None:
    """Wait until the page is served and the engine ready."""
    async with httpx.AsyncClient() as http:
        while demo.returncode is None:
            try:
                page, ready = await http.get(url), await http.get(f"{url}health/ready")
                if page.status_code == ready.status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError(f"the demo ended with {demo.returncode}")


@pytest.fixture
async def page_url(tmp_path: Path, chromium: str) -> AsyncIterator[str]:
    """A demo that runs for the time of one test."""
    url, log = f"http://127.0.0.1:{(port := free_port())}/", tmp_path / "demo.log"
    with log.open("wb") as out:
        demo = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine", "demo", "--seconds", "90", "--no-browser"),
            *("--port", str(port), "--rules", str(shutil.copytree(ROOT / "rules", tmp_path / "rules"))),
            cwd=tmp_path,  # a demo keeps its files where it is started, and another may be running
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        async with asyncio.timeout(START_S):
            await answers(url, demo)
        yield url
    except BaseException:
        print(log.read_text(errors="replace")[-4_000:])
        raise
    finally:
        if demo.returncode is None:
            demo.send_signal(signal.SIGINT)
            await asyncio.wait_for(demo.wait(), 15)


async def test_events_move_a_cue_arrives_and_its_customer_has_offers(page_url: str, chromium: str) -> None:
    from playwright.async_api import async_playwright, expect

    faults: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(page_url)
        total = page.get_by_test_id("events-total")
        await expect(page.get_by_test_id("stream-status")).to_have_text("live", timeout=10_000)
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
        await expect(page.get_by_test_id("stream-lost")).to_be_hidden()

        await expect(page.get_by_test_id("indicator").first).to_contain_text(re.compile("[a-z ]+[1-9][0-9,]*"))
        cues = page.get_by_test_id("cue-item")
        await expect(cues.nth(CHOSEN - 1)).to_be_attached(timeout=25_000)
        await cues.first.hover()  # holds the list still
        offered = False
        for place in range(CHOSEN):  # what one was cued with may be all that there was for them
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
        await browser.close()
    assert not faults


@pytest.mark.parametrize("width", [360, 400])
async def test_on_a_phone_nothing_is_cut_off_and_a_chosen_customer_comes_into_view(
    page_url: str, chromium: str, width: int
) -> None:
    from playwright.async_api import async_playwright, expect

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page(viewport={"width": width, "height": 740})
        await page.goto(page_url)
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
        await browser.close()


async def test_a_broken_rule_file_is_told_where_until_it_is_mended(
    page_url: str, chromium: str, tmp_path: Path
) -> None:
    from playwright.async_api import async_playwright, expect

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page()
        await page.goto(page_url)
        told, revision = page.get_by_test_id("rule-faults"), page.get_by_test_id("revision")
        await expect(page.get_by_test_id("stream-status")).to_have_text("live", timeout=10_000)
        before = await revision.inner_text()
        broken = tmp_path / "rules" / "broken.yaml"
        broken.write_text("indicators:\n  - {name: odd, description: odd, when: no.such >= 1}\n")
        await expect(told).to_contain_text(re.compile(r"broken\.yaml:2:\d+: odd: "), timeout=10_000)
        await expect(revision).to_have_text(before)
        broken.unlink()
        await expect(told).to_be_hidden(timeout=10_000)
        await browser.close()


async def test_a_lost_stream_is_said_and_taken_up_again(page_url: str, chromium: str) -> None:
    from playwright.async_api import async_playwright, expect

    wire = Wire(int(page_url.rstrip("/").rpartition(":")[2]))
    await wire.join()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{wire.port}/")
        await expect(page.get_by_test_id("stream-status")).to_have_text("live", timeout=10_000)
        await expect(page.get_by_test_id("stream-lost")).to_be_hidden()
        await wire.cut()
        await expect(page.get_by_test_id("stream-lost")).to_be_visible(timeout=15_000)
        await expect(page.get_by_test_id("stream-status")).to_have_text("lost")
        await wire.join()
        await expect(page.get_by_test_id("stream-lost")).to_be_hidden(timeout=30_000)
        await expect(page.get_by_test_id("stream-status")).to_have_text("live")
        await browser.close()
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


async def _channel_with_offers(page: "Page") -> bool:
    """Look at the channels one after the other until one has offers."""
    from playwright.async_api import TimeoutError as TooLate

    for name in await page.locator("#channels button").all_inner_texts():
        await page.get_by_test_id(f"channel-{name}").click()
        try:
            await page.get_by_test_id("offer-item").first.wait_for(timeout=2_500)
            return True
        except TooLate:
            continue
    return False
