"""Calls and chats as they go, step by step, with what is so after each: nothing here looks at what rows keep.

One contact comes to an agent after the other, waits or not, is held, handed on in the ways that vendors have,
ends, and is opened again. Agents wrap up when they like: long after they handed it on, when others have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from engine.events import ContactChannel, Kind
from tests.kernels.builders import HOUR, MINUTE, SECOND, START
from tests.kernels.groups.contact_oracle import Told

#: How a contact comes to an agent. The last three are told as transfers: in between it waits again; the next agent
#: is asked first, and then the contact handed on; it is the next agent's at once.
QUEUED, DIRECT, COLD, WARM, AT_ONCE = "queued", "direct", "cold", "warm", "at once"
#: What ends it: a word; the last wrap-up; the customer, who was handed on and waits.
TOLD, WRAPPED, GIVEN_UP, HUNG_UP = "told", "wrapped", "given up", "hung up"


@dataclass(frozen=True)
class Leg:
    """How one agent gets the contact and keeps it (ms), and how long after it the agent wraps up (None: never)."""

    way: str
    wait: int = MINUTE
    talk: int = 5 * MINUTE
    held: bool = False
    wraps: int | None = None
    named: bool = True


@dataclass(frozen=True)
class Now:
    """What is so: epoch ms, and hashes; 0 for never, nobody, and nothing that was named."""

    open: bool = False
    waits_since: int = 0
    agent: int = 0
    queue: int = 0
    transfers: int = 0
    ended: int = 0
    unresolved: bool = False
    waits: tuple[int, ...] = ()


@dataclass
class Life:
    """One contact, told as it goes."""

    contact: int
    at: int = START
    now: Now = Now()
    events: list[Told] = field(default_factory=list)
    moments: list[tuple[int, Now]] = field(default_factory=list)
    wraps: list[int] = field(default_factory=list)

    def put(self, kind: Kind, at: int, queue: int = 0, agent: int = 0) -> None:
        number = self.contact + len(self.events) + 1
        self.events.append(Told(at, kind, number, self.contact, ContactChannel.VOICE, queue, agent))

    def turn(self, now: Now) -> None:
        self.now = now
        self.moments.append((self.at, now))

    def begin(self) -> None:
        self.put(Kind.CONTACT_STARTED, self.at)
        self.turn(Now(open=True))

    def wait(self, after: int, queue: int) -> None:
        """It is put into a queue, and is nobody's."""
        self.at += after
        self.put(Kind.CONTACT_QUEUED, self.at, queue=queue)
        since = self.now.waits_since or self.at
        self.turn(replace(self.now, open=True, waits_since=since, agent=0, queue=queue, unresolved=False))

    def take(self, after: int, agent: int) -> None:
        """An agent has it."""
        self.at += after
        self.put(Kind.CONTACT_CONNECTED, self.at, agent=agent)
        self.turn(replace(self._waited(), open=True, agent=agent))

    def hold(self, after: int) -> None:
        self.at += after
        self.put(Kind.CONTACT_HELD, self.at)
        self.turn(self.now)

    def transfer(self, after: int, names: int, agent: int) -> None:
        """It is handed on to `agent`, 0 for nobody known; the event names one, or none."""
        self.at += after
        self.put(Kind.CONTACT_TRANSFERRED, self.at, agent=names)
        self.turn(replace(self.now, transfers=self.now.transfers + 1, agent=agent))

    def wrap_up(self, after: int, queue: int, agent: int) -> None:
        """Whoever had it will be done `after` now, when others may have it."""
        self.wraps.append(self.at + after)
        self.put(Kind.CONTACT_WRAPPED_UP, self.at + after, queue, agent)

    def end(self, after: int, kind: Kind | None) -> None:
        """By an event, or (None) by the last of the wrap-ups that will be."""
        if kind is None:
            self.at = max(self.at, *self.wraps)
        else:
            self.at += after
            self.put(kind, self.at)
        waited = self._waited()
        left = self.now.waits_since != 0
        self.turn(replace(waited, open=False, ended=self.at, agent=0, queue=0, unresolved=left))

    def _waited(self) -> Now:
        if not self.now.waits_since:
            return self.now
        wait = self.at - self.now.waits_since
        return replace(self.now, waits_since=0, waits=(*self.now.waits, wait))

    def at_moment(self, moment: int) -> Now:
        return next(now for at, now in reversed(self.moments) if at <= moment)

    def are_waits_kept(self, moment: int) -> bool:
        """Whether a row knows all of them until then: the first and the last, of two connections."""
        waits = len({now.waits_since for at, now in self.moments if at <= moment and now.waits_since})
        connected = sum(one.kind == Kind.CONTACT_CONNECTED and one.at <= moment for one in self.events)
        return waits <= 2 and connected <= 2


