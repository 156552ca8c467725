"""The demo's keys: new each time, handed to its processes as settings."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import msgspec

from engine.access import Scope, Trust, hash_of, make_key

_FEED_SCOPES = (Scope.EVENTS_WRITE, Scope.CONTACTS_WRITE)


class DemoKeys:
    """``write`` is a website's, ``api`` an agent desktop's; ``feed`` also writes what the shop alone knows."""

    def __init__(self) -> None:
        self.write, self.api = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
        self.feed = make_key(Trust.SECRET)

    def environment(self) -> Mapping[str, str]:
        """Variables of the api process."""
        feed = {"id": "demo-feed", "hash": hash_of(self.feed), "trust": Trust.SECRET, "scopes": _FEED_SCOPES}
        return {
            "CUELINE_WEB__WRITE_KEYS": msgspec.json.encode([self.write]).decode(),
            "CUELINE_WEB__API_KEYS": msgspec.json.encode([self.api]).decode(),
            "CUELINE_WEB__KEYS": msgspec.json.encode([feed]).decode(),
        }
