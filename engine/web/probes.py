"""The small application of a process that serves people nothing: ``/metrics`` and ``/health/*``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from blacksheep import Application, Request, Response
from blacksheep.server.routing import Router

from engine.ports import Meter
from engine.web.limits import Gate
from engine.web.machines import Machines


@dataclass(frozen=True, slots=True)
class Probed:
    """What a process tells of itself: exposition with its content type, and its problems by name."""

    meter: Meter
    metrics: Callable[[], tuple[bytes, str]]
    ready: Callable[[], Mapping[str, str]]


def build_probes(probed: Probed) -> Application:
    """The application; serve it as `engine.web.serve` does."""
    machines = Machines(probed, Gate(1))
    app = Application(router=Router())
    for path, probe in (
        ("/metrics", machines.metrics),
        ("/health/live", machines.live),
        ("/health/ready", machines.ready),
    ):
        app.router.add_get(path, _handler(probe))
    return app


def _handler(probe: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """A function of its own: BlackSheep marks handlers, which a bound method does not allow."""

    async def handle(request: Request) -> Response:
        return await probe(request)

    return handle
