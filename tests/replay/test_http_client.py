"""Our HTTP client against a server that ends at the worst moments."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
import uvloop

from engine.replay.http_client import http_client

ASKED, AT_ONCE = 100, 10


@pytest.fixture
def resetting() -> Iterator[int]:
    """The port of a server that resets each connection as soon as it has it."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)

        def serve() -> None:
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.settimeout(None)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


async def raised(client: httpx.AsyncClient) -> Counter[str]:
    """What many requests raise."""
    found = Counter[str]()

    async def ask() -> None:
        for _ in range(ASKED):
            try:
                await client.get("/")
            except httpx.TransportError:
                found["transport"] += 1
            except AttributeError as error:
                found[str(error)] += 1

    async with client:
        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return found


def test_whoever_connects_while_the_server_ends_gets_an_error_of_the_transport(resetting: int) -> None:
    client = http_client(f"http://127.0.0.1:{resetting}")
    assert uvloop.run(raised(client)) == {"transport": ASKED * AT_ONCE}


def test_other_faults_are_raised_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    async def faulty(*_: object) -> None:
        raise AttributeError("of ours")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", faulty)
    with pytest.raises(AttributeError, match="of ours"):
        asyncio.run(http_client("http://x").get("/"))
