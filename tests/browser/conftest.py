"""Fixtures of the tests in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.running import needed_chromium, running_browser
from tests.flows.api import Process, serving, settings


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program; asked for before anything is started."""
    return needed_chromium()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started_browser(chromium: str) -> AsyncIterator[Browser]:
    """A headless browser for all tests of a file."""
    async with running_browser(chromium) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def browser(started_browser: Browser) -> AsyncIterator[Browser]:
    """The browser without a page; what a test opens is closed after it."""
    yield started_browser
    for context in started_browser.contexts:
        await context.close()


@pytest.fixture
def process() -> Process:
    """An api process in the test's own loop, over the store in memory, with its page served at ``url``."""
    return Process(settings(demo_page=True))


@pytest_asyncio.fixture(loop_scope="module")
async def url(process: Process, browser: Browser) -> AsyncIterator[str]:
    """Where it is served, until before the browser ends."""
    async with serving(process) as client:
        yield f"{client.base_url}/"
