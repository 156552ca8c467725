"""Fan-out of the cue streams: one reader per process, a bounded queue per client.

A slow consumer is disconnected rather than waited for: it resumes with the id of the last cue it saw and
catches up from the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import msgspec

from engine.customer_id import CustomerId
from engine.errors import Overloaded, RateLimited, Unavailable
from engine.events import Cue
from engine.ports.cue_store import CueEntry, CueStore, StreamMoved
from engine.ports.meter import Meter
from engine.web.auth.principal import NOBODY
from engine.web.push.frames import CueFrame
from engine.web.server.bulkheads import Bulkhead

log = logging.getLogger(__name__)

QUEUE = 2_048  # cues waiting for one client; they are shared, so that many stalled clients cost little
AT_ONCE = 64  # cues passed on between two yields to the event loop: a page of a thousand arrives at once
REMEMBERED = 4_096  # ids of cues passed on, for deduplication when catching up after an outage
PAGE = 1_000  # cues read at once when catching up
RETRY_AFTER_S = 10  # for who has too many streams
MOVED = b": these cues are another customer's now, come back\n\n"
PAUSE_S = 0.5  # between retries while the store is away


async def past(cues: CueStore, last: str) -> AsyncIterator[CueEntry | StreamMoved]:
    """Every cue of all customers after `last`, and who moved, each once, oldest first: page by page, and pages may
    overlap."""
    seen: set[str] = set()
    while True:
        page = await cues.passed(last, PAGE)
        fresh = [entry for entry in page if entry.id not in seen]
        for entry in fresh:
            seen.add(entry.id)
            yield entry
        if not fresh:
            return
        last = page[-1].id


class Share(msgspec.Struct, frozen=True, gc=False):
    """A part of all event streams: of one address or visitor, at most `most` (0: any number)."""

    name: str
    most: int


class Listener:
    """One client's queue. Ended by `close`, with a last frame for the client."""

    def __init__(self, wants: Callable[[Cue], bool], room: int, shares: Sequence[Share] = ()) -> None:
        self.wants = wants
        self.shares = shares
        self.last_frame: bytes | None = None
        self.closed: Callable[[], object] = _nothing  # called once, at the end
        self.caller = NOBODY  # who opened the stream
        self.asked: str | None = None  # of whom the stream was asked for
        self._room = room
        self._waiting: deque[CueFrame] = deque()
        self._changed = asyncio.Event()

    def offer(self, cue: CueFrame) -> int:
        """Queue `cue`; returns how many cues were dropped because the client is too slow."""
        if self.last_frame is not None:
            return 0
        if len(self._waiting) >= self._room:
            lost = len(self._waiting) + 1
            self._waiting.clear()
            self.close(b": too slow, come back with Last-Event-ID\n\n")
            return lost
        self._waiting.append(cue)
        self._changed.set()
        return 0

    def close(self, last_frame: bytes = b": closing\n\n") -> None:
        """No more cues; only the first call counts."""
        if self.last_frame is None:
            self.last_frame = last_frame
            self.closed()
        self._changed.set()

    async def wait(self, seconds: float) -> list[CueFrame]:
        """The cues that came, at once or within `seconds`; none: nothing came, or it is over (`last_frame`)."""
        if not self._waiting and self.last_frame is None:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return []
        received = list(self._waiting)
        self._waiting.clear()
        self._changed.clear()
        return received


