"""From a request to its principal: checked once, before a body is read or anything costly is done."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from functools import partial

from blacksheep import Request

from engine.access import DEMO_PAGE, Scope, Trust
from engine.clock import wall_ms
from engine.errors import Forbidden, NotAuthorised
from engine.settings import Web
from engine.web.auth.credentials import COOKIE, shown_cookie, shown_key
from engine.web.auth.keys import KeyRing
from engine.web.auth.principal import NOBODY, Principal
from engine.web.auth.visitor_tokens import Untimely, VisitorTokens
from engine.web.server.admission import Admission
from engine.web.server.query import has_field

#: The names under which the demo's page is served: one of another site may be made to lead here (DNS rebinding).
THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")

_NOT_IN_ADDRESSES = (
    "a key in an address stays in logs and histories: show it in a header (Authorization: Bearer …); for an "
    "EventSource ask POST /v1/stream-tickets for a ticket"
)

#: The browser of whoever runs the demo on this machine.
DEMO = Principal(DEMO_PAGE, Trust.SECRET, frozenset({Scope.ADMIN}))


class Authenticator:
    """Finds the principal of a request and checks what it opens.

    Attempts that show no key or token of ours are bounded by address, which honest visitors behind one NAT may
    share with whoever makes them. So a known key is never asked what its address did; nor is a visitor token
    that was shown here lately (`REMEMBERED`), or one of HS256, whose signature costs less than the answer. Only
    a token of EdDSA that is new here waits while its address fails too often: a forged one costs as much as the
    answer.
    """

    def __init__(self, keys: KeyRing, tokens: VisitorTokens, web: Web, admission: Admission) -> None:
        self._keys = keys
        self._tokens = tokens
        self._admission = admission
        self._origins = frozenset(web.cors_origins)
        self._cookie = _cookie_of(web) if web.demo_page else b""

    @property
    def demo_cookie(self) -> bytes:
        """The cookie by which the demo page's browser is known; not readable by scripts or other sites."""
        return COOKIE + b"=" + self._cookie + b"; Path=/; HttpOnly; SameSite=Strict"

    def principal(
        self, request: Request, scopes: Sequence[Scope], in_body: bool = False, visitors: bool = False
    ) -> Principal:
        """Who calls, with one of `scopes`. Raises `NotAuthorised` and `Forbidden`, and instead of the former
        `RateLimited` when its address has failed too often.

        `visitors`: whether a visitor token may open it. `in_body`: return `NOBODY` when no key is shown, since the
        body may have it.
        """
        key = shown_key(request)
        if not key:
            if self._is_demo(request):
                return DEMO
            if in_body:
                return NOBODY
            if has_field(request, "key"):
                self._admission.failed(request)
                raise NotAuthorised(_NOT_IN_ADDRESSES, "key")
        return self._allowed(key, scopes, request, visitors)

    def allowed_origins(self) -> frozenset[str]:
        """Of whose websites pages may call what a token or an agent's key opens."""
        return self._origins | self._keys.origins

    def of_ticket(self, holder: Principal, scopes: Sequence[Scope], request: Request) -> Principal:
        """`holder` of a ticket, if it would still be let in. Raises `NotAuthorised` and `Forbidden`."""
        if not self.is_valid(holder, wall_ms()):
            raise NotAuthorised("the key or token that asked for this ticket is not valid any more", "ticket")
        return _checked(holder, scopes, request, visitors=True)

    def of_body(self, key: str, scope: Scope, request: Request) -> Principal:
        """Who holds the key, or the visitor token, that a body has. Raises as `principal` does."""
        return self._allowed(key.encode(errors="replace"), (scope,), request, visitors=True)

    def is_valid(self, caller: Principal, now: int) -> bool:
        """Whether `caller` would still be let in at `now` (epoch ms)."""
        if 0 < caller.expires_at <= now:
            return False
        return caller.visitor or (caller == DEMO and self._cookie != b"") or self._keys.is_held(caller)

    def _allowed(self, key: bytes, scopes: Sequence[Scope], request: Request, visitors: bool) -> Principal:
        return _checked(self._holder(key, request, wall_ms()), scopes, request, visitors)

    def _holder(self, key: bytes, request: Request, now: int) -> Principal:
        holder = self._keys.holder(key, now)
        return self._stranger(key, request, now) if holder is None else holder

    def _stranger(self, key: bytes, request: Request, now: int) -> Principal:
        """Whom a visitor token names, if `key` is one."""
        try:
            if key.count(b".") == 2:  # a JSON Web Token in its compact form
                return self._tokens.visitor(key, now, partial(self._admission.may_fail, request))
            raise NotAuthorised(_need(self._keys), "Authorization")
        except Untimely:  # a page that was left open: no attempt at anything
            raise
        except NotAuthorised:
            self._admission.failed(request)
            raise

    def _is_demo(self, request: Request) -> bool:
        """Whether the demo page's own browser calls."""
        if not self._cookie or not hmac.compare_digest(shown_cookie(request), self._cookie):
            return False
        return of_this_machine(request) and _of_no_other_page(request)


def _of_no_other_page(request: Request) -> bool:
    """Whether no page of another origin asks: to browsers all ports of a name are one site, and share cookies."""
    host = request.get_first_header(b"host") or b""
    return (request.get_first_header(b"origin") or b"http://" + host) == b"http://" + host


def _checked(holder: Principal, scopes: Sequence[Scope], request: Request, visitors: bool) -> Principal:
    """`holder`, if that is what this is for. Raises `Forbidden`."""
    holder.require(*scopes)
    if holder.visitor and not visitors:
        raise Forbidden("this is not for visitors", "Authorization")
    origin = request.get_first_header(b"origin") if holder.origins else None
    if origin is not None and origin.decode(errors="replace") not in holder.origins:
        raise Forbidden("this key is not for websites of this origin", "Origin")
    return holder


def of_this_machine(request: Request) -> bool:
    """Whether a request was sent to a name of this machine."""
    host = (request.get_first_header(b"host") or b"").decode(errors="replace")
    return host.rpartition(":")[0] in THIS_MACHINE or host in THIS_MACHINE


def _cookie_of(web: Web) -> bytes:
    """The same after a restart, so that an open page goes on, and no key itself."""
    secret = web.api_keys[0].get_secret_value() if web.api_keys else secrets.token_hex()
    return hmac.digest(secret.encode(), b"cueline demo page", "sha256").hex().encode()


def _need(keys: KeyRing) -> str:
    if not len(keys):
        return "no key is configured: `cueline keys create` makes one"
    return "a valid key is needed: as bearer token, as Basic's user name, or in X-Api-Key"
