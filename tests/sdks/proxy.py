"""A proxy in front of an api, which answers some requests itself, as a balancer does whose backend is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Any

import httpx
import uvicorn

from tests.patience import PATIENCE_S


class Fate(Enum):
    """What becomes of a request: it goes through; it does not; or it does, but not its answer. The client sees 503
    in the latter two."""

    PASSED = auto()
    REFUSED = auto()
    UNANSWERED = auto()


class Proxy:
    """Forwards to `target`, but for the first requests, whose fate `fates` tells. An ASGI application.

    ``seen`` has the headers of every request that carried a body.
    """

    def __init__(self, target: str, fates: Sequence[Fate]) -> None:
        self._fates = iter(fates)
        self._client = httpx.AsyncClient(base_url=target, trust_env=False, timeout=PATIENCE_S)
        self.seen: list[dict[str, str]] = []

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = await _whole(receive)
        fate = Fate.PASSED
        if body:
            self.seen.append(headers)
            fate = next(self._fates, Fate.PASSED)
        answer = httpx.Response(503, headers={"retry-after": "1", "access-control-allow-origin": "*"})
        if fate is not Fate.REFUSED:
            asked = {name: value for name, value in headers.items() if name not in ("host", "connection")}
            taken = await self._client.request(scope["method"], scope["path"], headers=asked, content=body)
            answer = taken if fate is Fate.PASSED else answer
        raw = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() != b"connection"]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": raw})
        await send({"type": "http.response.body", "body": answer.content})


async def _whole(receive: Callable[..., Any]) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


class _Server(uvicorn.Server):
    def __init__(self, app: Proxy) -> None:
        super().__init__(uvicorn.Config(app, port=0, lifespan="off", log_level="warning"))
        self.up = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.up.set()


@asynccontextmanager
async def between(target: str, *fates: Fate) -> AsyncIterator[tuple[str, Proxy]]:
    """A proxy before `target`, and its address."""
    proxy = Proxy(target, fates)
    server = _Server(proxy)
    running = asyncio.create_task(server._serve())
    await server.up.wait()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", proxy
    finally:
        server.should_exit = True
        await running
        await proxy._client.aclose()
