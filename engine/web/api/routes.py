"""The routes as a table: what is served where, to whom, and with which shapes.

The application, the authorisation, the OpenAPI document and the page at ``/docs`` are made from it.
"""

from __future__ import annotations

from dataclasses import replace

from engine.access import Scope
from engine.decisions.log import LoggedDecision
from engine.decisions.request import Answer, DecisionRequest, VisitorsAnswer
from engine.web.api import call_shapes
from engine.web.api.consent import ConsentAnswer, ConsentRequest, ConsentRoutes
from engine.web.api.contact_events import ContactEventRoutes, ContactsAnswer
from engine.web.api.customers import Customer, CustomerRoutes, Identities
from engine.web.api.decisions import DecisionRoutes
from engine.web.api.events import CALLS, Accepted, BatchAnswer, BatchProblem, EventRoutes
from engine.web.api.export import CustomerExport
from engine.web.api.health import DeploymentHealth, Health, HealthRoutes
from engine.web.api.identities import IdentityReceipt, IdentityRoutes, LinkRequest
from engine.web.api.leaving import ErasureReceipt, LeavingRoutes
from engine.web.api.outcomes import OutcomeReport, OutcomeRoutes, Taken
from engine.web.api.queues import QueueRoutes, QueuesAnswer
from engine.web.api.route import STREAM, Parameter, Route
from engine.web.api.rulebook import RulebookAnswer, RulebookRoutes
from engine.web.api.stream_tickets import Ticket, TicketRequest, TicketRoutes
from engine.web.api.traits import TraitRoutes, TraitsAnswer, TraitsRequest
from engine.web.api.visitor_tokens import Token, TokenRequest, TokenRoutes
from engine.web.push.event_streams import CueRoutes, stream_of_agent, stream_of_customer

_MOST_EVENTS = 2_500  # of a batch, unless set otherwise
_TICKET = Parameter("query", "ticket", "of POST /v1/stream-tickets, for an EventSource, which can set no header")
_RESUMED = (
    Parameter("header", "Last-Event-ID", "the id of the last cue seen: resume after it"),
    Parameter("query", "lastEventId", "the same, where no header can be set; the header wins"),
)
_ONE = Parameter("query", "customer", "only the cues of this customer")


def table(
    events: EventRoutes,
    contacts: ContactEventRoutes,
    decisions: DecisionRoutes,
    outcomes: OutcomeRoutes,
    customers: CustomerRoutes,
    consent: ConsentRoutes,
    leaving: LeavingRoutes,
    identities: IdentityRoutes,
    traits: TraitRoutes,
    cues: CueRoutes,
    rules: RulebookRoutes,
    tokens: TokenRoutes,
    tickets: TicketRoutes,
    queues: QueueRoutes,
    health: HealthRoutes,
) -> tuple[Route, ...]:
    """All routes of the API."""
    return (
        *_of_events(events),
        *_of_contacts(contacts),
        *_of_decisions(decisions, outcomes),
        *_of_customers(customers, traits, consent, cues),
        *_of_leaving(leaving),
        *_of_identities(identities),
        *_of_access(tickets, tokens),
        *_of_operation(rules, queues, health),
    )


def metrics_route(health: HealthRoutes, scope: Scope | None) -> Route:
    """``/metrics``, to whoever has `scope` (None: to all)."""
    return Route("GET", "/metrics", health.metrics, "For Prometheus", scope, answer="text/plain", bulkhead=None)


def _of_events(events: EventRoutes) -> tuple[Route, ...]:
    """What customers do, in."""
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
    )


def _of_contacts(contacts: ContactEventRoutes) -> tuple[Route, ...]:
    """What happens in the contact centre, in."""
    vendors = Route(
        "POST",
        "/v1/contact-events/{source}",
        contacts.post,
        "Events of the contact centre, as its vendor sends them",
        Scope.CONTACTS_WRITE,
        body=call_shapes.DELIVERY,
        answer=ContactsAnswer,
        bulkhead="events",
        any_query=True,  # vendors add their own
        refusal=BatchProblem,
        may_miss=True,
        basic=True,
    )
    summary = "CloudEvents 1.0 of the contact centre: binary, structured or in a batch"
    return vendors, replace(
        vendors,
        path="/v1/events",
        handler=contacts.events,
        summary=summary,
        body=call_shapes.CLOUDEVENTS,
        may_miss=False,
    )


