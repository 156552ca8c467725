"""Events in over HTTP: what is accepted is in the log, what is refused is named."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from engine.errors import Overloaded, Unavailable
from engine.events import EARLIEST_MS, Kind
from engine.web.server.limits import unpack
from engine.web.server.problems import TooLarge
from tests.flows.api import AGENT, API, NOW, WRITE, WRITER, Process, StillClock, calling, serving, settings
from tests.patience import PATIENCE_S

CALLS: dict[str, dict[str, Any]] = {
    "track": {"event": "Product Viewed", "properties": {"price": 2}},
    "identify": {},
    "page": {},
    "screen": {},
    "group": {"groupId": "g"},
    "alias": {"previousId": "p"},
}


def view(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Product Viewed", "userId": "ann", "messageId": "m1", **fields}


def checked(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize("call", CALLS)
async def test_each_call_lands_in_the_log(process: Process, api: httpx.AsyncClient, call: str) -> None:
    answer = await api.post(
        f"/v1/{call}", json={"userId": "ann", "messageId": "m1", **CALLS[call]}, headers=WRITER
    )
    assert (answer.status_code, answer.json()) == (200, {"messageId": "m1", "accepted": 1})
    (message,) = process.log.messages
    assert (message.customer, message.event.id, message.event.at) == ("ann", "m1", NOW)
    assert message.event.kind != Kind.OTHER
    assert process.meter.value("events_accepted") == 1


async def test_an_id_is_made_when_the_sender_has_none(process: Process, api: httpx.AsyncClient) -> None:
    answers = [await api.post("/v1/page", json={"anonymousId": "a"}, headers=WRITER) for _ in range(2)]
    ids = [answer.json()["messageId"] for answer in answers]
    assert [message.event.id for message in process.log.messages] == ids
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    "headers",
    [
        WRITER,
        {"authorization": "Basic " + base64.b64encode(f"{WRITE}:".encode()).decode()},
        {"authorization": "basic " + base64.b64encode(b"write-key-0:").decode()},
        {"x-api-key": WRITE},
    ],
)
async def test_any_write_key_opens_in_any_of_its_places(api: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await api.post("/v1/track", json=view(), headers=headers)).status_code == 200


async def test_a_write_key_may_lie_in_the_body(process: Process, api: httpx.AsyncClient) -> None:
    assert (await api.post("/v1/track", json=view(writeKey=WRITE))).status_code == 200
    assert (await api.post("/v1/batch", json={"batch": [view()], "writeKey": WRITE})).status_code == 200
    assert len(process.log.messages) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer write-key-"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic w7/Dvw=="},
        {"authorization": f"Digest {WRITE}"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
async def test_a_wrong_key_is_refused(
    process: Process, api: httpx.AsyncClient, headers: dict[str, str], path: str
) -> None:
    problem = checked(
        await api.post(path, json={**view(writeKey="guess"), "batch": [view()]}, headers=headers), 401
    )
    assert (problem["code"], problem["field"]) == ("not_authorised", "Authorization")
    assert process.log.messages == []


async def test_without_configured_keys_nobody_is_let_in() -> None:
    async with calling(Process(settings(write_keys=[], api_keys=[""]))) as api:
        checked(await api.post("/v1/track", json=view(), headers={"authorization": "Bearer "}), 401)
        checked(await api.get("/v1/rulebook", headers={"x-api-key": ""}), 401)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"", "malformed", ""),
        (b"{", "malformed", ""),
        (b"[]", "malformed", ""),
        (b"\xff", "malformed", ""),
        (json.dumps(view(userId=None)).encode(), "missing_customer", "userId"),
        (json.dumps(view(event=7.5)).encode(), "bad_field", "event"),
        (json.dumps(view(messageId="m" * 101)).encode(), "too_large", "messageId"),
        (json.dumps(view(timestamp="3000-01-01T00:00:00Z")).encode(), "bad_time", "timestamp"),
        (json.dumps(view(timestamp="1999-01-01T00:00:00Z")).encode(), "bad_time", "timestamp"),
        (json.dumps(view(properties={"price": float("nan")})).encode(), "bad_number", "properties.price"),
        (json.dumps(view(properties={"price": "NaN"})).encode(), "bad_number", "properties.price"),
        (json.dumps(view(properties={"price": -1})).encode(), "bad_number", "properties.price"),
    ],
)
async def test_a_bad_event_is_a_400_that_names_the_field(
    process: Process, api: httpx.AsyncClient, body: bytes, code: str, field: str
) -> None:
    problem = checked(await api.post("/v1/track", content=body, headers=WRITER), 400)
    assert (problem["code"], problem.get("field", "")) == (code, field)
    assert process.meter.value("events_rejected", code) == 1
    assert process.log.messages == []


async def test_a_log_from_before_2000_is_refused_under_a_replays_clock() -> None:
    """It was acknowledged, and a dead letter behind that."""
    at = EARLIEST_MS - 2
    process = Process(settings(), clock=StillClock(EARLIEST_MS + 1))
    batch = [view(messageId=f"m{i}", timestamp=at + i) for i in range(5)]
    async with calling(process) as api:
        answer = (await api.post("/v1/batch", json={"batch": batch}, headers=WRITER)).json()
        alone = checked(await api.post("/v1/track", json=batch[1], headers=WRITER), 400)
    assert (answer["accepted"], answer["rejected"]) == (3, 2)
    assert [(fault["index"], fault["code"], fault["field"]) for fault in answer["errors"]] == [
        (0, "bad_time", "timestamp"),
        (1, "bad_time", "timestamp"),
    ]
    assert (alone["code"], alone["field"]) == ("bad_time", "timestamp")
    assert alone["detail"].startswith("before 2000-01-01")
    kept = [message.event.at for message in process.log.messages]
    assert kept == [EARLIEST_MS, EARLIEST_MS + 1, EARLIEST_MS + 1]  # not after now


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 4_096):
        yield body[start : start + 4_096]


def heavy(size: int) -> bytes:
    empty = json.dumps(view(context="")).encode()
    return json.dumps(view(context="x" * (size - len(empty)))).encode()


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_event_may_weigh_32_kilobytes(process: Process, chunked: bool) -> None:
    async with serving(process) as api:
        for size, status in ((32 * 1024, 200), (32 * 1024 + 1, 413), (33 * 1024, 413)):
            body = heavy(size)
            answer = await api.post("/v1/track", content=in_pieces(body) if chunked else body, headers=WRITER)
            assert answer.status_code == status
        assert answer.json()["code"] == "too_large"
    assert len(process.log.messages) == 1
    assert process.meter.value("events_rejected", "too_large") == 2


async def test_a_batch_may_weigh_500_kilobytes(process: Process) -> None:
    item = heavy(30 * 1024)
    sixteen = b'{"batch":[' + b",".join([item] * 16) + b"]}"
    async with serving(process) as api:
        assert (await api.post("/v1/batch", content=sixteen, headers=WRITER)).status_code == 200
        too_large = sixteen + b" " * (501 * 1024 - len(sixteen))
        for body, how in ((too_large, ""), (gzip.compress(too_large), " when unpacked")):
            headers = GZIPPED if how else WRITER
            problem = checked(await api.post("/v1/batch", content=body, headers=headers), 413)
            assert problem["detail"] == f"larger than 512000 bytes{how}: send it in parts"
    assert len(process.log.messages) == 16


GZIPPED = {**WRITER, "content-encoding": "gzip"}


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_may_be_gzipped(process: Process, chunked: bool) -> None:
    single, batch = json.dumps(view()).encode(), json.dumps({"batch": [view(), view()]}).encode()
    async with serving(process) as api:
        for path, body in (("/v1/track", single), ("/v1/batch", batch)):
            packed = gzip.compress(body)
            content = in_pieces(packed) if chunked else packed
            assert (await api.post(path, content=content, headers=GZIPPED)).status_code == 200
        question = gzip.compress(b'{"customerId":"ann","channel":"web"}')
        headers = {**AGENT, "content-encoding": "GZip"}
        assert (await api.post("/v1/decisions", content=question, headers=headers)).status_code == 200
    assert len(process.log.messages) == 3


async def test_a_gzipped_body_may_carry_its_write_key(process: Process, api: httpx.AsyncClient) -> None:
    body = gzip.compress(json.dumps(view(writeKey=WRITE)).encode())
    answer = await api.post("/v1/track", content=body, headers={"content-encoding": "gzip"})
    assert (answer.status_code, len(process.log.messages)) == (200, 1)


async def test_a_gzipped_event_may_weigh_32_kilobytes_unpacked(process: Process, api: httpx.AsyncClient) -> None:
    for size, status in ((32 * 1024, 200), (32 * 1024 + 1, 413)):
        answer = await api.post("/v1/track", content=gzip.compress(heavy(size)), headers=GZIPPED)
        assert answer.status_code == status
    assert checked(answer, 413)["code"] == "too_large"
    assert process.meter.value("events_rejected", "too_large") == 1


async def test_a_bomb_is_refused(process: Process, api: httpx.AsyncClient) -> None:
    bomb = gzip.compress(bytes(64 << 20), 9)
    assert len(bomb) < 500 * 1024  # small enough to be read
    assert checked(await api.post("/v1/batch", content=bomb, headers=GZIPPED), 413)["code"] == "too_large"
    assert process.log.messages == []


def test_a_bomb_takes_no_more_memory_than_the_limit() -> None:
    bomb, limit = gzip.compress(bytes(64 << 20), 9), 32 * 1024
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            unpack(bomb, limit)
        assert tracemalloc.get_traced_memory()[1] < 4 * limit + len(bomb)
    finally:
        tracemalloc.stop()


PACKED = gzip.compress(json.dumps(view()).encode(), mtime=0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        json.dumps(view()).encode(),
        zlib.compress(json.dumps(view()).encode()),
        PACKED[:-1],
        PACKED[:-5] + bytes(5),
        PACKED[:5],
        PACKED + PACKED,
        PACKED + b"x",
    ],
)
async def test_damaged_gzip_is_a_400_that_names_the_header(
    process: Process, api: httpx.AsyncClient, body: bytes
) -> None:
    assert checked(await api.post("/v1/track", content=body, headers=GZIPPED), 400)["field"] == "Content-Encoding"
    assert process.log.messages == []


@pytest.mark.parametrize(
    ("coding", "status"),
    [("identity", 200), ("", 200), ("br", 415), ("deflate", 415), ("gzip, gzip", 415), ("\xff", 415)],
)
async def test_no_other_encoding_is_taken(api: httpx.AsyncClient, coding: str, status: int) -> None:
    headers = {**WRITER, "content-encoding": coding.encode("latin-1")}
    answer = await api.post("/v1/track", json=view(), headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == status
    if status == 415:
        problem = checked(answer, 415)
        assert (problem["code"], problem["field"]) == ("wrong_encoding", "Content-Encoding")
        assert answer.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("coding", ["GZip", "x-gzip", "gzip,", " , identity, gzip"])
async def test_gzip_may_be_written_in_several_ways(process: Process, api: httpx.AsyncClient, coding: str) -> None:
    headers = {**WRITER, "content-encoding": coding}
    assert (await api.post("/v1/track", content=PACKED, headers=headers)).status_code == 200
    assert len(process.log.messages) == 1


async def test_a_batch_may_hold_2500_events(process: Process, api: httpx.AsyncClient) -> None:
    item = {"type": "page", "userId": "a"}
    answer = await api.post("/v1/batch", json={"batch": [item] * 2_500}, headers=WRITER)
    assert answer.json() == {"accepted": 2_500, "rejected": 0, "errors": []}
    problem = checked(await api.post("/v1/batch", json={"batch": [item] * 2_501}, headers=WRITER), 400)
    assert (problem["code"], problem["field"]) == ("too_large", "batch")
    assert problem["detail"] == "more than 2500 events: split it"
    assert len(process.log.messages) == 2_500


async def test_what_is_wrong_with_one_event_of_a_batch_does_not_stop_the_others(
    process: Process, api: httpx.AsyncClient
) -> None:
    batch = [
        view(),
        7,
        view(userId=None),
        view(context="x" * 40_000),
        view(properties={"price": -1}),
        view(messageId="m2"),
    ]
    answer = await api.post("/v1/batch", json={"batch": batch}, headers=WRITER)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (2, 4)
    assert [(error["index"], error["code"], error["field"]) for error in body["errors"]] == [
        (1, "malformed", ""),
        (2, "missing_customer", "userId"),
        (3, "too_large", ""),
        (4, "bad_number", "properties.price"),
    ]
    assert all(error["detail"] for error in body["errors"])
    assert [message.event.id for message in process.log.messages] == ["m1", "m2"]
    assert process.meter.value("events_accepted") + process.meter.value("events_rejected") == len(batch)


async def test_a_batch_of_which_nothing_can_be_taken_is_a_400(process: Process, api: httpx.AsyncClient) -> None:
    problem = checked(await api.post("/v1/batch", json={"batch": [view(userId=None), 7]}, headers=WRITER), 400)
    assert (problem["accepted"], problem["rejected"], problem["field"]) == (0, 2, "batch[0].userId")
    assert len(problem["errors"]) == 2
    for body in (b"{}", b'{"batch":[]}', b'{"batch":{}}', b'{"batch":[{]}', b"["):
        checked(await api.post("/v1/batch", content=body, headers=WRITER), 400)
    assert process.log.messages == []


async def test_the_batchs_sent_at_takes_the_skew_out(process: Process, api: httpx.AsyncClient) -> None:
    batch = {"batch": [view(timestamp="2020-01-01T00:00:00Z")], "sentAt": "2020-01-01T00:01:00Z"}
    await api.post("/v1/batch", json=batch, headers=WRITER)
    assert process.log.messages[0].event.at == NOW - 60_000


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
async def test_no_2xx_before_the_log_has_it(process: Process, api: httpx.AsyncClient, path: str) -> None:
    process.log.open.clear()
    call = asyncio.create_task(api.post(path, json={**view(), "batch": [view()]}, headers=WRITER))
    await process.log.asked.acquire()
    assert not call.done()
    assert process.meter.value("events_accepted") == 0
    process.log.open.set()
    assert (await call).status_code == 200


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
@pytest.mark.parametrize(("fault", "wait"), [(Unavailable("no broker"), "1"), (Overloaded("buffer full", 7), "7")])
async def test_when_the_log_is_away_the_sender_is_told_when_to_come_back(
    process: Process, api: httpx.AsyncClient, path: str, fault: Exception, wait: str
) -> None:
    process.log.fault = fault  # type: ignore[assignment]
    answer = await api.post(path, json={**view(), "batch": [view()]}, headers=WRITER)
    checked(answer, 503)
    assert answer.headers["retry-after"] == wait
    assert process.meter.value("events_accepted") == 0


async def test_one_request_too_many_is_told_to_come_back() -> None:
    process = Process(settings(max_in_flight=2))
    process.log.open.clear()
    async with serving(process) as api:
        under_way = [asyncio.create_task(api.post("/v1/page", json=view(), headers=WRITER)) for _ in range(2)]
        for _ in under_way:
            await process.log.asked.acquire()
        refused = await api.post("/v1/page", json=view(), headers=WRITER)
        problem = checked(refused, 503)
        assert (problem["code"], refused.headers["retry-after"]) == ("overloaded", "1")
        assert (await api.get("/health/live")).status_code == 200
        assert 'cueline_http_in_flight{bulkhead="events"} 2.0' in (await api.get("/metrics")).text
        process.log.open.set()
        assert [answer.status_code for answer in await asyncio.gather(*under_way)] == [200, 200]
        assert (await api.post("/v1/page", json=view(), headers=WRITER)).status_code == 200
    assert process.meter.value("http_errors", "503") == 1


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/v1/decisions", "/v1/outcomes"])
async def test_who_sends_slowly_keeps_nobody_out_and_is_let_go(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.web.server.limits.ARRIVES_WITHIN_S", 0.3)
    async with serving(Process(settings(max_in_flight=2))) as api:
        started = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {API}\r\nContent-Length: 100\r\n\r\n{{"
        if path in ("/v1/track", "/v1/batch"):
            started = started.replace(f"X-Api-Key: {API}\r\n", "")  # the key may still come, in the body
        slow = [await asyncio.open_connection(api.base_url.host, api.base_url.port) for _ in range(4)]
        for _, writer in slow:
            writer.write(started.encode())
        assert (await api.post("/v1/page", json=view(), headers=WRITER)).status_code == 200
        for reader, writer in slow:
            answer = await asyncio.wait_for(reader.read(), PATIENCE_S)  # to the end: the connection is closed
            assert answer.startswith(b"HTTP/1.1 408")
            assert b'"code":"too_slow"' in answer
            writer.close()


@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_body_that_comes_after_its_head_is_waited_for(process: Process, pieces: int) -> None:
    body = json.dumps(view()).encode()
    size = -(-len(body) // pieces)
    async with serving(process) as api:
        reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
        writer.write(f"POST /v1/page HTTP/1.1\r\nHost: x\r\nX-Api-Key: {WRITE}\r\n".encode())
        writer.write(f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        # reported when the body is asked for, so it cannot have been there
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).startswith(b"HTTP/1.1 100")
        for piece in range(pieces):
            writer.write(body[piece * size : (piece + 1) * size])
            await writer.drain()
            assert (await api.get("/health/live")).status_code == 200  # the server has had a turn
        assert (await asyncio.wait_for(reader.readline(), PATIENCE_S)).startswith(b"HTTP/1.1 200")
        writer.close()
    assert len(process.log.messages) == 1


async def test_who_hangs_up_within_a_body_leaves_nothing_behind(process: Process) -> None:
    async with serving(process) as api:
        reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
        writer.write(b"POST /v1/page HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        writer.close()
        async with asyncio.timeout(PATIENCE_S):
            while process.meter.value("http_errors", "499") == 0:
                await asyncio.sleep(0)
    assert process.log.messages == []


SHOP = "https://shop.example"


async def test_browsers_of_other_sites_may_send_events(api: httpx.AsyncClient) -> None:
    asked = {"origin": SHOP, "access-control-request-method": "POST"}
    for path in ("/v1/track", "/v1/t", "/v1/batch", "/v1/b"):
        preflight = await api.options(path, headers=asked)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == SHOP
        assert "authorization" in preflight.headers["access-control-allow-headers"]
    for headers in (WRITER, {}):
        answer = await api.post("/v1/track", json=view(), headers={**headers, "origin": SHOP})
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["access-control-expose-headers"] == "retry-after"
        assert answer.headers["vary"] == "Origin"
    assert (await api.post("/v1/track", json=view())).headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in (await api.get("/v1/rulebook", headers=AGENT)).headers


async def test_a_beacon_whose_browser_sends_cookies_along_may_hold_json(api: httpx.AsyncClient) -> None:
    asked = {"origin": SHOP, "access-control-request-headers": "content-type"}
    preflight = await api.options("/v1/batch", headers=asked)
    assert preflight.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("authorization,x-retry-count", True),
        ("sentry-trace, baggage, traceparent, X-Requested-With, anonymousid", True),
        ("x" * 1_024, True),
        ("x" * 1_025, False),
        ("x-a\tx-b", False),
        ("x-é", False),
        ("", False),
    ],
)
async def test_a_library_may_add_headers_of_its_own(api: httpx.AsyncClient, asked: str, allowed: bool) -> None:
    headers = {"origin": SHOP, "access-control-request-headers": asked.encode("latin-1")}
    answer = await api.options("/v1/track", headers=headers)  # type: ignore[arg-type]
    assert (answer.headers["access-control-allow-headers"] == asked) == allowed
    assert allowed or "authorization" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize("call", CALLS)
async def test_each_call_lands_in_the_log_by_its_first_letter(
    process: Process, api: httpx.AsyncClient, call: str
) -> None:
    body = {"userId": "ann", "messageId": "m1", **CALLS[call]}
    for path in (f"/v1/{call}", f"/v1/{call[0]}"):
        assert (await api.post(path, json=body, headers=WRITER)).status_code == 200
    assert (await api.post("/v1/b", json={"batch": [{"type": call, **body}]}, headers=WRITER)).status_code == 200
    assert len(process.log.messages) == 3
    assert len({(message.event.kind, message.event.id) for message in process.log.messages}) == 1
