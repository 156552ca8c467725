"""Visitor tokens: signed JSON Web Tokens (RFC 7519) that name a visitor's ids and say what of theirs is opened.

The website's own server makes them, or ``POST /v1/visitor-tokens``. ``kid`` in the head names one of
`web.token_keys`, and its record names the algorithm: what the head says of it is compared, and never followed
(RFC 8725, 3.1). Claims: ``aud`` and ``exp``; ``userId`` and/or ``anonymousIds``; ``scope``, names with blanks
between (RFC 8693, 4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.exceptions import (
    InvalidAlgorithmError,
    InvalidAudienceError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from engine.access import VISITOR_SCOPES, Scope
from engine.customer_id import CustomerId, stated_id
from engine.errors import BadEvent, NotAuthorised, NotFound
from engine.settings import TokenKey, Web
from engine.web.auth.principal import Principal, visitor_of
from engine.web.auth.token_keys import verifying

MOST_BYTES = 8_192  # of a token
MOST_ANONYMOUS_IDS = 8
LEEWAY_MS = 30_000  # between the clock of whoever made a token and ours
#: Tokens whose signature was found good, since a page asks several times: HS256 takes 50 µs, EdDSA 120, this 0.1.
REMEMBERED = 1_024

_REFUSED = "the visitor token is refused: "
_OPTIONS: Any = {  # times are checked here, by a time that is an argument, and at each use
    "require": ["exp", "aud"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_iss": False,
}


class Untimely(NotAuthorised):
    """A token with a good signature, at a time at which it is not valid."""


class Claims(msgspec.Struct, frozen=True, rename="camel"):
    """What a token says; times are epoch seconds. Claims of others' are passed over."""

    exp: float
    scope: str
    user_id: str | None = None
    anonymous_ids: tuple[str, ...] = ()
    nbf: float = 0.0
    iat: float | None = None


class Verified(msgspec.Struct, frozen=True):
    """A token with a good signature: its visitor and its times (epoch ms; ``made``: None where it is not said)."""

    visitor: Principal
    begins: int
    made: int | None


class VisitorTokens:
    """Reads tokens, and makes them."""

    def __init__(self, web: Web) -> None:
        self._keys: dict[str, tuple[TokenKey, bytes | Ed25519PublicKey]] = {
            key.kid: (key, verifying(key)) for key in web.token_keys
        }
        self._signing = next((key for key in web.token_keys if key.algorithm == "HS256"), None)
        self._audience = web.token_audience
        self._longest_ms = web.token_max_s * 1_000
        self._verified: dict[bytes, Verified] = {}  # those shown last are the last

    def visitor(self, token: bytes, now: int, before_costly: Callable[[], None]) -> Principal:
        """Whom `token` names, at `now` (epoch ms). Raises `NotAuthorised`, with the reason; `Untimely` when it is
        only too late or too early.

        `before_costly` is called before a signature of EdDSA is verified, and what it raises is raised. One of
        HS256 takes less than the answer does, and no token that is remembered is verified again.
        """
        if len(token) > MOST_BYTES:
            raise _refused(f"it has more than {MOST_BYTES} bytes")
        verified = self._verified.pop(token, None) or self._verify(token, before_costly)
        self._verified[token] = verified
        if len(self._verified) > REMEMBERED:
            del self._verified[next(iter(self._verified))]
        return self._in_time(verified, now)

    def _in_time(self, verified: Verified, now: int) -> Principal:
        ends = verified.visitor.expires_at  # the leeway is in it
        if now >= ends:
            raise _untimely("it has expired")
        if max(verified.begins, verified.made or 0) > now + LEEWAY_MS:
            raise _untimely("it is not valid yet")
        if ends - (now if verified.made is None else verified.made) > self._longest_ms + LEEWAY_MS:
            raise _untimely(f"it is valid for more than {self._longest_ms // 1_000} s")
        return verified.visitor

    def make(
        self,
        user: CustomerId | None,
        anonymous: Sequence[CustomerId],
        scopes: Collection[Scope],
        begins: int,
        ends: int,
    ) -> str:
        """A token that is valid from `begins` to `ends` (epoch seconds). Raises `NotFound` without a secret that
        signs."""
        if self._signing is None:
            raise NotFound("no secret signs visitor tokens here: web.token_keys has none of HS256")
        claims: dict[str, Any] = {
            "aud": self._audience, "iat": begins, "exp": ends, "scope": " ".join(sorted(scopes)),
        }  # fmt: skip
        if user is not None:
            claims["userId"] = user
        if anonymous:
            claims["anonymousIds"] = list(anonymous)
        secret = self._signing.secret.get_secret_value()
        return jwt.encode(claims, secret, "HS256", {"kid": self._signing.kid})

    def _verify(self, token: bytes, before_costly: Callable[[], None]) -> Verified:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except (PyJWTError, RecursionError):
            raise _refused("it is no JSON Web Token") from None
        if not isinstance(kid, str) or kid not in self._keys:
            raise _refused("its head names no kid that is known here")
        key, verifies = self._keys[kid]
        if key.algorithm == "EdDSA":
            before_costly()
        try:
            stated = jwt.decode(token, verifies, [key.algorithm], _OPTIONS, audience=self._audience)
            claims = msgspec.convert(stated, Claims)
            made = None if claims.iat is None else _ms(claims.iat)
            return Verified(_visitor(claims), _ms(claims.nbf), made)
        except InvalidAlgorithmError:
            raise _refused("its kid is of another algorithm") from None
        except InvalidSignatureError:
            raise _refused("its signature does not fit") from None
        except InvalidAudienceError:
            raise _refused("its aud is another") from None
        except MissingRequiredClaimError as fault:
            raise _refused(f"it has no {fault.claim}") from None
        except (PyJWTError, msgspec.ValidationError, BadEvent, ValueError, OverflowError):
            raise _refused("its claims are not as documented") from None


def _visitor(claims: Claims) -> Principal:
    """Raises `BadEvent` for what can be no id, `ValueError` for none or too many."""
    named = [*claims.anonymous_ids] if claims.user_id is None else [claims.user_id, *claims.anonymous_ids]
    if not named or len(claims.anonymous_ids) > MOST_ANONYMOUS_IDS:
        raise ValueError("no ids, or too many")
    scopes = VISITOR_SCOPES & {Scope(name) for name in claims.scope.split() if name in VISITOR_SCOPES}
    return visitor_of([*map(stated_id, named)], scopes, _ms(claims.exp) + LEEWAY_MS)


def _ms(seconds: float) -> int:
    return int(seconds * 1_000)


def _refused(why: str) -> NotAuthorised:
    return NotAuthorised(f"{_REFUSED}{why}", "Authorization")


def _untimely(why: str) -> Untimely:
    return Untimely(f"{_REFUSED}{why}", "Authorization")
