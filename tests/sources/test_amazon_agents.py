"""Amazon Connect's agent event stream, after the shapes that AWS publishes: who is free, in whatever order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadEvent
from engine.events import ContactChannel
from engine.ports.agents import HEARD_WITHIN_MS, AgentState, free_slots, newest
from engine.sources.contacts.amazon_agents import MOST_QUEUES, MOST_SLOTS, agent_state, is_agent_event
from tests.sources.contacts import NOW, RECEIPT

VOICE, CHAT, EMAIL = ContactChannel.VOICE, ContactChannel.CHAT, ContactChannel.EMAIL
ARN = "arn:aws:connect:us-east-1:012345678901:instance/aaaaaaaa-bbbb-cccc-dddd-111111111111"


def concurrency(channel: str, most: int, available: int | None = None) -> dict[str, Any]:
    stated = {} if available is None else {"AvailableSlots": available}
    return {"Channel": channel, "MaximumSlots": most, **stated}


def event(
    status: str = "ROUTABLE",
    kind: str = "STATE_CHANGE",
    slots: list[dict[str, Any]] | None = None,
    contacts: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    profile = {
        "ARN": f"{ARN}/routing-profile/1",
        "Concurrency": [concurrency("VOICE", 1), concurrency("CHAT", 3)] if slots is None else slots,
        "InboundQueues": [
            {"ARN": f"{ARN}/queue/q-1", "Name": "Billing", "Channels": ["VOICE"]},
            {"ARN": f"{ARN}/queue/q-2"},
        ],
    }
    return {
        "AWSAccountId": "012345678901",
        "AgentARN": f"{ARN}/agent/agent-7",
        "CurrentAgentSnapshot": {
            "AgentStatus": {"Name": "Available", "StartTimestamp": "2023-11-14T22:00:00Z", "Type": status},
            "Configuration": {"RoutingProfile": profile, "Username": "kim"},
            "Contacts": contacts or [],
        },
        "EventId": "e-1",
        "EventTimestamp": "2023-11-14T22:13:20.000Z",
        "EventType": kind,
        "Version": "2017-10-01",
        **more,
    }


def read(payload: dict[str, Any]) -> AgentState:
    assert is_agent_event(payload)
    return agent_state(payload, RECEIPT)


def test_who_is_routable_has_the_slots_that_no_contact_takes() -> None:
    assert read(event()) == AgentState("agent-7", NOW, ("Billing", "q-2"), ((VOICE, 1), (CHAT, 3)))
    busy = [
        {"Channel": "VOICE", "State": "CONNECTED"},
        {"Channel": "CHAT", "State": "CONNECTED_ONHOLD"},
        {"Channel": "CHAT", "State": "ENDED"},
        {"Channel": "CHAT", "State": "MISSED"},
    ]
    assert read(event(contacts=busy)).free == ((CHAT, 2),)
    stated = [
        concurrency("VOICE", 1, 0),
        concurrency("CHAT", 3, 1),
        concurrency("EMAIL", 2),
        concurrency("TASK", 9),
    ]
    assert read(event(slots=stated)).free == ((CHAT, 1), (EMAIL, 2))


@pytest.mark.parametrize("status", ["OFFLINE", "CUSTOM", "", "routables"])
def test_whoever_is_not_routable_is_not_free(status: str) -> None:
    assert read(event(status)) == AgentState("agent-7", NOW)


def test_whoever_logs_out_is_not_free() -> None:
    assert read(event(kind="LOGOUT")) == AgentState("agent-7", NOW)
    assert read(event(CurrentAgentSnapshot=None)) == AgentState("agent-7", NOW)
    assert read(event(kind="HEART_BEAT")).free


def test_names_may_be_in_any_case() -> None:
    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name.swapcase(): changed(inner) for name, inner in value.items()}
        return [changed(one) for one in value] if isinstance(value, list) else value

    assert read(changed(event())) == read(event())


def test_other_events_are_not_of_agents() -> None:
    assert not is_agent_event({"contactId": "c", "agentInfo": {"agentArn": "x"}})


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"AgentARN": ""}, "missing_id", "AgentARN"),
        ({"AgentARN": f"{ARN}/agent/{'x' * 101}"}, "too_large", "AgentARN"),
        ({"EventTimestamp": "1970-01-01T00:00:00Z"}, "bad_time", "EventTimestamp"),
        ({"EventTimestamp": "lunchtime"}, "bad_time", "EventTimestamp"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(BadEvent) as fault:
        read(event(**changed))
    assert (fault.value.code, fault.value.field) == (code, field)


def test_what_one_event_may_say_is_bounded() -> None:
    many = event(slots=[concurrency("CHAT", 10**9)])
    many["CurrentAgentSnapshot"]["Configuration"]["RoutingProfile"]["InboundQueues"] = [
        {"Name": f"queue-{number:04}"} for number in range(1_000)
    ] + [{"Name": "x" * 101}, {"Name": 7}, 7]
    found = read(many)
    assert (len(found.queues), found.free) == (MOST_QUEUES, ((CHAT, MOST_SLOTS),))
    assert read(event(slots=[concurrency("CHAT", -1), {"Channel": 7, "MaximumSlots": True}])).free == ()


STATES = st.lists(
    st.builds(
        AgentState,
        agent=st.sampled_from(["kim", "lee"]),
        at=st.integers(NOW, NOW + 3),
        queues=st.sampled_from([(), ("a",), ("a", "b")]),
        free=st.sampled_from([(), ((1, 1),), ((1, 1), (2, 3)), ((2, 1),)]),
    ),
    max_size=5,
)


@given(STATES)
def test_the_last_state_counts_in_any_order(states: list[AgentState]) -> None:
    found = newest(states)
    for order in itertools.islice(itertools.permutations(states), 24):
        assert newest(order) == found
    for agent, state in found.items():
        assert state.at == max(one.at for one in states if one.agent == agent)


def test_free_slots_are_those_of_a_queue_and_of_whom_one_still_hears() -> None:
    states = [
        AgentState("kim", NOW, ("a",), ((VOICE, 1), (CHAT, 2))),
        AgentState("lee", NOW - HEARD_WITHIN_MS, ("a", "b"), ((CHAT, 1),)),
        AgentState("lee", NOW - HEARD_WITHIN_MS - 9, ("a", "b"), ((CHAT, 7),)),
    ]
    assert [free_slots(states, queue, CHAT, NOW) for queue in ("a", "b", "c")] == [3, 1, 0]
    assert free_slots(states, "a", CHAT, NOW + 1) == 2
    assert (free_slots(states, "a", VOICE, NOW), free_slots(states, "b", VOICE, NOW)) == (1, 0)
