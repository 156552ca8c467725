"""One address: what is served there, to whom, and with which shapes. `routes.py` has them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from blacksheep import Request, Response

from engine.access import Scope
from engine.web.auth.principal import Principal
from engine.web.auth.tickets import CueStream
from engine.web.server.bulkheads import BulkheadName
from engine.web.server.cross_origin import Callers

Handler = Callable[[Request, Principal], Awaitable[Response]]

STREAM = "text/event-stream"  # what event streams answer


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a caller may add to a request besides its path and body."""

    place: Literal["query", "header"]
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Route:
    """One address. ``scope`` or ``or_scope`` is what its caller needs, checked before the handler runs (None:
    nothing).
    ``visitors``: whether a visitor token may open it, for the visitor's own ids, which the handler sees to.
    ``key_in``: where a key may be besides the headers; the handler looks for one in the body. ``bulkhead``: whose
    places its requests take; with none they are always let in. For ``pages`` without a body the place is taken on
    arrival, for the others by the handler: once the body is there, and a stream keeps it until it ends.
    ``body`` and ``answer`` are types, for the documentation, or an OpenAPI schema as plain values, and
    ``parameters`` are documented there too: a query with any other field is refused, but for ``any_query``.
    ``callers``: of which other origins' pages may call it. ``stream``: which event stream a request asks for,
    where a ticket opens one. ``to_visitors``: the answer to a visitor token, where it is another. ``refusal``
    is what a 400 may have beside a problem's fields; ``may_miss``: what is named may not be there, which is a
    404; ``unready``: there is a 503 of the same shape as a good answer; ``basic``: a 401 asks for HTTP's Basic
    scheme, since some callers show a key only then."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: Handler
    summary: str
    scope: Scope | None
    key_in: Literal["", "body"] = ""
    body: type | dict[str, Any] | None = None
    answer: type | str = "application/json"
    to_visitors: type | None = None
    status: int = 200
    bulkhead: BulkheadName | None = "pages"
    parameters: tuple[Parameter, ...] = ()
    any_query: bool = False
    or_scope: Scope | None = None
    refusal: type | None = None
    may_miss: bool = False
    unready: bool = False
    visitors: bool = False
    callers: Callers = ""
    stream: Callable[[Request], CueStream] | None = None
    basic: bool = False

    @property
    def query(self) -> frozenset[str]:
        """The fields that its query may have."""
        return frozenset(one.name for one in self.parameters if one.place == "query")

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """One of these is needed; none: nothing."""
        return tuple(scope for scope in (self.scope, self.or_scope) if scope is not None)

    @property
    def is_fast(self) -> bool:
        """Whether its requests may go the fast path: POSTs to this very path, answered with a whole body."""
        whole = self.body is not None and self.answer != STREAM
        return self.method == "POST" and whole and not {":", "{"} & set(self.path)

    @property
    def has_head(self) -> bool:
        """Whether HEAD is served: where a GET comes to an end."""
        return self.method == "GET" and self.answer != STREAM
