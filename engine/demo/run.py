"""One demo: start everything, feed it, show it, end it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
import webbrowser
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table

from engine.demo import elsewhere, kernels
from engine.demo.children import Children
from engine.demo.feed import Feed, Input
from engine.demo.keys import DemoKeys
from engine.demo.log_rotation import LONGEST, LogRotation
from engine.demo.notices import Notices
from engine.demo.result import Result, accounted, collect
from engine.demo.scene import Scene
from engine.demo.simulated_agent import SimulatedAgent
from engine.errors import BadSettings, Unavailable
from engine.local.loopback import HOST, free_port, is_free
from engine.local.services import TANSU_GROUP, LocalServices, in_use
from engine.local.supervisor import Change, Supervisor
from engine.replay.clock_keeper import ClockKeeper
from engine.replay.http_client import http_client
from engine.replay.http_sender import HttpSender
from engine.retry import attempts
from engine.settings import Redis
from engine.settings_sources import read_settings
from engine.store.redis import RedisStore

PARTITIONS = 4  # tansu reads a fetch from the beginning of a partition: few fetches keep it fresh for longer
READY_WITHIN_S = 180.0
COMPILED_WITHIN_S = 300.0  # where each process compiles the kernels for itself
SETTLE_S = 10.0  # how long the last events may take to be counted
STOP_S = 1.0  # the same, and how long requests in flight may take, once somebody wants it to end
END_S = 2.0  # of the seconds given, those kept for ending
LEAST_S = 3.0  # of feeding


class Wishes(msgspec.Struct, frozen=True):
    """What the command line asked for. ``log_batches``: how long a partition's log may become."""

    input: Input
    seconds: float
    port: int
    rules: Path
    directory: Path
    as_json: bool
    browser: bool
    log_batches: int = LONGEST


