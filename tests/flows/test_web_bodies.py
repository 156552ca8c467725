"""Bodies that arrive: what they may hold in memory together, and what they may cost before their key is known."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest

from engine.errors import Overloaded
from engine.web.server.body_budget import BodyBudget
from engine.web.server.limits import UNCOUNTED_BYTES
from tests.flows.api import WRITE, WRITER, Process, serving, settings
from tests.flows.connections import Connection, answered, line

EVENT = b'{"type":"track","userId":"ann","event":"Product Viewed"}'
BATCH = b'{"writeKey":"%b","batch":[%b],"pad":"' % (WRITE.encode(), EVENT)
SIZE = 400 * 1024
ROOM = 2 * (SIZE - UNCOUNTED_BYTES)


def batch(size: int, head: bytes = b"") -> tuple[bytes, bytes]:
    """Head and body of a batch of `size` bytes that shows its key in the body."""
    body = BATCH + b"x" * (size - len(BATCH) - 2) + b'"}'
    return b"POST /v1/batch HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n" % (head, size), body


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    monkeypatch.setattr("engine.web.api.events.UNKNOWN_BODIES", ROOM)
    monkeypatch.setattr("engine.web.api.events.KNOWN_BODIES", ROOM)
    return Process(settings())


@pytest.fixture
async def api(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(process) as client:
        yield client


async def half_said(api: httpx.AsyncClient, stack: AsyncExitStack, head: bytes = b"") -> tuple[Connection, bytes]:
    """A connection on which all but the end of a batch has been said and read; and that end."""
    start, body = batch(SIZE, head)
    connection = await stack.enter_async_context(line(api, start + body[:-2]))
    await connection[1].drain()
    assert (await api.get("/health/live")).status_code == 200
    return connection, body[-2:]


KEY = f"Authorization: Bearer {WRITE}\r\n".encode()


@pytest.mark.parametrize(("ours", "others"), [(b"", KEY), (KEY, b"")])
async def test_bodies_that_arrive_are_bounded_together(
    process: Process, api: httpx.AsyncClient, ours: bytes, others: bytes
) -> None:
    """Those whose key is not known yet, and those that show one in a header, keep out only their like."""
    async with AsyncExitStack() as stack:
        arriving = [await half_said(api, stack, ours) for _ in range(2)]
        (refused, _), _ = await half_said(api, stack, ours)
        status, refusal = await answered(refused)
        assert (status, refusal["code"]) == (503, "overloaded")
        async with line(api, b"".join(batch(SIZE, others))) as (reader, _):
            assert (await answered(reader))[0] == 200
        for (reader, writer), rest in arriving:
            writer.write(rest)
            assert (await answered(reader))[0] == 200
        (reader, writer), rest = await half_said(api, stack, ours)  # there is room again
        writer.write(rest)
        assert (await answered(reader))[0] == 200
    assert len(process.log.messages) == 4


async def test_large_bodies_that_do_not_arrive_keep_out_no_event(process: Process, api: httpx.AsyncClient) -> None:
    async with AsyncExitStack() as stack:
        for head in (b"", KEY):
            (refused, _), _ = [await half_said(api, stack, head) for _ in range(3)][-1]
            assert (await answered(refused))[0] == 503
        for head in (b"", KEY):
            for size, status in ((UNCOUNTED_BYTES, 200), (SIZE, 503)):
                async with line(api, b"".join(batch(size, head))) as (reader, _):
                    assert (await answered(reader))[0] == status, (head, size)


async def test_what_is_only_stated_takes_no_room(process: Process, api: httpx.AsyncClient) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(line(api, batch(SIZE)[0]))
        async with line(api, b"".join(batch(SIZE))) as (reader, _):
            assert (await answered(reader))[0] == 200


async def test_who_hangs_up_gives_back_its_room(process: Process, api: httpx.AsyncClient) -> None:
    for _ in range(6):
        async with AsyncExitStack() as stack:
            await half_said(api, stack)
    async with line(api, b"".join(batch(SIZE))) as (reader, _):
        assert (await answered(reader))[0] == 200


def test_a_budget_is_taken_to_the_last_byte() -> None:
    budget = BodyBudget(10)
    budget.take(4)
    budget.take(6)
    with pytest.raises(Overloaded):
        budget.take(1)
    budget.give_back(6)
    budget.take(5)
    assert budget.taken == 9
    with pytest.raises(Overloaded):
        budget.take(2)
    budget.take(1)
    budget.take(0)


@pytest.mark.parametrize("inside", [b"0", b"[],", b'"\\ud800",'])
async def test_a_gzip_bomb_is_refused_at_the_limit(api: httpx.AsyncClient, inside: bytes) -> None:
    packed = gzip.compress(inside * (20_000_000 // len(inside)))
    assert len(packed) < 50_000
    tracemalloc.start()
    try:
        answer = await api.post("/v1/batch", content=packed, headers={"content-encoding": "gzip"})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 413
    assert peak < 4 * 500 * 1024


async def test_nothing_is_made_of_what_is_shown_in_place_of_a_key(api: httpx.AsyncClient) -> None:
    """Packed as small as it gets, unpacked just below the limit: 170,000 lists where the key should be."""
    body = b'{"writeKey":[' + b"[]," * 170_000 + b"0]}"
    packed = gzip.compress(body)
    await api.post("/v1/batch", content=packed, headers={"content-encoding": "gzip"})  # what is made once is made
    tracemalloc.start()
    try:
        answer = await api.post("/v1/batch", content=packed, headers={"content-encoding": "gzip"})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 401
    assert peak < 4 * len(body)  # its lists would take 56 bytes for three of these


async def test_with_a_key_in_the_body_all_is_as_with_one_in_a_header(
    process: Process, api: httpx.AsyncClient
) -> None:
    keyed = await api.post("/v1/batch", content=BATCH + b'"}')
    headed = await api.post("/v1/batch", content=BATCH + b'"}', headers=WRITER)
    assert keyed.json() == headed.json() == {"accepted": 1, "rejected": 0, "errors": []}
