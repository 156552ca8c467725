"""The keys of callers: followed in the store, and what of them a deployment must not run with."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator
from itertools import combinations

from pydantic import SecretStr

from engine.access import HOW_ORIGINS_ARE_WRITTEN, LEAST_KEY_CHARACTERS, faults_of, hash_of, is_origin
from engine.errors import BadSettings
from engine.ports.access_store import KeyStore
from engine.process.periodic import every
from engine.settings import Settings
from engine.web.auth.keys import KeyRing
from engine.web.auth.token_keys import faults_of_token_keys

KEYS_EVERY_S = 1.0


async def follow_keys(ring: KeyRing, store: KeyStore, stop: asyncio.Event) -> None:
    """Keep `ring` on the keys of the store until `stop`. While the store is away those last read go on."""

    async def look() -> None:
        ring.follow(await store.access_keys())

    await every(KEYS_EVERY_S, look, stop)


def require_safe_access(settings: Settings) -> None:
    """Raises `BadSettings` with a line for each of `faults_of_access`."""
    if faults := list(faults_of_access(settings)):
        raise BadSettings("\n".join(faults))


def faults_of_access(settings: Settings) -> Iterator[str]:
    """What is unsafe in the keys and secrets of the settings, a sentence each. No sentence holds one."""
    web = settings.web
    yield from _faults_of_plain("web.write_keys", web.write_keys)
    yield from _faults_of_plain("web.api_keys", web.api_keys)
    yield from _faults_of_roles(settings)
    for number, key in enumerate(web.keys):
        yield from (f"web.keys[{number}].{fault}" for fault in faults_of(key.record()))
    names = [key.id for key in web.keys]
    yield from (
        f"web.keys: the id {name} is there twice" for name in sorted({n for n in names if names.count(n) > 1})
    )
    if len({key.hash for key in web.keys}) < len(web.keys):
        yield "web.keys: one key is there twice, under two ids"
    for origin in web.cors_origins:
        if origin != "*" and not is_origin(origin):
            yield f"web.cors_origins: {origin!r} is no origin; {HOW_ORIGINS_ARE_WRITTEN}"
    for proxy in web.trusted_proxies:
        yield from _faults_of_network(proxy)
    yield from faults_of_token_keys(web.token_keys)
    if web.demo_page and not is_loopback(web.host):
        yield f"web.demo_page: the page opens everything to whoever reaches it, and web.host is {web.host}"


def _faults_of_roles(settings: Settings) -> Iterator[str]:
    """Whoever knows what is in two roles has both, and who changes it in one changes it in the other."""
    for one, other in combinations(digests := _digests(settings), 2):
        if not set(digests[one]) & set(digests[other]):
            continue
        if one.startswith("web.") and other.startswith("web."):
            yield f"{one} and {other} have a key in common: a key has one role, so that each can be revoked"
        else:
            yield f"{one} and {other} have a secret in common: each has one use, so that each can be changed"


def _digests(settings: Settings) -> dict[str, list[str]]:
    """Of all that is kept secret between callers, vendors and processes, by setting."""
    plain = {
        "web.write_keys": settings.web.write_keys,
        "web.api_keys": settings.web.api_keys,
        "web.token_keys": [key.secret for key in settings.web.token_keys],
        "contacts.secrets": [one.secret for one in settings.contacts.secrets],
        "post.secrets": [one.secret for one in settings.post.secrets],
        "identity.secret": [settings.identity.secret],
    }
    said = {name: [one.get_secret_value() for one in secrets] for name, secrets in plain.items()}
    return {"web.keys": [key.hash for key in settings.web.keys]} | {
        name: [hash_of(one) for one in secrets if one] for name, secrets in said.items()
    }


def _faults_of_plain(name: str, keys: list[SecretStr]) -> Iterator[str]:
    for number, key in enumerate(keys):
        if len(key.get_secret_value()) < LEAST_KEY_CHARACTERS:
            yield (
                f"{name}[{number}]: a key has {LEAST_KEY_CHARACTERS} characters or more (128 random bits); "
                "`openssl rand -hex 24` makes one"
            )


def _faults_of_network(text: str) -> Iterator[str]:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        yield f"web.trusted_proxies: {error}; write a network, such as 10.0.0.0/8, or one address"


def is_loopback(host: str) -> bool:
    """Whether `host` is a name or an address of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
