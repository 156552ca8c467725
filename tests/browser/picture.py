"""``make picture``: the README's picture of the page, taken of a demo started for it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, ViewportSize, expect

from tests.browser.running import find_chromium, running_browser, running_demo

SIZE = ViewportSize(width=1200, height=820)
SCALE = 1  # small enough for a repository
CUES = 12  # a full list
POINTS = 80  # of the chart, two a second
WITHIN_MS = 120_000


async def take(target: Path, program: str) -> None:
    """Write the picture to `target` (PNG)."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_demo(Path(folder)) as demo, running_browser(program) as browser:
            page = await browser.new_page(
                viewport=SIZE, device_scale_factor=SCALE, color_scheme="light", timezone_id="UTC", locale="en-US"
            )
            await page.goto(demo.url)
            await _wait_for_life(page)
            await _open_a_customer(page)
            target.parent.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=target, animations="disabled")


async def _wait_for_life(page: Page) -> None:
    """Until everything is live, the list is full and the chart has a history."""
    await expect(page.get_by_test_id("live")).to_have_text("live", timeout=WITHIN_MS)
    await expect(page.get_by_test_id("cue-item").nth(CUES - 1)).to_be_attached(timeout=WITHIN_MS)
    await page.wait_for_function(
        "points => Number(document.getElementById('chart').dataset.points) >= points",
        arg=POINTS,
        timeout=WITHIN_MS,
    )


async def _open_a_customer(page: Page) -> None:
    """The newest cue's customer for whom there is an offer on a channel."""
    cues, offer = page.get_by_test_id("cue-item"), page.get_by_test_id("offer-item").first
    await page.get_by_test_id("pause").click()
    for place in range(CUES):
        customer = await cues.nth(place).locator(".id").inner_text()
        await cues.nth(place).click()
        await expect(page.get_by_test_id("customer-id")).to_have_text(customer)
        if await offer.is_visible():
            break
    await page.locator("#others summary").click()
    await page.get_by_test_id("pause").click()
    await page.mouse.move(0, 0)
    await page.evaluate("document.getElementById('known').scrollTop = 0")
    await expect(page.get_by_test_id("new-cues")).to_be_hidden()


def main() -> None:
    """Take it, or say what is missing."""
    program = find_chromium()
    if program is None:
        sys.exit("no chromium: apt-get install chromium, or name it in CHROMIUM")
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/page.png")
    asyncio.run(take(target, program))
    print(f"{target}: {target.stat().st_size / 1_000:.0f} kB")


if __name__ == "__main__":
    main()
