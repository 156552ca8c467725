"""What an address may answer, for the OpenAPI document: every status with its shape and its headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.web.api.route import Route
from engine.web.server.problems import Problem

Schemas = Mapping[type, dict[str, Any]]

_SECONDS = {"schema": {"type": "integer", "minimum": 1}, "required": True}
_WAIT = {"Retry-After": {"description": "seconds after which to send the same again", **_SECONDS}}
_TEXT = {"schema": {"type": "string"}, "required": True}

#: Status -> when, and the headers that are always there.
PROBLEMS: dict[int, tuple[str, dict[str, Any]]] = {
    400: ("Something sent is wrong; `field` names it.", {}),
    401: ("No valid key was shown.", {"WWW-Authenticate": _TEXT}),
    403: ("The key, or token, does not open this.", {}),
    404: ("What was asked for is not there.", {}),
    408: ("The request did not arrive in time.", {"Connection": _TEXT}),
    413: ("The body is too large.", {}),
    415: ("The body has a Content-Encoding other than gzip.", {"Accept-Encoding": _TEXT}),
    429: (
        "This key, address or visitor asked for too much, or the address for too much without a valid key.",
        _WAIT,
    ),
    431: ("The line and headers of the request are too large.", {}),
    500: ("A fault of ours; it is in the log.", {}),
    503: ("Too many requests are under way, or something behind the API is away.", _WAIT),
    505: ("The request is of another version of HTTP than 1.1 and 1.0.", {}),
}
_PROBLEM_JSON = "application/problem+json"
_SITE = {"description": "the page's site, where it may read this", "schema": {"type": "string"}}


def shared(schemas: Schemas) -> dict[str, Any]:
    """The components that `responses` refers to."""
    return {f"Problem{status}": _problem(status, schemas[Problem]) for status in PROBLEMS}


def responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    """The answers of `route` by their status."""
    good: dict[str, Any] = {"description": "good", "content": _content(route, schemas)}
    if route.callers:
        good["headers"] = {"Access-Control-Allow-Origin": _SITE}
    found = {status: {"$ref": f"#/components/responses/Problem{status}"} for status in _statuses(route)}
    if route.refusal is not None:
        found[400] = _problem(400, {"anyOf": [schemas[route.refusal], schemas[Problem]]})
    if route.unready:
        found[503] = {**good, "description": "not now, and why"}
    return {str(route.status): good, **{str(status): answer for status, answer in sorted(found.items())}}


def without_bodies(answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers to a HEAD where those to a GET are `answers`: the same, without their contents."""
    return {
        status: {"description": PROBLEMS[int(status)][0], "headers": PROBLEMS[int(status)][1]}
        if "$ref" in answer
        else {name: value for name, value in answer.items() if name != "content"}
        for status, answer in answers.items()
    }


def _statuses(route: Route) -> Iterator[int]:
    """Those of `PROBLEMS` that `route` may answer."""
    yield from (400, 408, 431, 500, 505)  # of every request, be it no HTTP
    if route.scopes:
        yield from (401, 403, 429)
    if route.body is not None:
        yield from (413, 415)
    if route.may_miss:
        yield 404
    if route.bulkhead is not None:
        yield 503


def _problem(status: int, schema: dict[str, Any]) -> dict[str, Any]:
    when, headers = PROBLEMS[status]
    return {"description": when, "headers": headers, "content": {_PROBLEM_JSON: {"schema": schema}}}


def _content(route: Route, schemas: Schemas) -> dict[str, Any]:
    if isinstance(route.answer, str):
        return {route.answer: {}}
    schema = schemas[route.answer]
    if route.to_visitors is not None:
        schema = {"anyOf": [schema, schemas[route.to_visitors]]}
    return {"application/json": {"schema": schema}}
