"""Which visitor tokens are taken, by keys of both algorithms, and what they then open."""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from engine.access import CLIENT_KINDS, VISITOR_SCOPES, Scope
from engine.clock import wall_ms
from engine.errors import NotAuthorised, NotFound, RateLimited
from engine.settings import TokenKey, Web
from engine.web.auth.principal import Principal
from engine.web.auth.token_keys import faults_of_token_keys
from engine.web.auth.visitor_tokens import LEEWAY_MS, MOST_BYTES, VisitorTokens

NOW = 1_700_000_000
SECRET = "s" * 43
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PRIVATE_PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
HMAC_KEY = {"kid": "shop", "algorithm": "HS256", "secret": SECRET}
EDDSA_KEY = {"kid": "sso", "algorithm": "EdDSA", "public_key": PUBLIC_PEM}
CLAIMS: dict[str, Any] = {"aud": "cueline", "exp": NOW + 600, "userId": "ann", "scope": "cues:read"}


@pytest.fixture
def tokens() -> VisitorTokens:
    return VisitorTokens(Web.model_validate({"token_keys": [HMAC_KEY, EDDSA_KEY]}))


def signed(key: Any = SECRET, algorithm: str = "HS256", kid: object = "shop", **changed: Any) -> bytes:
    """A token of `CLAIMS` as changed (None: left out)."""
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    head = {} if kid is None else {"kid": kid}
    return jwt.encode(claims, key, algorithm, head).encode()


def by_hand(head: dict[str, Any], signature: str = "") -> bytes:
    """A token whose head says what no library would write."""
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, CLAIMS))
    return b".".join((*parts, signature.encode()))


def free() -> None:
    """Every signature may be verified."""


def no_more() -> None:
    raise RateLimited("too many failed")


def refusal(tokens: VisitorTokens, token: bytes, now: int = NOW * 1_000) -> str:
    with pytest.raises(NotAuthorised) as refused:
        tokens.visitor(token, now, free)
    return refused.value.detail.removeprefix("the visitor token is refused: ")


@pytest.mark.parametrize("more", [{}, {"key": PRIVATE, "algorithm": "EdDSA", "kid": "sso"}])
def test_a_token_names_its_visitor_and_what_it_opens(tokens: VisitorTokens, more: dict[str, Any]) -> None:
    token = signed(anonymousIds=["v-1", "v-2"], scope="cues:read decisions", **more)
    visitor = tokens.visitor(token, NOW * 1_000, free)
    assert set(visitor.ids or ()) == {"ann", "v-1", "v-2"}
    assert visitor.scopes == {Scope.CUES_READ, Scope.DECISIONS}
    assert visitor.kinds == set(CLIENT_KINDS)
    assert visitor.id == "visitor:ann"
    assert visitor.signed


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (signed(SECRET[1:] + "t"), "its signature does not fit"),
        (signed(SECRET, kid="sso"), "its kid is of another algorithm"),
        (signed(PRIVATE, "EdDSA", kid="shop"), "its kid is of another algorithm"),
        (signed(SECRET * 2, "HS512"), "its kid is of another algorithm"),
        (by_hand({"alg": "none", "kid": "shop"}), "its kid is of another algorithm"),
        (by_hand({"alg": "None", "kid": "sso"}), "its kid is of another algorithm"),
        (by_hand({"kid": "shop"}), "its kid is of another algorithm"),
        (signed(kid="other"), "its head names no kid that is known here"),
        (signed(kid=None), "its head names no kid that is known here"),
        (by_hand({"alg": "HS256", "kid": {"a": 1}}), "it is no JSON Web Token"),
        (b"a.b.c", "it is no JSON Web Token"),
        (b"..", "it is no JSON Web Token"),
        (b"\xff.\xff.\xff", "it is no JSON Web Token"),
        (by_hand({"alg": "HS256", "kid": "shop", "crit": ["exp"]}, "AAAA"), "it is no JSON Web Token"),
        (signed(aud="another"), "its aud is another"),
        (signed(aud=["another", "cuelin"]), "its aud is another"),
        (signed(aud=None), "it has no aud"),
        (signed(exp=None), "it has no exp"),
        (signed(exp=NOW - 31), "it has expired"),
        (signed(nbf=NOW + 31), "it is not valid yet"),
        (signed(iat=NOW + 31), "it is not valid yet"),
        (signed(exp=NOW + 86_400 + 31), "it is valid for more than 86400 s"),
        (signed(iat=NOW - 86_000), "it is valid for more than 86400 s"),
        (signed(userId=None), "its claims are not as documented"),
        (signed(userId=""), "its claims are not as documented"),
        (signed(userId=5), "its claims are not as documented"),
        (signed(userId="a" * 257), "its claims are not as documented"),
        (signed(anonymousIds=["v"] * 9), "its claims are not as documented"),
        (signed(anonymousIds="v"), "its claims are not as documented"),
        (signed(scope=None), "its claims are not as documented"),
        (signed(scope=["cues:read"]), "its claims are not as documented"),
        (signed(exp=float("nan")), "its claims are not as documented"),
        (signed(exp=float("inf")), "its claims are not as documented"),
        (signed(exp=10**400), "its claims are not as documented"),
        (signed(exp=str(NOW + 60)), "its claims are not as documented"),
    ],
)
def test_what_is_refused(tokens: VisitorTokens, token: bytes, why: str) -> None:
    assert refusal(tokens, token) == why


