"""An API process in the test's own loop: the real application over the in-memory store and log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import msgspec
import uvicorn
from blacksheep import Application

from engine.decisions.batcher import DecisionBatcher
from engine.decisions.policy import Policy, make_policy
from engine.errors import CuelineError
from engine.events import Cue, Message, Outcome
from engine.identity.identification import Identification
from engine.kernels.partition import partition_of
from engine.meter import PrometheusMeter
from engine.placeholder_ids import WORDS
from engine.ports.health import SystemHealth
from engine.ports.kafka import AuditEntry, LogPlace
from engine.ports.link_store import LinkStore
from engine.ports.sent_store import SentStore
from engine.ports.stream_store import Commit, CueCandidate, CueChoice, Timers
from engine.process.contacts import configured_contacts
from engine.rulebook.directory import compile_texts
from engine.rulebook.model import Rulebook
from engine.settings import Settings
from engine.sources.segment.limits import Limits
from engine.sources.segment.payload import SegmentSource
from engine.state.row_codec import blank
from engine.store.followed_views import FollowedViews
from engine.store.memory import MemoryStore
from engine.web.api.known_links import KnownLinks
from engine.web.api.links import LinkAnnouncer
from engine.web.auth.keys import KeyRing, configured_keys
from engine.web.auth.quotas import Quotas
from engine.web.server.app import Api, build_app
from engine.web.server.uvicorn_server import configured
from engine.web.services import Services
from tests.patience import PATIENCE_S
from tests.state.stored import stored

NOW = 1_700_000_000_000
PARTITIONS = 4
WRITE, API = "write-key-1", "api-key-1"
WRITER = {"authorization": f"Bearer {WRITE}"}
AGENT = {"x-api-key": API}
RULES = """
indicators:
  - name: bursty_session
    description: moves fast and comes back
    when: session.bursts >= 3
offers:
  - id: help_chat
    kind: chat
    channels: [web, agent]
    when: bursty_session
    value: 10
    propensity: 0.2
    say: "May I help?"
    cap: {max: 1, period: 1 d}
  - id: newsletter
    kind: nurture
    channels: [web]
    when: customer.events >= 1
    value: 1
    propensity: 0.1
    say: "Stay in touch"
"""


class StillClock:
    """A clock that stands where it is set."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now


