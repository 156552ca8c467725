"""``POST /v1/visitor-tokens``: the website's server asks for a token that it hands to the visitor's page."""

from __future__ import annotations

from typing import Annotated

import msgspec
from blacksheep import Request, Response

from engine.access import VISITOR_SCOPES, Scope
from engine.clock import wall_ms
from engine.customer_id import CustomerId
from engine.errors import BadRequest
from engine.events import MAX_CUSTOMER_BYTES
from engine.json_bodies import read_json
from engine.ports.kafka import AuditAction
from engine.settings import Web
from engine.web.api.customers import brought
from engine.web.auth.audit import AuditTrail
from engine.web.auth.principal import Principal
from engine.web.auth.visitor_tokens import MOST_ANONYMOUS_IDS, VisitorTokens
from engine.web.server import replies
from engine.web.server.bulkheads import Bulkhead
from engine.web.server.limits import read_body

DEFAULT_S = 3_600
DEFAULT_SCOPE = f"{Scope.CUES_READ} {Scope.OUTCOMES_WRITE}"

# For the documentation alone: the messages below are clearer than msgspec's.
_Id = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_CUSTOMER_BYTES})]
_Ids = Annotated[tuple[_Id, ...], msgspec.Meta(extra_json_schema={"maxItems": MOST_ANONYMOUS_IDS})]
_Seconds = Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 1})]


class TokenRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """For whom: ``userId`` and/or ``anonymousIds``, one at least. ``scope``: what it opens of theirs, of
    ``cues:read``, ``outcomes:write``, ``decisions`` and ``events:write``, with blanks between. ``seconds``: for
    how long (absent: an hour, or the longest that is allowed)."""

    user_id: _Id | None = None
    anonymous_ids: _Ids = ()
    scope: str = DEFAULT_SCOPE
    seconds: _Seconds | None = None


class Token(msgspec.Struct, frozen=True, rename="camel"):
    """The token, to be shown as bearer token, and the end of its life (epoch ms)."""

    token: str
    expires_at: int


_decode = msgspec.json.Decoder(TokenRequest).decode


class TokenRoutes:
    """Visitor tokens made."""

    def __init__(
        self, tokens: VisitorTokens, web: Web, placeholders: frozenset[str], bulkhead: Bulkhead, audit: AuditTrail
    ) -> None:
        self._placeholders = placeholders
        self._tokens = tokens
        self._limit = web.max_event_bytes
        self._bulkhead = bulkhead
        self._audit = audit
        self._longest_s = web.token_max_s

    async def make(self, request: Request, caller: Principal) -> Response:
        """A token that begins now."""
        asked = read_json(_decode, await read_body(request, self._limit))
        with self._bulkhead:
            return self._made(asked, caller)

    def _made(self, asked: TokenRequest, caller: Principal) -> Response:
        user, anonymous = _ids(asked, self._placeholders)
        seconds = min(DEFAULT_S, self._longest_s) if asked.seconds is None else asked.seconds
        if not 1 <= seconds <= self._longest_s:
            raise BadRequest(f"1 to {self._longest_s} is allowed", "seconds")
        begins = wall_ms() // 1_000
        token = self._tokens.make(user, anonymous, _scopes(asked.scope), begins, begins + seconds)
        for customer in [*([] if user is None else [user]), *anonymous]:  # whoever has it may read of them
            self._audit.note(caller, AuditAction.TOKEN_MADE, customer)
        return replies.json(Token(token, (begins + seconds) * 1_000))


def _ids(asked: TokenRequest, placeholders: frozenset[str]) -> tuple[CustomerId | None, list[CustomerId]]:
    if asked.user_id is None and not asked.anonymous_ids:
        raise BadRequest("userId or anonymousIds is needed", "userId")
    if len(asked.anonymous_ids) > MOST_ANONYMOUS_IDS:
        raise BadRequest(f"at most {MOST_ANONYMOUS_IDS} are allowed", "anonymousIds")
    user = None if asked.user_id is None else brought(asked.user_id, "userId", placeholders)
    return user, [
        brought(one, f"anonymousIds[{place}]", placeholders) for place, one in enumerate(asked.anonymous_ids)
    ]


def _scopes(text: str) -> frozenset[Scope]:
    names = text.split()
    if not names or not VISITOR_SCOPES.issuperset(names):
        raise BadRequest(f"names of {', '.join(sorted(VISITOR_SCOPES))}, with blanks between", "scope")
    return frozenset(map(Scope, names))
