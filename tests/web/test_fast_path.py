"""Which heads are remembered for the fast path, and for what."""

from __future__ import annotations

import pytest
from blacksheep import Content, Request, Response

from engine.meter import PrometheusMeter
from engine.web.server.bulkheads import Bulkhead
from engine.web.server.fast_path import LARGEST, LONGEST_HEAD, MOST_FIELDS, MOST_HEADS, FastRoute, KnownHeads

PATH = b"/v1/decisions"


async def answer(request: Request) -> Response:
    return Response(200, None, Content(b"text/plain", await request.read() or b""))


def known() -> KnownHeads:
    return KnownHeads({PATH: FastRoute(answer, Bulkhead("decisions", 1, PrometheusMeter()))})


def head(length: int, more: bytes = b"") -> bytes:
    return b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nContent-Length: %d%b\r\n\r\n" % (length, more)


def headers(length: int) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), (b"content-length", b"%d" % length)]


async def test_a_known_head_makes_the_request_that_was_parsed() -> None:
    heads = known()
    assert heads.get(head(4)) is None
    heads.learn(head(4), PATH, headers(4), len(head(4)) + 4)
    found = heads.get(head(4))
    assert found is not None
    assert found.size == len(head(4)) + 4
    request = found.request({"client": ("1.2.3.4", 5)}, b"body")
    assert (request.method, request.path, request.query) == ("POST", "/v1/decisions", {})
    assert request.get_first_header(b"Content-Length") == b"4"
    assert (await found.handler(request)).content.body == b"body"  # type: ignore[union-attr]


async def test_one_request_changes_nothing_of_the_next() -> None:
    heads = known()
    heads.learn(head(4), PATH, headers(4), len(head(4)) + 4)
    found = heads.get(head(4))
    assert found is not None
    found.request({}, b"body").add_header(b"X-More", b"1")
    assert found.request({}, b"body").get_first_header(b"x-more") is None


@pytest.mark.parametrize(
    ("said", "path", "fields"),
    [
        (head(4), b"/v1/other", headers(4)),
        (head(4), PATH, [(b"host", b"x")]),
        (head(4), PATH, [(b"host", b"x"), (b"transfer-encoding", b"chunked")]),
        (head(4, b"\r\nX: " + b"x" * LONGEST_HEAD), PATH, headers(4)),
        (head(LARGEST), PATH, headers(LARGEST)),
    ],
)
def test_what_is_not_for_the_fast_path_is_not_remembered(
    said: bytes, path: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    heads = known()
    heads.learn(said, path, fields, len(said) + int(dict(fields).get(b"content-length", 0)))
    assert heads.get(said) is None


@pytest.mark.parametrize("more", [0, 1])
def test_the_largest_request_and_the_longest_head_are_still_remembered(more: int) -> None:
    heads = known()
    length = LARGEST - len(head(LARGEST))
    heads.learn(head(length + more), PATH, headers(length + more), LARGEST + more)
    assert (heads.get(head(length + more)) is None) is bool(more)
    filler = b"\r\nX: " + b"x" * (LONGEST_HEAD - len(head(4)) - 5 + more)
    heads.learn(head(4, filler), PATH, headers(4), len(head(4, filler)) + 4)
    assert (heads.get(head(4, filler)) is None) is bool(more)


def test_no_more_are_remembered_than_there_is_room_for() -> None:
    heads = known()
    for number in range(3 * MOST_HEADS):
        said = head(4, b"\r\nX: %d" % number)
        heads.learn(said, PATH, headers(4), len(said) + 4)
        assert heads.get(said) is not None
        assert len(heads) <= MOST_HEADS


def test_those_in_use_outlive_any_number_that_is_used_once() -> None:
    heads = known()
    heads.learn(head(4), PATH, headers(4), len(head(4)) + 4)
    used = heads.get(head(4))
    for number in range(10 * MOST_HEADS):
        said = head(4, b"\r\nX: %d" % number)
        heads.learn(said, PATH, headers(4), len(said) + 4)
        if number % (MOST_HEADS // 4) == 0:
            assert (heads.get(head(4)) or heads.renew(head(4))) is used


def test_one_that_is_not_used_is_forgotten() -> None:
    heads = known()
    for number in range(MOST_HEADS + 1):
        said = head(4, b"\r\nX: %d" % number)
        heads.learn(said, PATH, headers(4), len(said) + 4)
    first = head(4, b"\r\nX: 0")
    assert heads.get(first) is heads.renew(first) is None


@pytest.mark.parametrize("more", [0, 1])
def test_of_a_head_with_many_fields_nothing_is_remembered(more: int) -> None:
    heads = known()
    fields = headers(4) + [(b"x", b"")] * (MOST_FIELDS - 2 + more)
    heads.learn(head(4), PATH, fields, len(head(4)) + 4)
    assert (heads.get(head(4)) is None) is bool(more)


@pytest.mark.parametrize(("size", "remembered"), [(3, False), (4, True), (5, False)])
def test_a_head_that_states_another_size_is_not_remembered(size: int, remembered: bool) -> None:
    heads = known()
    heads.learn(head(4), PATH, headers(4), len(head(4)) + size)
    assert (heads.get(head(4)) is not None) is remembered