class MemoryLog:
    """The event log in memory. Raises `fault` when there is one; waits for `open` before it acknowledges.

    Each call of `publish` first releases `asked`.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.outcomes: list[Outcome] = []
        self.audited: list[AuditEntry] = []
        self.fault: CuelineError | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Semaphore(0)

    async def publish(self, messages: Sequence[Message]) -> None:
        self.asked.release()
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        for message in messages:  # as Kafka's log does, which not every value survives
            msgspec.msgpack.encode(message.event)
        self.messages.extend(messages)

    async def publish_one(self, message: Message) -> LogPlace:
        await self.publish([message])
        return LogPlace(
            "cueline.events", partition_of(message.customer.encode(), PARTITIONS), len(self.messages) - 1
        )

    async def publish_audit(self, entries: Sequence[AuditEntry]) -> None:
        if self.fault is not None:
            raise self.fault
        self.audited.extend(entries)

    async def publish_outcome(self, outcome: Outcome) -> None:
        if self.fault is not None:
            raise self.fault
        self.outcomes.append(outcome)


@cache
def rules() -> Rulebook:
    """The rulebook of `RULES`."""
    return compile_texts({"rules.yaml": RULES})


@dataclass
class Process:
    """The application and everything under it, to look at and to turn."""

    settings: Settings
    policy: Policy = field(default_factory=lambda: make_policy(rules(), {}))
    clock: StillClock = field(default_factory=StillClock)
    log: MemoryLog = field(default_factory=MemoryLog)
    store: MemoryStore = field(default_factory=lambda: MemoryStore(PARTITIONS))
    sent: SentStore | None = None  # another than the store
    links: LinkStore | None = None  # likewise
    identification: Identification | None = None
    meter: PrometheusMeter = field(default_factory=PrometheusMeter)
    problems: dict[str, str] = field(default_factory=dict)
    rule_faults: list[str] = field(default_factory=list)
    health: SystemHealth = field(default_factory=SystemHealth)
    notices: list[str] = field(default_factory=list)
    placeholders: frozenset[str] = WORDS
    heartbeat_s: float = 15.0
    known: float = 20.0  # of any offer on any channel, in observations

    def __post_init__(self) -> None:
        self.quotas, web = Quotas(self.store), self.settings.web
        self.keys = KeyRing(configured_keys(web))
        followed = FollowedViews(self.store)
        batcher = DecisionBatcher(followed, lambda: self.policy, self.clock, self.meter, self.settings)
        self.services = Services(
            source=SegmentSource(
                limits := Limits(web.max_event_bytes, web.max_batch_events, identification=self.identification)
            ),
            contacts=configured_contacts(self.settings, limits),
            log=self.log,
            decisions=followed,
            consents=self.store,
            held=self.store,
            cues=self.store,
            stats=self.store,
            sent=self.sent or self.store,
            known_links=KnownLinks(self.store),
            links=LinkAnnouncer(self.log, self.links or self.store, self.meter, 100),
            agents=self.store,
            tickets=self.store,
            meter=self.meter,
            clock=self.clock,
            batcher=batcher,
            keys=self.keys,
            quotas=self.quotas,
            lessons=self.store,
            known=lambda offer, channel: self.known,
            rulebook=lambda: self.rulebook,
            rule_faults=lambda: self.rule_faults,
            metrics=self.meter.render,
            ready=lambda: self.problems,
            health=lambda: self.health,
            notices=lambda: self.notices,
            links_on=self.identification is not None,
            placeholders=self.placeholders,
        )
        self.app: Api = build_app(self.services, self.settings, self.heartbeat_s)

    @property
    def rulebook(self) -> Rulebook:
        return self.policy.rulebook

    async def know(self, customer: str, **fields: Any) -> None:
        """Let the store have a row of `customer` with `fields`."""
        rows = blank(1)
        for name, value in fields.items():
            rows[name] = value
        await self.commit(customer, {customer.encode(): stored(rows)[0]}, ())

    async def cue(self, customer: str, say: str = "Hi", **fields: Any) -> Cue:
        """Let a cue be written for `customer`."""
        defaults = {
            "customer": customer,
            "indicator": "bursty_session",
            "offer_id": "help_chat",
            "kind": "chat",
            "channels": ("web", "agent"),
            "say": say,
            "why": (),
            "at": self.clock.now,
            "expires_at": self.clock.now + 60_000,
            "received_at": 0,
            "decision_id": "",
            "revision": "r",
        }
        cue = Cue(**{**defaults, **fields})
        choice = CueChoice(
            customer.encode(), cue.at, (CueCandidate("help_chat", 0, 0, (1,), "", msgspec.json.encode(cue)),)
        )
        await self.commit(customer, {}, (choice,))
        return cue

    async def commit(self, customer: str, rows: dict[bytes, bytes], cues: tuple[CueChoice, ...]) -> None:
        """As the customer's worker."""
        partition = partition_of(customer.encode(), PARTITIONS)
        stands = await self.store.position(partition)  # as the worker that there may be, which need not notice
        await self.store.commit(
            Commit(
                partition,
                stands.epoch,
                stands.offset,
                stands.offset,
                list(rows),
                list(rows.values()),
                Timers((), ()),
                cues,
                {"events": 1},
            )
        )


def settings(**web: Any) -> Settings:
    """Settings with two write keys and an API key."""
    keys = {"write_keys": ["write-key-0", WRITE], "api_keys": [API]}
    return Settings.model_validate({"kafka": {"partitions": PARTITIONS}, "web": {**keys, **web}})


@asynccontextmanager
async def calling(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    """A client that calls the application without a socket."""
    app: Application = process.app
    await app.start()
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client
    await app.stop()


class _Server(uvicorn.Server):
    """uvicorn as `engine.web.server.uvicorn_server` has it, and an event when it listens."""

    def __init__(self, app: Api) -> None:
        super().__init__(configured(app, "127.0.0.1", 0))
        self.up = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.up.set()


@asynccontextmanager
async def serving(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    """A client that calls the application over a socket."""
    server = _Server(process.app)
    running = asyncio.create_task(server._serve())
    await server.up.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
        try:
            yield client
        finally:
            process.app.end_streams()
            server.should_exit = True
            await running


@dataclass
class Seen:
    """One server-sent event, or a comment."""

    id: str = ""
    event: str = ""
    data: Any = None
    comment: str = ""
    retry: str = ""


async def frames(answer: httpx.Response) -> AsyncIterator[Seen]:
    """The events of a stream, one by one."""
    seen, touched = Seen(), False
    async for line in answer.aiter_lines():
        if not line:
            if touched:
                yield seen
            seen, touched = Seen(), False
            continue
        name, _, value = line.partition(":")
        touched = True
        value = value.removeprefix(" ")
        setattr(seen, name or "comment", json.loads(value) if name == "data" else value)


async def next_cue(stream: AsyncIterator[Seen]) -> Seen:
    """The next cue of a stream, past comments."""
    async with asyncio.timeout(PATIENCE_S):
        async for seen in stream:
            if seen.event == "cue":
                return seen
    raise AssertionError("the stream ended")
