"""Requests as clients of all kinds send them: upgrades, old versions, odd heads; and what contradicts itself."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from engine.web.server.heads import MOST_HEADERS
from engine.web.server.protocol import HEAD_BYTES
from tests.flows.api import API, WRITE, Process, serving, settings
from tests.flows.connections import answered, head_of, hung_up, line
from tests.patience import PATIENCE_S

EVENT = b'{"userId":"ann","event":"Product Viewed"}'
TRACK = f"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WRITE}\r\n".encode()
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
STATED = b"Content-Length: %d\r\n\r\n" % len(EVENT)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"%x\r\n" % 10 + EVENT[:10] + b"\r\n%x\r\n" % len(EVENT[10:]) + EVENT[10:] + b"\r\n0\r\n\r\n"


@pytest.fixture
def process() -> Process:
    return Process(settings())


@pytest.fixture
async def api(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(process) as client:
        yield client


async def said_in_steps(api: httpx.AsyncClient, *steps: bytes) -> list[int]:
    """The statuses of the answers to `steps` and one request more, each step read before the next is sent."""
    async with line(api) as (reader, writer):
        for step in steps:
            writer.write(step)
            assert (await api.get("/health/live")).status_code == 200  # what was sent before has been read by now
        writer.write(LIVE + b"\r\n")
        return [(await answered(reader))[0] for _ in range(2)]


@pytest.mark.parametrize(
    "steps",
    [
        (LIVE + H2C + b"\r\n",),
        (TRACK + H2C + STATED + EVENT,),
        (TRACK + H2C + STATED, EVENT),
        (TRACK + H2C + STATED, EVENT[:9], EVENT[9:]),
        (TRACK + H2C + CHUNKED + CHUNKS,),
        (TRACK + H2C + CHUNKED, CHUNKS[:30], CHUNKS[30:-1], CHUNKS[-1:]),
    ],
)
async def test_an_upgrade_is_ignored_and_the_request_answered(
    process: Process, api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, steps: tuple[bytes, ...]
) -> None:
    """As Java's HttpClient and ``curl --http2`` ask for one; the body follows as ever."""
    assert await said_in_steps(api, *steps) == [200, 200]
    assert len(process.log.messages) == steps[0].startswith(b"POST")
    assert caplog.text == ""


async def test_a_pipeline_goes_on_behind_an_upgrade(process: Process, api: httpx.AsyncClient) -> None:
    asked = [
        LIVE + H2C + b"\r\n",
        TRACK + H2C + STATED + EVENT,
        TRACK + H2C + CHUNKED + CHUNKS,
        LIVE + b"\r\n",
    ] * 5
    async with line(api, b"".join(asked)) as (reader, _):
        assert [(await answered(reader))[0] for _ in asked] == [200] * 20
    assert len(process.log.messages) == 10


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_with_http2_is_answered(process: Process, api: httpx.AsyncClient) -> None:
    asking = ["-sS", "--http2", "-H", f"Authorization: Bearer {WRITE}", "--data-binary", EVENT.decode()]
    curl = await asyncio.create_subprocess_exec(
        "curl", *asking, f"{api.base_url}/v1/track", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(curl.communicate(), PATIENCE_S)
    assert msgspec.json.decode(out)["accepted"] == len(process.log.messages) == 1


@pytest.mark.parametrize("blanks", [b" ", b"\t", b" \t "])
async def test_blanks_behind_a_value_belong_to_none(
    process: Process, api: httpx.AsyncClient, blanks: bytes
) -> None:
    key = TRACK.replace(b"Bearer " + WRITE.encode(), b"Bearer " + WRITE.encode() + blanks)
    packed = b"Content-Encoding: identity" + blanks + b"\r\n"
    stated = b"Content-Length: %d%b\r\n\r\n" % (len(EVENT), blanks)
    async with line(api, key + packed + stated + EVENT) as (reader, _):
        assert (await answered(reader))[0] == 200
    assert len(process.log.messages) == 1


@pytest.mark.parametrize("hosts", [b"", b"Host: x\r\nHost: x\r\n", b"Host: x\r\nhost: y\r\n"])
async def test_a_request_names_its_host_once(api: httpx.AsyncClient, hosts: bytes) -> None:
    pipeline = LIVE + b"\r\nGET /health/live HTTP/1.1\r\n" + hosts + b"\r\n" + LIVE + b"\r\n"
    async with line(api, pipeline) as (reader, _):
        assert (await answered(reader))[0] == 200
        status, refusal = await answered(reader)
        assert (status, refusal["code"], refusal["field"]) == (400, "bad_request", "Host")
        assert await hung_up(reader)


async def test_http_1_0_needs_no_host_and_may_name_one(api: httpx.AsyncClient) -> None:
    for host in (b"", b"Host: x\r\n"):
        async with line(api, b"GET /health/live HTTP/1.0\r\n" + host + b"\r\n") as (reader, _):
            assert (await answered(reader))[0] == 200
            assert await hung_up(reader)


async def test_http_1_0_is_given_streams_without_chunks(process: Process, api: httpx.AsyncClient) -> None:
    asked = f"GET /v1/customers/ann/cues HTTP/1.0\r\nX-Api-Key: {API}\r\n\r\n"
    async with line(api, asked.encode()) as (reader, _):
        status, fields = await head_of(reader)
        assert (status, fields["content-type"], fields["connection"]) == (200, "text/event-stream", "close")
        assert not {"transfer-encoding", "content-length"} & fields.keys()
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.readuntil(b"\n\n") == b"retry: 2000\n\n"
            await process.cue("ann", "to an old client")
            frame = await reader.readuntil(b"\n\n")
            process.app.end_streams()
            assert await reader.read() == b": closing\n\n"
    assert frame.startswith(b"id: ")
    assert b"to an old client" in frame


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: 4, 5\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length: 0x4\r\n",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Content-Length: 4\r\n chunked\r\n",
    ],
)
async def test_a_body_whose_length_is_in_doubt_is_refused(
    process: Process, api: httpx.AsyncClient, head: bytes
) -> None:
    async with line(api, TRACK + head + b"\r\n" + CHUNKS + LIVE + b"\r\n") as (reader, _):
        assert (await answered(reader))[0] == 400
        assert await hung_up(reader)
    assert process.log.messages == []


