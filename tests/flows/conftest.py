"""Fixtures of the flows."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.flows.api import Process, calling, settings
from tests.flows.demos import Demos


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Demos]:
    """Starts demos, which end with the test."""
    demos = Demos(tmp_path)
    yield demos
    await demos.end()


@pytest.fixture
def process() -> Process:
    """An api process over the in-memory store and log."""
    return Process(settings())


@pytest.fixture
async def api(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `process`, without a socket."""
    async with calling(process) as client:
        yield client
