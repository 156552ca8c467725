"""``cueline demo``: every part on one machine, fed with a log or made-up traffic, watched on one page."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
import webbrowser
from collections import deque
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table

from engine.clock import wall_ms
from engine.doors.logged import logged
from engine.embedded.loopback import HOST, free_port
from engine.embedded.services import Embedded
from engine.embedded.supervisor import Change, State
from engine.errors import BadSettings, Unavailable
from engine.events import Cue
from engine.meter import quantiles
from engine.ports import ClockAnchor
from engine.replay.http import HttpSender
from engine.replay.run import replay, send_paced
from engine.replay.source import Faults, Source
from engine.settings import Redis
from engine.store.redis import RedisStore
from loadtest.traffic import Traffic

PARTITIONS = 4  # tansu reads a fetch from the beginning of a partition: few fetches keep it fresh for longer
FILE_SPEED = 300.0  # an eight-minute session is seen in under two seconds
TRAFFIC_SPEED = 60.0
CUSTOMERS = 20_000
DECISIONS_PER_S = 20.0
TAKEN_SHARE = 0.25  # of the customers the demo's desk asks about, those it acts on
ACCEPTED_SHARE = 0.3  # of the offers the demo's desk shows
SETTLE_S = 10.0  # how long the last events may take to be counted
READY_WITHIN_S = 60.0
AGAIN_S = 0.2  # after which a lost stream is opened again


class Wishes(msgspec.Struct, frozen=True):
    """What the command line asked for."""

    input: Path | None
    seconds: float
    port: int
    speed: float
    rate: float
    seed: int
    rules: Path
    directory: Path
    as_json: bool
    browser: bool


class Quantiles(msgspec.Struct, frozen=True):
    """Milliseconds; null when nothing was measured."""

    p50: float | None
    p99: float | None


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """What one demo did, the last line of ``--json``."""

    events_sent: int
    events_applied: int
    events_duplicate: int
    events_dead_lettered: int
    customers: int
    indicators_risen: int
    cues: int
    decisions: int
    decision_ms: Quantiles
    freshness_ms: Quantiles
    cue_ms: Quantiles
    seconds_to_first_cue: float | None
    revision: str


class Demo:
    """One run. Everything it starts ends with it, however it ends."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._began = time.monotonic()
        self._write_key, self._api_key = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
        self._bearer = {"authorization": f"Bearer {self._api_key}"}
        self._port = wishes.port or free_port()
        self._worker_port = free_port()
        self._out = Console(stderr=wishes.as_json)
        self._state: dict[str, str] = {}
        self._stop = asyncio.Event()
        self._desk = _Desk()
        self._first_cue: float | None = None
        self._kafka_died = False

    async def run(self) -> None:
        """Start, feed, show, end. Raises a `CuelineError` that says what is wrong."""
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, self._stop.set)
        starting = asyncio.ensure_future(self._start_and_feed())
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
        stopped.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            result = await starting
            self._show(result)

    async def _start_and_feed(self) -> Result:
        self._say("starting Kafka (tansu) and Valkey …")
        async with Embedded(self._wishes.directory, PARTITIONS, on_change=self._changed) as services:
            environment = self._environment(services)
            engine = [sys.executable, "-m", "engine"]
            run = services.supervisor.run
            await asyncio.gather(
                run("worker", [*engine, "work", "--directory", str(services.directory / "worker")], environment,
                    ready=lambda: _ready(self._worker_port), within=READY_WITHIN_S),
                run("api", [*engine, "api"], environment, ready=lambda: _ready(self._port), within=READY_WITHIN_S),
            )  # fmt: skip
            url = f"http://{HOST}:{self._port}"
            self._say(f"ready in {time.monotonic() - self._began:.1f} s: [bold]{url}/[/]  (Ctrl-C ends it)")
            self._say(f"write key {self._write_key}  API key {self._api_key}")
            self._say(f"metrics {url}/metrics and http://{HOST}:{self._worker_port}/metrics")
            if self._wishes.browser and not self._wishes.seconds and sys.stdout.isatty():
                webbrowser.open(url)
            store = RedisStore(Redis(url=services.redis_socket_url), PARTITIONS)
            async with httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client:
                try:
                    return await self._feed(client, store)
                finally:
                    await store.close()

    def _environment(self, services: Embedded) -> dict[str, str]:
        if not 0 <= self._port < 65_536:
            raise BadSettings(f"{self._port} is not a port")
        rules = self._wishes.rules.absolute()
        return {
            **{name: "" for name in os.environ if name.startswith("CUELINE_CONFIG")},
            "CUELINE_KAFKA__BROKERS": services.brokers,
            "CUELINE_KAFKA__PARTITIONS": str(PARTITIONS),
            "CUELINE_KAFKA__IDEMPOTENT": "false",  # tansu has no idempotent producers
            "CUELINE_KAFKA__FETCH_WAIT_MS": "10",
            "CUELINE_STREAM__LOST_LOG": "restart",  # tansu comes back empty when it dies
            "CUELINE_KAFKA__REBALANCE_TIMEOUT_S": "2",
            "CUELINE_REDIS__URL": services.redis_socket_url,
            "CUELINE_STREAM__CLOCK": "replay",
            "CUELINE_STREAM__METRICS_PORT": str(self._worker_port),
            "CUELINE_WEB__HOST": HOST,
            "CUELINE_WEB__PORT": str(self._port),
            "CUELINE_WEB__WRITE_KEYS": msgspec.json.encode([self._write_key]).decode(),
            "CUELINE_WEB__API_KEYS": msgspec.json.encode([self._api_key]).decode(),
            "CUELINE_WEB__DEMO_PAGE": "true",
            "CUELINE_RULES__DIRECTORY": str(rules),
        }

    async def _feed(self, client: httpx.AsyncClient, store: RedisStore) -> Result:
        progress = _Sent()
        beside: list[Coroutine[Any, Any, None]] = [
            self._agent(client),
            self._decide(client),
            self._watch(store, progress),
        ]
        tasks = [asyncio.ensure_future(work) for work in beside]
        try:
            await self._send(client, store, progress)
            await self._settle(store, progress)
            return await self._result(client, store, progress)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, client: httpx.AsyncClient, store: RedisStore, progress: _Sent) -> None:
        """Send the input until it or the time given is over."""
        sender = HttpSender(client, self._write_key)
        seconds = self._wishes.seconds
        left = max(seconds - (time.monotonic() - self._began) - 2, 3) if seconds else None
        if self._wishes.input is not None:
            source = Source(self._wishes.input, logged)
            speed = self._wishes.speed or (_fitting(source, left) if left else FILE_SPEED)
            work = replay(source, sender, speed=speed, set_clock=store.set_clock, on_progress=progress.saw)
        else:
            speed = self._wishes.speed or TRAFFIC_SPEED
            anchor = ClockAnchor(wall_ms(), wall_ms(), speed)
            await store.set_clock(anchor)
            rng = np.random.default_rng(self._wishes.seed)
            traffic = Traffic(rng, anchor.engine_ms, CUSTOMERS, self._wishes.rate / speed)
            until = anchor.engine_ms + int(left * 1000 * speed) if left else None
            messages = (message for message in _until(traffic, until, self._stop))
            work = send_paced(messages, sender, anchor, progress.saw)
        progress.sent = (await work).sent

    async def _settle(self, store: RedisStore, progress: _Sent) -> None:
        """Wait until everything sent has been counted. Raises `Unavailable` when it is not."""
        give_up = time.monotonic() + SETTLE_S
        while (counted := _accounted(await store.tallies())) < progress.sent:
            if time.monotonic() > give_up:
                lost = " (Kafka died, and the demo's keeps its log in memory only)" if self._kafka_died else ""
                raise Unavailable(
                    f"{progress.sent} events were sent, {counted} accounted for after {SETTLE_S:.0f} s{lost}; "
                    f"logs: {self._wishes.directory / 'logs'}"
                )
            await asyncio.sleep(0.05)

    async def _agent(self, client: httpx.AsyncClient) -> None:
        """A desktop that sees every cue, as the page does, and how long each was on its way."""
        while True:
            with contextlib.suppress(httpx.HTTPError):  # the api process died: its follower is asked again
                async with client.stream("GET", "/v1/live", headers=self._bearer, timeout=None) as answer:
                    answer.raise_for_status()
                    await self._listen(answer)
            await asyncio.sleep(AGAIN_S)

    async def _listen(self, answer: httpx.Response) -> None:
        kind = ""
        async for line in answer.aiter_lines():
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:") and kind == "cue":
                cue = msgspec.json.decode(line[5:], type=Cue)
                self._first_cue = self._first_cue or time.monotonic() - self._began
                if "agent" in cue.channels:
                    self._desk.cued.append(cue.customer)
                if cue.received_at:
                    self._desk.waited.append(wall_ms() - cue.received_at)

    async def _decide(self, client: httpx.AsyncClient) -> None:
        """An agent who asks what to offer to customers on the line, and says what became of it."""
        rng = np.random.default_rng(self._wishes.seed)
        while True:
            with contextlib.suppress(httpx.HTTPError):  # as a person would: asked again
                await self._ask(client, rng)
            await asyncio.sleep(1 / DECISIONS_PER_S)

    async def _ask(self, client: httpx.AsyncClient, rng: np.random.Generator) -> None:
        customer = self._desk.cued[-1] if self._desk.cued else f"visitor-{rng.integers(1000)}"
        body: dict[str, Any] = {
            "customerId": customer,
            "channel": "agent" if rng.random() < 0.5 else "web",
            "limit": 2,
        }
        # of most customers no more than a glance, lest their caps are used up for whoever tries the demo by hand
        glance = customer == self._desk.on_line or rng.random() > TAKEN_SHARE
        self._desk.on_line = customer
        body["peek"] = glance
        began = time.perf_counter()
        answer = await client.post("/v1/decisions", json=body, headers=self._bearer)
        answer.raise_for_status()
        self._desk.took.append(time.perf_counter() - began)
        for offer in answer.json()["offers"][: 0 if glance else 1]:
            outcome = "accepted" if rng.random() < ACCEPTED_SHARE else "ignored"
            told = {"decisionId": answer.json()["decisionId"], "offerId": offer["offerId"], "outcome": outcome}
            await client.post("/v1/outcomes", json=told, headers=self._bearer)

    async def _watch(self, store: RedisStore, progress: _Sent) -> None:
        """The line in the terminal."""
        if not self._out.is_terminal:
            return
        with Live(console=self._out, refresh_per_second=4) as live:
            while True:
                tallies = await store.tallies()
                table = Table.grid(padding=(0, 2))
                table.add_row(
                    f"sent {progress.sent:,}",
                    f"applied {tallies.get('applied', 0):,}",
                    f"customers {tallies.get('customers', 0):,}",
                    f"indicators {tallies.get('risen', 0):,}",
                    f"cues {tallies.get('cues', 0):,}",
                    f"decisions {len(self._desk.took):,}",
                )
                live.update(table)
                await asyncio.sleep(0.25)

    async def _result(self, client: httpx.AsyncClient, store: RedisStore, progress: _Sent) -> Result:
        tallies = await store.tallies()
        worker = (await client.get(f"http://{HOST}:{self._worker_port}/metrics")).text
        rulebook = await client.get("/v1/rulebook", headers=self._bearer)
        took, waited = (np.array(seen or [np.nan]) for seen in (self._desk.took, self._desk.waited))
        return Result(
            events_sent=progress.sent,
            events_applied=tallies.get("applied", 0),
            events_duplicate=tallies.get("duplicates", 0),
            events_dead_lettered=tallies.get("deadletters", 0),
            customers=tallies.get("customers", 0),
            indicators_risen=tallies.get("risen", 0),
            cues=tallies.get("cues", 0),
            decisions=len(self._desk.took),
            decision_ms=_pair(*np.quantile(took * 1000, [0.5, 0.99])),
            freshness_ms=_pair(*(1000 * q for q in quantiles(worker, "freshness_seconds", [0.5, 0.99]))),
            cue_ms=_pair(*np.quantile(waited, [0.5, 0.99])),
            seconds_to_first_cue=round(self._first_cue, 2) if self._first_cue else None,
            revision=rulebook.json()["revision"],
        )

    def _show(self, result: Result) -> None:
        if self._wishes.as_json:
            print(msgspec.json.encode(result).decode(), flush=True)
        else:
            self._out.print(msgspec.to_builtins(result))

    def _changed(self, change: Change) -> None:
        if self._state.get(change.name) not in (None, change.state):
            self._say(f"{change.name}: {change.state} {change.detail}")
        self._state[change.name] = change.state
        self._kafka_died |= (change.name, change.state) == ("kafka", State.DIED)

    def _say(self, text: str) -> None:
        self._out.print(text, highlight=False)


