"""Where Redis is and who we are there: ``redis.url`` joined with the settings beside it.

redis-py reads the URL. No fault holds a part of it: what was mistyped may be a password.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.exceptions import RedisError

from engine import tls
from engine.errors import BadSettings
from engine.settings import Redis, Tls

_APART = "set redis.username and redis.password, and leave them out of redis.url"


DEFAULT_USER = "default"


class Endpoint(NamedTuple):
    """A server by TCP (`host`, `port`, `context` for TLS) or by a Unix socket (`path`)."""

    host: str
    port: int
    path: str
    context: ssl.SSLContext | None
    username: str
    password: str
    db: int

    @property
    def address(self) -> str:
        """For people."""
        return self.path or f"{self.host}:{self.port}"


def endpoint(redis: Redis) -> Endpoint:
    """Raises `BadSettings`, a line for each fault; certificates that the settings name are read."""
    made: Any = arguments(redis)
    kind, context = made.pop("connection_class", Connection), None
    try:
        end = kind(**made)
        if isinstance(end, SSLConnection):
            context = tls.context(redis, "redis") if _is_ours(redis) else end.ssl_context.get()
    except (ValueError, TypeError, OSError, RedisError):
        raise BadSettings("redis.url: what stands behind its ? cannot be used") from None
    path = end.path if isinstance(end, UnixDomainSocketConnection) else ""
    host, port = ("", 0) if path else (end.host, int(end.port))
    return Endpoint(host, port, path, context, end.username or DEFAULT_USER, end.password or "", int(end.db or 0))


def arguments(redis: Redis) -> dict[str, Any]:
    """What redis-py's connections are made of, ``connection_class`` among them. Raises `BadSettings`."""
    if faults := list(_faults(redis)):
        raise BadSettings("\n".join(faults))
    try:
        made: dict[str, Any] = dict(parse_url(redis.url))
    except ValueError:
        raise BadSettings("redis.url: what stands behind its ? cannot be used") from None
    made |= _credentials(redis)
    if _is_ours(redis):
        made |= {_REDIS_PY[name]: _plain(redis, name) for name in redis.given(Tls.model_fields)}
    return made


#: our settings as redis-py names them
_REDIS_PY: Mapping[str, str] = {
    "ca_file": "ssl_ca_certs",
    "client_cert_file": "ssl_certfile",
    "client_key_file": "ssl_keyfile",
    "client_key_password": "ssl_password",
}


def _is_ours(redis: Redis) -> bool:
    return bool(redis.given(Tls.model_fields))


def _plain(redis: Redis, name: str) -> str:
    value = getattr(redis, name)
    return str(value if isinstance(value, str) else value.get_secret_value())


def _credentials(redis: Redis) -> dict[str, str]:
    return {name: _plain(redis, name) for name in redis.given(("username", "password"))}


def _faults(redis: Redis) -> Iterator[str]:
    try:
        url = urlsplit(redis.url)
        _ = url.port  # raises, too
    except ValueError:
        yield f"redis.url cannot be read: write redis://host:6379/0; if it holds a password, {_APART}"
        return
    if url.scheme not in ("redis", "rediss", "unix"):
        yield "redis.url has to begin with redis://, rediss:// (TLS) or unix://"
        return
    if "@" in url.path + url.query + url.fragment:
        yield f"redis.url holds a password with a character that ends it: {_APART}"
        return
    yield from _of_credentials(redis, url)
    if url.scheme != "rediss":
        for name in redis.given(Tls.model_fields):
            yield f"redis.{name} is set, but redis.url begins with {url.scheme}://: TLS begins with rediss://"


def _of_credentials(redis: Redis, url: SplitResult) -> Iterator[str]:
    given = redis.given(("username", "password"))
    for name in given:
        if getattr(url, name):
            yield f"redis.{name} is set, and redis.url holds one, too: leave it out of the URL"
    if "password" not in given and not url.password:
        if "username" in given:
            yield "redis.username is set, but redis.password is not"
        elif url.username:
            yield f"redis.url holds a user and no password: {_APART}"