def name(number: int) -> int:
    """Of a queue or an agent."""
    return (number + 1) * 0x9E3779B97F4A7C15 % 2**64


def lived(contact: int, legs: Sequence[Leg], ending: str, gap: int, overflows: bool = False) -> Life:
    """A contact, from its start to its end; `gap` lies between events that follow at once."""
    life = Life(contact)
    life.begin()
    before: Leg | None = None
    for number, leg in enumerate(legs):
        handed_on(life, number, before, leg, gap, overflows and number == 0)
        if leg.held:
            life.hold(gap)
        before = leg
    life.at += legs[-1].talk
    if ending in (GIVEN_UP, HUNG_UP):
        life.transfer(gap, 0, life.now.agent)
        done(life, len(legs) - 1, legs[-1])
        life.wait(gap, name(100))
        life.end(2 * MINUTE, Kind.CONTACT_ABANDONED if ending == GIVEN_UP else Kind.CONTACT_ENDED)
        return life
    if ending == TOLD:
        life.end(gap, Kind.CONTACT_ENDED)
        done(life, len(legs) - 1, legs[-1])
        return life
    life.wrap_up(max([gap, *(at - life.at for at in life.wraps)]) + 1, life.now.queue, life.now.agent)
    life.end(gap, None)
    return life


def handed_on(life: Life, number: int, before: Leg | None, leg: Leg, gap: int, overflows: bool) -> None:
    """To an agent, by whoever had it, if anybody had."""
    agent, queue = name(number) if leg.named else 0, name(50 + number)
    had = life.now.agent
    if before is not None:
        life.at += before.talk
    if leg.way == COLD:
        life.transfer(gap, had, had)
    if leg.way == AT_ONCE:
        life.transfer(gap, agent or name(40), agent or name(40))
        done(life, number - 1, before)
        return
    if leg.way == COLD:
        done(life, number - 1, before)
    if leg.way != DIRECT:
        life.wait(gap, queue)
        if overflows:
            life.wait(gap, name(60))
    if leg.way == QUEUED:  # sooner it would have been over
        done(life, number - 1, before)
    life.take(leg.wait, agent)
    if leg.way == WARM:
        life.transfer(gap, 0, agent)
        done(life, number - 1, before)


def done(life: Life, number: int, leg: Leg | None) -> None:
    """The agent of a leg wraps up, in some time, and names the queue that it came from."""
    if leg is not None and leg.wraps is not None:
        life.wrap_up(leg.wraps, name(50 + number), name(number))


MS = st.sampled_from([1, SECOND, MINUTE]) | st.integers(1, HOUR)


@st.composite
def lives(draw: st.DrawFn, contact: int) -> Life:
    """Any. Hand-overs are told as transfers, but one; all agents wrap up where wrap-ups are all that ends it."""
    ending = draw(st.sampled_from([TOLD, WRAPPED, GIVEN_UP, HUNG_UP]))
    wraps = MS if ending == WRAPPED else st.none() | MS
    first = draw(st.sampled_from([QUEUED, QUEUED, DIRECT]))
    silent = draw(st.booleans())
    ways = [QUEUED] if silent else [COLD, WARM, AT_ONCE]
    legs = [
        draw(st.builds(Leg, st.just(first), MS, MS, st.booleans(), wraps, st.booleans())),
        *draw(
            st.lists(
                st.builds(Leg, st.sampled_from(ways), MS, MS, st.booleans(), wraps, st.booleans()),
                max_size=1 if silent else 3,
            )
        ),
    ]
    if silent and ending in (GIVEN_UP, HUNG_UP):
        ending = TOLD
    life = lived(contact, legs, ending, draw(MS), draw(st.booleans()))
    if ending == TOLD and not (silent and life.wraps) and draw(st.booleans()):
        again(life, draw(MS), draw(MS))
    return life


def again(life: Life, after: int, wait: int) -> None:
    """The customer comes back to it, and another agent answers."""
    life.wait(after, name(70))
    life.take(wait, name(30))
    life.end(MINUTE, Kind.CONTACT_ENDED)
