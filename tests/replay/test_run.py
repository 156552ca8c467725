"""Whole replays: through an API that refuses at times, and into a log; what arrives and in which order."""

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from engine.cli import replay as cli
from engine.customer_id import customer_id
from engine.errors import BadEvent, BadRequest, NotAuthorised, Overloaded, Unavailable
from engine.events import (
    MAX_CUSTOMER_BYTES,
    WIRE_VERSION,
    CartLine,
    Contact,
    Event,
    Kind,
    Message,
    More,
    Outcome,
)
from engine.kernels.wire import EARLIEST_MS, LATEST_MS
from engine.ports.clock import ClockAnchor
from engine.ports.kafka import AuditEntry, LogPlace
from engine.replay import segment_payload as payload
from engine.replay.advice import on_error
from engine.replay.http_sender import HttpSender
from engine.replay.log_reader import LogReader
from engine.replay.run import BATCH, ReplayProgress, replay, send_paced
from engine.replay.sender import LogSender
from engine.replay.target import ReplayDestination, ReplayTarget
from engine.settings import Web
from engine.sources.segment.payload import message as source
from engine.sources.segment.values import MAX_TEXT_BYTES

FIRST = 1_511_658_000_000
ENGINE_NOW = FIRST + 400 * 86_400_000 // 2

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def log_file(folder: Path, count: int, customers: int = 7, step_s: int = 1) -> Path:
    path = folder / "taobao.csv"
    path.write_text("".join(f"{1 + i % customers},{i},3,pv,{FIRST // 1000 + i * step_s}\n" for i in range(count)))
    return path


class Kafka:
    """An event log in memory, slow by a random number of loop turns so that orders can get mixed up."""

    def __init__(self, seed: int = 1) -> None:
        self.messages: list[Message] = []
        self._rng = np.random.default_rng(seed)

    async def publish(self, messages: Sequence[Message]) -> None:
        for _ in range(int(self._rng.integers(0, 5))):
            await asyncio.sleep(0)
        self.messages.extend(messages)

    async def publish_one(self, message: Message) -> LogPlace:
        raise AssertionError("a replay erases nobody")

    async def publish_outcome(self, outcome: Outcome) -> None:
        raise NotImplementedError

    async def publish_audit(self, entries: Sequence[AuditEntry]) -> None:
        raise NotImplementedError


class Clock:
    """The engine's clock as a replay sets it."""

    def __init__(self) -> None:
        self.anchors: list[ClockAnchor] = []
        self.last: ClockAnchor | None = None

    async def set(self, anchor: ClockAnchor | None) -> None:
        self.last = anchor
        if anchor:
            self.anchors.append(anchor)


