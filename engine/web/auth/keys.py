"""Authorisation: write keys for events, API keys for everything else."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from blacksheep import Request

from engine.errors import BadRequest, NotAuthorised
from engine.settings import Web

COOKIE = b"cueline_key"  # by which the demo page's own browser sends the API key


class ApiKeys:
    """The keys of one deployment. With none configured every request is refused."""

    def __init__(self, web: Web) -> None:
        self._write = tuple(key.get_secret_value().encode() for key in web.write_keys if key)
        self._api = tuple(key.get_secret_value().encode() for key in web.api_keys if key)
        self._cookie = web.demo_page

    @property
    def demo_cookie(self) -> bytes:
        """The cookie that gives the demo page's browser the API key; not readable by scripts or other sites."""
        key = base64.urlsafe_b64encode(self._api[0]) if self._api else b""
        return COOKIE + b"=" + key + b"; Path=/; HttpOnly; SameSite=Strict"

    def api(self, request: Request, query: bool = False) -> None:
        """Raises `NotAuthorised` unless the request shows an API key.

        `query`: also take ``?key=``, for browsers' event streams, which cannot set headers.
        """
        if not _known(self._shown(request, query), self._api):
            raise NotAuthorised(_need("API key", self._api), "Authorization")

    def visitor(self, request: Request) -> bool:
        """Whether only a write key was shown (a website's browser), or an API key: False.

        Raises `NotAuthorised` for neither. Takes ``?key=``: browsers' streams and beacons set no headers.
        """
        shown = self._shown(request, True)
        if _known(shown, self._api):
            return False
        if _known(shown, self._write):
            return True
        raise NotAuthorised(_need("API key or write key", self._api + self._write), "Authorization")

    def shows_write(self, request: Request) -> bool:
        """Whether a key was shown outside the body; raises `NotAuthorised` when it is a wrong one."""
        shown = self._shown(request, False)
        if not shown:
            return False
        if _known(shown, self._write) or (self._cookie and _known(shown, self._api)):
            return True
        raise NotAuthorised(_need("write key", self._write), "Authorization")

    def write(self, key: str) -> None:
        """Raises `NotAuthorised` unless `key`, from the body, is a write key."""
        if not _known(key.encode(), self._write):
            raise NotAuthorised(_need("write key", self._write), "Authorization")

    def _shown(self, request: Request, query: bool) -> bytes:
        """The key a request shows: X-Api-Key, Bearer, Basic (as user name), ``?key=`` or the demo's cookie."""
        header = request.get_first_header(b"x-api-key")
        if header:
            return header
        scheme, _, value = (request.get_first_header(b"authorization") or b"").partition(b" ")
        if scheme.lower() == b"bearer":
            return value.strip()
        if scheme.lower() == b"basic":
            return _user(value)
        if query and (key := ask(request, "key")):
            return key.encode()
        return self._from_cookie(request) if self._cookie else b""

    def _from_cookie(self, request: Request) -> bytes:
        for pair in (request.get_first_header(b"cookie") or b"").split(b";"):
            name, _, value = pair.strip().partition(b"=")
            if name == COOKIE:
                return _decoded(value.replace(b"-", b"+").replace(b"_", b"/"))
        return b""


def ask(request: Request, name: str) -> str:
    """A parameter of the query, empty when absent."""
    try:
        return request.query.get(name, [""])[0]
    except ValueError:
        raise BadRequest("the query is not UTF-8", name) from None


def _known(shown: bytes, keys: Sequence[bytes]) -> bool:
    """Compare with every key, each in constant time, so that timing reveals nothing."""
    found = False
    for key in keys:
        found |= hmac.compare_digest(shown, key)
    return found


def _user(value: bytes) -> bytes:
    return _decoded(value.strip()).partition(b":")[0]


def _decoded(value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _need(what: str, keys: Sequence[bytes]) -> str:
    return f"a valid {what} is needed" if keys else f"no {what} is configured (settings: web)"
