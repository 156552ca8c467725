"""Why Redis does not take us, in words that say what to do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine import tls
from engine.errors import Unavailable
from engine.settings import Redis
from engine.store.endpoint import DEFAULT_USER, Endpoint, endpoint
from engine.store.resp import pack


async def unreachable(redis: Redis) -> str:
    """Why not; empty when it answers a PING. Raises `BadSettings`."""
    end = endpoint(redis)
    try:
        async with asyncio.timeout(redis.timeout_s):
            refusal = await _refusal(end)
    except (OSError, EOFError, TimeoutError) as error:
        refusal = await _explained(error, end, redis)
    return refusal and f"redis.url: {end.address}: {refusal}"


@asynccontextmanager
async def explaining(redis: Redis) -> AsyncIterator[None]:
    """Where Redis turns out to be `Unavailable` meanwhile, say why in the words of `unreachable`."""
    try:
        yield
    except Unavailable as error:
        raise Unavailable(await unreachable(redis) or str(error)) from error


async def asks_no_password(redis: Redis) -> bool:
    """Whether a password is set for the default user, and Redis takes any. Raises `BadSettings`, OSError, EOFError
    and TimeoutError."""
    end = endpoint(redis)
    if not end.password or end.username != DEFAULT_USER:
        return False
    async with asyncio.timeout(redis.timeout_s):
        return not await _refusal(end._replace(password=""))


async def _refusal(end: Endpoint) -> str:
    """What it answers to our name and to a PING, if not well. Raises OSError and EOFError."""
    if end.path:
        reader, writer = await asyncio.open_unix_connection(end.path)
    else:
        reader, writer = await asyncio.open_connection(end.host, end.port, ssl=end.context)
    try:
        for command in ([("AUTH", end.username, end.password)] if end.password else []) + [("PING",)]:
            writer.write(pack(command))
            line = await reader.readuntil(b"\r\n")
            if not line.startswith(b"+"):
                return _of_answer(line, end)
        return ""
    except asyncio.LimitOverrunError:
        return "what answers there is no Redis"
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _of_answer(line: bytes, end: Endpoint) -> str:
    if line.startswith(b"-WRONGPASS"):
        return "it does not know this user with this password: look at redis.username and redis.password"
    if line.startswith(b"-NOAUTH"):
        return "it asks who we are: set redis.username and redis.password"
    if line.startswith(b"-NOPERM"):
        return f"its user {end.username} may not do the least: give it the rights of config/redis-users.acl"
    if line.startswith(b"-"):
        return line[1:].decode(errors="replace").strip()
    return "what answers there is no Redis"


async def _explained(error: BaseException, end: Endpoint, redis: Redis) -> str:
    late = f"no answer within {redis.timeout_s:g} s"
    if isinstance(error, socket.gaierror):
        return "this name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, (FileNotFoundError, PermissionError)):
        return f"no socket that can be used: {error.strerror}"
    if end.path:
        return late if isinstance(error, TimeoutError) else "it hangs up without an answer"
    if (end.context is not None) != await tls.speaks_tls(end.host, end.port):
        return late if isinstance(error, TimeoutError) and end.context is None else _of_other_protocol(end)
    if reason := tls.explained(error, "redis", end.host):
        return reason
    if isinstance(error, TimeoutError):
        return late
    return "it hangs up without an answer" + (_of_certificate(redis) if end.context else "")


def _of_certificate(redis: Redis) -> str:
    """TLS 1.3 takes a client's certificate after the handshake; not every server then says what it lacks."""
    if redis.client_cert_file:
        return ": does it trust the certificate in redis.client_cert_file?"
    return ": does it ask for a client's certificate (redis.client_cert_file)?"


def _of_other_protocol(end: Endpoint) -> str:
    if end.context is None:
        return "this port speaks TLS: redis.url has to begin with rediss://"
    return "this port speaks no TLS: redis.url has to begin with redis://, or name the port that does"
