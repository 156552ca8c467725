"""The baseline of ``cueline bench decisions``: the least that could be called a state lookup.

``python -m loadtest.bare_server`` is an ASGI function that does one Redis GET for the key in its path and answers
a constant, on the server and the configuration that Cueline's HTTP process has (`engine.web.server`).
Addresses come from the same settings (``CUELINE_…``).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import redis.asyncio
import uvloop

from engine.settings import Settings
from engine.settings_sources import read_settings
from engine.web.server.uvicorn_server import serve

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: redis-py uses one for each request in flight, 100 by default.
MOST_CONNECTIONS = 10_000


def bare(client: redis.asyncio.Redis) -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """One GET of the key that the path names, then 200."""
    head = [(b"content-type", b"application/json"), (b"content-length", b"14")]

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await client.get(scope["path"][1:])
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": b'{"found":true}'})

    return app


async def main(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    client = redis.asyncio.Redis.from_url(settings.redis.url, max_connections=MOST_CONNECTIONS)
    await serve(bare(client), settings.web.host, settings.web.port, stop)
    await client.aclose()


if __name__ == "__main__":
    uvloop.run(main(read_settings()))
