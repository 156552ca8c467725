"""The keys that verify visitor tokens, as the settings have them, and what is wrong with them.

These are no keys of callers: a digest could verify nothing, so a secret is kept as it is, in the settings alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.algorithms import HMACAlgorithm, OKPAlgorithm
from jwt.exceptions import PyJWTError

from engine.settings import TokenKey

LEAST_SECRET_CHARACTERS = 43  # 256 bits in base64 (RFC 7518, 3.2: as many as the hash has); hexadecimal takes 64
_KID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def verifying(key: TokenKey) -> bytes | Ed25519PublicKey:
    """What verifies tokens of `key`. Raises `ValueError`, with nothing of the key in it."""
    try:
        if key.algorithm == "HS256":
            return HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(key.secret.get_secret_value())
        public = OKPAlgorithm().prepare_key(key.public_key)
    except (PyJWTError, ValueError, TypeError):
        raise ValueError("not a key of this algorithm") from None
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key")
    return public


def faults_of_token_keys(keys: Sequence[TokenKey]) -> Iterator[str]:
    """What is wrong with them, in sentences that begin with the setting. No sentence holds a secret."""
    for number, key in enumerate(keys):
        yield from (f"web.token_keys[{number}].{fault}" for fault in _faults_of(key))
    names = [key.kid for key in keys]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"web.token_keys: the kid {name} is there twice"


def _faults_of(key: TokenKey) -> Iterator[str]:
    if not _KID.fullmatch(key.kid):
        yield "kid: 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
    if key.algorithm == "HS256":
        yield from _faults_of_secret(key)
    else:
        yield from _faults_of_public_key(key)


def _faults_of_secret(key: TokenKey) -> Iterator[str]:
    if len(key.secret.get_secret_value()) < LEAST_SECRET_CHARACTERS:
        yield (
            f"secret: HS256 needs {LEAST_SECRET_CHARACTERS} characters or more (256 random bits); "
            "`openssl rand -base64 32` makes them"
        )
    elif not _fits(key):
        yield "secret: HS256 needs random text; this is a key of another algorithm"
    if key.public_key:
        yield "public_key: HS256 has none; leave it out"


def _faults_of_public_key(key: TokenKey) -> Iterator[str]:
    if not _fits(key):
        yield (
            "public_key: EdDSA needs an Ed25519 public key in PEM (-----BEGIN PUBLIC KEY----- …); "
            "`openssl pkey -in private.pem -pubout` writes it"
        )
    if key.secret.get_secret_value():
        yield "secret: EdDSA has none here; who signs keeps the private key"


def _fits(key: TokenKey) -> bool:
    try:
        verifying(key)
    except ValueError:
        return False
    return True
