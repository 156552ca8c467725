"""Signatures that a vendor makes with a private key: ECDSA, of whose keys the public one is known."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

#: By name; SHA-1 is not among them, since two texts of one hash can be found.
PUBLIC_HASHES: dict[str, HashAlgorithm] = {"sha256": SHA256(), "sha512": SHA512()}

_NONE = "not a public key of an elliptic curve, in PEM or base64"


@lru_cache(maxsize=64)  # of the settings
def public_key(written: bytes) -> EllipticCurvePublicKey:
    """A key in PEM, or its DER in base64, as SendGrid shows it. Raises `ValueError`."""
    try:
        if written.lstrip().startswith(b"-----"):
            found = load_pem_public_key(written.strip())
        else:
            found = load_der_public_key(base64.b64decode(b"".join(written.split()), validate=True))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(_NONE) from None
    if not isinstance(found, EllipticCurvePublicKey):
        raise ValueError(_NONE)
    return found


def is_signed(text: bytes, signature: bytes, written: bytes, hashed: str) -> bool:
    """Whether `signature` (DER) is that of `text` by the owner of the key `written`."""
    try:
        public_key(written).verify(signature, text, ECDSA(PUBLIC_HASHES[hashed]))
    except InvalidSignature:
        return False
    return True
