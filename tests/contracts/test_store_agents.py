"""Who is free: the last state of each agent, in whichever order states come, of those heard of lately."""

from __future__ import annotations

import random

import redis

from engine.events import ContactChannel
from engine.ports.agents import HEARD_WITHIN_MS, MOST_AGENTS, AgentState, newest
from engine.store.keys import AGENT_STATES
from engine.store.redis import RedisStore
from tests.contracts.builders import AnyStore

NOW = 1_700_000_000_000
VOICE, CHAT = int(ContactChannel.VOICE), int(ContactChannel.CHAT)


def state(agent: str, at: int = NOW, *free: tuple[int, int], queues: tuple[str, ...] = ("billing",)) -> AgentState:
    return AgentState(agent, at, queues, free)


async def test_nobody_is_free_where_nothing_was_said(store: AnyStore) -> None:
    await store.keep_agents([], NOW)
    assert await store.agents(NOW) == []


async def test_a_state_is_kept_as_it_was_said(store: AnyStore) -> None:
    said = [state("zoë", NOW, (VOICE, 1), (CHAT, 3), queues=("a", "größe L")), AgentState("kim", NOW - 5)]
    await store.keep_agents(said, NOW)
    assert await store.agents(NOW) == said[::-1]


async def test_the_last_state_counts_however_they_come(store: AnyStore) -> None:
    words = [state(agent, NOW + n % 7, (VOICE, n % 3)) for n in range(40) for agent in ("kim", "lee")]
    shuffled = random.Random(7).sample(words, len(words))
    for start in range(0, len(shuffled), 9):
        await store.keep_agents([*shuffled[start : start + 9], *shuffled[:5]], NOW)
    assert {one.agent: one for one in await store.agents(NOW)} == newest(words)


async def test_of_one_moment_the_state_that_is_less_free_counts(store: AnyStore) -> None:
    await store.keep_agents([state("kim", NOW, (VOICE, 1))], NOW)
    await store.keep_agents([state("kim", NOW, (CHAT, 3)), state("kim", NOW)], NOW)
    await store.keep_agents([state("kim", NOW, (VOICE, 1))], NOW)
    assert await store.agents(NOW) == [state("kim")]


async def test_who_was_not_heard_of_has_left_and_what_is_too_old_counts_no_more(store: AnyStore) -> None:
    await store.keep_agents(
        [state("kim", NOW - HEARD_WITHIN_MS), state("lee", NOW - HEARD_WITHIN_MS - 1), state("may", NOW)], NOW
    )
    assert [one.agent for one in await store.agents(NOW)] == ["kim", "may"]
    assert [one.agent for one in await store.agents(NOW + 1)] == ["may"]
    assert await store.agents(NOW + HEARD_WITHIN_MS + 1) == []


async def test_no_more_are_kept_than_there_is_room_for(store: AnyStore) -> None:
    crowd = [state(f"agent-{n:05}", NOW + n) for n in range(MOST_AGENTS)]
    later = NOW + MOST_AGENTS
    await store.keep_agents(crowd, later)
    assert len(await store.agents(later)) == MOST_AGENTS
    await store.keep_agents([state("one-more", later)], later)
    left = await store.agents(later)
    assert len(left) == MOST_AGENTS * 9 // 10
    assert {one.agent for one in left} == {*(one.agent for one in crowd[-len(left) + 1 :]), "one-more"}
    await store.keep_agents([state(f"new-{n:05}", later + HEARD_WITHIN_MS) for n in range(2_000)], later)
    assert len(await store.agents(later + HEARD_WITHIN_MS)) == 2_001


async def test_what_others_wrote_there_is_passed_over(redis_store: RedisStore, look: redis.Redis) -> None:
    await redis_store.keep_agents([state("kim")], NOW)
    look.hset(AGENT_STATES, mapping={"lee": "nothing of ours", "may": ""})
    assert await redis_store.agents(NOW) == [state("kim")]
    assert 0 < look.ttl(AGENT_STATES) <= HEARD_WITHIN_MS // 1_000
