"""Every address, and every kind of key and visitor token that may be shown to it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from typing import Any

import httpx
import jwt

from engine.access import PUBLIC_SCOPES, VISITOR_SCOPES, Scope, Trust, hash_of
from engine.settings import Rates
from tests.flows.api import Process, settings

EVENT = {"userId": "ann", "event": "Product Viewed", "previousId": "a", "groupId": "g"}
REFUNDED = {"userId": "ann", "event": "Order Refunded", "properties": {"order_id": "o-1", "total": 5}}
CALLED = {"userId": "ann", "event": "Live Chat Conversation Started"}
QUEUED = {
    "topicName": "v2.detail.events.conversation.c-1.acd.start",
    "eventBody": {"conversationId": "c-1", "mediaType": "VOICE", "queueId": "q-1"},
}
CLOUDEVENT = {"specversion": "1.0", "id": "e-1", "source": "/calls", "type": "contact.queued", "subject": "c-1"}
BATCH = {"batch": [{"type": "track", **EVENT}]}
QUESTION = {"customerId": "ann", "channel": "web"}
CONSENT = {"consent": [{"channel": "email", "state": "granted"}]}
OUTCOME = {"decisionId": "1-1-1", "offerId": "help_chat", "outcome": "accepted"}

#: Address -> the scope it needs (None: nothing), its body, and the status for whoever has the scope.
NEEDED: dict[tuple[str, str], tuple[Scope | None, Any, int]] = {
    # first, before anything is held
    ("GET", "/v1/customers/{id}/export"): (Scope.CUSTOMERS_READ, None, 404),
    ("GET", "/v1/customers/{id}/identities"): (Scope.CUSTOMERS_READ, None, 404),
    **{
        ("POST", f"/v1/{call}"): (Scope.EVENTS_WRITE, EVENT, 200)
        for call in ("track", "identify", "page", "screen", "group", "alias", "t", "i", "p", "s", "g", "a")
    },
    ("POST", "/v1/batch"): (Scope.EVENTS_WRITE, BATCH, 200),
    ("POST", "/v1/b"): (Scope.EVENTS_WRITE, BATCH, 200),
    ("POST", "/v1/import"): (Scope.EVENTS_WRITE, BATCH, 200),
    ("POST", "/v1/contact-events/{source}"): (Scope.CONTACTS_WRITE, QUEUED, 200),
    ("POST", "/v1/events"): (Scope.CONTACTS_WRITE, CLOUDEVENT, 200),
    ("POST", "/v1/decisions"): (Scope.DECISIONS, QUESTION, 200),
    ("GET", "/v1/decisions/{id}"): (Scope.DECISIONS, None, 404),
    ("POST", "/v1/outcomes"): (Scope.OUTCOMES_WRITE, OUTCOME, 404),
    ("GET", "/v1/customers/{id}"): (Scope.CUSTOMERS_READ, None, 404),
    ("POST", "/v1/customers/{id}/link"): (Scope.IDENTITY_WRITE, {"into": "bob"}, 400),
    ("POST", "/v1/customers/{id}/split"): (Scope.IDENTITY_WRITE, None, 400),
    ("DELETE", "/v1/customers/{id}"): (Scope.CUSTOMERS_ERASE, None, 202),
    ("PUT", "/v1/customers/{id}/consent"): (Scope.CUSTOMERS_WRITE, CONSENT, 200),
    ("PUT", "/v1/customers/{id}"): (Scope.CUSTOMERS_WRITE, {"traits": {"plan": "gold"}}, 200),
    ("GET", "/v1/customers/{id}/cues"): (Scope.CUES_READ, None, 200),
    ("GET", "/v1/agents/{id}/cues"): (Scope.AGENTS_READ, None, 200),
    ("GET", "/v1/queues"): (Scope.AGENTS_READ, None, 200),
    ("POST", "/v1/stream-tickets"): (Scope.CUES_READ, {"customerId": "ann"}, 200),
    ("POST", "/v1/visitor-tokens"): (Scope.TOKENS_WRITE, {"userId": "ann"}, 200),
    ("GET", "/v1/rulebook"): (Scope.RULES_READ, None, 200),
    ("GET", "/metrics"): (Scope.METRICS, None, 200),
    ("GET", "/health/live"): (None, None, 200),
    ("GET", "/health/ready"): (None, None, 200),
    ("GET", "/openapi.json"): (None, None, 200),
    ("GET", "/docs"): (None, None, 200),
}
STREAMS = ("/v1/customers/{id}/cues", "/v1/agents/{id}/cues")
LASTS_S = 86_400  # some tokens are made when tests are collected, and shown by the last of them


def key_for(scope: Scope) -> str:
    return f"secret-key-with-{scope}"


def all_but(scope: Scope) -> str:
    return f"secret-key-without-{scope}"


def record(key: str, trust: Trust, *scopes: Scope, **more: Any) -> dict[str, Any]:
    return {"id": key.replace(":", "."), "hash": hash_of(key), "trust": trust, "scopes": list(scopes), **more}


PUBLIC, ADMIN, ENDED, BOUND = "a-public-key", "an-admin-key", "a-key-that-ended", "a-key-of-one-website"
DESK, OPERATOR = "a-key-of-the-agents-desktop", "a-key-of-an-operator"
DESK_SCOPES = {Scope.DECISIONS, Scope.CUSTOMERS_READ, Scope.AGENTS_READ, Scope.OUTCOMES_WRITE}
OPERATOR_SCOPES = {Scope.RULES_READ, Scope.RULES_WRITE, Scope.METRICS}
RECORDS = [
    *(record(key_for(scope), Trust.SECRET, scope) for scope in Scope),
    *(record(all_but(scope), Trust.SECRET, *({*Scope} - {scope, Scope.ADMIN})) for scope in Scope),
    record(PUBLIC, Trust.PUBLIC, *PUBLIC_SCOPES),
    record(ADMIN, Trust.SECRET, Scope.ADMIN),
    record(ENDED, Trust.SECRET, Scope.ADMIN, expires="2020-01-01T00:00:00Z"),
    record(BOUND, Trust.PUBLIC, *PUBLIC_SCOPES, origins=["https://shop.example"]),
    record(DESK, Trust.SECRET, *DESK_SCOPES),
    record(OPERATOR, Trust.SECRET, *OPERATOR_SCOPES),
]


SECRET = "the-secret-of-the-visitors-tokens-of-a-shop"
PUBLIC_PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=
-----END PUBLIC KEY-----
"""
TOKEN_KEYS = [
    {"kid": "shop", "algorithm": "HS256", "secret": SECRET},
    {"kid": "sso", "algorithm": "EdDSA", "public_key": PUBLIC_PEM},
]


