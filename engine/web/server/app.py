"""The HTTP application: the table of routes joined with limits, keys, measurements and errors."""

from __future__ import annotations

import contextlib
import logging
import time

from blacksheep import Application, Request, Response
from blacksheep.exceptions import MessageAborted

from engine.errors import CuelineError, NotFound
from engine.settings import Settings
from engine.web.api.customers import CustomerRoutes
from engine.web.api.decisions import DecisionRoutes
from engine.web.api.events import EventRoutes
from engine.web.api.health import HealthRoutes
from engine.web.api.openapi import Documentation
from engine.web.api.outcomes import OutcomeRoutes
from engine.web.api.routes import Handler, Route, table
from engine.web.api.rulebook import RulebookRoutes
from engine.web.auth.keys import ApiKeys
from engine.web.pages.activity import Activity
from engine.web.pages.demo import DemoPage
from engine.web.push.event_streams import HEARTBEAT_S, CueRoutes
from engine.web.push.fan_out import CueFeed
from engine.web.server.bulkheads import Bulkheads, bulkheads
from engine.web.server.paths import ExactRouter
from engine.web.server.problems import WrongMethod, problem
from engine.web.services import Services

log = logging.getLogger(__name__)

CORS = (
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Access-Control-Allow-Methods", b"GET, POST"),
    (b"Access-Control-Allow-Headers", b"authorization, content-encoding, content-type, x-api-key, last-event-id"),
    (b"Access-Control-Max-Age", b"86400"),
)
#: On every answer to a browser of another site; it may read no other header than those named.
CORS_ANSWER = ((b"Access-Control-Allow-Origin", b"*"), (b"Access-Control-Expose-Headers", b"retry-after"))


class Api(Application):
    """The application, with the feed whose streams must end before a server can, and the bulkheads."""

    def __init__(self, feed: CueFeed, places: Bulkheads) -> None:
        super().__init__(router=ExactRouter())
        self.feed = feed
        self.bulkheads = places
        self.on_start += feed.start
        self.on_stop += feed.stop

    def end_streams(self) -> None:
        """Let every event stream end and take no new ones: a server waits for open connections before it
        stops the application, and these would never close by themselves."""
        self.feed.end()


def build_app(services: Services, settings: Settings, heartbeat_s: float = HEARTBEAT_S) -> Api:
    """The application over `services`. `heartbeat_s` is the longest interval without a byte on an event stream."""
    web = settings.web
    keys, places = ApiKeys(web), bulkheads(web, services.meter)
    feed = CueFeed(services.cues, places.streams, services.meter)
    cues = CueRoutes(services, keys, feed, heartbeat_s)
    routes = table(
        EventRoutes(services, keys, web, places.events),
        DecisionRoutes(services, web, places.decisions),
        OutcomeRoutes(services, keys, web, places.events),
        CustomerRoutes(services),
        cues,
        RulebookRoutes(services),
        HealthRoutes(
            lambda: _scraped(services, places),
            services.ready,
            lambda: (services.health(), tuple(services.notices())),
        ),
    )
    pages = Documentation(routes)
    routes += (
        Route("GET", "/openapi.json", pages.openapi, "This document", "", bulkhead=None),
        Route("GET", "/docs", pages.page, "This document for people", "", answer="text/html", bulkhead=None),
    )
    activity = None
    if web.demo_page:
        activity = Activity(services.stats, services.meter)
        demo = DemoPage(services, keys, cues, activity)
        routes += (
            Route("GET", "/", demo.index, "The live page", "", answer="text/html"),
            Route("GET", "/page/*", demo.file, "Its files", ""),
            Route(
                "GET",
                "/v1/live",
                demo.live,
                "Its stream",
                "stream",
                answer="text/event-stream",
                bulkhead="streams",
            ),
        )
    app = Api(feed, places)
    if activity is not None:
        app.on_start += activity.start
        app.on_stop += activity.stop
    for route in routes:
        _serve(app, route, Frame(services, keys, places))
    _refuse_the_rest(app, Frame(services, keys, places))
    return app


def _scraped(services: Services, places: Bulkheads) -> tuple[bytes, str]:
    for bulkhead in places:
        services.meter.set("http_in_flight", bulkhead.inside, bulkhead.name)
    services.meter.set("process_ready", 0 if services.ready() else 1)
    return services.metrics()


OPEN = contextlib.nullcontext()


class Frame:
    """Middleware of every handler: concurrency limit, authorisation, errors to responses, measurement."""

    def __init__(self, services: Services, keys: ApiKeys, places: Bulkheads) -> None:
        self._meter = services.meter
        self._keys = keys
        self._pages = places.pages

    def around(self, route: Route) -> Handler:
        """The handler of `route`, framed. It never raises."""
        label, handler, cross_origin = route.path, route.handler, route.cross_origin
        place, guarded = self._pages if route.bulkhead == "pages" else OPEN, route.key == "api"

        async def framed(request: Request) -> Response:
            started = time.perf_counter()
            try:
                if guarded:
                    self._keys.api(request)
                with place:
                    response = await handler(request)
            except CuelineError as error:
                response = problem(error)
                if response.status == 500:
                    log.exception("%s %s", request.method, label)
            except MessageAborted:
                response = Response(499)  # the client disconnected; nobody reads this
            except Exception as error:  # the outermost handler of a request: our fault, a 500
                log.exception("%s %s", request.method, label)
                response = problem(error)
            if cross_origin:
                for header in CORS_ANSWER:
                    response.add_header(*header)
            self._meter.observe("http_seconds", time.perf_counter() - started, label)
            if response.status >= 400:
                self._meter.add("http_errors", label=str(response.status))
            return response

        # real classes, not their names: BlackSheep then calls the handler as it is
        framed.__annotations__ = {"request": Request, "return": Response}
        return framed


def _serve(app: Api, route: Route, frame: Frame) -> None:
    framed = frame.around(route)
    app.router.add(route.method, route.path, framed)
    if route.method == "GET" and route.answer != "text/event-stream":
        app.router.add("HEAD", route.path, framed)
    if route.cross_origin:
        app.router.add("OPTIONS", route.path, _preflight)


async def _preflight(request: Request) -> Response:
    return Response(204, list(CORS))


_preflight.__annotations__ = {"request": Request, "return": Response}


def _refuse_the_rest(app: Api, frame: Frame) -> None:
    """404 for a path that is not served, 405 for one with another method."""

    async def refuse(request: Request) -> Response:
        methods = ("GET", "POST", "HEAD", "OPTIONS")
        path = request.path.encode()
        allowed = [method for method in methods if app.router.get_matching_route(method, path)]
        raise WrongMethod(", ".join(allowed)) if allowed else NotFound("nothing is served here", "path")

    other = Route("GET", "other", refuse, "Anything else", "", bulkhead=None)
    app.router.fallback = frame.around(other)
