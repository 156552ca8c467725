"""The page's list of cues, which come when the test lets them: what was before, and when the list keeps still."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Browser, CDPSession, Page, expect

from tests.browser.running import TOO_WIDE
from tests.flows.api import Process

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOWN = 60  # cues in the list
#: fulfilled when the list has been scrolled and rests
SCROLLED = """() => {
    const list = document.getElementById("cues")
    window.scrolled = new Promise((done) => list.addEventListener("scrollend", done, {once: true}))
        .then(() => list.scrollTop)
}"""
Send = Callable[[int], Awaitable[None]]


@pytest.fixture
def send(process: Process) -> Send:
    """Let so many more cues go out; the first is "cue 1"."""
    sent = 0

    async def send(number: int) -> None:
        nonlocal sent
        for _ in range(number):
            sent += 1
            await process.cue(f"shopper-{sent}", f"cue {sent}")

    return send


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, url: str, send: Send) -> Page:
    """The page with twenty cues in its list, more than it has room for."""
    await send(20)
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    await page.goto(url)
    await _first_is(page, "cue 20")
    return page


async def test_cues_of_one_moment_are_told_apart_by_their_channels(page: Page, process: Process) -> None:
    for channels in (("web",), ("agent",), ("web", "agent")):
        await process.cue("ann", "May I help?", channels=channels)
    shown = page.get_by_test_id("cue-item").filter(has_text="May I help?").locator(".channel")
    await expect(shown).to_have_text(["web, agent", "agent", "web"])


@pytest_asyncio.fixture(loop_scope="module")
async def phone(browser: Browser, url: str, send: Send) -> Page:
    """The same on a phone, with the list in the middle of the screen."""
    await send(20)
    context = await browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = await context.new_page()
    await page.goto(url)
    await _first_is(page, "cue 20")
    await page.get_by_test_id("pause").evaluate("button => button.scrollIntoView({behavior: 'instant'})")
    return page


async def _first_is(page: Page, text: str) -> None:
    await expect(page.get_by_test_id("cue-item").first.locator(".say")).to_have_text(text, timeout=10_000)


async def _new_ones_wait(page: Page, send: Send, first: str, reason: str) -> None:
    """Three new cues are counted while the list stays as it is."""
    held = page.get_by_test_id("cue-item").filter(has=page.get_by_text(first, exact=True))
    place = await held.bounding_box()
    await send(3)
    await expect(page.get_by_test_id("new-cues")).to_have_text("3 new", timeout=10_000)
    await expect(page.get_by_test_id("held")).to_have_text(reason)
    assert await held.bounding_box() == place


async def test_a_page_opened_late_shows_the_last_cues_and_the_chart_at_once(
    browser: Browser, url: str, send: Send
) -> None:
    await send(SHOWN + 3)
    early = await browser.new_page()
    await early.goto(url)
    await early.wait_for_function("() => Number(document.getElementById('chart').dataset.points) >= 3")
    late = await browser.new_page()
    faults: list[str] = []
    late.on("pageerror", lambda error: faults.append(str(error)))
    await late.goto(url)
    await _first_is(late, f"cue {SHOWN + 3}")
    await expect(late.get_by_test_id("cue-item")).to_have_count(SHOWN)
    await expect(late.get_by_test_id("cue-item").last.locator(".say")).to_have_text("cue 4")
    assert int(await late.get_by_test_id("chart").get_attribute("data-points") or 0) >= 3
    assert not faults


async def test_new_cues_come_on_top_and_none_twice(page: Page, send: Send) -> None:
    await send(2)
    await _first_is(page, "cue 22")
    await page.reload()  # all of them are history now
    await _first_is(page, "cue 22")
    await expect(page.get_by_test_id("cue-item")).to_have_count(22)
    await send(1)
    await _first_is(page, "cue 23")
    await expect(page.get_by_test_id("cue-item")).to_have_count(23)


async def test_a_paused_list_keeps_still_until_it_is_resumed(page: Page, send: Send) -> None:
    await page.get_by_test_id("pause").click()
    await page.mouse.move(0, 0)
    await _new_ones_wait(page, send, "cue 20", "paused")
    await page.get_by_role("button", name="Resume").click()
    await _first_is(page, "cue 23")
    await expect(page.get_by_test_id("new-cues")).to_be_hidden()


async def test_the_new_ones_of_a_paused_list_can_be_looked_at(page: Page, send: Send) -> None:
    await page.get_by_test_id("pause").click()
    await _new_ones_wait(page, send, "cue 20", "paused")
    await page.get_by_test_id("new-cues").click()
    await _first_is(page, "cue 23")
    await _new_ones_wait(page, send, "cue 23", "paused")


async def test_the_keyboard_pauses_and_holds(page: Page, send: Send) -> None:
    await page.get_by_test_id("pause").focus()
    await page.keyboard.press("p")
    await _new_ones_wait(page, send, "cue 20", "paused")
    await page.keyboard.press("p")
    await _first_is(page, "cue 23")
    await page.keyboard.press("Tab")
    await expect(page.get_by_test_id("cues").get_by_role("button").first).to_be_focused()
    await _new_ones_wait(page, send, "cue 23", "held while in focus")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Shift+Tab")
    await _first_is(page, "cue 26")


async def test_a_list_that_is_pointed_at_keeps_still(page: Page, send: Send) -> None:
    await page.get_by_test_id("cue-item").nth(1).hover()
    await _new_ones_wait(page, send, "cue 19", "held while pointed at")
    await page.mouse.move(0, 0)
    await _first_is(page, "cue 23")


async def test_a_scrolled_list_keeps_still_until_it_is_at_its_top_again(page: Page, send: Send) -> None:
    await page.get_by_test_id("cue-item").first.hover()
    await page.mouse.wheel(0, 200)
    await page.mouse.move(0, 0)
    await page.wait_for_function("() => document.getElementById('cues').scrollTop === 200")
    await _new_ones_wait(page, send, "cue 17", "held while scrolled")
    await page.get_by_test_id("new-cues").click()
    await _first_is(page, "cue 23")
    assert await page.evaluate("document.getElementById('cues').scrollTop") == 0


async def test_nothing_moves_under_a_finger(phone: Page, send: Send) -> None:
    finger = await Finger.over(phone, "cue 20")
    await finger.down()
    await _new_ones_wait(phone, send, "cue 20", "held while touched")
    await finger.up()
    await _first_is(phone, "cue 23")


async def test_a_list_scrolled_by_a_finger_keeps_still_and_a_tap_returns_to_its_top(
    phone: Page, send: Send
) -> None:
    finger = await Finger.over(phone, "cue 18")
    await phone.evaluate(SCROLLED)
    await finger.down()
    await finger.move(-150)
    await finger.up()
    assert await phone.evaluate("() => window.scrolled") > 100
    await _new_ones_wait(phone, send, "cue 17", "held while scrolled")
    await phone.get_by_test_id("new-cues").tap()
    await _first_is(phone, "cue 23")
    await expect(phone.get_by_test_id("new-cues")).to_be_hidden()
    assert await phone.evaluate("document.getElementById('cues').scrollTop") == 0
    assert await phone.evaluate(TOO_WIDE) == []


async def test_a_tap_chooses_what_was_under_the_finger(phone: Page, send: Send) -> None:
    finger = await Finger.over(phone, "cue 19")
    await finger.down()
    await send(2)
    await expect(phone.get_by_test_id("new-cues")).to_have_text("2 new", timeout=10_000)
    await finger.up()
    await expect(phone.get_by_test_id("customer-input")).to_have_value("shopper-19")


class Finger:
    """One finger on the screen, as the browser's own input has it."""

    def __init__(self, session: CDPSession, x: float, y: float) -> None:
        self._session = session
        self._x, self._y = x, y

    @classmethod
    async def over(cls, page: Page, text: str) -> Finger:
        """Above the cue that says `text`."""
        box = await page.get_by_text(text, exact=True).bounding_box()
        assert box is not None
        session = await page.context.new_cdp_session(page)
        return cls(session, box["x"] + 20, box["y"] + box["height"] / 2)

    async def down(self) -> None:
        await self._touch("touchStart", [{"x": self._x, "y": self._y}])

    async def move(self, pixels: float, steps: int = 10) -> None:
        """Up (less than 0) or down, and rest there: nothing is flung."""
        for step in range(2 * steps):
            self._y += pixels / steps if step < steps else 0
            await self._touch("touchMove", [{"x": self._x, "y": self._y}])

    async def up(self) -> None:
        await self._touch("touchEnd", [])

    async def _touch(self, kind: str, points: list[dict[str, float]]) -> None:
        await self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
