"""``/openapi.json`` and ``/docs``, made from the table of routes and the Structs of the answers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec
from blacksheep import Request, Response

from engine import __version__
from engine.decisions.request import DecisionRequest
from engine.events import MAX_CUSTOMER_BYTES
from engine.web.api.responses import Schemas, responses, shared, without_bodies
from engine.web.api.route import Route
from engine.web.api.stream_tickets import TicketRequest
from engine.web.api.visitor_tokens import TokenRequest
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


#: Of these fields of a body one at least has to be there.
_EITHER = {
    DecisionRequest: ("customerId", "anonymousId"),
    TicketRequest: ("customerId", "agentId"),
    TokenRequest: ("userId", "anonymousIds"),
}

_SAID = """Errors are `application/problem+json`. A path that is not served answers 404, a method that an address
does not have 405 with `Allow`. Every GET but those of event streams takes HEAD, and addresses that browsers of
other sites may call take OPTIONS. A body may be gzipped (`Content-Encoding: gzip`); its type is not looked at."""


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `routes`."""
    types = list(dict.fromkeys([Problem, *(shape for route in routes for shape in _types(route))]))
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    named = dict(zip(types, schemas, strict=True))
    for shape in components.values():  # a docstring is indented as in its class
        shape["description"] = inspect.cleandoc(shape.get("description", ""))
    for body, fields in _EITHER.items():
        components[body.__name__]["anyOf"] = [{"required": [field]} for field in fields]
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        methods = paths.setdefault(route.path, {})
        methods[route.method.lower()] = operation = _operation(route, named)
        if route.has_head:
            methods["head"] = _head(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Cueline",
            "version": __version__,
            "summary": "Events in, next best actions out",
            "description": _SAID,
        },
        "paths": paths,
        "components": {"schemas": components, "responses": shared(named), "securitySchemes": _SCHEMES},
    }


def _types(route: Route) -> Iterator[type]:
    """What of `route` has a schema of its own."""
    for shape in (route.body, route.answer, route.to_visitors, route.refusal):
        if isinstance(shape, type):
            yield shape


def _operation(route: Route, named: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "summary": route.summary,
        "security": _security(route),
        "responses": responses(route, named),
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


def _head(get: Mapping[str, Any]) -> dict[str, Any]:
    """The HEAD beside the operation `get`."""
    return {
        **get,
        "operationId": "head" + get["operationId"].removeprefix("get"),
        "summary": f"{get['summary']}: whether, and how large",
        "responses": without_bodies(get["responses"]),
    }


def _security(route: Route) -> list[dict[str, list[str]]]:
    """The ways to show a key or token, each with a scope that does (a role, in OpenAPI 3.1)."""
    ways = [way for way in _SCHEMES if way != "ticket" or route.stream]
    return [{way: [str(scope)]} for scope in route.scopes for way in ways]


def _parameters(route: Route) -> list[dict[str, Any]]:
    """Those of the path, which name a customer, an agent or a decision, and those stated."""
    name = {"type": "string", "minLength": 1, "maxLength": MAX_CUSTOMER_BYTES}
    needed = [
        {"name": found, "in": "path", "required": True, "schema": name}
        for found in re.findall(r"{(\w+)}", route.path)
    ]
    text = {"schema": {"type": "string"}}
    return needed + [
        {"name": one.name, "in": one.place, "description": one.description, **text} for one in route.parameters
    ]


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
