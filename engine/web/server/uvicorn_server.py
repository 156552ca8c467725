"""Runs an app on uvicorn in the running event loop, until a stop event."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import uvicorn

from engine.web.server.app import Api
from engine.web.server.fast_protocol import FastProtocol
from engine.web.server.held_bytes import MOST_HELD, HeldBytes

log = logging.getLogger("cueline")

GRACE_S = 2  # open streams are cut off after this
KEEP_ALIVE_S = 5  # a connection on which nothing is asked stays for so long
#: libuv accepts one connection of a listening socket in a turn of the loop. Under load turns are long, and a
#: probe waited for seconds behind a thousand clients who had connected before it. So the loop has the socket so
#: many times.
ACCEPTED_AT_ONCE = 16


class _Server(uvicorn.Server):
    """Leaves signals to the process, and ends event streams before it waits for connections to close."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in [one for server in self.servers for one in server.sockets]:
            for _ in range(ACCEPTED_AT_ONCE - 1):
                again = socket.socket(fileno=os.dup(listening.fileno()))
                self.servers.append(
                    await asyncio.get_running_loop().create_server(
                        self._protocol, sock=again, backlog=self.config.backlog
                    )
                )
        host, port = self.config.host, self.servers[0].sockets[0].getsockname()[1]
        log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)

    def _protocol(self) -> asyncio.Protocol:
        """As uvicorn makes it."""
        make = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if isinstance(self.config.app, Api):
            self.config.app.end_streams()
        await super().shutdown(sockets)


def configured(app: Any, host: str, port: int) -> uvicorn.Config:
    """How uvicorn runs `app`."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=cast("Any", partial(FastProtocol, HeldBytes(MOST_HELD))),
        ws="none",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # it would believe whoever asks from this machine; see `addresses.py`
    )


async def serve(app: Any, host: str, port: int, stop: asyncio.Event) -> None:
    """Serve `app` (ASGI) on `host` and `port` until `stop`; raises OSError when the port is taken."""
    server = _Server(configured(app, host, port))
    serving = asyncio.ensure_future(_serve(server))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving


async def _serve(server: uvicorn.Server) -> None:
    # uvicorn ends the process with SystemExit when it cannot bind
    try:
        await server.serve()
    except SystemExit as error:
        host, port = server.config.host, server.config.port
        raise OSError(f"cannot listen on {host}:{port}: is something else running there?") from error
