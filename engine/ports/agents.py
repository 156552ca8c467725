"""Agents of the contact centre: who is free, as their vendor says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Protocol

import msgspec

from engine.events import ContactChannel

#: Vendors repeat an agent's state while nothing changes (Amazon Connect every two minutes): whoever was not heard
#: of for so long is held to have left.
HEARD_WITHIN_MS = 5 * 60_000
MOST_AGENTS = 10_000  # kept at once

TIME, ORDER = 16, 36  # digits: of the time with which the order begins, and of all of it
_MOST_FREE = 0xFFFF


class AgentState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an agent was ready for ``at`` (epoch ms): how many contacts more of each channel (code of
    `ContactChannel`) from the ``queues``. None of any channel: away, busy or logged off."""

    agent: str
    at: int
    queues: tuple[str, ...] = ()
    free: tuple[tuple[int, int], ...] = ()


class AgentStore(Protocol):
    """What agents were ready for last. Methods raise `Unavailable`."""

    async def keep_agents(self, states: Sequence[AgentState], now: int) -> None:
        """Keep the last state of each agent (`order_of`), whatever came before. Those that were last heard of
        before ``now - HEARD_WITHIN_MS`` (epoch ms) are no longer kept, and of more than `MOST_AGENTS` the newest
        alone."""

    async def agents(self, now: int) -> list[AgentState]:
        """The agents that were heard of since ``now - HEARD_WITHIN_MS``, by name."""


def order_of(state: AgentState) -> str:
    """`ORDER` digits: of one agent's states the greatest is the last, in whichever order they came; of two at one
    moment that which is less free."""
    free = min(sum(slots for _, slots in state.free), _MOST_FREE)
    digest = blake2b(_encode(state), digest_size=8).hexdigest()
    return f"{state.at:0{TIME}x}{_MOST_FREE - free:04x}{digest}"


def oldest(now: int) -> str:
    """The beginning of the order of what happened `HEARD_WITHIN_MS` before `now`, in `TIME` digits."""
    return f"{max(now - HEARD_WITHIN_MS, 0):0{TIME}x}"


def newest(states: Iterable[AgentState]) -> dict[str, AgentState]:
    """The last state of each agent, in whichever order they came."""
    found: dict[str, AgentState] = {}
    for state in states:
        known = found.get(state.agent)
        if known is None or order_of(state) > order_of(known):
            found[state.agent] = state
    return found


def stored(state: AgentState) -> bytes:
    """As it is kept under the agent's name: order, a blank, JSON."""
    return f"{order_of(state)} ".encode() + _encode(state)


def read(kept: bytes) -> AgentState | None:
    """The state in what is kept; None for what is none."""
    try:
        return _decode(kept[ORDER + 1 :])
    except msgspec.MsgspecError:
        return None


def free_slots(states: Iterable[AgentState], queue: str, channel: ContactChannel, now: int) -> int:
    """How many contacts more of `channel` the agents of `queue` could take at `now` (epoch ms)."""
    return sum(
        slots
        for state in newest(states).values()
        if queue in state.queues and now - state.at <= HEARD_WITHIN_MS
        for code, slots in state.free
        if code == channel
    )


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AgentState).decode
