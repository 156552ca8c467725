"""Links between ids as the settings have them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.errors import BadSettings
from engine.identity.erased_ids import ErasedIds
from engine.identity.identification import Identification
from engine.settings import Settings

LEAST_SECRET_CHARACTERS = 32  # 128 bits in hexadecimal
LEAST_DIFFERENT = 8  # characters: a random one has more, a placeholder has not

_REGION = re.compile(r"[A-Z]{2}")


def identification_of(settings: Settings) -> Identification | None:
    """What makes names of ids; None where links are off. Raises `BadSettings` with a line for each of
    `faults_of_identity`."""
    if faults := list(faults_of_identity(settings)):
        raise BadSettings("\n".join(faults))
    identity = settings.identity
    if not identity.links:
        return None
    secret = identity.secret.get_secret_value().encode()
    return Identification(secret, identity.region, identity.regions, identity.shared)


def erased_ids_of(settings: Settings) -> ErasedIds:
    """How it is remembered who was erased."""
    return ErasedIds(settings.identity.secret.get_secret_value())


def faults_of_identity(settings: Settings) -> Iterator[str]:
    """What of it cannot be, a sentence each. No sentence holds the secret."""
    identity, secret = settings.identity, settings.identity.secret.get_secret_value()
    if identity.links and not settings.post.on:
        yield "identity.links is true, and post.on is not: what is known of one id is mailed to the other"
    if (identity.links or secret) and (
        len(secret) < LEAST_SECRET_CHARACTERS or len(set(secret)) < LEAST_DIFFERENT
    ):
        yield f"identity.secret: {LEAST_SECRET_CHARACTERS} random characters; `openssl rand -hex 32` makes them"
    named = {"identity.region": identity.region}
    named |= {f"identity.regions.{name}": region for name, region in identity.regions.items()}
    for name, region in named.items():
        if region and not _REGION.fullmatch(region):
            yield f"{name}: write a country as DE"
    for number, one in enumerate(identity.shared):
        try:
            Identification(b"", identity.region, shared=[one])
        except ValueError as fault:
            yield f"identity.shared[{number}]: {fault}"
