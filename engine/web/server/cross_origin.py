"""What browsers let pages of other sites do here (CORS: https://fetch.spec.whatwg.org/#http-cors-protocol).

Any page may write events, whose key may be in the body. What a visitor's token or an agent's key opens is for
pages of the allowed origins. Either may add any header, as libraries do for retries and traces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import Literal

from blacksheep import Request, Response

Headers = tuple[tuple[bytes, bytes], ...]

#: Whose pages may call: nobody's of another origin, those of the allowed ones, everybody's.
Callers = Literal["", "allowed", "any"]

_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1024}")  # of headers (RFC 9110), in a list
_USUAL = b"authorization, content-encoding, content-type, x-api-key, last-event-id"
_EXPOSED = (b"Access-Control-Expose-Headers", b"retry-after")  # a page may read no other
_BY_ORIGIN: Headers = ((b"Vary", b"Origin"),)
_ANY: Headers = ((b"Access-Control-Allow-Origin", b"*"), _EXPOSED)


class CrossOrigin:
    """The headers for one route. `callers`: whose pages may call it; `allowed`: the origins allowed now, "*" among
    them for all."""

    def __init__(self, callers: Callers, allowed: Callable[[], Container[str]]) -> None:
        self._callers = callers
        self._allowed = allowed

    def answer(self, request: Request) -> Headers:
        """What lets a page of another site read the answer.

        An origin that may call is named, and its browser may send cookies along, for which "*" does not hold:
        beacons always do, and are not sent otherwise when they hold JSON.
        """
        if not self._callers:
            return ()
        origin = request.get_first_header(b"origin")
        if self._callers == "any" and origin is None:
            return _ANY
        if origin is None:  # no cache keeps what was posted, and decisions are many
            return () if request.method == "POST" else _BY_ORIGIN
        if self._callers == "any" or origin.decode(errors="replace") in self._allowed():
            return (
                (b"Access-Control-Allow-Origin", origin),
                (b"Access-Control-Allow-Credentials", b"true"),
                *_BY_ORIGIN,
                _EXPOSED,
            )
        return (*_ANY, *_BY_ORIGIN) if "*" in self._allowed() else _BY_ORIGIN

    def preflight(self, request: Request) -> Response:
        """The answer to a browser that asks whether it may send."""
        asked = request.get_first_header(b"access-control-request-headers") or b""
        return Response(
            204,
            [
                *self.answer(request),
                (b"Access-Control-Allow-Methods", b"GET, POST"),
                (b"Access-Control-Allow-Headers", asked if _NAMES.fullmatch(asked) else _USUAL),
                (b"Access-Control-Max-Age", b"86400"),
            ],
        )