@pytest.mark.parametrize(
    "chunk", [b"z\r\n", b"-1\r\n", b"5\n{1234\r\n", b"5\r\n{12345\r\n", b"f" * 17 + b"\r\n", b'1;a="\r\n']
)
@pytest.mark.parametrize("before", [b"", b"2\r\n{}\r\n"])
async def test_chunks_in_doubt_are_refused(
    process: Process, api: httpx.AsyncClient, chunk: bytes, before: bytes
) -> None:
    async with line(api, TRACK + CHUNKED + before + chunk + b"0\r\n\r\n" + LIVE + b"\r\n") as (reader, _):
        status, refusal = await answered(reader)
        assert (status, refusal["code"]) == (400, "bad_request")
        assert await hung_up(reader)
    async with line(api, TRACK + CHUNKED + before) as (reader, writer):  # and where its handler has read of it
        assert (await api.get("/health/live")).status_code == 200
        writer.write(chunk)
        assert (await answered(reader))[0] == 400
        assert await hung_up(reader)
    assert process.log.messages == []


async def test_http_1_0_has_no_chunks(process: Process, api: httpx.AsyncClient) -> None:
    async with line(api, TRACK.replace(b"/1.1", b"/1.0") + CHUNKED + CHUNKS) as (reader, _):
        status, refusal = await answered(reader)
        assert (status, refusal["field"]) == (400, "Transfer-Encoding")
    assert process.log.messages == []


@pytest.mark.parametrize(("more", "status"), [(-1, 200), (0, 200), (1, 431)])
async def test_so_many_headers_are_taken(api: httpx.AsyncClient, more: int, status: int) -> None:
    head = LIVE + b"a:b\r\n" * (MOST_HEADERS - 1 + more)
    async with line(api, head + b"\r\n") as (reader, _):
        assert (await answered(reader))[0] == status


async def test_headers_without_an_end_are_refused_before_it(api: httpx.AsyncClient) -> None:
    async with line(api, LIVE + b"a:b\r\n" * (MOST_HEADERS + 1)) as (reader, _):
        status, refusal = await answered(reader)
        assert (status, refusal["code"]) == (431, "head_too_large")
        assert await hung_up(reader)


@pytest.mark.parametrize(("more", "status"), [(-1, 200), (0, 200), (1, 431)])
@pytest.mark.parametrize("steps", [1, 3])
async def test_so_many_bytes_of_a_head_are_taken(
    api: httpx.AsyncClient, more: int, status: int, steps: int
) -> None:
    room = HEAD_BYTES + more - len(LIVE) - len(b"a:\r\n\r\n")
    head = LIVE + b"a:" + b"b" * room + b"\r\n\r\n"
    async with line(api) as (reader, writer):
        for step in range(steps):
            writer.write(head[step * len(head) // steps : (step + 1) * len(head) // steps])
            assert (await api.get("/health/live")).status_code == 200
        assert (await answered(reader))[0] == status


async def test_what_a_trailer_says_is_no_header(process: Process, api: httpx.AsyncClient) -> None:
    head = b"POST /v1/track HTTP/1.1\r\nHost: x\r\n" + CHUNKED
    trailer = f"authorization: Bearer {WRITE}\r\n\r\n".encode()
    async with line(api, head + CHUNKS.removesuffix(b"\r\n") + trailer) as (reader, _):
        assert (await answered(reader))[0] == 401
    assert process.log.messages == []


@pytest.mark.parametrize("noise", [b"\0", b"NOISE", b"GET / HTTP/1.1\r\nno header\r\n\r\n"])
async def test_what_came_before_noise_is_answered(process: Process, api: httpx.AsyncClient, noise: bytes) -> None:
    """Also while the answer waits for the log. Noise that could be a request of its own is refused in its turn."""
    process.log.open.clear()
    async with line(api, TRACK + STATED + EVENT + noise) as (reader, _):
        await process.log.asked.acquire()
        process.log.open.set()
        assert (await answered(reader))[0] == 200
        if noise.endswith(b"\r\n\r\n"):
            assert (await answered(reader))[0] == 400
        assert await hung_up(reader)
