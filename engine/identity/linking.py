"""Which links the ids of one event make."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.customer_id import CustomerId
from engine.events import UNKNOWN_CUSTOMER, LeftOut, Message, Name, Rank
from engine.identity.link import Cause, Link

REFUSED = "link_refused"


def links_of(
    message: Message, vouches_for: Callable[[CustomerId], bool], by: str = ""
) -> tuple[list[Link], list[LeftOut]]:
    """The links that `message`, written `by` a key, makes, and what of its names makes none, with the reason.

    All names go up to the first of the highest rank, so no two of that rank become one by being in the same event.
    A link is signed where the event is, and `vouches_for` knows its sender to speak for both ids.
    """
    names = message.names
    if len(names) < 2:
        return [], []
    top = max(names, key=lambda name: name.rank)  # the first of them
    links: list[Link] = []
    refused: list[LeftOut] = []
    for name in names:
        if name.id == top.id or (name.rank == top.rank and not name.alias):
            continue
        link = _link(name, top, message, vouches_for, by)
        if why := link.refusal:
            refused.append(LeftOut(REFUSED, name.field, why))
        else:
            links.append(link)
    return links, refused


def _link(name: Name, top: Name, message: Message, vouches_for: Callable[[CustomerId], bool], by: str) -> Link:
    signed = (
        message.event.trust == 1
        and (name.vouched and top.vouched)
        and (vouches_for(name.id) and vouches_for(top.id))
    )
    return Link(name.id, name.rank, top.id, top.rank, message.event.at, _cause((name, top)), signed, by)


def _cause(names: Sequence[Name]) -> Cause:
    if any(name.alias for name in names):
        return Cause.ALIASED
    prefixes = {name.id.partition(":")[0] for name in names if name.rank is Rank.ADDRESS}
    if prefixes:
        return Cause.EMAIL if "email" in prefixes else Cause.PHONE
    devices = [name for name in names if name.rank is Rank.DEVICE]
    return Cause.CONTACT if any(one.id.startswith(UNKNOWN_CUSTOMER) for one in devices) else Cause.IDENTIFIED
