"""The fast path of small requests: past the parser, uvicorn's cycle and the router.

Senders repeat their heads byte for byte; only bodies differ. So a request that has come as a whole, and whose head
was parsed before, is given to its handler at once, with the headers that the parser read then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from blacksheep import Content, Request, Response
from blacksheep.messages import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from engine.web.server.bulkheads import Bulkhead

MOST_HEADS = 1_024
MOST_FIELDS = 64  # of a head; each takes more memory than it has bytes
LONGEST_HEAD = 2_048
LARGEST = 32 * 1024  # bytes of a request

Headers = Sequence[tuple[bytes, bytes]]
Handler = Callable[[Request], Awaitable[Response]]


class FastRoute(NamedTuple):
    """A POST to a path without parameters: its handler, which raises nothing and answers with a whole body, and
    the bulkhead whose places it takes."""

    handler: Handler
    bulkhead: Bulkhead


class KnownHead(NamedTuple):
    """What a head says: how long its request is, in bytes, and whom it is for."""

    size: int
    path: bytes
    headers: Headers
    handler: Handler
    bulkhead: Bulkhead

    def request(self, scope: Mapping[str, Any], body: bytes) -> Request:
        """The request with this head and `body`; `scope` is what ASGI says of its connection."""
        request = Request.incoming("POST", self.path, b"", list(self.headers))
        request.scope = scope  # type: ignore[assignment]
        request.content = Content(b"", body)
        return request


class KnownHeads:
    """The heads of this process's `routes`, as they were sent, up to `MOST_HEADS` of them.

    They are two generations. When the newer is full, the older is forgotten and the newer becomes it; what is used
    of the older becomes new again. So those in use outlive any number that are sent once, by whomever.
    """

    def __init__(self, routes: Mapping[bytes, FastRoute]) -> None:
        self._routes = routes
        self._newer: dict[bytes, KnownHead] = {}
        self._older: dict[bytes, KnownHead] = {}
        #: Of a head with the empty line that ends it; None where it is not of the newer. Changes with them.
        self.get = self._newer.get

    def renew(self, head: bytes) -> KnownHead | None:
        """What is known of `head`, which is not of the newer; None where nothing is."""
        known = self._older.pop(head, None)
        if known is not None:
            self._remember(head, known)
        return known

    def learn(self, head: bytes, path: bytes, headers: Headers, size: int) -> None:
        """Remember `head`: of a POST of HTTP/1.1 without a query, after which the connection stays open. `path`
        and `headers` are what the parser read in it, `size` the bytes of the request; where the head states
        another size, it did not end where the parser ended it, and is not remembered."""
        route, length = self._routes.get(path), dict(headers).get(b"content-length")
        if route is None or length is None or size != len(head) + int(length):
            return
        if len(head) <= LONGEST_HEAD and size <= LARGEST and len(headers) <= MOST_FIELDS:
            self._remember(head, KnownHead(size, path, tuple(headers), route.handler, route.bulkhead))

    def _remember(self, head: bytes, known: KnownHead) -> None:
        if len(self._newer) >= MOST_HEADS // 2:
            self._older, self._newer = self._newer, {}
            self.get = self._newer.get
        self._newer[head] = known

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)


class _Nobody:
    """Of an `asyncio.Event` what uvicorn calls, where nobody waits."""

    def set(self) -> None:
        """Does nothing."""


class Exchange:
    """A request on the fast path and its answer: what the protocol asks of uvicorn's cycle."""

    more_body = response_started = False
    body = b""
    message_event = _Nobody()

    def __init__(self) -> None:
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True


def whole_answer(response: Response, keep_alive: bool) -> bytes:
    """`response`, whose content is whole, as HTTP/1.1 has it."""
    content = response.content
    body = (content.body or b"") if content else b""
    lines = [STATUS_LINE[response.status]]
    if content:
        lines.append(b"content-type: %b\r\n" % content.type)
    lines += [b"%b: %b\r\n" % header for header in _headers(response)]
    if not keep_alive:
        lines.append(b"connection: close\r\n")
    lines.append(b"content-length: %d\r\n\r\n%b" % (len(body), body))
    return b"".join(lines)


def _headers(message: Message) -> Headers:
    return message.headers.values or ()
