"""One pipelined connection to Redis: commands are sent in call order, replies arrive in the same order.

redis-py's client is not used: packing in Python and taking one connection per command cost more than the work.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import hiredis
import msgspec

from engine.errors import BadReply, Unavailable
from engine.settings import Redis
from engine.store.endpoint import endpoint
from engine.store.resp import pack

Replies = list[Any]

log = logging.getLogger(__name__)

SEND_BUFFER = 1 << 21

#: How an error begins that is of the state of the server, and not of the command: it passes.
OF_THE_SERVER = (
    *("LOADING", "BUSY", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "NOREPLICAS"),
    *("MISCONF", "OOM", "NOAUTH", "NOPERM", "WRONGPASS", "ERR max number of clients"),
)


class _Call(msgspec.Struct, gc=False):
    """A frame in flight and the future for its replies: a list of them, or the only one."""

    future: asyncio.Future[Any]
    frame: bytes
    deadline: float
    wanted: int  # replies still to come
    replies: Replies | None
    connection: int = 0  # the only one it may be sent over, 0: any


class Wire(asyncio.Protocol):
    """Feeds the socket's bytes to hiredis and passes each reply to its call."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._reader = hiredis.Reader()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:  # RESP2 has no false of its own
                self._connection.answered(self, reply)
        except hiredis.ProtocolError as error:
            self._connection.broken(self, f"protocol error: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        self._connection.broken(self, str(error or "connection closed"))


class Connection:
    """A connection that opens when first used and again after it broke.

    `call` and `pipe` queue their bytes behind those of every earlier call before they return, also while the
    connection is being made. When it breaks, a reply exceeds ``timeout_s``, or Redis answers with an error,
    every call in flight raises `Unavailable`, but the one whose error it was `BadReply`. ``prepare`` runs on each
    new connection before anything else.
    Belongs to one event loop. Raises `BadSettings` when made of settings that contradict each other.
    """

    def __init__(
        self, settings: Redis, prepare: Callable[[Callable[[bytes], Awaitable[Any]]], Awaitable[None]]
    ) -> None:
        self._endpoint = endpoint(settings)
        self._timeout_s = settings.timeout_s
        self._prepare = prepare
        self._wire: Wire | None = None
        self._transport: asyncio.Transport | None = None
        self._ready = False
        self.closed = False
        self._connecting: asyncio.Task[None] | None = None
        self._waiting: deque[_Call] = deque()  # for the connection
        self._sent: deque[_Call] = deque()  # in flight, in order
        self._timer: asyncio.TimerHandle | None = None
        self.clustered = True  # whether keys of one command must share a slot; until it is known they do
        self.connections = 0  # made so far; after a reconnect Redis may have lost something

    def call(self, frame: bytes) -> asyncio.Future[Any]:
        """Send one command; its reply."""
        return self._enter(frame, 1, None)

    def pipe(self, frame: bytes, commands: int, connection: int = 0) -> asyncio.Future[Replies]:
        """Send several commands in one frame; their replies. Raises `Unavailable` when `connection` (a value of
        ``connections``) is no longer the current one."""
        return self._enter(frame, commands, [], connection)

    async def close(self) -> None:
        """Close for good: calls in flight and later ones raise `Unavailable`."""
        self.closed = True
        if self._connecting:
            self._connecting.cancel()
        self._drop("the store is closed")

    def _enter(
        self, frame: bytes, wanted: int, replies: Replies | None, connection: int = 0
    ) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self.closed:
            future.set_exception(Unavailable("Redis: the store is closed"))
            return future
        call = _Call(future, frame, loop.time() + self._timeout_s, wanted, replies, connection)
        if self._transport is not None and self._transport.is_closing():
            self._drop("connection lost")
        if self._ready and self._transport is not None:
            self._send(call, self._transport)
        else:
            self._waiting.append(call)
            self._connecting = self._connecting or loop.create_task(self._connect())
        return future

    def _send(self, call: _Call, transport: asyncio.Transport) -> None:
        if call.connection not in (0, self.connections):
            if not call.future.done():
                call.future.set_exception(Unavailable("Redis: reconnected since"))
            return
        self._sent.append(call)
        transport.write(call.frame)
        call.frame = b""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(call.deadline, self._check_timeout)

    def _check_timeout(self) -> None:
        """Replies arrive in order, so the oldest call is the first to time out and one timer serves all."""
        self._timer = None
        if not self._sent:
            return
        loop = asyncio.get_running_loop()
        if self._sent[0].deadline <= loop.time():
            self._drop(f"no answer within {self._timeout_s} s")
        else:
            self._timer = loop.call_at(self._sent[0].deadline, self._check_timeout)

    def answered(self, wire: Wire, reply: Any) -> None:
        """The next reply arrived."""
        if wire is not self._wire or not self._sent:
            return
        if isinstance(reply, hiredis.ReplyError):
            self._refused(self._sent.popleft(), str(reply))
            return
        call = self._sent[0]
        call.wanted -= 1
        if call.replies is not None:
            call.replies.append(reply)
        if call.wanted == 0:
            self._sent.popleft()
            if not call.future.done():
                call.future.set_result(reply if call.replies is None else call.replies)

    def _refused(self, call: _Call, why: str) -> None:
        """Redis answered `call` with an error: a new connection begins anew for all."""
        kind = Unavailable if why.startswith(OF_THE_SERVER) else BadReply
        if not call.future.done():
            call.future.set_exception(kind(f"Redis: {why}"))
        self._drop(why)

    def broken(self, wire: Wire, why: str) -> None:
        """The socket is gone."""
        if wire is self._wire:
            self._drop(why)

    def fail(self, why: str) -> Unavailable:
        """Drop the connection because of a reply; returns the error to raise."""
        self._drop(why)
        return Unavailable(f"Redis: {why}")

    def _drop(self, why: str) -> None:
        transport, self._transport, self._wire, self._ready = self._transport, None, None, False
        if transport is not None:
            transport.abort()
        calls = [*self._sent]
        self._sent.clear()
        if self.closed or self._connecting is None:
            calls += self._waiting
            self._waiting.clear()
        for call in calls:
            if not call.future.done():
                call.future.set_exception(Unavailable(f"Redis: {why}"))

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._open_socket()
                hello: Any = None
                for command in self._handshake():
                    hello = await self._first(pack(command))
                self.clustered = _is_clustered(hello)
                await self._prepare(self._first)
                if (transport := self._transport) is None:
                    raise Unavailable("connection closed")  # after the last reply
        except Exception as error:  # whatever it is, calls that wait for the connection must fail
            if not isinstance(error, (OSError, Unavailable)):
                log.exception("no connection to Redis")
            self._connecting = None
            self._drop(str(error) or "no connection in time")
            return
        self._connecting = None
        self._ready = True
        self.connections += 1
        while self._waiting:
            self._send(self._waiting.popleft(), transport)

    def _first(self, frame: bytes) -> asyncio.Future[Any]:
        """A call that is sent before those that wait for the connection."""
        loop = asyncio.get_running_loop()
        call = _Call(loop.create_future(), frame, loop.time() + self._timeout_s, 1, None)
        if self._transport is None:
            call.future.set_exception(Unavailable("Redis: connection closed"))
        else:
            self._send(call, self._transport)
        return call.future

    async def _open_socket(self) -> None:
        loop, end = asyncio.get_running_loop(), self._endpoint
        wire = self._wire = Wire(self)
        if end.path:
            self._transport, _ = await loop.create_unix_connection(lambda: wire, end.path)
            # room for a whole commit, so that it is sent in one call; TCP grows its buffer by itself
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        else:
            self._transport, _ = await loop.create_connection(lambda: wire, end.host, end.port, ssl=end.context)

    def _handshake(self) -> list[tuple[str, ...]]:
        end = self._endpoint
        commands: list[tuple[str, ...]] = [("CLIENT", "SETNAME", "cueline"), ("HELLO", "2")]
        if end.db:
            commands.insert(0, ("SELECT", str(end.db)))
        if end.password:
            commands.insert(0, ("AUTH", end.username, end.password))
        return commands


def _is_clustered(hello: Any) -> bool:
    """Whether the reply to HELLO, names and values in turn, says that the server is a cluster's."""
    return isinstance(hello, list) and dict(zip(hello[::2], hello[1::2], strict=False)).get(b"mode") == b"cluster"