def claims(**changed: Any) -> dict[str, Any]:
    """Of a token for ann that opens all that one can (None: without that claim)."""
    ends = int(time.time()) + LASTS_S
    stated = {"aud": "cueline", "exp": ends, "userId": "ann", "scope": " ".join(VISITOR_SCOPES)}
    return {name: value for name, value in {**stated, **changed}.items() if value is not None}


def visitor_token(secret: str = SECRET, kid: str = "shop", **changed: Any) -> str:
    return jwt.encode(claims(**changed), secret, "HS256", {"kid": kid})


def forged(head: dict[str, str], secret: str = "") -> str:
    """A token whose head says what no library would write, signed by `secret` as HS256 does."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims())]
    signature = jwt.get_algorithm_by_name("HS256").sign(b".".join(parts), secret.encode()) if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def guarded(rates: dict[str, float] | None = None, keys: Sequence[dict[str, Any]] = (), **web: Any) -> Process:
    """An API process that knows these keys, and `keys`."""
    base = settings(keys=[*RECORDS, *keys], metrics_open=False, token_keys=TOKEN_KEYS, **web)
    return Process(base.model_copy(update={"rates": Rates.model_validate(rates or {})}))


async def status(api: httpx.AsyncClient, method: str, path: str, key: str | None) -> int:
    """What a caller is answered, with its key as bearer token; of a stream the head."""
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    url, body = path.replace("{id}", "ann").replace("{source}", "genesys"), NEEDED[method, path][1]
    request = api.build_request(method, url, json=body, headers=headers)
    answer = await api.send(request)
    return answer.status_code
