"""``/metrics`` and ``/health/*``: liveness, readiness and metrics of every process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from blacksheep import Application, Request, Response

from engine.errors import NotFound
from engine.ports.health import SystemHealth
from engine.web.auth.principal import NOBODY, Principal
from engine.web.server import replies
from engine.web.server.paths import ExactRouter
from engine.web.server.problems import problem

Metrics = Callable[[], tuple[bytes, str]]
Ready = Callable[[], Mapping[str, str]]
Describe = Callable[[], tuple[SystemHealth, Sequence[str]]]


class Health(msgspec.Struct, frozen=True):
    """``problems`` by the name of the failing check; empty when there is none."""

    status: str
    problems: Mapping[str, str]


class DeploymentHealth(Health, frozen=True):
    """Of an api process also the health of the parts of the deployment, and losses of data since its start."""

    health: SystemHealth
    notices: Sequence[str]


class HealthRoutes:
    """Probes and scrapes: ``metrics`` gives the exposition and its content type, ``ready`` the problems by
    name, ``describe`` the health of the deployment."""

    def __init__(self, metrics: Metrics, ready: Ready, describe: Describe | None = None) -> None:
        self._metrics = metrics
        self._ready = ready
        self._describe = describe

    async def live(self, request: Request, caller: Principal = NOBODY) -> Response:
        """Liveness: the process answers."""
        return replies.json(Health("live", {}))

    async def ready(self, request: Request, caller: Principal = NOBODY) -> Response:
        """Readiness: 200 when the process can do its work, else 503 with the problems."""
        problems = self._ready()
        status, code = ("not ready", 503) if problems else ("ready", 200)
        if self._describe is None:
            return replies.json(Health(status, problems), code)
        return replies.json(DeploymentHealth(status, problems, *self._describe()), code)

    async def metrics(self, request: Request, caller: Principal = NOBODY) -> Response:
        """Prometheus' exposition."""
        exposition, content_type = self._metrics()
        return replies.body(content_type, exposition)


def build_health_app(metrics: Metrics, ready: Ready) -> Application:
    """An application with only these routes, for a process without an API."""
    app, health = Application(router=ExactRouter()), HealthRoutes(metrics, ready)
    served = {"/metrics": health.metrics, "/health/live": health.live, "/health/ready": health.ready}
    for path, answer in served.items():
        for method in ("GET", "HEAD"):
            app.router.add(method, path, _handler(answer))
    app.router.fallback = _nothing_else
    return app


def _handler(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """A plain function, because BlackSheep sets attributes on its handlers."""

    async def handle(request: Request) -> Response:
        return await answer(request)

    return handle


async def _nothing_else(request: Request) -> Response:
    return problem(NotFound("only /metrics, /health/live and /health/ready are served here", "path"))