def _of_decisions(decisions: DecisionRoutes, outcomes: OutcomeRoutes) -> tuple[Route, ...]:
    """Offers out, and what became of them."""
    return (
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
    )


def _of_customers(
    customers: CustomerRoutes, traits: TraitRoutes, consent: ConsentRoutes, cues: CueRoutes
) -> tuple[Route, ...]:
    """What is known of a customer, and cues as they come."""
    return (
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
            "PUT",
            "/v1/customers/{id}",
            traits.put,
            "Set traits and memberships of a customer; what is not named stays",
            Scope.CUSTOMERS_WRITE,
            body=TraitsRequest,
            answer=TraitsAnswer,
            bulkhead="events",
        ),
        Route(
            "PUT",
            "/v1/customers/{id}/consent",
            consent.put,
            "What a customer consented to, by purpose and channel",
            Scope.CUSTOMERS_WRITE,
            body=ConsentRequest,
            answer=ConsentAnswer,
            bulkhead="events",
        ),
        Route(
            "GET",
            "/v1/customers/{id}/cues",
            cues.of_customer,
            "A customer's cues; with a public key, those of an anonymous id for the channel web",
            Scope.CUES_READ,
            answer=STREAM,
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
            answer=STREAM,
            bulkhead="streams",
            parameters=(_ONE, *_RESUMED, _TICKET),
            callers="allowed",
            stream=stream_of_agent,
        ),
    )


def _of_leaving(leaving: LeavingRoutes) -> tuple[Route, ...]:
    """What is held of a customer, and that nothing is any more."""
    return (
        Route(
            "DELETE",
            "/v1/customers/{id}",
            leaving.erase,
            "Erase a customer: the answer is a receipt",
            Scope.CUSTOMERS_ERASE,
            answer=ErasureReceipt,
            status=202,
        ),
        Route(
            "GET",
            "/v1/customers/{id}/export",
            leaving.export,
            "All that is held of a customer",
            Scope.CUSTOMERS_READ,
            answer=CustomerExport,
            may_miss=True,
        ),
    )


def _of_identities(identities: IdentityRoutes) -> tuple[Route, ...]:
    """Which ids are one customer's."""
    link = Route(
        "POST",
        "/v1/customers/{id}/link",
        identities.link,
        "Link an id to another that is the same customer's, by an operator",
        Scope.IDENTITY_WRITE,
        body=LinkRequest,
        answer=IdentityReceipt,
        status=202,
        may_miss=True,
    )
    return (
        Route(
            "GET",
            "/v1/customers/{id}/identities",
            identities.get,
            "Whose an id is, and how its links came",
            Scope.CUSTOMERS_READ,
            answer=Identities,
            callers="allowed",
            may_miss=True,
        ),
        link,
        replace(
            link,
            path="/v1/customers/{id}/split",
            handler=identities.split,
            summary="Take an id back from whom it was linked to",
            body=None,
        ),
    )


def _of_access(tickets: TicketRoutes, tokens: TokenRoutes) -> tuple[Route, ...]:
    """What lets browsers in."""
    return (
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
    )


def _of_operation(rules: RulebookRoutes, queues: QueueRoutes, health: HealthRoutes) -> tuple[Route, ...]:
    """What runs, and whether it is well."""
    return (
        Route("GET", "/v1/rulebook", rules.get, "The rules in use", Scope.RULES_READ, answer=RulebookAnswer),
        Route(
            "GET",
            "/v1/queues",
            queues.get,
            "Who is free in the contact centre, by queue",
            Scope.AGENTS_READ,
            answer=QueuesAnswer,
        ),
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


def _shortened(route: Route) -> Route:
    """`route` where Segment's library for browsers looks for it: /v1/t for /v1/track."""
    summary = f"{route.summary}, as its library for browsers addresses it"
    return replace(route, path=route.path[: len("/v1/t")], summary=summary)
