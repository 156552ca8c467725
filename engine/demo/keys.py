"""The demo's keys: new each time, handed to its processes as settings."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

import msgspec

from engine.access import Scope, Trust, hash_of, make_key
from engine.settings import TokenKey

_FEED_SCOPES = (Scope.EVENTS_WRITE, Scope.CONTACTS_WRITE)


class DemoKeys:
    """``write`` is a website's, ``api`` an agent desktop's; ``feed`` also writes what the shop alone knows."""

    def __init__(self, token_keys: Sequence[TokenKey] = ()) -> None:
        """`token_keys`: those of the settings; where there are none, one is made that signs visitor tokens."""
        secret = secrets.token_urlsafe(32)
        self._token_keys = [] if token_keys else [{"kid": "demo", "algorithm": "HS256", "secret": secret}]
        self.write, self.api = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
        self.feed = make_key(Trust.SECRET)
        self._post, self._identity = secrets.token_hex(32), secrets.token_hex(32)

    def environment(self) -> Mapping[str, str]:
        """Variables of the api process and the worker."""
        feed = {"id": "demo-feed", "hash": hash_of(self.feed), "trust": Trust.SECRET, "scopes": _FEED_SCOPES}
        tokens = {"CUELINE_WEB__TOKEN_KEYS": msgspec.json.encode(self._token_keys).decode()}
        return {
            **(tokens if self._token_keys else {}),
            "CUELINE_WEB__WRITE_KEYS": msgspec.json.encode([self.write]).decode(),
            "CUELINE_WEB__API_KEYS": msgspec.json.encode([self.api]).decode(),
            "CUELINE_WEB__KEYS": msgspec.json.encode([feed]).decode(),
            "CUELINE_IDENTITY__LINKS": "true",
            "CUELINE_IDENTITY__SECRET": self._identity,
            "CUELINE_POST__ON": "true",
            "CUELINE_POST__SECRETS": msgspec.json.encode([{"id": "demo", "secret": self._post}]).decode(),
        }
