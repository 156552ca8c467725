"""What `engine.web` leans on in BlackSheep, beyond what it promises."""

from __future__ import annotations

import re

from blacksheep import Application, Request, Response
from blacksheep.server.routing import Route, Router

from engine.web.server.app import build_app
from engine.web.server.paths import ExactRoute
from engine.web.server.replies import ready_json
from tests.flows.api import Process, settings


async def test_a_handler_of_one_request_is_called_as_it_is() -> None:
    """Not wrapped in a function that binds its arguments by name and builds a response of what it returns."""
    app: Application = Process(settings()).app
    await app.start()
    handlers = [route.handler for routes in app.router.routes.values() for route in routes]
    await app.stop()
    assert {handler.__module__ for handler in handlers} == {build_app.__module__}


async def test_the_routers_of_two_apps_are_two_and_can_be_asked_for_a_method() -> None:
    async def nothing(request: Request) -> Response:
        return Response(204)

    first, second = Application(router=Router()), Application(router=Router())
    first.router.add("GET", "/here", nothing)
    for app in (first, second):
        await app.start()
    assert first.router.get_matching_route("GET", b"/here")
    assert not first.router.get_matching_route("POST", b"/here")
    assert not second.router.get_matching_route("GET", b"/here")


def test_an_answers_content_can_be_read_back() -> None:
    content = ready_json(b"{}").content
    assert content
    assert (content.type, content.body) == (b"application/json", b"{}")


async def test_a_router_makes_its_routes_by_the_method_that_is_overridden() -> None:
    app: Application = Process(settings()).app
    await app.start()
    made = {type(route) for routes in app.router.routes.values() for route in routes}
    await app.stop()
    assert made == {ExactRoute}
    assert Route("/a", None).rx.flags & re.IGNORECASE  # the day it is not, `engine.web.server.paths` may go
    assert not ExactRoute("/a", None).rx.flags & re.IGNORECASE
