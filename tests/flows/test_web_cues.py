"""Cues as server-sent events, over real sockets: live, resumed, kept alive, ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import httpx
import msgspec
import pytest

from engine.customer_id import CustomerId, customer_id
from engine.errors import Unavailable
from engine.events import Cue
from engine.kernels.partition import partition_of
from engine.ports.cue_store import CueEntry
from engine.store.memory import MemoryStore
from engine.web.push.fan_out import AT_ONCE, MOVED, CueFeed
from engine.web.server.uvicorn_server import serve
from tests.flows.api import (
    AGENT,
    API,
    PARTITIONS,
    WRITE,
    WRITER,
    Process,
    Seen,
    frames,
    next_cue,
    serving,
    settings,
)
from tests.flows.test_linked_decisions import link
from tests.patience import PATIENCE_S

CUES_KEPT = 10_000
NEIGHBOUR = next(
    name
    for name in map(str, range(100))
    if partition_of(name.encode(), PARTITIONS) == partition_of(b"ann", PARTITIONS)
)


@pytest.fixture
async def api(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(process) as client:
        yield client


async def clients(process: Process, number: int) -> None:
    """Wait until so many streams are open."""
    async with asyncio.timeout(PATIENCE_S):
        while process.app.feed.clients != number:
            await asyncio.sleep(0.001)


async def test_a_cue_reaches_the_customers_stream_and_no_other(process: Process, api: httpx.AsyncClient) -> None:
    async with api.stream("GET", "/v1/customers/ann/cues", headers=AGENT) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"
        assert "no-cache" in answer.headers["cache-control"]
        stream = frames(answer)
        assert (await anext(stream)).retry == "2000"
        await process.cue("bob", "not for ann")
        sent = await process.cue("ann", "line one\nline two", received_at=1_000)
        seen = await next_cue(stream)
        assert msgspec.convert(seen.data, Cue) == sent
        (entry,) = await process.store.since(customer_id("ann"), "")
        assert seen.id == entry.id
        assert process.meter.value("sse_clients") == 1
    await clients(process, 0)
    assert process.meter.value("sse_clients") == 0
    assert "cueline_cue_seconds_count 1.0" in process.meter.render()[0].decode()


async def test_an_agent_sees_the_cues_for_agents_of_every_customer(
    process: Process, api: httpx.AsyncClient
) -> None:
    async with (
        api.stream("GET", "/v1/agents/eve/cues", headers=AGENT) as every,
        api.stream("GET", "/v1/agents/eve/cues", params={"customer": "bob"}, headers=AGENT) as only,
    ):
        all_of_them, of_bob = frames(every), frames(only)
        await clients(process, 2)
        await process.cue("ann", "web only", channels=("web",))
        await process.cue("ann", "a")
        await process.cue("bob", "b", channels=("agent",))
        assert [(await next_cue(all_of_them)).data["say"] for _ in range(2)] == ["a", "b"]
        assert (await next_cue(of_bob)).data["say"] == "b"


async def test_a_website_may_listen_with_its_write_key_to_what_is_meant_for_it(
    process: Process, api: httpx.AsyncClient
) -> None:
    async with api.stream("GET", "/v1/customers/ann/cues", headers=WRITER) as answer:
        stream = frames(answer)
        await anext(stream)
        await process.cue("ann", "for the agent's eyes", channels=("agent",), anonymous=True)
        await process.cue("ann", "for those who show that they are ann")
        await process.cue("ann", "for the agent", why=("secret",), anonymous=True, say_web="for all")
        seen = (await next_cue(stream)).data
        assert seen["say"] == "for all"
        assert not {"why", "sayWeb"} & set(seen)


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/v1/customers/ann/cues", "", 401),
        ("/v1/customers/ann/cues", "guess", 401),
        ("/v1/agents/eve/cues", WRITE, 403),
        ("/v1/customers/" + "x" * 257 + "/cues", API, 400),
    ],
)
async def test_a_stream_needs_its_key(api: httpx.AsyncClient, path: str, key: str, status: int) -> None:
    answer = await api.get(path, headers={"x-api-key": key})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_resuming_gives_what_was_missed_then_what_comes_without_gap_or_double(
    process: Process, api: httpx.AsyncClient
) -> None:
    for number in range(5):
        await process.cue("ann", f"{number}")
    kept = await process.store.since(customer_id("ann"), "")
    headers = {**AGENT, "last-event-id": kept[1].id}
    async with api.stream("GET", "/v1/customers/ann/cues", headers=headers) as answer:
        stream = frames(answer)
        await clients(process, 1)
        writing = asyncio.create_task(write(process, "ann", range(5, 40)))
        got = [(await next_cue(stream)).data["say"] for _ in range(38)]
        assert got == [str(number) for number in range(2, 40)]
        await writing


async def write(process: Process, customer: str, numbers: range) -> None:
    for number in numbers:
        await process.cue(customer, f"{number}")
        await asyncio.sleep(0)


async def test_cues_written_while_the_past_is_read_come_once(process: Process, api: httpx.AsyncClient) -> None:
    """The store answers with a cue that the reader passes on as well."""
    await process.cue("ann", "first")
    asked, go = asyncio.Event(), asyncio.Event()
    read = process.store.since

    async def held(customer: CustomerId | None, last_id: str, limit: int = 1000) -> object:
        asked.set()
        await go.wait()
        return await read(customer, last_id, limit)

    process.store.since = held  # type: ignore[method-assign, assignment]
    async with api.stream("GET", "/v1/customers/ann/cues", headers={**AGENT, "last-event-id": "0-1-0"}) as answer:
        await asked.wait()
        beside = process.app.feed.listen(customer_id("ann"), lambda cue: True)
        await process.cue("ann", "second")
        assert len(await beside.wait(10)) == 1  # the reader passed it on while the past is being read
        go.set()
        stream = frames(answer)
        assert [(await next_cue(stream)).data["say"] for _ in range(2)] == ["first", "second"]
        await process.cue("ann", "third")
        assert (await next_cue(stream)).data["say"] == "third"


async def test_a_page_opened_after_the_cue_is_given_it_while_it_lives(
    process: Process, api: httpx.AsyncClient
) -> None:
    await process.cue("ann", "first")
    await process.cue("ann", "newest", expires_at=process.clock.now + 10)
    for expired, say in ((False, "newest"), (True, "what comes")):
        async with api.stream("GET", "/v1/customers/ann/cues", headers=AGENT) as answer:
            stream = frames(answer)
            await anext(stream)
            if expired:
                await process.cue("ann", "what comes")
            assert (await next_cue(stream)).data["say"] == say
        process.clock.now += 10
    (entry, *_) = reversed(await process.store.since(customer_id("ann"), ""))

    async with api.stream("GET", "/v1/customers/ann/cues", headers={**AGENT, "last-event-id": entry.id}) as answer:
        stream = frames(answer)
        await anext(stream)
        await process.cue("ann", "seen before, so not again")
        assert (await next_cue(stream)).data["say"] == "seen before, so not again"


async def test_a_reader_older_than_the_streams_is_given_what_still_lives(
    process: Process, api: httpx.AsyncClient
) -> None:
    """However much was written for others since, and although the streams no longer hold it."""
    await process.cue("ann", "expired", expires_at=process.clock.now)
    await process.cue("ann", "still alive")
    for _ in range(CUES_KEPT + 1):
        await process.cue(NEIGHBOUR, "for another customer of ann's partition")
    assert "still alive" not in [entry.cue.say for entry in await process.store.since(None, "")]
    for last in ("0-1-0", "nonsense"):
        headers = {**AGENT, "last-event-id": last}
        async with api.stream("GET", "/v1/customers/ann/cues", headers=headers) as answer:
            assert (await next_cue(frames(answer))).data["say"] == "still alive"


async def test_an_agent_who_comes_back_late_is_given_the_newest_of_all(
    process: Process, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.web.push.event_streams.QUEUE", 5)
    for number in range(20):
        await process.cue(f"c{number}", f"{number}")
    for last, first in (("0-1-0", 15), ((await process.store.newest(3))[0].id, 18)):
        async with api.stream("GET", "/v1/agents/eve/cues", headers={**AGENT, "last-event-id": last}) as answer:
            stream = frames(answer)
            got = [(await next_cue(stream)).data["say"] for _ in range(20 - first)]
            assert got == [str(number) for number in range(first, 20)]


@pytest.mark.parametrize("last", ["nonsense", "0-0-0", "9999-1-1"])
async def test_an_id_we_do_not_know_resumes_as_far_as_is_kept(
    process: Process, api: httpx.AsyncClient, last: str
) -> None:
    await process.cue("ann", "kept")
    async with api.stream("GET", "/v1/customers/ann/cues", headers={**AGENT, "last-event-id": last}) as answer:
        assert (await next_cue(frames(answer))).data["say"] == "kept"


async def test_what_has_expired_is_not_shown(process: Process, api: httpx.AsyncClient) -> None:
    await process.cue("ann", "short", expires_at=process.clock.now + 10)
    await process.cue("ann", "long")
    process.clock.now += 10
    async with api.stream("GET", "/v1/customers/ann/cues", headers={**AGENT, "last-event-id": "0-1-0"}) as answer:
        stream = frames(answer)
        assert (await next_cue(stream)).data["say"] == "long"
        await process.cue("ann", "dead on arrival", expires_at=process.clock.now)
        await process.cue("ann", "alive")
        assert (await next_cue(stream)).data["say"] == "alive"


async def test_a_silent_stream_is_kept_alive() -> None:
    process = Process(settings(), heartbeat_s=0.02)
    async with serving(process) as api, api.stream("GET", "/v1/customers/ann/cues", headers=AGENT) as answer:
        stream = frames(answer)
        await anext(stream)
        assert [(await anext(stream)).comment for _ in range(3)] == ["heartbeat"] * 3
        await process.cue("ann", "still there")
        assert (await next_cue(stream)).data["say"] == "still there"


async def test_cues_that_are_not_shown_do_not_silence_a_stream() -> None:
    process = Process(settings(), heartbeat_s=0.05)
    async with serving(process) as api, api.stream("GET", "/v1/customers/ann/cues", headers=AGENT) as answer:
        stream, over = frames(answer), asyncio.Event()

        async def expired() -> None:
            while not over.is_set():
                await process.cue("ann", "too late", expires_at=process.clock.now)
                await asyncio.sleep(0)

        writing = asyncio.create_task(expired())
        await anext(stream)
        async with asyncio.timeout(PATIENCE_S):
            assert (await anext(stream)).comment == "heartbeat"
        over.set()
        await writing


async def test_a_client_that_goes_is_noticed_before_anything_is_written(
    process: Process, api: httpx.AsyncClient
) -> None:
    async with api.stream("GET", "/v1/customers/ann/cues", headers=AGENT):
        await clients(process, 1)
    await clients(process, 0)


async def test_streams_end_with_the_process() -> None:
    process = Process(settings())
    async with serving(process) as api:
        async with api.stream("GET", "/v1/agents/eve/cues", headers=AGENT) as answer:
            stream = frames(answer)
            await anext(stream)
            process.app.end_streams()
            assert [seen.comment async for seen in stream] == ["closing"]
        late = await api.get("/v1/agents/eve/cues", headers=AGENT)
        assert (late.status_code, late.headers["retry-after"]) == (503, "1")


async def test_the_server_stops_at_once_although_streams_are_open(
    free_port: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    process, stop, port = Process(settings()), asyncio.Event(), free_port()
    running = asyncio.create_task(serve(process.app, "127.0.0.1", port, stop))
    transport = httpx.AsyncHTTPTransport(retries=10)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=PATIENCE_S
    ) as api:
        async with api.stream("GET", "/v1/agents/eve/cues", headers=AGENT) as answer:
            stream = frames(answer)
            await anext(stream)
            stop.set()
            assert [seen.comment async for seen in stream] == ["closing"]
        await running
    assert process.app.feed.clients == 0
    assert caplog.text == ""


async def test_a_slow_client_is_let_go_and_counted() -> None:
    """Beneath the socket: what is too much for the queue ends the listener, and the others go on."""
    process = Process(settings())
    feed = CueFeed(process.store, process.app.bulkheads.streams, process.meter, room=3)
    await feed.start()
    slow, quick = (feed.listen(customer_id("ann"), lambda cue: True) for _ in range(2))
    for number in range(4):
        await process.cue("ann", f"{number}")
        (cue,) = await quick.wait(10)
        assert cue.entry.cue.say == f"{number}"
    assert await slow.wait(0) == []
    assert slow.last_frame is not None
    assert slow.last_frame.startswith(b": too slow")
    assert process.meter.value("cues_dropped_slow_clients") == 4
    assert quick.last_frame is None
    await feed.stop()
    assert quick.last_frame == b": closing\n\n"


async def test_a_burst_ends_no_client_that_keeps_up() -> None:
    class Bursting(MemoryStore):
        """Its tail is 1,000 cues without a pause, then nothing."""

        burst: Sequence[CueEntry]

        async def _tail(self, seen):  # type: ignore[no-untyped-def]
            for entry in self.burst:
                yield entry
            await asyncio.Event().wait()

    process = Process(settings())
    for number in range(1_000):
        await process.cue("ann", f"{number}")
    process.store.__class__ = Bursting
    process.store.burst = await process.store.since(None, "")  # type: ignore[attr-defined]
    feed = CueFeed(process.store, process.app.bulkheads.streams, process.meter, room=2 * AT_ONCE)
    listener = feed.listen(customer_id("ann"), lambda cue: True)
    await feed.start()
    got: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(got) < 1_000:
            assert listener.last_frame is None
            got += [cue.entry.cue.say for cue in await listener.wait(1)]
    await feed.stop()
    assert got == [f"{number}" for number in range(1_000)]


class Faltering(MemoryStore):
    """A store whose tail breaks off, once, after two cues."""

    broke = False

    async def _tail(self, seen):  # type: ignore[no-untyped-def]
        passed = 0
        async for entry in super()._tail(seen):
            if passed == 2 and not self.broke:
                self.broke = True
                raise RuntimeError("the connection broke")
            passed += 1
            yield entry


async def test_cues_written_while_the_reader_was_away_are_passed_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.web.push.fan_out.PAUSE_S", 0.01)
    process = Process(settings())
    process.store.__class__ = Faltering
    feed = CueFeed(process.store, process.app.bulkheads.streams, process.meter)
    await feed.start()
    listener = feed.listen(customer_id("ann"), lambda cue: True)
    got: list[str] = []
    for number in range(6):
        await process.cue("ann", f"{number}")
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        while len(got) < 6:
            got += [cue.entry.cue.say for cue in await listener.wait(1)]
    await feed.stop()
    assert got == [f"{number}" for number in range(6)]


async def test_who_moved_while_the_reader_was_away_comes_back_however_many_cues_came_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.web.push.fan_out.PAUSE_S", 0.01)
    monkeypatch.setattr("engine.web.push.fan_out.PAGE", 2)
    process = Process(settings())
    process.store.__class__ = Faltering
    feed = CueFeed(process.store, process.app.bulkheads.streams, process.meter)
    await feed.start()
    moves, stays = (feed.listen(customer_id(name), lambda cue: True) for name in ("browser", "ann"))
    got: list[str] = []
    for number in range(2):
        await process.cue("ann", f"{number}")
        await asyncio.sleep(0)
    for number in range(2, 5):  # the first of them ends the tail
        await process.cue("ann", f"{number}")
    await link(process.store, "browser", "ann")
    await process.cue("ann", "5")
    async with asyncio.timeout(PATIENCE_S):
        while len(got) < 6:
            got += [cue.entry.cue.say for cue in await stays.wait(1)]
        while moves.last_frame is None:
            await moves.wait(1)
    await feed.stop()
    assert got == [f"{number}" for number in range(6)]
    assert moves.last_frame == MOVED


class Away(MemoryStore):
    """A store that does not say which cues there were."""

    async def latest(self, customer: CustomerId) -> CueEntry | None:
        raise Unavailable("Redis: away")

    async def since(self, customer: CustomerId | None, last_id: str, limit: int = 1_000) -> list[CueEntry]:
        raise Unavailable("Redis: away")


@pytest.mark.parametrize("last", [{}, {"last-event-id": "1-1-1"}])
async def test_a_stream_whose_past_cannot_be_read_ends_and_its_reader_comes_back(
    last: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    process = Process(settings(), store=Away(PARTITIONS))
    async with serving(process) as api:
        answer = await api.get("/v1/customers/ann/cues", headers={**AGENT, **last})
        assert (answer.status_code, answer.text.count("\n\n")) == (200, 2)
        assert answer.text.startswith("retry: 2000\n\n: ")
        await clients(process, 0)
    assert caplog.records == []


async def test_many_clients_are_fed_by_one_reader(process: Process, api: httpx.AsyncClient) -> None:
    async def listen(number: int) -> Seen:
        async with api.stream("GET", f"/v1/customers/c{number % 5}/cues", headers=AGENT) as answer:
            return await next_cue(frames(answer))

    listening = [asyncio.create_task(listen(number)) for number in range(50)]
    await clients(process, 50)
    for number in range(5):
        await process.cue(f"c{number}", f"{number}")
    assert sorted(seen.data["say"] for seen in await asyncio.gather(*listening)) == sorted(list("01234") * 10)


async def test_a_client_that_reads_nothing_is_cut_off(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.web.push.event_streams.GRACE_S", 0.05)
    process.app.feed.room = 4
    async with serving(process) as api:
        _, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port, limit=1)
        writer.write(b"GET /v1/customers/ann/cues HTTP/1.1\r\nHost: x\r\nX-Api-Key: api-key-1\r\n\r\n")
        await clients(process, 1)
        while process.meter.value("cues_dropped_slow_clients") == 0:
            await process.cue("ann", "x" * 100_000)
            await asyncio.sleep(0)
        await clients(process, 0)
        assert (await api.get("/health/live")).status_code == 200
        writer.transport.abort()
