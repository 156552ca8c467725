"""Fixtures of the tests in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.browser.running import find_chromium, running_browser
from tests.services import missing


@pytest.fixture
def chromium() -> str:
    """The browser's program; asked for before anything is started."""
    program = find_chromium()
    if program is None:
        missing("no chromium: apt-get install chromium, or name it in CHROMIUM")
    return program


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """A headless browser."""
    async with running_browser(chromium) as browser:
        yield browser