def test_a_public_key_is_no_secret() -> None:
    """Key confusion: HS256 with the text of the public key, which everybody may know, as the secret."""
    tokens = VisitorTokens(Web.model_validate({"token_keys": [EDDSA_KEY]}))
    unsigned = by_hand({"alg": "HS256", "kid": "sso", "typ": "JWT"}).rpartition(b".")[0]
    forged = jwt.get_algorithm_by_name("HS256").sign(unsigned, PUBLIC_PEM.encode())
    token = unsigned + b"." + base64.urlsafe_b64encode(forged).rstrip(b"=")
    assert refusal(tokens, token) == "its kid is of another algorithm"


def test_times_hold_to_the_second_and_also_for_a_token_that_was_seen(tokens: VisitorTokens) -> None:
    token = signed(nbf=NOW, exp=NOW + 600)
    begins, ends = NOW * 1_000 - LEEWAY_MS, (NOW + 600) * 1_000 + LEEWAY_MS
    assert refusal(tokens, token, begins - 1) == "it is not valid yet"
    assert tokens.visitor(token, begins, free).expires_at == ends
    assert tokens.visitor(token, ends - 1, free).expires_at == ends
    assert refusal(tokens, token, ends) == "it has expired"
    longest = signed(iat=NOW, exp=NOW + 86_400)
    assert tokens.visitor(longest, NOW * 1_000, free).visitor
    assert tokens.visitor(signed(exp=NOW + 86_400), NOW * 1_000, free).visitor


def test_what_costs_to_verify_is_asked_for_first_and_what_was_verified_is_not(tokens: VisitorTokens) -> None:
    now = NOW * 1_000
    known = signed(PRIVATE, "EdDSA", kid="sso")
    with pytest.raises(RateLimited):
        tokens.visitor(known, now, no_more)
    tokens.visitor(known, now, free)
    assert tokens.visitor(known, now, no_more).id == "visitor:ann"
    assert tokens.visitor(signed(), now, no_more).id == "visitor:ann"
    with pytest.raises(NotAuthorised):
        tokens.visitor(signed("another" * 7), now, no_more)


def test_bounds(tokens: VisitorTokens) -> None:
    ids = [str(number) * 256 for number in range(8)]
    visitor = tokens.visitor(signed(userId="a" * 256, anonymousIds=ids), NOW * 1_000, free)
    assert set(visitor.ids or ()) == {"a" * 256, *ids}
    token = signed(note="n" * 5_700)
    assert len(token) < MOST_BYTES
    assert tokens.visitor(token, NOW * 1_000, free).visitor
    assert refusal(tokens, signed(note="n" * 6_100)) == f"it has more than {MOST_BYTES} bytes"


def test_no_token_opens_more_than_a_visitor_may(tokens: VisitorTokens) -> None:
    every = " ".join([*Scope, "openid", "profile"])
    assert tokens.visitor(signed(scope=every), NOW * 1_000, free).scopes == VISITOR_SCOPES
    assert tokens.visitor(signed(scope="admin customers:read"), NOW * 1_000, free).scopes == frozenset()


