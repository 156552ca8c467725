"""``/openapi.json`` and ``/docs``, made from the table of routes and the Structs of the answers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import msgspec
from blacksheep import Request, Response

from engine import __version__
from engine.web.api.routes import Route
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.server.problems import Problem

_SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "a key or visitor token with the scope named here",
    },
    "basic": {"type": "http", "scheme": "basic", "description": "the key as user name, no password"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": "of POST /v1/stream-tickets"},
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `routes`."""
    types = [shape for route in routes for shape in (route.body, route.answer) if isinstance(shape, type)]
    schemas, components = msgspec.json.schema_components(
        [*types, Problem], ref_template="#/components/schemas/{name}"
    )
    named = dict(zip([*types, Problem], schemas, strict=True))
    for shape in components.values():  # a docstring is indented as in its class
        shape["description"] = inspect.cleandoc(shape.get("description", ""))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cueline", "version": __version__, "summary": "Events in, next best actions out"},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SCHEMES},
    }


def _operation(route: Route, named: dict[type, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "summary": route.summary,
        "security": _security(route),
        "responses": {
            str(route.status): {"description": "good", "content": _content(route.answer, named)},
            "default": {
                "description": "a problem",
                "content": {"application/problem+json": {"schema": named[Problem]}},
            },
        },
    }
    if route.body is not None:
        schema = route.body if isinstance(route.body, dict) else named[route.body]
        operation["requestBody"] = {
            "description": "JSON, plain or with Content-Encoding: gzip",
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    return operation


def _security(route: Route) -> list[dict[str, list[str]]]:
    """The ways to show a key or token, each with a scope that does (a role, in OpenAPI 3.1)."""
    ways = [way for way in _SCHEMES if way != "ticket" or route.stream]
    return [{way: [str(scope)]} for scope in route.scopes for way in ways]


def _parameters(route: Route) -> list[dict[str, Any]]:
    text = {"schema": {"type": "string"}}
    needed = [
        {"name": name, "in": "path", "required": True, **text} for name in re.findall(r"{(\w+)}", route.path)
    ]
    return needed + [
        {"name": one.name, "in": one.place, "description": one.description, **text} for one in route.parameters
    ]


def _content(answer: type | str, named: dict[type, dict[str, Any]]) -> dict[str, Any]:
    return {answer: {}} if isinstance(answer, str) else {"application/json": {"schema": named[answer]}}


class Documentation:
    """The document and a page that shows it, without resources from other hosts."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._document = msgspec.json.encode(document(routes))
        self._page = files("engine.web.api").joinpath("docs.html").read_bytes()

    async def openapi(self, request: Request, caller: Principal) -> Response:
        """The OpenAPI document."""
        return replies.ready_json(self._document)

    async def page(self, request: Request, caller: Principal) -> Response:
        """The page."""
        return replies.body("text/html; charset=utf-8", self._page)
