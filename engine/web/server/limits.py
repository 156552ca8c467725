"""Limits: size of a request, and time for it to arrive."""

from __future__ import annotations

import asyncio
import types
import zlib
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import Any, cast

from blacksheep import Content, Request

from engine.errors import BadRequest
from engine.web.server.body_budget import BodyBudget
from engine.web.server.problems import TooLarge, TooSlow, WrongEncoding

ARRIVES_WITHIN_S = 10.0
#: Of each body, that count in no budget: an event. Else few who send large bodies slowly would keep out all.
UNCOUNTED_BYTES = 32 * 1024
GZIP = zlib.MAX_WBITS | 16  # zlib: with gzip's header and checksum


async def read_body(request: Request, limit: int, budget: BodyBudget | None = None) -> bytes:
    """The body, unpacked when it is gzip, at most `limit` bytes; beyond it neither reads nor unpacks but raises
    `TooLarge`. Raises `TooSlow` for one that does not arrive, `WrongEncoding` and `BadRequest`, and `Overloaded`
    when `budget`, which large bodies share while they arrive, is used up."""
    packed = _is_gzip(request)
    if type(request.content) is Content:  # of the fast path: it is here, and small
        body = _bounded(request.content.body, limit)
    else:
        body = await _in_time(_read(request, limit, budget))
    return unpack(body, limit) if packed else body


def _bounded(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise TooLarge(f"larger than {limit} bytes")
    return body


def _is_gzip(request: Request) -> bool:
    stated = request.get_headers(b"content-encoding")
    if not stated:
        return False
    listed = (coding.strip() for coding in b",".join(stated).decode(errors="replace").lower().split(","))
    codings = [coding for coding in listed if coding not in ("", "identity")]
    if codings and codings not in (["gzip"], ["x-gzip"]):  # two names of one (RFC 9110, 8.4.1.3)
        raise WrongEncoding("only gzip, or none, is taken")
    return bool(codings)


def unpack(body: bytes, limit: int) -> bytes:
    """`body` (one gzip member, RFC 1952) unpacked. Stops at the byte above `limit`, also for a zip bomb:
    `TooLarge`. Raises `BadRequest` for what is damaged, cut short or followed by more."""
    unpacker = zlib.decompressobj(GZIP)
    try:
        taken = unpacker.decompress(body, limit + 1)
    except zlib.error as fault:
        raise BadRequest(f"not gzip: {fault}", "Content-Encoding") from None
    if len(taken) > limit:
        raise TooLarge(f"larger than {limit} bytes when unpacked")
    if not unpacker.eof or unpacker.unused_data:
        raise BadRequest("not gzip: it ends early, or more follows its end", "Content-Encoding")
    return taken


async def _in_time(reading: Coroutine[Any, Any, bytes]) -> bytes:
    """What `reading` returns. Raises `TooSlow`."""
    # most bodies arrive with their head and complete in the first step; a timeout takes 5 µs of a decision's 65
    try:
        awaited = reading.send(None)
    except StopIteration as done:
        return cast("bytes", done.value)
    try:
        async with asyncio.timeout(ARRIVES_WITHIN_S):
            return await _rest(reading, awaited)
    except TimeoutError:
        raise TooSlow(f"the body has not arrived within {ARRIVES_WITHIN_S:.0f} s") from None


@types.coroutine
def _rest(begun: Coroutine[Any, Any, bytes], awaited: object) -> Generator[Any, Any, bytes]:
    """The rest of a coroutine that has begun and is waiting for `awaited`."""
    try:
        while True:
            try:
                sent = yield awaited
            except BaseException as fault:  # also a cancellation: the coroutine handles it
                awaited = begun.throw(fault)
            else:
                awaited = begun.send(sent)
    except StopIteration as done:
        return cast("bytes", done.value)


async def _read(request: Request, limit: int, budget: BodyBudget | None) -> bytes:
    stated = request.get_first_header(b"content-length")
    if stated is None:
        return await _read_chunks(request, limit, budget)
    if not stated.isdigit():
        raise BadRequest("not a number", "Content-Length")
    if len(stated) > 15 or int(stated) > limit:
        raise TooLarge(f"larger than {limit} bytes")
    if budget is not None:
        return await _read_chunks(request, limit, budget)
    return await request.read() or b""  # the server enforces the stated length


def chunks(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives; raises `MessageAborted` when the client disconnects."""
    return cast("AsyncIterator[bytes]", request.stream())  # BlackSheep's stub has another type


async def _read_chunks(request: Request, limit: int, budget: BodyBudget | None) -> bytes:
    budget = budget or BodyBudget(limit)
    taken, counted = bytearray(), 0
    try:
        async for chunk in chunks(request):
            if len(taken) + len(chunk) > limit:
                raise TooLarge(f"larger than {limit} bytes")
            beyond = max(len(taken) + len(chunk) - UNCOUNTED_BYTES, 0) - counted
            budget.take(beyond)
            taken += chunk
            counted += beyond
        return bytes(taken)
    finally:
        budget.give_back(counted)
