"""What a decision may be asked: a caller's mistake names its field."""

from __future__ import annotations

import json

import msgspec
import pytest

from engine.customer_id import customer_id
from engine.decisions.request import DecisionRequest, read_request
from engine.errors import BadRequest
from engine.events import CHANNELS

GOOD = {"customerId": "ada", "channel": "web"}


def test_defaults() -> None:
    request = read_request(b'{"customerId": null, "anonymousId": "visitor", "channel": "web"}')
    assert request == DecisionRequest("web", None, customer_id("visitor"))
    assert (request.customer, request.limit, request.peek, request.deadline_ms) == ("visitor", 3, False, 0)


def test_the_known_name_goes_before_the_anonymous_one() -> None:
    assert read_request(b'{"customerId": "ada", "anonymousId": "visitor", "channel": "web"}').customer == "ada"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"customerId": ""}, "customerId"),
        ({"customerId": 7}, "customerId"),
        ({"customerId": "ü" * 129}, "customerId"),
        ({"customerId": None, "anonymousId": "x" * 257}, "anonymousId"),
        ({"channel": ""}, "channel"),
        ({"channel": None}, "channel"),
        ({"channel": "fax"}, "channel"),
        ({"limit": 0}, "limit"),
        ({"limit": 21}, "limit"),
        ({"limit": 2.5}, "limit"),
        ({"deadlineMs": -1}, "deadlineMs"),
        ({"deadlineMs": 10_001}, "deadlineMs"),
        ({"placements": [""]}, "placements"),
        ({"placements": ["hero", 3]}, "placements[1]"),
        ({"placements": ["x"] * 21}, "placements"),
        ({"context": {"sell": 0}}, "context.sell"),
        ({"context": {"sell": 1e9}}, "context.sell"),
        ({"context": {"sell": "much"}}, "context[...]"),
        ({"peek": 1}, "peek"),
        ({"limits": 3}, "limits"),
    ],
)
def test_a_mistake_names_its_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_request(json.dumps(GOOD | change).encode())
    assert caught.value.field == field
    assert caught.value.detail


def test_what_is_documented_is_what_is_taken() -> None:
    _, shapes = msgspec.json.schema_components([DecisionRequest])
    shown = shapes["DecisionRequest"]["properties"]
    assert shown["channel"]["enum"] == list(CHANNELS)
    for channel in CHANNELS:
        assert asked(channel=channel).channel == channel
    for field in ("limit", "deadlineMs"):
        least, most = shown[field]["minimum"], shown[field]["maximum"]
        asked(**{field: least})
        asked(**{field: most})
        for beyond in (least - 1, most + 1):
            with pytest.raises(BadRequest, match=f"to {most} is allowed"):
                asked(**{field: beyond})
    full = ["x" * shown["placements"]["items"]["maxLength"]] * shown["placements"]["maxItems"]
    asked(placements=full)
    for placements in ([*full, "x"], [full[0] + "x"], [""]):
        with pytest.raises(BadRequest, match="are allowed"):
            asked(placements=placements)


def asked(**change: object) -> DecisionRequest:
    """`GOOD` with a change, read."""
    return read_request(json.dumps(GOOD | change).encode())


def test_what_is_missing_is_named() -> None:
    with pytest.raises(BadRequest) as caught:
        read_request(b'{"customerId": "ada"}')
    assert caught.value.field == "channel"
    with pytest.raises(BadRequest) as caught:
        read_request(b'{"channel": "web"}')
    assert caught.value.field == "customerId"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"channel": "web", "customerId": "\xff"}',
        b'{"channel": "web", "customerId": "\\ud800"}',
        b'{"channel": "web", "customerId": "ada", "context": {"sell": NaN}}',
        b'{"channel": "web", "customerId": "ada", "context": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_request(body)
