"""Connections to an API process on which bytes are said, and answers read, as they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.patience import PATIENCE_S

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def line(api: httpx.AsyncClient, said: bytes = b"") -> AsyncIterator[Connection]:
    """A connection on which `said` has been said."""
    reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
    writer.write(said)
    try:
        yield reader, writer
    finally:
        writer.close()


async def head_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of the next answer."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).decode()
    fields = dict(field.lower().split(": ", 1) for field in head.strip().split("\r\n")[1:])
    return int(head.split(" ")[1]), fields


async def answered(reader: asyncio.StreamReader) -> tuple[int, dict[str, object]]:
    """Status and document of the next answer."""
    status, fields = await head_of(reader)
    body = await asyncio.wait_for(reader.readexactly(int(fields["content-length"])), PATIENCE_S)
    assert fields["content-type"] == ("application/problem+json" if status >= 400 else "application/json")
    return status, json.loads(body)


async def hung_up(reader: asyncio.StreamReader) -> bool:
    """Whether nothing more comes."""
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
    except ConnectionError:  # it had not read all that we sent
        return True