def test_tokens_of_ours_are_taken_and_have_no_more_than_they_need(tokens: VisitorTokens) -> None:
    token = tokens.make(None, [], [Scope.CUES_READ, Scope.DECISIONS], NOW, NOW + 60)
    stated = jwt.decode(token, SECRET, ["HS256"], {"verify_exp": False}, audience="cueline")
    assert stated == {"aud": "cueline", "iat": NOW, "exp": NOW + 60, "scope": "cues:read decisions"}
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "shop", "typ": "JWT"}
    with pytest.raises(NotFound):
        VisitorTokens(Web.model_validate({"token_keys": [EDDSA_KEY]})).make(None, [], [], NOW, NOW + 60)


def test_a_signature_is_checked_once_and_few_are_remembered(tokens: VisitorTokens) -> None:
    token = signed()
    first = tokens.visitor(token, NOW * 1_000, free)
    assert tokens.visitor(token, NOW * 1_000, free) is first
    for number in range(1_024):
        tokens.visitor(signed(userId=f"v-{number}"), NOW * 1_000, free)
    assert tokens.visitor(token, NOW * 1_000, free) is not first
    assert tokens.visitor(token, NOW * 1_000, free) == first


def faults(*keys: dict[str, Any]) -> list[str]:
    return list(faults_of_token_keys([TokenKey.model_validate(key) for key in keys]))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({**HMAC_KEY, "secret": SECRET[1:]}, "secret: HS256 needs 43 characters or more (256 random bits)"),
        ({"kid": "shop", "algorithm": "HS256"}, "secret: HS256 needs 43 characters"),
        ({**HMAC_KEY, "secret": PUBLIC_PEM}, "secret: HS256 needs random text"),
        ({**HMAC_KEY, "public_key": PUBLIC_PEM}, "public_key: HS256 has none"),
        ({**HMAC_KEY, "kid": ""}, "kid: 1 to 64"),
        ({**HMAC_KEY, "kid": "a b"}, "kid: 1 to 64"),
        ({"kid": "sso", "algorithm": "EdDSA"}, "public_key: EdDSA needs an Ed25519 public key"),
        ({**EDDSA_KEY, "public_key": PRIVATE_PEM}, "public_key: EdDSA needs an Ed25519 public key"),
        ({**EDDSA_KEY, "public_key": PUBLIC_PEM.replace("M", "N")}, "public_key: EdDSA needs an Ed25519"),
        ({**EDDSA_KEY, "secret": SECRET}, "secret: EdDSA has none"),
    ],
)
def test_keys_that_verify_nothing_are_said(key: dict[str, Any], said: str) -> None:
    (fault,) = faults(key)
    assert fault.startswith(f"web.token_keys[0].{said}")
    assert SECRET[1:] not in fault
    assert "PRIVATE" not in fault


def test_a_kid_is_one_key() -> None:
    assert faults(HMAC_KEY, EDDSA_KEY) == []
    assert faults(HMAC_KEY, {**EDDSA_KEY, "kid": "shop"}) == ["web.token_keys: the kid shop is there twice"]


def test_a_visitor_speaks_for_itself_alone(tokens: VisitorTokens) -> None:
    visitor: Principal = tokens.visitor(signed(), NOW * 1_000, free)
    assert visitor.vouches_for("ann")
    assert not visitor.vouches_for("bob")


README = (Path(__file__).parents[2] / "README.md").read_text().partition("### Visitor tokens")[2]


def test_the_readmes_settings_verify_the_readmes_token() -> None:
    code, text = (README.partition(f"```{language}\n")[2].partition("```")[0] for language in ("python", "toml"))
    pem = "".join(PUBLIC_PEM.splitlines()[1:-1])
    written = tomllib.loads(text.replace('secret = "…"', f'secret = "{SECRET}"').replace("\n…\n", f"\n{pem}\n"))
    web = Web.model_validate(written["web"])
    assert list(faults_of_token_keys(web.token_keys)) == []
    exec(code, names := {"secret": SECRET})
    visitor = VisitorTokens(web).visitor(names["token"].encode(), wall_ms(), free)
    assert visitor.vouches_for("ann")
    assert visitor.scopes == {Scope.CUES_READ, Scope.DECISIONS}