class _Desk:
    """The demo's agent: customers cued for agents, the one on the line; seconds of decisions, ms of cues."""

    def __init__(self) -> None:
        self.cued: deque[str] = deque(maxlen=100)
        self.on_line = ""
        self.took: list[float] = []
        self.waited: list[int] = []


class _Sent:
    """How much was sent so far."""

    def __init__(self) -> None:
        self.sent = 0

    def saw(self, progress: Any) -> None:
        """Progress of the sender."""
        self.sent = progress.sent


async def _ready(port: int) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"http://{HOST}:{port}/health/ready")).status_code == 200
        except httpx.TransportError:
            return False


def _fitting(source: Source, seconds: float) -> float:
    """The speed at which the whole of `source` passes in `seconds`."""
    first = last = None
    for message in source.messages(Faults()):
        first = message.event.at if first is None else first
        last = message.event.at
    if first is None or last is None:
        return FILE_SPEED
    return max((last - first) / 1000 / seconds, 1.0)


def _until(traffic: Traffic, end: int | None, stop: asyncio.Event) -> Iterator[Any]:
    for message in traffic:
        if stop.is_set() or (end is not None and message.event.at > end):
            return
        yield message


def _accounted(tallies: Any) -> int:
    return sum(int(tallies.get(name, 0)) for name in ("applied", "duplicates", "deadletters"))


def _pair(p50: float, p99: float) -> Quantiles:
    return Quantiles(*(None if np.isnan(value) else round(float(value), 3) for value in (p50, p99)))
