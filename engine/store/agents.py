"""Commands of the contact centre's agents: one hash, from an agent to what they were ready for last."""

from __future__ import annotations

from collections.abc import Sequence

from engine.ports.agents import HEARD_WITHIN_MS, AgentState, newest, oldest, read, stored
from engine.store.commands import Commands
from engine.store.functions.library import AGENTS
from engine.store.keys import AGENT_STATES
from engine.store.resp import pack

AT_ONCE = 200  # states in one call, which is less than a millisecond of Redis


class AgentCommands(Commands):
    """`engine.ports.agents.AgentStore` on Redis."""

    async def keep_agents(self, states: Sequence[AgentState], now: int) -> None:
        last, within_s = list(newest(states).values()), HEARD_WITHIN_MS // 1_000
        for start in range(0, len(last), AT_ONCE):
            words = [part for state in last[start : start + AT_ONCE] for part in (state.agent, stored(state))]
            await self._connection.call(pack(("FCALL", AGENTS, 1, AGENT_STATES, oldest(now), within_s, *words)))

    async def agents(self, now: int) -> list[AgentState]:
        kept = await self._connection.call(pack(("HGETALL", AGENT_STATES)))
        found = [state for one in kept[1::2] if (state := read(one)) is not None]
        return sorted((one for one in found if one.at >= now - HEARD_WITHIN_MS), key=lambda one: one.agent)
