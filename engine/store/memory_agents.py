"""The in-memory twin of the agents."""

from __future__ import annotations

from collections.abc import Sequence

from engine.ports.agents import HEARD_WITHIN_MS, MOST_AGENTS, AgentState, newest, order_of


class MemoryAgents:
    """AgentStore in one process."""

    def __init__(self) -> None:
        super().__init__()
        self._agents: dict[str, AgentState] = {}

    async def keep_agents(self, states: Sequence[AgentState], now: int) -> None:
        heard = [one for one in states if one.at >= now - HEARD_WITHIN_MS]
        self._agents = newest([*self._agents.values(), *heard])
        if len(self._agents) > MOST_AGENTS:
            await self._let_go(now)

    async def _let_go(self, now: int) -> None:
        left = sorted(await self.agents(now), key=order_of)
        if len(left) > MOST_AGENTS:
            left = left[-MOST_AGENTS * 9 // 10 :]
        self._agents = {one.agent: one for one in left}

    async def agents(self, now: int) -> list[AgentState]:
        heard = [one for one in self._agents.values() if one.at >= now - HEARD_WITHIN_MS]
        return sorted(heard, key=lambda one: one.agent)
