"""OTTO recommender jsonl: one visitor a line, ``{session, events: [{aid, ts, type}]}``; no prices, no categories.

Orders of one visitor at the same millisecond are the lines of one order, so they become one event with
their number as quantity.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

import msgspec

from engine.customer_id import customer_id
from engine.errors import BadEvent
from engine.events import WIRE_VERSION, Event, Kind, Message
from engine.replay.message_ids import MessageIds

KINDS = {"clicks": Kind.ITEM_VIEWED, "carts": Kind.CART_ADDED, "orders": Kind.ORDER_COMPLETED}


class _Action(msgspec.Struct, frozen=True, gc=False):
    aid: int
    ts: int
    type: str


class _Session(msgspec.Struct, frozen=True):
    session: int
    events: list[_Action]


_DECODER = msgspec.json.Decoder(_Session)


def read(line: bytes, identity: MessageIds) -> list[Message]:
    """The messages of one line, in time order. Raises `BadEvent`."""
    try:
        session = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadEvent("malformed", str(error)) from error
    name = str(session.session) if session.session else "session-0"  # 0 stands for no one in Segment's calls
    customer = customer_id(name, "session")
    events: list[Event] = []
    for position, action in enumerate(sorted(session.events, key=lambda action: action.ts)):
        event = _event(action, identity.message_id(position))
        if events and _same_order(events[-1], event):
            events[-1] = msgspec.structs.replace(events[-1], quantity=events[-1].quantity + 1)
        else:
            events.append(event)
    return [Message(customer, event) for event in events]


def _event(action: _Action, identity: str) -> Event:
    kind = KINDS.get(action.type)
    if kind is None:
        raise BadEvent("unknown_type", f"{action.type!r} is none of {', '.join(KINDS)}", "events.type")
    if action.ts <= 0:
        raise BadEvent("bad_time", f"{action.ts} are no epoch milliseconds", "events.ts")
    return Event(WIRE_VERSION, int(kind), action.ts, identity, str(action.aid))


def _same_order(before: Event, event: Event) -> bool:
    return before.kind == event.kind == Kind.ORDER_COMPLETED and before.at == event.at


def in_time_order(visitors: Iterable[list[Message]]) -> Iterator[list[Message]]:
    """Interleave the visitors' events by time, holding only the open visits.

    OTTO's lines are in order of each visitor's first event, so events before the next line's first
    event can be sent. Should a line break that order, its events come late but in their own order.
    """
    held: list[tuple[int, int, int, list[Message]]] = []  # time, line, position, the visitor's messages
    for line, messages in enumerate(visitors):
        if messages:
            yield from _until(held, messages[0].event.at)
            heapq.heappush(held, (messages[0].event.at, line, 0, messages))
    yield from _until(held, None)


def _until(held: list[tuple[int, int, int, list[Message]]], at: int | None) -> Iterator[list[Message]]:
    while held and (at is None or held[0][0] < at):
        _, line, position, messages = heapq.heappop(held)
        if position + 1 < len(messages):
            heapq.heappush(held, (messages[position + 1].event.at, line, position + 1, messages))
        yield [messages[position]]
