"""The routes as a table: what is served where, to whom, and with which shapes.

The application, the authorisation, the OpenAPI document and the page at ``/docs`` are made from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from blacksheep import Request, Response

from engine.access import Scope
from engine.decisions.log import LoggedDecision
from engine.decisions.request import Answer, DecisionRequest, VisitorsAnswer
from engine.web.api import call_shapes
from engine.web.api.customers import Customer, CustomerRoutes
from engine.web.api.decisions import DecisionRoutes
from engine.web.api.events import CALLS, Accepted, BatchAnswer, BatchProblem, EventRoutes
from engine.web.api.health import DeploymentHealth, Health, HealthRoutes
from engine.web.api.outcomes import OutcomeReport, OutcomeRoutes, Taken
from engine.web.api.rulebook import RulebookAnswer, RulebookRoutes
from engine.web.api.stream_tickets import Ticket, TicketRequest, TicketRoutes
from engine.web.api.visitor_tokens import Token, TokenRequest, TokenRoutes
from engine.web.auth.principal import Principal
from engine.web.auth.tickets import CueStream
from engine.web.push.event_streams import CueRoutes, stream_of_agent, stream_of_customer
from engine.web.server.bulkheads import BulkheadName
from engine.web.server.cross_origin import Callers

Handler = Callable[[Request, Principal], Awaitable[Response]]

_STREAM = "text/event-stream"


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
    404; ``unready``: there is a 503 of the same shape as a good answer."""

    method: Literal["GET", "POST"]
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
        return self.method == "POST" and self.body is not None and ":" not in self.path and self.answer != _STREAM

    @property
    def has_head(self) -> bool:
        """Whether HEAD is served: where a GET comes to an end."""
        return self.method == "GET" and self.answer != _STREAM


_MOST_EVENTS = 2_500  # of a batch, unless set otherwise
_TICKET = Parameter("query", "ticket", "of POST /v1/stream-tickets, for an EventSource, which can set no header")
_RESUMED = (
    Parameter("header", "Last-Event-ID", "the id of the last cue seen: resume after it"),
    Parameter("query", "lastEventId", "the same, where no header can be set; the header wins"),
)
_ONE = Parameter("query", "customer", "only the cues of this customer")


def table(
    events: EventRoutes,
    decisions: DecisionRoutes,
    outcomes: OutcomeRoutes,
    customers: CustomerRoutes,
    cues: CueRoutes,
    rules: RulebookRoutes,
    tokens: TokenRoutes,
    tickets: TicketRoutes,
    health: HealthRoutes,
) -> tuple[Route, ...]:
    """All routes of the API."""
    calls = [
        Route(
            "POST",
            f"/v1/{name}",
            events.call(name),
            f"Segment's {name} call",
            Scope.EVENTS_WRITE,
            "body",
            call_shapes.call(name),
            Accepted,
            bulkhead="events",
            any_query=True,  # what is beside an event loses none
            visitors=True,
            callers="any",
        )
        for name in CALLS
    ]
    batch = Route(
        "POST",
        "/v1/batch",
        events.batch,
        "Many Segment calls at once",
        Scope.EVENTS_WRITE,
        "body",
        call_shapes.batch(CALLS, _MOST_EVENTS),
        BatchAnswer,
        bulkhead="events",
        any_query=True,
        visitors=True,
        callers="any",
        refusal=BatchProblem,
    )
    return (
        *calls,
        batch,
        *map(_shortened, (*calls, batch)),
        replace(
            batch, path="/v1/import", summary=f"{batch.summary}, as its libraries for Java and Ruby address it"
        ),
        Route(
            "POST",
            "/v1/decisions",
            decisions.decide,
            "The best offers for a customer, with reasons",
            Scope.DECISIONS,
            body=DecisionRequest,
            answer=Answer,
            to_visitors=VisitorsAnswer,
            bulkhead="decisions",
            visitors=True,
            callers="allowed",
        ),
        Route(
            "GET",
            "/v1/decisions/{id}",
            decisions.get,
            "A decision of the last day, looked up",
            Scope.DECISIONS,
            answer=LoggedDecision,
            callers="allowed",
            may_miss=True,
        ),
        Route(
            "POST",
            "/v1/outcomes",
            outcomes.post,
            "What became of an offer; with a public key, of one on the channel web",
            Scope.OUTCOMES_WRITE,
            body=OutcomeReport,
            answer=Taken,
            status=202,
            bulkhead="events",
            visitors=True,
            callers="allowed",
            may_miss=True,
        ),
        Route(
            "GET",
            "/v1/customers/{id}",
            customers.get,
            "What is known of a customer now",
            Scope.CUSTOMERS_READ,
            answer=Customer,
            callers="allowed",
            may_miss=True,
        ),
        Route(
            "GET",
            "/v1/customers/{id}/cues",
            cues.of_customer,
            "A customer's cues; with a public key, those of an anonymous id for the channel web",
            Scope.CUES_READ,
            answer=_STREAM,
            bulkhead="streams",
            parameters=(*_RESUMED, _TICKET),
            visitors=True,
            callers="allowed",
            stream=stream_of_customer,
        ),
        Route(
            "GET",
            "/v1/agents/{id}/cues",
            cues.of_agent,
            "Cues for agents",
            Scope.AGENTS_READ,
            answer=_STREAM,
            bulkhead="streams",
            parameters=(_ONE, *_RESUMED, _TICKET),
            callers="allowed",
            stream=stream_of_agent,
        ),
        Route(
            "POST",
            "/v1/stream-tickets",
            tickets.make,
            "A ticket that opens one event stream, once, within 30 s",
            Scope.CUES_READ,
            body=TicketRequest,
            answer=Ticket,
            or_scope=Scope.AGENTS_READ,
            visitors=True,
            callers="allowed",
        ),
        Route(
            "POST",
            "/v1/visitor-tokens",
            tokens.make,
            "A token by which a visitor's browser shows who it is, for the website's server to hand out",
            Scope.TOKENS_WRITE,
            body=TokenRequest,
            answer=Token,
        ),
        Route("GET", "/v1/rulebook", rules.get, "The rules in use", Scope.RULES_READ, answer=RulebookAnswer),
        Route(
            "GET",
            "/health/live",
            health.live,
            "The process answers",
            None,
            answer=Health,
            bulkhead=None,
            any_query=True,
        ),
        Route(
            "GET",
            "/health/ready",
            health.ready,
            "It can do its work",
            None,
            answer=DeploymentHealth,
            bulkhead=None,
            any_query=True,
            unready=True,
        ),
    )


def metrics_route(health: HealthRoutes, scope: Scope | None) -> Route:
    """``/metrics``, to whoever has `scope` (None: to all)."""
    return Route("GET", "/metrics", health.metrics, "For Prometheus", scope, answer="text/plain", bulkhead=None)


def _shortened(route: Route) -> Route:
    """`route` where Segment's library for browsers looks for it: /v1/t for /v1/track."""
    summary = f"{route.summary}, as its library for browsers addresses it"
    return replace(route, path=route.path[: len("/v1/t")], summary=summary)
