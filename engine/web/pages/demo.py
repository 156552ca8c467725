"""The demo's live page at ``/`` and its stream at ``/v1/live``; served only with ``web.demo_page``."""

from __future__ import annotations

import mimetypes
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec
from blacksheep import Request, Response
from blacksheep.contents import StreamedContent

from engine.errors import BadRequest, NotFound, Unavailable
from engine.ports.cue_store import CueEntry
from engine.ports.health import SystemHealth
from engine.web.auth.authenticator import Authenticator, of_this_machine
from engine.web.auth.principal import Principal
from engine.web.pages.activity import EVERY_S, Activity, Point
from engine.web.push.event_streams import HEADERS, RETRY_MS, CueRoutes
from engine.web.server import replies
from engine.web.services import Services

PAGE = Path(__file__).parent / "page"
NEWEST = 60  # cues shown to a page that is opened


class LiveStats(msgspec.Struct, frozen=True, rename="camel"):
    """The state of the engine. ``perSecond``: how fast each tally grew since the sample before; ``ruleFaults``:
    why the newest rule files are not in use (none: they are); ``stalledSeconds``: how long events accepted here
    have been waiting to be read (0: they are read); ``points``: the chart's since the last pulse; ``health``: of
    worker, Redis and Kafka; ``notices``: losses of data since the start."""

    engine_now: int
    tallies: Mapping[str, int]
    per_second: Mapping[str, float]
    events_per_second: float
    cues_per_second: float
    revision: str
    rule_faults: list[str]
    clients: int
    stalled_seconds: float
    points: list[Point]
    health: SystemHealth
    notices: Sequence[str]


class History(msgspec.Struct, frozen=True):
    """A snapshot for a page that is opened late: the chart's ``points`` and the newest ``cues``, each with
    the id that it has as an event. Both oldest first."""

    points: list[Point]
    cues: list[CueEntry]


class DemoPage:
    """The page's files, read once, and the stream."""

    def __init__(
        self,
        services: Services,
        authenticator: Authenticator,
        cues: CueRoutes,
        activity: Activity,
        folder: Path = PAGE,
    ) -> None:
        self._services = services
        self._authenticator = authenticator
        self._cues = cues
        self._activity = activity
        self._files = {
            path.relative_to(folder).as_posix(): (_type(path), path.read_bytes())
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    async def index(self, request: Request, caller: Principal) -> Response:
        """The page; its browser is given a cookie that opens everything.

        Only under a name of this machine, against DNS rebinding.
        """
        _only_here(request)
        response = self._file("index.html")
        response.add_header(b"Set-Cookie", self._authenticator.demo_cookie)
        return response

    async def file(self, request: Request, caller: Principal) -> Response:
        """A file of the page."""
        _only_here(request)
        return self._file((request.route_values or {}).get("tail") or "")

    async def live(self, request: Request, caller: Principal) -> Response:
        """The history, then a pulse every half second, and each cue live."""
        listener = self._cues.feed.listen(None, lambda cue: True)  # before the past is read: no cue is missed
        listener.caller = caller

        async def frames() -> AsyncIterator[bytes]:
            with self._cues.until_disconnected(request, None, listener):
                yield b"retry: %d\n\n" % RETRY_MS
                seen, history = self._activity.taken, await self._history()
                yield _event(b"history", history)
                due = 0.0
                while listener.last_frame is None:
                    if (now := time.monotonic()) >= due:
                        due = now + EVERY_S
                        live_stats, seen = self._live_stats(seen), self._activity.taken
                        yield _event(b"pulse", live_stats)
                    for cue in await listener.wait(max(due - time.monotonic(), 0.0)):
                        yield cue.full
                if listener.last_frame:
                    yield listener.last_frame

        return Response(200, list(HEADERS), StreamedContent(b"text/event-stream", frames))

    async def _history(self) -> History:
        points = self._activity.points()
        try:
            return History(points, await self._services.cues.newest(NEWEST))
        except Unavailable:  # the pulse shows the outage
            return History(points, [])

    def _live_stats(self, seen: int) -> LiveStats:
        """The state now, with the points after those `seen`."""
        services, sample = self._services, self._activity.latest
        return LiveStats(
            services.clock.now_ms(),
            sample.tallies,
            sample.per_second,
            sample.per_second.get("events", 0.0),
            sample.per_second.get("cues", 0.0),
            services.rulebook().revision,
            list(services.rule_faults()),
            self._cues.feed.clients,
            sample.stalled_seconds,
            self._activity.points(seen),
            services.health(),
            services.notices(),
        )

    def _file(self, name: str) -> Response:
        found = self._files.get(name)
        if found is None:
            raise NotFound("no such page", "path")
        response = replies.body(*found)
        response.add_header(b"Cache-Control", b"no-cache")
        return response


def _only_here(request: Request) -> None:
    """Raises `BadRequest` under another name than this machine's."""
    if not of_this_machine(request):
        raise BadRequest("the live page is for this machine: open it under localhost or 127.0.0.1", "Host")


def _type(path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _event(name: bytes, data: LiveStats | History) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, msgspec.json.encode(data))
