"""Amazon Connect's agent event stream
(https://docs.aws.amazon.com/connect/latest/adminguide/agent-event-stream-model.html): who is free, by queue.

Each event has the agent's whole state, so none needs another; they come in any order, repeatedly, and every two
minutes while nothing changes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine.errors import BadEvent
from engine.events import MAX_ID_BYTES, ContactChannel
from engine.ports.agents import AgentState
from engine.ports.sources import Receipt
from engine.sources.contacts.amazon_names import CHANNELS, lowered
from engine.sources.contacts.found import Payload, path_of
from engine.sources.segment.ids import identifier
from engine.sources.segment.limits import LIMITS, Limits
from engine.sources.times import epoch_ms, happened_at, kept, within

MOST_QUEUES = 100  # of an agent
MOST_SLOTS = 100  # of an agent and a channel

#: States in which a contact takes no slot of its agent's.
_OVER = ("ended", "missed", "rejected", "error")
_SNAPSHOT = "currentagentsnapshot"


def is_agent_event(payload: dict[str, Any]) -> bool:
    """Whether it is of the agent event stream."""
    return any(name.lower() == "agentarn" for name in payload)


def agent_state(payload: dict[str, Any], receipt: Receipt, limits: Limits = LIMITS) -> AgentState:
    """The state in an event. Raises `BadEvent`."""
    found = Payload(lowered(payload, 10))
    stated = found.at(path_of("eventtimestamp"))
    at = within(happened_at(epoch_ms(stated, "EventTimestamp"), None, receipt.now), receipt.now, "EventTimestamp")
    at = kept(at, limits.earliest_ms, limits.latest_ms, "EventTimestamp")
    agent = identifier(_last(found.at(path_of("agentarn"))), "AgentARN", MAX_ID_BYTES, limits.placeholders)
    if not agent:
        raise BadEvent("missing_id", "the agent's ARN is needed", "AgentARN")
    if _word(found.at(path_of("eventtype"))) == "logout" or not _is_routable(found):
        return AgentState(agent, at)
    return AgentState(agent, at, _queues(found), _free(found))


def _is_routable(found: Payload) -> bool:
    return _word(found.at(path_of(f"{_SNAPSHOT}.agentstatus.type"))) == "routable"


def _queues(found: Payload) -> tuple[str, ...]:
    """The queues that the agent serves, by name, else by the id in the ARN."""
    listed = found.at(path_of(f"{_SNAPSHOT}.configuration.routingprofile.inboundqueues"))
    names = [_name(one) for one in _objects(listed)]
    return tuple(sorted({name for name in names if name}))[:MOST_QUEUES]


def _name(queue: dict[str, Any]) -> str:
    name = queue.get("name") or _last(queue.get("arn"))
    return name if isinstance(name, str) and len(name.encode()) <= MAX_ID_BYTES else ""


def _free(found: Payload) -> tuple[tuple[int, int], ...]:
    """Slots that are available, as stated; else those that no contact takes."""
    taken = Counter(
        _word(one.get("channel"))
        for one in _objects(found.at(path_of(f"{_SNAPSHOT}.contacts")))
        if _word(one.get("state")) not in _OVER
    )
    free: Counter[int] = Counter()
    for one in _objects(found.at(path_of(f"{_SNAPSHOT}.configuration.routingprofile.concurrency"))):
        word = _word(one.get("channel"))
        stated = _slots(one.get("availableslots"))
        slots = _slots(one.get("maximumslots")) or 0
        code = int(CHANNELS.get(word, ContactChannel.UNKNOWN))
        free[code] += max(slots - taken[word], 0) if stated is None else stated
    return tuple(sorted((code, slots) for code, slots in free.items() if code and slots))


def _slots(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return None
    return min(value, MOST_SLOTS)


def _objects(value: object) -> list[dict[str, Any]]:
    """The objects in a list, with their names in small letters."""
    return [lowered(one) for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _word(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


def _last(value: object) -> object:
    return value.rpartition("/")[2] if isinstance(value, str) else value
