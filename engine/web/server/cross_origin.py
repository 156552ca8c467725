"""What browsers let pages of other sites do here (CORS: https://fetch.spec.whatwg.org/#http-cors-protocol).

Any page may ask, and add any header as libraries do for retries and traces: a key opens, and nothing that a
browser adds by itself.
"""

from __future__ import annotations

import re

from blacksheep import Request, Response

Headers = tuple[tuple[bytes, bytes], ...]

_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1024}")  # of headers (RFC 9110), in a list
_USUAL = b"authorization, content-encoding, content-type, x-api-key, last-event-id"
_EXPOSED = (b"Access-Control-Expose-Headers", b"retry-after")  # a page may read no other
_ANY: Headers = ((b"Access-Control-Allow-Origin", b"*"), _EXPOSED)


def answer_headers(request: Request, cookies: bool) -> Headers:
    """What lets a page of another site read the answer. With `cookies` also one whose browser sends them along:
    beacons always do, and are not sent otherwise when they hold JSON."""
    origin = request.get_first_header(b"origin") if cookies else None
    if origin is None:
        return _ANY
    return (
        (b"Access-Control-Allow-Origin", origin),  # "*" does not hold for them
        (b"Access-Control-Allow-Credentials", b"true"),
        (b"Vary", b"Origin"),
        _EXPOSED,
    )


def preflight(request: Request, cookies: bool) -> Response:
    """The answer to a browser that asks whether it may send."""
    asked = request.get_first_header(b"access-control-request-headers") or b""
    return Response(
        204,
        [
            *answer_headers(request, cookies),
            (b"Access-Control-Allow-Methods", b"GET, POST"),
            (b"Access-Control-Allow-Headers", asked if _NAMES.fullmatch(asked) else _USUAL),
            (b"Access-Control-Max-Age", b"86400"),
        ],
    )
