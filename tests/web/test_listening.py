"""A server says where it listens, once it does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import httpx
import pytest

from engine.web.server.uvicorn_server import serve
from tests.flows.api import Process, settings
from tests.patience import PATIENCE_S


class _Said(logging.Handler):
    """An event when something was logged, and what."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.any = "", asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()
        self.any.set()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[_Said]:
    caplog.set_level(logging.INFO, logger="cueline")
    handler, log = _Said(), logging.getLogger("cueline")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


async def test_a_server_says_where_it_listens_once_it_does(said: _Said) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(serve(Process(settings()).app, "127.0.0.1", 0, stop))
    async with asyncio.timeout(PATIENCE_S):
        await said.any.wait()
        said_first, _, address = said.text.partition(" on ")
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (said_first, (await client.get(f"{address}/health/live")).status_code) == ("listening", 200)
        stop.set()
        await running
