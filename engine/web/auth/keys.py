"""The keys that are valid now: those of the settings, and those of the store."""

from __future__ import annotations

from collections.abc import Iterable

from engine.access import KeyRecord, Scope, Trust, hash_of
from engine.settings import Web
from engine.web.auth.principal import Principal, principal_of

#: What today's `web.write_keys` and `web.api_keys` open.
WRITE_KEY_SCOPES = (Scope.EVENTS_WRITE, Scope.OUTCOMES_WRITE, Scope.CUES_READ)
API_KEY_SCOPES = (
    Scope.OUTCOMES_WRITE,
    Scope.CUES_READ,
    Scope.DECISIONS,
    Scope.CUSTOMERS_READ,
    Scope.AGENTS_READ,
    Scope.RULES_READ,
    Scope.METRICS,
)


#: Keys remembered as they were shown: a digest takes 1.5 µs of a decision's 100.
MOST_SHOWN = 1_024


class KeyRing:
    """Finds who holds a key. With no key every request is refused."""

    def __init__(self, configured: Iterable[KeyRecord]) -> None:
        self._configured = tuple(configured)
        self._stored: tuple[KeyRecord, ...] | None = None
        self._held: dict[str, Principal] = {}
        self._shown: dict[bytes, Principal] = {}
        self._holders: frozenset[Principal] = frozenset()
        self.origins: frozenset[str] = frozenset()  # of all keys
        self.follow(())

    def __len__(self) -> int:
        return len(self._held)

    def follow(self, stored: Iterable[KeyRecord]) -> None:
        """Take `stored` for the store's keys from now on. Where both have an id or a key the settings' wins."""
        if (now := tuple(stored)) == self._stored:
            return
        self._stored, self._shown = now, {}
        configured = {record.id for record in self._configured}
        records = [*(record for record in now if record.id not in configured), *self._configured]
        self._held = {record.hash: principal_of(record) for record in records}
        self._holders = frozenset(self._held.values())
        self.origins = frozenset(origin for one in self._holders for origin in one.origins)

    def holder(self, key: bytes, now: int) -> Principal | None:
        """Who holds `key` at `now` (epoch ms); None when nobody does, or no longer.

        Looked up by digest, so how long it takes says nothing of the keys.
        """
        held = self._shown.get(key)
        if held is None and key and (held := self._held.get(hash_of(key))) and len(self._shown) < MOST_SHOWN:
            self._shown[key] = held
        return None if held is None or 0 < held.expires_at <= now else held

    def is_held(self, holder: Principal) -> bool:
        """Whether `holder` still has a key, and may do with it what it might."""
        return holder in self._holders


def configured_keys(web: Web) -> list[KeyRecord]:
    """The records that the settings hold, with `write_keys` and `api_keys` as what they open."""
    plain = [
        KeyRecord(f"{name}-{number}", hash_of(key.get_secret_value()), trust, scopes)
        for name, keys, trust, scopes in (
            ("write-key", web.write_keys, Trust.PUBLIC, WRITE_KEY_SCOPES),
            ("api-key", web.api_keys, Trust.SECRET, API_KEY_SCOPES),
        )
        for number, key in enumerate(keys, 1)
        if key
    ]
    return [*plain, *(key.record() for key in web.keys)]
