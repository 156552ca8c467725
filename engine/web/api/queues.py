"""``GET /v1/queues``: which queues of the contact centre have agents who are free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from blacksheep import Request, Response

from engine.events import ContactChannel
from engine.ports.agents import AgentState
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.services import Services


class FreeAgent(msgspec.Struct, frozen=True, rename="camel"):
    """An agent, how many contacts more of each channel they could take (``free``: voice, chat, email, messaging),
    and as of when (epoch ms)."""

    agent_id: str
    at: int
    free: Mapping[str, int]


class QueueState(msgspec.Struct, frozen=True, rename="camel"):
    """A queue: ``free`` is how many contacts more of each channel its agents could take together; an agent of
    several queues counts in each. ``agents`` are those who could take any."""

    queue: str
    free: Mapping[str, int]
    agents: list[FreeAgent]


class QueuesAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The queues whose agents are at work, by name, as of a moment (epoch ms). ``agents`` is how many agents were
    heard of within five minutes, at work or not."""

    as_of: int
    agents: int
    queues: list[QueueState]


class QueueRoutes:
    """The contact centre's queues."""

    def __init__(self, services: Services) -> None:
        self._agents = services.agents
        self._now = services.clock.now_ms

    async def get(self, request: Request, caller: Principal) -> Response:
        """Who is free, by queue."""
        now = self._now()
        states = await self._agents.agents(now)
        names = sorted({queue for one in states for queue in one.queues})
        queues = [_queue(name, [one for one in states if name in one.queues]) for name in names]
        return replies.json(QueuesAnswer(now, len(states), queues))


def _queue(name: str, states: Iterable[AgentState]) -> QueueState:
    agents = [FreeAgent(one.agent, one.at, _free(one)) for one in states if one.free]
    total: Counter[str] = Counter()
    for agent in agents:
        total.update(agent.free)
    return QueueState(name, dict(total), agents)


def _free(state: AgentState) -> dict[str, int]:
    return {ContactChannel(code).name.lower(): slots for code, slots in state.free}
