"""Does the service answer? Asked in its own protocol, by one bare exchange that logs nothing when it fails."""

from __future__ import annotations

import asyncio
import struct

API_VERSIONS = 18
CORRELATION = 0x0C0E


async def kafka_answers(host: str, port: int) -> bool:
    """True when a broker accepts an ApiVersions request (version 0). Raises OSError when nobody listens."""
    request = struct.pack(">hhih", API_VERSIONS, 0, CORRELATION, -1)
    answer = await _exchange(host, port, struct.pack(">i", len(request)) + request, 10)
    # size, correlation id, error code
    return answer[4:] == struct.pack(">ih", CORRELATION, 0)


async def redis_answers(host: str, port: int) -> bool:
    """True when PING gets its PONG, False while the data set still loads. Raises OSError when nobody listens."""
    return await _exchange(host, port, b"PING\r\n", 7) == b"+PONG\r\n"


async def _exchange(host: str, port: int, request: bytes, length: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as cut:
        return cut.partial
    finally:
        writer.close()
