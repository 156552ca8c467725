"""The keys of callers: how many the settings have and Redis holds, and whether any of them lets somebody in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.access import KeyRecord
from engine.clock import wall_ms
from engine.errors import BadSettings, Unavailable
from engine.process.doctor.finding import Finding
from engine.settings import Settings
from engine.store.redis import RedisStore
from engine.web.auth.keys import configured_keys


async def of_keys(settings: Settings, stored: int) -> Finding:
    """Of the settings and of Redis, which holds `stored` records."""
    try:
        kept = await _kept(settings)
    except (BadSettings, Unavailable) as error:
        return Finding("keys", "bad", f"those in Redis cannot be read: {error}")
    return keys_finding(configured_keys(settings.web), kept, stored - len(kept), wall_ms())


async def _kept(settings: Settings) -> list[KeyRecord]:
    store = RedisStore(settings.redis, settings.kafka.partitions)
    try:
        return await store.access_keys()
    finally:
        await store.close()


def keys_finding(configured: Sequence[KeyRecord], kept: Sequence[KeyRecord], unread: int, now: int) -> Finding:
    """Of keys of the settings, and those `kept` in Redis beside `unread` records, at `now` (epoch ms)."""
    held = f"{len(configured) or 'none'} in the settings, {len(kept) + unread or 'none'} in Redis"
    ended = sum(0 < key.expires_at <= now for key in (*configured, *kept))
    found = "; ".join((held, *_useless(ended, unread)))
    if len(configured) + len(kept) == ended:
        return Finding("keys", "warning", f"{found}: nobody is let in; `cueline keys create` makes one")
    return Finding("keys", "warning" if unread else "good", found)


def _useless(ended: int, unread: int) -> Iterator[str]:
    if ended:
        yield f"expired: {ended}"
    if unread:
        yield f"no key records, so they open nothing: {unread} of those in Redis"
