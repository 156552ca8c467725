"""The client of our commands towards HTTP: httpx, and what it raises of a server that ends while one connects."""

from __future__ import annotations

import httpx

TIMEOUT_S = 10.0


class _Transport(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except AttributeError as error:
            # a connection that was closed while it was made has no socket on uvloop; anyio (4.16) asks it for its
            # peer all the same
            if "getpeername" not in str(error):
                raise
            raise httpx.ConnectError("the connection was closed while it was made", request=request) from error


def http_client(base_url: str = "", timeout_s: float = TIMEOUT_S) -> httpx.AsyncClient:
    """A client of `base_url`, past any proxy of the environment. What it raises of a server that ends, at whatever
    moment, is a `httpx.TransportError`."""
    return httpx.AsyncClient(base_url=base_url, timeout=timeout_s, trust_env=False, transport=_Transport())
