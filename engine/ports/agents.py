"""Agents of the contact centre: who is free, as their vendor says."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.events import ContactChannel

#: Vendors repeat an agent's state while nothing changes (Amazon Connect every two minutes): whoever was not heard
#: of for so long is held to have left.
HEARD_WITHIN_MS = 5 * 60_000


class AgentState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an agent was ready for ``at`` (epoch ms): how many contacts more of each channel (code of
    `ContactChannel`) from the ``queues``. None of any channel: away, busy or logged off."""

    agent: str
    at: int
    queues: tuple[str, ...] = ()
    free: tuple[tuple[int, int], ...] = ()


def newest(states: Iterable[AgentState]) -> dict[str, AgentState]:
    """The last state of each agent, in whichever order they came; of two at one moment that which is less free."""
    found: dict[str, AgentState] = {}
    for state in states:
        known = found.get(state.agent)
        if known is None or _later(state, known):
            found[state.agent] = state
    return found


def _later(state: AgentState, known: AgentState) -> bool:
    return (state.at, *_fixed(known)) > (known.at, *_fixed(state))


def _fixed(state: AgentState) -> tuple[int, tuple[tuple[int, int], ...], tuple[str, ...]]:
    """A total order of states of one moment."""
    return sum(slots for _, slots in state.free), state.free, state.queues


def free_slots(states: Iterable[AgentState], queue: str, channel: ContactChannel, now: int) -> int:
    """How many contacts more of `channel` the agents of `queue` could take at `now` (epoch ms)."""
    return sum(
        slots
        for state in newest(states).values()
        if queue in state.queues and now - state.at <= HEARD_WITHIN_MS
        for code, slots in state.free
        if code == channel
    )
