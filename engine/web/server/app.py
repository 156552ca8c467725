"""The HTTP application: the table of routes joined with limits, keys, measurements and errors."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from blacksheep import Application, Request, Response
from blacksheep.exceptions import MessageAborted

from engine.access import Scope
from engine.errors import CuelineError, NotFound, Unavailable
from engine.settings import Settings
from engine.web.api.consent import ConsentRoutes
from engine.web.api.contact_events import ContactEventRoutes
from engine.web.api.customers import CustomerRoutes
from engine.web.api.decisions import DecisionRoutes
from engine.web.api.events import EventRoutes
from engine.web.api.health import HealthRoutes
from engine.web.api.identities import IdentityRoutes
from engine.web.api.leaving import LeavingRoutes
from engine.web.api.lesson_bounds import LessonBounds
from engine.web.api.openapi import Documentation
from engine.web.api.outcomes import OutcomeRoutes
from engine.web.api.queues import QueueRoutes
from engine.web.api.route import Route
from engine.web.api.routes import metrics_route, table
from engine.web.api.rulebook import RulebookRoutes
from engine.web.api.stream_tickets import TicketRoutes
from engine.web.api.traits import TraitRoutes
from engine.web.api.visitor_tokens import TokenRoutes
from engine.web.auth.audit import AuditTrail
from engine.web.auth.authenticator import Authenticator
from engine.web.auth.credentials import ask
from engine.web.auth.principal import NOBODY, Principal
from engine.web.auth.tickets import CueStream, StreamTickets
from engine.web.auth.visitor_tokens import VisitorTokens
from engine.web.pages.activity import Activity
from engine.web.pages.demo import DemoPage
from engine.web.push.event_streams import HEARTBEAT_S, CueRoutes
from engine.web.push.fan_out import CueFeed
from engine.web.push.revocation import Revocation
from engine.web.push.taken_cues import TakenCues
from engine.web.server.admission import Admission
from engine.web.server.bulkheads import Bulkheads, bulkheads
from engine.web.server.cross_origin import CrossOrigin
from engine.web.server.fast_path import FastRoute, Handler, KnownHeads
from engine.web.server.load_shedding import EarlyRefusal, LoadShedding
from engine.web.server.paths import ExactRouter
from engine.web.server.problems import WrongMethod, problem
from engine.web.server.query import check_query
from engine.web.services import Services

log = logging.getLogger(__name__)

_NOT_SERVED = "nothing is served here; /docs lists all calls"


class Api(Application):
    """The application, with the feed whose streams must end before a server can, and the bulkheads."""

    def __init__(self, feed: CueFeed, places: Bulkheads, deadline_s: float) -> None:
        super().__init__(router=ExactRouter())
        self.feed = feed
        self.bulkheads = places
        self.early_refusal = EarlyRefusal({})
        self.known_heads = KnownHeads({})
        shedding = LoadShedding(places.decisions, deadline_s)
        self.on_start += shedding.start
        self.on_stop += shedding.stop
        self.on_start += feed.start
        self.on_stop += feed.stop

    def end_streams(self) -> None:
        """Let every event stream end and take no new ones: a server waits for open connections before it
        stops the application, and these would never close by themselves."""
        self.feed.end()


def build_app(services: Services, settings: Settings, heartbeat_s: float = HEARTBEAT_S) -> Api:
    """The application over `services`. `heartbeat_s` is the longest interval without a byte on an event stream."""
    web = settings.web
    tokens, places = VisitorTokens(web), bulkheads(web, services.meter)
    feed = CueFeed(services.cues, places.streams, services.meter)
    audit, admission = AuditTrail(services.log, services.meter), Admission(settings, services.quotas)
    authenticator = Authenticator(services.keys, tokens, web, admission)
    lessons = LessonBounds(services.lessons, services.known, settings.lessons, services.meter)
    taken = TakenCues(services.cues, services.meter)
    cues = CueRoutes(services, feed, audit, admission, taken, heartbeat_s)
    health = HealthRoutes(
        lambda: _scraped(services, places), services.ready, lambda: (services.health(), tuple(services.notices()))
    )
    routes = table(
        EventRoutes(services, authenticator, admission, web, places.events),
        ContactEventRoutes(services, admission, settings, places.events),
        DecisionRoutes(services, web, places.decisions, audit),
        OutcomeRoutes(services, admission, lessons, web, places.events),
        CustomerRoutes(services, audit),
        ConsentRoutes(services, web, places.events, audit),
        LeavingRoutes(services, audit),
        IdentityRoutes(services, web, audit),
        TraitRoutes(services, admission, web, places.events),
        cues,
        RulebookRoutes(services),
        TokenRoutes(tokens, web, services.placeholders, places.pages, audit),
        TicketRoutes(services, web, places.pages),
        QueueRoutes(services),
        health,
    )
    if not web.metrics_port:
        routes += (metrics_route(health, None if web.metrics_open else Scope.METRICS),)
    pages = Documentation(routes)
    routes += (
        Route("GET", "/openapi.json", pages.openapi, "This document", None, bulkhead=None),
        Route("GET", "/docs", pages.page, "This document for people", None, answer="text/html", bulkhead=None),
    )
    activity = None
    if web.demo_page:
        activity = Activity(services.stats, services.meter)
        demo = DemoPage(services, authenticator, cues, activity)
        routes += (
            Route("GET", "/", demo.index, "The live page", None, answer="text/html"),
            Route("GET", "/page/*", demo.file, "Its files", None),
            Route(
                "GET",
                "/v1/live",
                demo.live,
                "Its stream",
                Scope.AGENTS_READ,
                answer="text/event-stream",
                bulkhead="streams",
            ),
        )
    app = Api(feed, places, web.deadline_ms / 1_000)
    app.on_start += taken.start
    app.on_stop += taken.stop
    revocation = Revocation(feed, authenticator.is_valid)
    app.on_start += revocation.start
    app.on_stop += revocation.stop
    app.on_start += audit.start
    app.on_stop += audit.stop
    if activity is not None:
        app.on_start += activity.start
        app.on_stop += activity.stop
    app.early_refusal = EarlyRefusal(
        {
            f"{route.method} {route.path}".encode(): places.named(route.bulkhead)
            for route in routes
            if route.bulkhead and route.body
        }
    )
    frame = Frame(services, authenticator, admission, places)
    served = [(route, _serve(app, route, frame)) for route in routes]
    app.known_heads = KnownHeads(
        {
            route.path.encode(): FastRoute(handler, places.named(route.bulkhead))
            for route, handler in served
            if route.bulkhead and route.is_fast
        }
    )
    _refuse_the_rest(app, frame)
    return app


def build_metrics_app(app: Api, services: Services, settings: Settings) -> Application:
    """``/metrics`` of `app`, for a port of its own."""
    metrics, web = Application(router=ExactRouter()), settings.web
    health = HealthRoutes(lambda: _scraped(services, app.bulkheads), services.ready)
    admission = Admission(settings, services.quotas)
    authenticator = Authenticator(services.keys, VisitorTokens(web), web, admission)
    frame = Frame(services, authenticator, admission, app.bulkheads)
    _serve(metrics, metrics_route(health, None if web.metrics_open else Scope.METRICS), frame)
    _refuse_the_rest(metrics, frame)
    return metrics


def _scraped(services: Services, places: Bulkheads) -> tuple[bytes, str]:
    for bulkhead in places:
        services.meter.set("http_in_flight", bulkhead.inside, bulkhead.name)
    services.meter.set("process_ready", 0 if services.ready() else 1)
    return services.metrics()


BASIC = b'Basic realm="cueline"'
OPEN = contextlib.nullcontext()
LOGGED_EVERY_S = 60.0  # what a service said that is away


class Frame:
    """Middleware of every handler: concurrency limit, authorisation, errors to responses, measurement."""

    def __init__(
        self, services: Services, authenticator: Authenticator, admission: Admission, places: Bulkheads
    ) -> None:
        self._meter = services.meter
        self._authenticator = authenticator
        self._admission = admission
        self._tickets = StreamTickets(services.tickets)
        self._pages = places.pages
        self._logged: dict[str, float] = {}  # when, by route

    def around(self, route: Route) -> Handler:
        """The handler of `route`, framed. It never raises."""
        label, handler, known = route.path, route.handler, route.query
        place = self._pages if route.bulkhead == "pages" and route.body is None else OPEN
        scopes = route.scopes
        in_body, visitors, stream = route.key_in == "body", route.visitors, route.stream
        authenticate, admit = self._authenticator.principal, self._admission.request
        cross_origin = self.cross_origin(route)

        async def framed(request: Request) -> Response:
            started = time.perf_counter()
            try:
                if not scopes:
                    caller = NOBODY
                elif stream and (ticket := ask(request, "ticket")):
                    caller = await self._by_ticket(request, ticket, stream(request), scopes)
                else:
                    caller = authenticate(request, scopes, in_body, visitors)
                if caller is not NOBODY:
                    admit(caller, request)
                if not route.any_query:
                    check_query(request, known)
                with place:
                    response = await handler(request, caller)
            except CuelineError as error:
                response = problem(error)
                if response.status == 500:
                    log.exception("%s %s", request.method, label)
                elif isinstance(error, Unavailable):
                    self._log_now_and_then(label, error, started)
            except MessageAborted:
                response = Response(499)  # the client disconnected; nobody reads this
            except Exception as error:  # the outermost handler of a request: our fault, a 500
                log.exception("%s %s", request.method, label)
                response = problem(error)
            if route.basic and response.status == 401:
                response.add_header(b"WWW-Authenticate", BASIC)
            for header in cross_origin.answer(request):
                response.add_header(*header)
            self._meter.observe("http_seconds", time.perf_counter() - started, label)
            if response.status >= 400:
                self._meter.add("http_errors", label=str(response.status))
            return response

        # real classes, not their names: BlackSheep then calls the handler as it is
        framed.__annotations__ = {"request": Request, "return": Response}
        return framed

    def _log_now_and_then(self, label: str, error: Unavailable, now: float) -> None:
        """What callers are not shown. Any number of them may ask, and a line each would be theirs to write."""
        if now >= self._logged.get(label, now - LOGGED_EVERY_S) + LOGGED_EVERY_S:
            self._logged[label] = now
            log.warning("%s: %s", label, error)

    def cross_origin(self, route: Route) -> CrossOrigin:
        """What pages of other origins may do with `route`."""
        return CrossOrigin(route.callers, self._authenticator.allowed_origins)

    async def _by_ticket(
        self, request: Request, ticket: str, stream: CueStream, scopes: Sequence[Scope]
    ) -> Principal:
        """Who asked for `ticket`. Its store is asked for no more tickets than an address may show."""
        self._admission.stranger(request)
        return self._authenticator.of_ticket(await self._tickets.holder(ticket, stream), scopes, request)


def _serve(app: Application, route: Route, frame: Frame) -> Handler:
    """Serve `route`; its handler, framed."""
    framed = frame.around(route)
    app.router.add(route.method, route.path, framed)
    if route.has_head:
        app.router.add("HEAD", route.path, framed)
    if route.callers:
        app.router.add("OPTIONS", route.path, _preflight_of(frame.cross_origin(route)))
    return framed


def _preflight_of(cross_origin: CrossOrigin) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return cross_origin.preflight(request)

    answer.__annotations__ = {"request": Request, "return": Response}
    return answer


def _refuse_the_rest(app: Application, frame: Frame) -> None:
    """404 for a path that is not served, 405 for one with another method."""

    async def refuse(request: Request, caller: Principal) -> Response:
        methods = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS")
        path = request.path.encode()
        allowed = [method for method in methods if app.router.get_matching_route(method, path)]
        raise WrongMethod(", ".join(allowed)) if allowed else NotFound(_NOT_SERVED, "path")

    other = Route("GET", "other", refuse, "Anything else", None, bulkhead=None, any_query=True)
    app.router.fallback = frame.around(other)