class Demo:
    """One run. Everything it starts ends with it, however it ends."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._began = time.monotonic()
        self._keys = DemoKeys(read_settings().web.token_keys)
        self._port = wishes.port or free_port()
        self._worker_port = free_port()
        self._out = Console(stderr=wishes.as_json)
        self._children = Children(self._say)
        self._stop = asyncio.Event()
        self._feeding = False
        self._failure: BaseException | None = None
        self._log: LogRotation | None = None
        self._notices: Notices | None = None

    async def run(self) -> Result | None:
        """Until the input or the time given is over, or a signal comes; then what was done (None: nothing yet).

        Raises a `CuelineError` that says what is wrong.
        """
        self._check_place()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, self._stop.set)
        work = asyncio.ensure_future(self._start_and_feed())
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not self._feeding:
            work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await work
        return None

    def _check_place(self) -> None:
        """Raises `BadSettings` when port or directory are in use, for both at once, or a settings file named."""
        elsewhere.refuse_settings_file()
        if not 0 <= self._port < 65_536:
            raise BadSettings(f"{self._port} is not a port")
        taken = [] if is_free(self._port) else [f"port {self._port} is in use"]
        taken += [f"{self._wishes.directory} is in use by another demo"] if in_use(self._wishes.directory) else []
        if taken:
            raise BadSettings(
                f"{' and '.join(taken)}. Two demos need a port and a directory each: "
                f"--port 0 --directory {self._wishes.directory}-2"
            )

    async def _start_and_feed(self) -> Result:
        await kernels.compile_kernels(self._say)
        self._say("starting Kafka (tansu) and Valkey …")
        async with LocalServices(
            self._wishes.directory,
            PARTITIONS,
            appendonly=True,  # a Valkey that dies comes back with what it held a second before
            fresh=True,  # and not with an earlier demo's customers
            redis_bytes=self._wishes.input.redis_bytes,
            on_change=self._changed,
        ) as services:
            await self._start_engine(services)
            url = f"http://{HOST}:{self._port}"
            self._say(f"ready in {time.monotonic() - self._began:.1f} s: [bold]{url}/[/]  (Ctrl-C ends it)")
            self._say(f"write key {self._keys.write}  API key {self._keys.api}")
            self._say(f"metrics {url}/metrics and http://{HOST}:{self._worker_port}/metrics")
            others = elsewhere.services(services.brokers, services.redis_url, PARTITIONS)
            self._say(f"other commands (keys, lessons, doctor) find it by\n{elsewhere.export(others)}")
            if self._wishes.browser and not self._wishes.seconds and sys.stdout.isatty():
                webbrowser.open(url)
            store = RedisStore(Redis(url=services.redis_socket_url), PARTITIONS)
            async with http_client(url) as client:
                try:
                    return await self._feed(client, store, services.supervisor)
                finally:
                    await store.close()

    async def _start_engine(self, services: LocalServices) -> None:
        environment, engine = self._environment(services), [sys.executable, "-m", "engine"]
        within = READY_WITHIN_S if kernels.kept() else COMPILED_WITHIN_S
        work, run = [*engine, "work"], services.supervisor.run
        await asyncio.gather(
            run("worker", work, environment, lambda: _answers(self._worker_port, "ready"), within),
            # ready says whether the worker is too: an api process must not be ended because a worker is
            run("api", [*engine, "api"], environment, lambda: _answers(self._port, "live"), within),
        )

    def _environment(self, services: LocalServices) -> dict[str, str]:
        rules = self._wishes.rules.absolute()
        return {
            **TANSU_GROUP,
            **elsewhere.services(services.brokers, services.redis_socket_url, PARTITIONS),
            "CUELINE_KAFKA__FETCH_WAIT_MS": "10",
            "CUELINE_STREAM__LOST_LOG": "restart",  # tansu comes back empty when it dies
            "CUELINE_STREAM__CLOCK": "replay",
            "CUELINE_STREAM__LATENESS_MS": str(self._wishes.input.lateness_ms),
            "CUELINE_STREAM__METRICS_PORT": str(self._worker_port),
            "CUELINE_WEB__HOST": HOST,
            "CUELINE_WEB__PORT": str(self._port),
            **self._keys.environment(),
            "CUELINE_WEB__DEMO_PAGE": "true",
            "CUELINE_RULES__DIRECTORY": str(rules),
        }

    async def _feed(self, client: httpx.AsyncClient, store: RedisStore, supervisor: Supervisor) -> Result:
        """Send the input, with everything else beside it; returns when all of it has been counted."""
        self._feeding = True
        clock = ClockKeeper(store.set_clock)
        feed = Feed(self._wishes.input, HttpSender(client, self._keys.feed), clock.set)
        seed = self._wishes.input.seed
        agent = SimulatedAgent(client, self._keys.api, seed, feed.customers)
        # a log's time is its own, and its customers are all there are
        scene = Scene(client, self._keys, seed, self._say) if self._wishes.input.file is None else None
        reading = partial(_answers, self._worker_port, "ready")
        log_batches = self._wishes.log_batches
        self._log = log = LogRotation(store, PARTITIONS, supervisor, feed, reading, self._say, log_batches)
        self._notices = notices = Notices(client, self._say)
        watched = self._watch(store, feed, agent)
        async with self._beside(
            agent.follow(), agent.serve(), watched, log.keep(), notices.follow(), clock.keep()
        ):
            await self._send(feed, scene)
            await self._settle(store, _sent(feed, scene))
            await self._stay()
        if self._failure:
            raise self._failure
        return await self._result(client, store, feed, agent, scene)

    @asynccontextmanager
    async def _beside(self, *works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run `works` for as long as ``async with`` lasts."""
        tasks = [asyncio.ensure_future(work) for work in works]
        for task in tasks:
            task.add_done_callback(self._ended)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Future[None]) -> None:
        """What runs beside the feed runs until it is cancelled; what it failed of ends the demo."""
        if not task.cancelled() and (error := task.exception()):
            self._failure = error
            self._stop.set()

    async def _send(self, feed: Feed, scene: Scene | None) -> None:
        """Until the input, or the time, is over; soon after a signal."""
        spent, seconds = time.monotonic() - self._began, self._wishes.seconds
        lasting = max(seconds - spent - END_S, LEAST_S) if seconds else None
        sending = asyncio.ensure_future(_together(feed, scene, lasting))
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({sending, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done():
            feed.end()
            await asyncio.wait({sending}, timeout=STOP_S)
            sending.cancel()
        stopped.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending

    async def _stay(self) -> None:
        """After a log that somebody watches: until Ctrl-C."""
        if not (self._wishes.seconds or self._wishes.as_json or self._stop.is_set()):
            self._say("the log is over; the page stays until Ctrl-C")
            await self._stop.wait()

    async def _settle(self, store: RedisStore, sent: int) -> None:
        """Wait until everything sent has been counted. Raises `Unavailable` when it is not, unless a signal
        came: the result then shows it."""
        began = time.monotonic()
        while (counted := accounted(await _tallies(store))) < sent:
            waited = time.monotonic() - began
            if self._stop.is_set() and waited > STOP_S:
                return
            if waited > SETTLE_S:
                raise Unavailable(
                    f"{sent} events were sent, {counted} accounted for after {SETTLE_S:.0f} s{self._lost()}; "
                    f"logs: {self._wishes.directory / 'logs'}"
                )
            await asyncio.sleep(0.05)

    def _lost(self) -> str:
        """Why events may be missing at the end, when the reason is known."""
        if self._notices and self._notices.seen:
            return f" ({self._notices.seen[-1]})"
        return " (Kafka died, and the demo's keeps its log in memory only)" if self._log and self._log.lost else ""

    async def _watch(self, store: RedisStore, feed: Feed, agent: SimulatedAgent) -> None:
        """The line in the terminal."""
        if not self._out.is_terminal:
            return
        with Live(console=self._out, refresh_per_second=4) as live:
            while True:
                tallies = await _tallies(store)
                table = Table.grid(padding=(0, 2))
                table.add_row(
                    f"sent {feed.sent:,}",
                    f"applied {tallies.get('applied', 0):,}",
                    f"customers {tallies.get('customers', 0):,}",
                    f"indicators {tallies.get('risen', 0):,}",
                    f"cues {tallies.get('cues', 0):,}",
                    f"decisions {agent.decision_ms.count:,}",
                )
                live.update(table)
                await asyncio.sleep(0.25)

    async def _result(
        self,
        client: httpx.AsyncClient,
        store: RedisStore,
        feed: Feed,
        agent: SimulatedAgent,
        scene: Scene | None,
    ) -> Result:
        client.headers["authorization"] = f"Bearer {self._keys.api}"
        exposition = await self._worker_metrics(client)
        rulebook = await _asked(client, "/v1/rulebook")
        return collect(
            _sent(feed, scene),
            feed.skipped,
            await store.tallies(),
            agent.decision_ms,
            agent.cue_ms,
            exposition,
            agent.first_cue_at and agent.first_cue_at - self._began,
            rulebook.json()["revision"],
            self._children.restarts,
            scene,
        )

    async def _worker_metrics(self, client: httpx.AsyncClient) -> str:
        """Empty while the worker is being started again: what it measured is gone, what it did is in the store."""
        try:
            return (await _asked(client, f"http://{HOST}:{self._worker_port}/metrics")).text
        except Unavailable:
            return ""

    def _changed(self, change: Change) -> None:
        self._children.changed(change)
        if self._log:
            self._log.changed(change)

    def _say(self, text: str) -> None:
        self._out.print(text, highlight=False, soft_wrap=True)


def _sent(feed: Feed, scene: Scene | None) -> int:
    return feed.sent + (scene.sent if scene else 0)


async def _together(feed: Feed, scene: Scene | None, lasting: float | None) -> None:
    """Send `feed`, for `lasting` seconds, and play `scene` for as long."""
    if scene is None:
        return await feed.run(lasting)
    playing = asyncio.ensure_future(scene.run())
    try:
        await feed.run(lasting)
        scene.end()
        await playing
    finally:
        playing.cancel()


async def _tallies(store: RedisStore) -> Mapping[str, int]:
    """None while Redis is away."""
    try:
        return await store.tallies()
    except Unavailable:
        return {}


async def _asked(client: httpx.AsyncClient, url: str) -> httpx.Response:
    """The answer, also of a process that is just being started again. Raises `Unavailable`."""
    async for attempt in attempts(url, Unavailable, patience_s=SETTLE_S, first_s=0.1, longest_s=1.0):
        with attempt:
            try:
                return await client.get(url)
            except httpx.TransportError as error:
                raise Unavailable(f"{url}: {error!r}") from error
    raise AssertionError("the last attempt raises its error")


async def _answers(port: int, probe: str) -> bool:
    """Whether a process answers 200 to ``/health/<probe>``."""
    async with http_client() as client:
        try:
            return (await client.get(f"http://{HOST}:{port}/health/{probe}")).status_code == 200
        except httpx.TransportError:
            return False