class Source:
    """A minimal HTTP API: refuses with `refusals` first, then keeps what the Segment source accepts."""

    def __init__(self, refusals: list[tuple[int, dict[str, str]]]) -> None:
        self.refusals, self.attempts, self.bodies = list(refusals), 0, list[bytes]()
        self.messages: list[Message] = []
        self.errors: list[dict[str, str | int]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        assert scope["path"] == "/v1/batch"
        self.attempts += 1
        self.bodies.append(body)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, extra = self.refusals.pop(0) if self.refusals else (200, {})
        if headers["authorization"] != "Basic " + base64.b64encode(b"key:").decode():
            status = 401
        if len(body) > Web().max_batch_bytes:
            status = 413
        if status == 200:
            for one in json.loads(body)["batch"]:
                self.messages.append(source(json.dumps(one).encode(), 1, ENGINE_NOW))
        answer = json.dumps({"errors": self.errors if status == 200 else []}).encode()
        pairs = [(name.encode(), value.encode()) for name, value in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": answer})


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")


def by_customer(messages: Iterable[Message]) -> dict[str, list[Event]]:
    found = defaultdict[str, list[Event]](list)
    for message in messages:
        found[message.customer].append(message.event)
    return found


def unstamped(events: Iterable[Event]) -> list[tuple[object, ...]]:
    return [(e.kind, e.at, e.id, e.item, e.category, e.value, e.quantity) for e in events]


async def test_all_events_reach_the_log_in_each_customers_order(tmp_path: Path) -> None:
    log, clock = Kafka(), Clock()

    path = log_file(tmp_path, 5_000)
    report = await replay(
        LogReader(path), LogSender(log, lambda: 123, sets_clock=True), speed=0, settle_s=0, set_clock=clock.set
    )
    assert (report.sent, report.skipped) == (5_000, 0)
    assert (report.first_at, report.last_at) == (FIRST, FIRST + 4_999_000)
    assert {message.event.received_at for message in log.messages} == {123}
    for customer, events in by_customer(log.messages).items():
        assert [e.at for e in events] == sorted(e.at for e in events), customer
    # the clock stands, starts at the first event and never runs ahead of what arrived
    assert clock.anchors[0].engine_ms == FIRST
    assert clock.anchors[-1].engine_ms == FIRST + 4_999_000
    assert {anchor.speed for anchor in clock.anchors} == {0}


async def test_the_door_gets_exactly_the_events_although_it_refuses_at_times(tmp_path: Path) -> None:
    app = Source([(503, {"retry-after": "0"}), (429, {}), (502, {})])
    path = log_file(tmp_path, 1_200)
    clock = Clock()

    async with client(app) as http:
        report = await replay(LogReader(path), HttpSender(http, "key"), speed=0, settle_s=0, set_clock=clock.set)
    log = Kafka()
    await replay(LogReader(path), LogSender(log, lambda: 0, sets_clock=True), speed=0)
    assert report.sent == 1_200
    expected, found = by_customer(log.messages), by_customer(app.messages)
    assert {c: unstamped(e) for c, e in found.items()} == {c: unstamped(e) for c, e in expected.items()}
    # the API checks times, so the clock is at the file's end before the first event
    assert [anchor.engine_ms for anchor in clock.anchors] == [FIRST + 1_199_000]


async def test_a_retry_repeats_the_same_bytes(tmp_path: Path) -> None:
    app = Source([(503, {"retry-after": "0"})] * 2)
    async with client(app) as http:
        await HttpSender(http, "key").send([Message(customer_id("c"), Event(1, 2, ENGINE_NOW, "m"))])
    assert app.attempts == 3
    assert len(set(app.bodies)) == 1


@pytest.mark.parametrize(("status", "error"), [(503, Overloaded), (400, BadRequest), (413, BadRequest)])
async def test_refusals_that_last_end_the_replay(tmp_path: Path, status: int, error: type[Exception]) -> None:
    app = Source([(status, {"retry-after": "0"})] * 10_000)
    async with client(app) as http:
        with pytest.raises(error):
            await replay(LogReader(log_file(tmp_path, 10)), HttpSender(http, "key", patience_s=0.05), speed=0)


async def test_a_wrong_key_is_said_at_once(tmp_path: Path) -> None:
    app = Source([])
    async with client(app) as http:
        with pytest.raises(NotAuthorised):
            await replay(LogReader(log_file(tmp_path, 10)), HttpSender(http, "other"), speed=0)
    assert app.attempts == 1


async def test_a_door_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:1") as http:
        with pytest.raises(Unavailable):
            await replay(LogReader(log_file(tmp_path, 10)), HttpSender(http, "key", patience_s=0.01), speed=0)


async def test_refused_items_are_skipped_with_their_reasons(tmp_path: Path) -> None:
    app = Source([])
    app.errors = [{"index": 0, "code": "bad_time"}]
    async with client(app) as http:
        report = await replay(LogReader(log_file(tmp_path, 10)), HttpSender(http, "key"), speed=0)
    assert (report.sent, report.skipped) == (9, 1)
    assert "bad_time" in report.faults[0]


def test_the_command_fails_when_nothing_was_taken(tmp_path: Path) -> None:
    why = {"code": "bad_time", "field": "timestamp", "detail": "more than 400 days ago"}

    async def refuses_all(scope: Scope, receive: Receive, send: Send) -> None:
        batch = json.loads((await receive())["body"])["batch"]
        body = json.dumps({"errors": [why | {"index": i} for i in range(len(batch))]}).encode()
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": body})

    @asynccontextmanager
    async def open_target(where: ReplayDestination) -> AsyncIterator[ReplayTarget]:
        async with client(refuses_all) as http:
            yield ReplayTarget(HttpSender(http, "key"), None)

    replays = typer.Typer()
    replays.command()(cli.command(open_target, lambda body, fallback: pytest.fail("no Segment payload")))
    ran = CliRunner().invoke(replays, [str(log_file(tmp_path, 10)), "--speed", "max"])
    assert ran.exit_code == 1
    assert "bad_time: timestamp: more than 400 days ago" in ran.stdout
    assert "--shift-to-now" in ran.stderr


def test_what_ends_a_replay_halfway_says_how_far_it_came_and_what_to_do(tmp_path: Path) -> None:
    class Breaks(Kafka):
        async def publish(self, messages: Sequence[Message]) -> None:
            if self.messages:
                raise Unavailable("the broker is gone")
            await super().publish(messages)

    @asynccontextmanager
    async def open_target(where: ReplayDestination) -> AsyncIterator[ReplayTarget]:
        yield ReplayTarget(LogSender(Breaks(), lambda: 0, sets_clock=True), None)

    replays = typer.Typer()
    replays.command()(cli.command(open_target, lambda body, fallback: pytest.fail("no Segment payload")))
    result = CliRunner().invoke(replays, [str(log_file(tmp_path, 3 * BATCH)), "--speed", "max", "--to", "kafka"])
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first == "the broker is gone: " + on_error(Unavailable(""), sent=1)
    assert second.endswith("events had been accepted by then")


async def test_a_batch_of_which_nothing_was_taken_does_not_end_the_replay(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        errors = [{"index": i, "code": "bad_time", "field": "timestamp", "detail": "old"} for i in range(10)]
        body = json.dumps({"status": 400, "accepted": 0, "rejected": 10, "errors": errors}).encode()
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with client(app) as http:
        report = await replay(LogReader(log_file(tmp_path, 10)), HttpSender(http, "key"), speed=0)
    assert (report.sent, report.skipped) == (0, 10)


async def test_paced_times_and_the_clock_agree(tmp_path: Path) -> None:
    log, clock = Kafka(), Clock()

    path = log_file(tmp_path, 300)
    report = await replay(
        LogReader(path),
        LogSender(log, lambda: 0, sets_clock=True),
        speed=1_000,
        settle_s=0.01,
        set_clock=clock.set,
        limit=200,
    )
    assert report.sent == 200
    assert len(clock.anchors) == 1
    assert (clock.anchors[0].engine_ms, clock.anchors[0].speed) == (FIRST, 1_000)
    assert report.seconds >= 0.199


async def test_shifted_to_now_keeps_gaps_and_takes_new_ids(tmp_path: Path) -> None:
    log, clock = Kafka(), Clock()

    path = log_file(tmp_path, 3, customers=1)
    for speed in (0, 50, 1):
        await replay(
            LogReader(path),
            LogSender(log, lambda: 0, sets_clock=True),
            speed=speed,
            shift_to_now=True,
            settle_s=0.001,
            set_clock=clock.set,
        )
    runs = [log.messages[i : i + 3] for i in (0, 3, 6)]
    for run in runs:
        times = [message.event.at for message in run]
        assert [at - times[0] for at in times] == [0, 1_000, 2_000]
        assert times[0] > FIRST + 86_400_000
    assert len({message.event.id for message in log.messages}) == 9
    assert clock.last is None  # at speed 1 the wall's own time is right


async def test_a_file_without_an_event_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("1,2,3,pv,bad\n")
    with pytest.raises(BadRequest, match="bad_time"):
        await replay(LogReader(path), LogSender(Kafka(), lambda: 0, sets_clock=True))


async def test_batches_are_bounded_and_progress_ends_at_the_end(tmp_path: Path) -> None:
    app, seen = Source([]), list[ReplayProgress]()
    async with client(app) as http:
        path = log_file(tmp_path, 3 * BATCH, customers=1_500)
        await replay(LogReader(path), HttpSender(http, "key"), speed=0, on_progress=seen.append)
    assert max(len(json.loads(body)["batch"]) for body in app.bodies) <= BATCH
    assert seen[-1].sent == 3 * BATCH
    assert seen[-1].at == FIRST + (3 * BATCH - 1) * 1_000
    assert (seen[0].reading, seen[-1].reading) == (True, False)  # its last time is the clock's
    shares = [progress.share for progress in seen if not progress.reading]
    assert shares == sorted(shares)
    assert shares[-1] == 1


async def test_the_share_of_a_limit_is_that_of_the_events(tmp_path: Path) -> None:
    seen = list[ReplayProgress]()
    path = log_file(tmp_path, 20 * BATCH, customers=20 * BATCH)
    await replay(
        LogReader(path),
        LogSender(Kafka(), lambda: 0, sets_clock=True),
        speed=0,
        limit=8 * BATCH,
        on_progress=seen.append,
    )
    assert seen[-1].share == 1
    assert all(progress.share >= progress.sent / (8 * BATCH) for progress in seen)


@pytest.mark.parametrize("speed", [0, 1])
async def test_what_is_stopped_reports_exactly_what_arrived(tmp_path: Path, speed: float) -> None:
    log, stop = Kafka(), asyncio.Event()
    path = log_file(tmp_path, 20 * BATCH)
    report = await replay(
        LogReader(path),
        LogSender(log, lambda: 0, sets_clock=True),
        speed=speed,
        on_progress=lambda _: stop.set(),
        stop=stop,
    )
    assert 0 < report.sent == len(log.messages) < 20 * BATCH


async def test_messages_from_anywhere_can_be_sent_paced() -> None:
    log = Kafka()
    made = [Message(customer_id("c"), Event(1, 2, FIRST + i, str(i))) for i in range(10)]
    report = await send_paced(made, LogSender(log, lambda: 0, sets_clock=True), ClockAnchor(FIRST, 0, 1.0))
    assert report.sent == 10
    assert [m.event.id for m in log.messages] == [str(i) for i in range(10)]


async def test_what_no_row_can_hold_is_not_written_past_the_api() -> None:
    log = Kafka()
    at = {"early": EARLIEST_MS - 1, "first": EARLIEST_MS, "last": LATEST_MS, "late": LATEST_MS + 1}
    sent = await LogSender(log, lambda: 0, sets_clock=True).send(
        [Message(customer_id("c"), Event(1, 2, t, name)) for name, t in at.items()]
    )
    assert [message.event.id for message in log.messages] == ["first", "last"]
    assert (sent.accepted, sent.refused) == (2, 2)
    assert [reason.partition(": not between")[0] for reason in sent.reasons] == [
        "early: bad_time",
        "late: bad_time",
    ]


async def test_what_the_worker_takes_for_the_future_is_not_written_past_the_api() -> None:
    """Where the engine's clock is the wall's. One that the replay sets is where the log is."""
    day = 86_400_000
    made = [Message(customer_id("c"), Event(1, 2, FIRST + day + i, str(i))) for i in (-1, 0, 1)]
    log = Kafka()
    sent = await LogSender(log, lambda: FIRST).send(made)
    assert [message.event.id for message in log.messages] == ["-1", "0"]
    assert sent.reasons == ("1: bad_time: more than 24 hours in the future",)
    assert (await LogSender(log, lambda: FIRST, sets_clock=True).send(made)).accepted == 3


KINDS = [kind for kind in payload.NAMES if kind is not Kind.OTHER]
TEXT = st.text("abcdefgh.-é", min_size=1, max_size=20)
CUSTOMERS = TEXT.filter(lambda text: text.strip(".-"))  # else no id


@given(
    st.sampled_from(KINDS),
    st.integers(FIRST, ENGINE_NOW),
    CUSTOMERS,
    TEXT,
    TEXT,
    st.floats(0, 1e9),
    st.integers(1, 1_000),
)
def test_the_door_reads_back_what_the_payload_says(
    kind: Kind, at: int, customer: str, item: str, category: str, value: float, quantity: int
) -> None:
    event = Event(WIRE_VERSION, int(kind), at, "m1", item, category, value, quantity)
    found = source(json.dumps(payload.call(Message(customer_id(customer), event))).encode(), 0, ENGINE_NOW)
    assert (found.customer, found.event.true_kind, found.event.at, found.event.id) == (customer, kind, at, "m1")
    if kind in {Kind.ITEM_VIEWED, Kind.REVIEW_READ, Kind.CART_ADDED, Kind.CART_REMOVED, Kind.ORDER_COMPLETED}:
        assert unstamped([found.event]) == unstamped([event])
    if kind in {Kind.PAGE_VIEWED, Kind.LIST_VIEWED, Kind.SEARCHED}:
        assert found.event.category == category


@pytest.mark.parametrize(
    "event",
    [
        Event(1, Kind.CART_ADDED, FIRST, "m1", "A", "", 6.0, 1, more=More(thousandths=300)),
        Event(1, Kind.CART_REMOVED, FIRST, "m1", "A", "", 7.5, 2, more=More(thousandths=1_500)),
        Event(
            1, Kind.CART_VIEWED, FIRST, "m1", more=More(lines=(CartLine("A", 300, 600), CartLine("", 2_000, 5)))
        ),
        Event(1, Kind.CHECKOUT_STARTED, FIRST, "m1", "A", "", 9.0, 1, more=More(lines=(CartLine("A", 300, 600),))),
        Event(1, Kind.ORDER_CANCELLED, FIRST, "m1", value=5.0, quantity=2, order="o"),
        Event(1, Kind.ORDER_REFUNDED, FIRST, "m1", order="o"),
        Event(1, Kind.ORDER_REFUNDED, FIRST, "m1", value=5.0, order="o"),
        Event(1, Kind.OTHER, FIRST, "m1", value=5.0, order="o", more=More(kind=Kind.ORDER_UPDATED)),
    ],
)
def test_the_door_reads_back_what_else_an_event_says(event: Event) -> None:
    found = source(json.dumps(payload.call(Message(customer_id("c"), event))).encode(), 0, ENGINE_NOW)
    assert unstamped([found.event]) == unstamped([event])


def test_other_and_identify_keep_their_kind() -> None:
    for kind in (Kind.OTHER, Kind.IDENTIFIED):
        call = payload.call(Message(customer_id("c"), Event(WIRE_VERSION, int(kind), FIRST, "m")))
        assert source(json.dumps(call).encode(), 0, ENGINE_NOW).event.kind == kind


def test_the_command_reports_and_refuses(tmp_path: Path) -> None:
    log = Kafka()

    asked = []

    @asynccontextmanager
    async def open_target(where: ReplayDestination) -> AsyncIterator[ReplayTarget]:
        asked.append(where)
        yield ReplayTarget(LogSender(log, lambda: 0, sets_clock=True), None)

    app = typer.Typer()
    app.command()(
        cli.command(open_target, lambda body, fallback: source(body, 0, ENGINE_NOW, fallback_id=fallback))
    )
    path = str(log_file(tmp_path, 50))
    run = CliRunner()
    ran = run.invoke(app, [path, "--speed", "max", "--to", "kafka", "--json", "--limit", "40"])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["sent"] == 40
    assert len(log.messages) == 40
    assert asked == [ReplayDestination("kafka")]
    assert "50 events" in run.invoke(app, [path, "--speed", "max"]).stdout
    asked.clear()
    for name, content in (
        ("empty.csv", b""),
        ("odd.csv", b"a,b\n"),
        ("cut.csv.gz", b"\x1f\x8b\x08rest"),
        ("bad", b"{}\n"),
    ):
        (tmp_path / name).write_bytes(content)
    files = [str(tmp_path / name) for name in ("empty.csv", "odd.csv", "cut.csv.gz", "bad")]
    for wrong in (
        *([name] for name in ("nowhere.csv", str(tmp_path), "/dev/zero", *files)),
        [path, "--speed", "0"],
    ):
        ran = run.invoke(app, wrong)
        assert ran.exit_code == 1
        assert Path(wrong[-1]).name in ran.stderr
        assert len(ran.stderr.splitlines()) == 1
    assert asked == []  # before anything is connected to


async def test_a_batch_too_large_for_the_door_goes_in_several_requests_in_order() -> None:
    app, longest = Source([]), '"' * MAX_TEXT_BYTES
    made = [
        Message(
            customer_id("c" + '"' * (MAX_CUSTOMER_BYTES - 1)),
            Event(WIRE_VERSION, 2, FIRST, f"{i + 1:0100}", longest, longest),
        )
        for i in range(BATCH)
    ]
    async with client(app) as http:
        sent = await HttpSender(http, "key").send(made)
    assert (sent.accepted, sent.refused) == (BATCH, 0)
    assert [message.event.id for message in app.messages] == [message.event.id for message in made]
    assert app.attempts == 2


async def test_what_several_requests_refuse_is_told_together() -> None:
    app = Source([])
    app.errors = [{"index": 0, "code": "bad_time", "field": "timestamp", "detail": "old"}]
    made = [Message(customer_id("c"), Event(WIRE_VERSION, 2, FIRST, str(i))) for i in range(1, 11)]
    async with client(app) as http:
        sent = await HttpSender(http, "key", web=Web(max_batch_bytes=400)).send(made)
    assert 1 < app.attempts == sent.refused == len(sent.reasons)
    assert sent.accepted + sent.refused == 10


@given(st.lists(st.binary(min_size=1, max_size=30).map(lambda text: text.hex().encode())), st.integers(1, 200))
def test_batches_hold_every_call_in_order_and_as_many_as_fit(calls: list[bytes], limit: int) -> None:
    bodies = list(payload.batches(calls, limit))
    parts = [body.removeprefix(b'{"batch":[').removesuffix(b"]}").split(b",") for body in bodies]
    assert [call for part in parts for call in part] == calls
    assert all(len(body) <= limit or len(part) == 1 for body, part in zip(bodies, parts, strict=True))
    for body, after in zip(bodies, parts[1:], strict=False):
        assert len(body) + 1 + len(after[0]) > limit


@pytest.mark.parametrize(("kind", "needed"), [(Kind.GROUPED, "groupId"), (Kind.ALIASED, "previousId")])
async def test_a_call_that_needs_what_an_event_does_not_keep_is_skipped_and_named(kind: Kind, needed: str) -> None:
    """The API refuses such a call without it, and an invented one would be false."""
    incomplete = {"type": "group" if kind is Kind.GROUPED else "alias", "userId": "c", "messageId": "m"}
    with pytest.raises(BadEvent, match=needed):
        source(json.dumps(incomplete).encode(), 0, ENGINE_NOW)
    app = Source([])
    async with client(app) as http:
        sent = await HttpSender(http, "key").send(
            [Message(customer_id("c"), Event(WIRE_VERSION, int(kind), FIRST, "m"))]
        )
    assert (sent.accepted, sent.refused, app.attempts) == (0, 1, 0)
    assert needed in sent.reasons[0]
    assert "does not keep" in sent.reasons[0]


async def test_what_segment_has_no_call_for_is_skipped_and_said() -> None:
    app = Source([])
    events = [
        Event(WIRE_VERSION, int(kind), FIRST, kind.name) for kind in (Kind.ITEM_VIEWED, Kind.CONTACT_CONNECTED)
    ]
    async with client(app) as http:
        sender = HttpSender(http, "key")
        sent = await sender.send([Message(customer_id("c"), event) for event in events])
        none = await sender.send([Message(customer_id("c"), events[1])])
    assert (sent.accepted, sent.refused, none.accepted, none.refused) == (1, 1, 0, 1)
    assert "CONTACT_CONNECTED" in sent.reasons[0]
    assert app.attempts == 1
    for contact in (Contact("c-1", 1), Contact("c-1", 2, "queue"), Contact("c-1", 2, reason="why")):
        begun = Event(WIRE_VERSION, int(Kind.CONTACT_STARTED), FIRST, "m", contact=contact)
        lost = await sender.send([Message(customer_id("c"), begun)])
        assert (lost.refused, "no place for such a contact" in lost.reasons[0]) == (1, True)


@pytest.mark.parametrize("contact", [None, Contact("c-1", 2), Contact("c-1", 2, agent="kim")])
def test_a_live_chat_is_read_as_it_was(contact: Contact | None) -> None:
    event = Event(WIRE_VERSION, int(Kind.CONTACT_STARTED), FIRST, "m", contact=contact)
    sent = payload.encoded(Message(customer_id("c"), event))
    assert source(sent, FIRST, FIRST).event.contact == contact


@pytest.mark.parametrize("sets_clock", [True, False])
async def test_what_goes_past_the_door_brings_the_engines_time_where_the_replay_sets_it(
    tmp_path: Path, sets_clock: bool
) -> None:
    log = Kafka()
    path = log_file(tmp_path, 20)
    await replay(LogReader(path), LogSender(log, lambda: FIRST, sets_clock), speed=0)
    assert len(log.messages) == 20
    for message in log.messages:
        assert message.event.engine_at == (message.event.at if sets_clock else 0)