class CueFeed:
    """The reader. `start` and `stop` belong to the process, `end` disconnects every client and refuses new ones.

    Each open stream takes one of `places`. `room` is the queue length of clients from now on.
    """

    def __init__(self, cues: CueStore, places: Bulkhead, meter: Meter, room: int = QUEUE) -> None:
        self._cues = cues
        self._places = places
        self._meter = meter
        self.room = room
        self._by_customer: dict[str, set[Listener]] = {}
        self._by_asked: dict[str, set[Listener]] = {}
        self._of_all: set[Listener] = set()
        self._shares: Counter[str] = Counter()
        self._passed: deque[str] = deque(maxlen=REMEMBERED)
        self._known: set[str] = set()
        self._reader: asyncio.Task[None] | None = None
        self._ended = False

    @property
    def clients(self) -> int:
        """Open event streams."""
        return len(self._of_all) + sum(map(len, self._by_customer.values()))

    async def start(self) -> None:
        """Start reading: cues of commits sent after this call are passed on."""
        self._reader = asyncio.create_task(self._read(self._cues.tail()), name="cue feed")

    async def stop(self) -> None:
        """Disconnect the clients and stop reading."""
        self.end()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    def end(self) -> None:
        """Disconnect every client; new ones are refused."""
        self._ended = True
        for listener in self.listeners():
            listener.close()

    def listeners(self) -> list[Listener]:
        """The queues of all clients."""
        return [*self._of_all, *(one for some in self._by_customer.values() for one in some)]

    def listen(
        self,
        customer: CustomerId | None,
        wants: Callable[[Cue], bool],
        shares: Iterable[Share] = (),
        asked: CustomerId | None = None,
    ) -> Listener:
        """A queue of the cues of `customer` (None: of all) that are wanted, from now on, or until the cues of whom
        was `asked` for (None: the same) move.

        Raises `Overloaded` when there are too many clients or the process is about to end, `RateLimited` when
        there are too many of one of its `shares`.
        """
        if self._ended:
            raise Overloaded("no more event streams are taken")
        shares = tuple(shares)
        for share in shares:
            if 0 < share.most <= self._shares[share.name]:
                raise RateLimited(f"{share.most} event streams are open already", RETRY_AFTER_S)
        self._places.enter()
        listener = Listener(wants, self.room, shares)
        listener.asked = asked or customer
        if listener.asked is not None:
            self._by_asked.setdefault(listener.asked, set()).add(listener)
        self._shares.update(share.name for share in shares)
        self._group(customer).add(listener)
        self._meter.set("sse_clients", self.clients)
        return listener

    def leave(self, customer: CustomerId | None, listener: Listener) -> None:
        """The client disconnected."""
        listener.close(b"")
        group = self._group(customer)
        if listener in group:
            group.remove(listener)
            self._places.leave()
            self._give_back(listener.shares)
            self._forget_asked(listener)
        if customer is not None and not group:
            del self._by_customer[customer]
        self._meter.set("sse_clients", self.clients)

    def _forget_asked(self, listener: Listener) -> None:
        if listener.asked is not None:
            asking = self._by_asked[listener.asked]
            asking.remove(listener)
            if not asking:
                del self._by_asked[listener.asked]

    def _give_back(self, shares: Iterable[Share]) -> None:
        for share in shares:
            self._shares[share.name] -= 1
            if not self._shares[share.name]:
                del self._shares[share.name]

    def _group(self, customer: CustomerId | None) -> set[Listener]:
        return self._of_all if customer is None else self._by_customer.setdefault(customer, set())

    async def _read(self, tail: AsyncIterator[CueEntry | StreamMoved]) -> None:
        while True:
            try:
                await self._follow(tail)
            except Unavailable as fault:
                log.warning("cues wait for the store: %s", fault)
            except Exception:  # the outermost loop of the feed: it must go on
                log.exception("the cue feed restarts")
            await asyncio.sleep(PAUSE_S)
            tail = self._cues.tail()

    async def _follow(self, tail: AsyncIterator[CueEntry | StreamMoved]) -> None:
        """Catch up if the reader failed before, then follow. The tail was opened before the past is read, so no
        cue is missed."""
        if self._passed:
            await self._pass_all_on(past(self._cues, self._passed[-1]))
        await self._pass_all_on(tail)

    async def _pass_all_on(self, entries: AsyncIterator[CueEntry | StreamMoved]) -> None:
        passed = 0
        async for entry in entries:
            self._pass_on(entry)
            passed += 1
            if passed % AT_ONCE == 0:
                await asyncio.sleep(0)

    def _pass_on(self, entry: CueEntry | StreamMoved) -> None:
        if entry.id in self._known:
            return
        self._remember(entry.id)
        if isinstance(entry, StreamMoved):
            for listener in list(self._by_asked.get(entry.customer, ())):
                listener.close(MOVED)
            return
        interested = [*self._by_customer.get(entry.cue.customer, ()), *self._of_all]
        wanting = [listener for listener in interested if listener.wants(entry.cue)]
        if not wanting:
            return
        cue = CueFrame(entry)
        lost = sum(listener.offer(cue) for listener in wanting)
        if lost:
            self._meter.add("cues_dropped_slow_clients", lost)

    def _remember(self, name: str) -> None:
        if len(self._passed) == REMEMBERED:
            self._known.discard(self._passed[0])
        self._passed.append(name)
        self._known.add(name)


def _nothing() -> None:
    """No callback."""
