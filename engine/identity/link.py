"""Links: records that say two ids are one customer's.

A link is written under the lower id, as a canonical event of the kind `LINKED`: ``item`` is the upper id,
``category`` the cause, the two ranks, and who said so. So it travels, and is bounded and kept, like any event.
Workers that do not know it refuse it (``unknown_type``): it becomes a dead letter, whole, and can be sent again.
"""

from __future__ import annotations

import enum
from hashlib import blake2b

import msgspec

from engine.customer_id import CustomerId, customer_id
from engine.errors import BadEvent
from engine.events import LINKED, WIRE_VERSION, Event, Rank
from engine.placeholder_ids import is_placeholder

ITSELF = "an id cannot be linked to itself"

#: By which rules processes follow links; each reports its own. Those of different ones must not work side by side.
RULES = 1


class Cause(enum.StrEnum):
    """How two ids came to be linked. The words are stored."""

    IDENTIFIED = "identified"  # both in one event
    ALIASED = "aliased"  # the sender says so explicitly
    EMAIL = "email"
    PHONE = "phone"
    CONTACT = "contact"
    OPERATOR = "operator"


class LinkTrust(enum.IntEnum):
    """Who vouches for a link. The codes are stored: never renumber."""

    UNSIGNED = 0  # a public key, which everybody has
    SIGNED = 1  # a secret key, or a visitor token that names both ids
    OPERATOR = 2  # a person, who looked


#: Causes that may link two ids of one rank.
EXPLICIT = frozenset({Cause.ALIASED, Cause.OPERATOR})


class Link(msgspec.Struct, frozen=True):
    """``lower`` is ``upper``: the same customer from ``at`` (event time, epoch ms) on, and before. ``by``: the key
    that says so (empty: not known)."""

    lower: CustomerId
    lower_rank: Rank
    upper: CustomerId
    upper_rank: Rank
    at: int
    cause: Cause
    signed: bool
    by: str = ""

    @property
    def trust(self) -> LinkTrust:
        """Who vouches for it."""
        if not self.signed:
            return LinkTrust.UNSIGNED
        return LinkTrust.OPERATOR if self.cause is Cause.OPERATOR else LinkTrust.SIGNED

    @property
    def refusal(self) -> str:
        """Why it cannot be, whatever else is known; empty when it can."""
        if self.lower == self.upper:
            return ITSELF
        if is_placeholder(self.lower) or is_placeholder(self.upper):
            return "an id that stands for nobody cannot be linked"
        if self.lower_rank > self.upper_rank:
            return "a link goes from the less certain id to the more certain one"
        if self.lower_rank == self.upper_rank and self.cause not in EXPLICIT:
            return "two ids of one rank are linked by an explicit alias alone"
        if self.lower_rank == self.upper_rank and not self.signed:
            return "an alias of two ids of one rank needs a secret key"
        return ""


def event_of(link: Link, received_at: int, engine_at: int = 0) -> Event:
    """`link` as the event that is written under ``link.lower``. Its id is the same whenever the same is said."""
    said = f"{link.lower}\0{link.upper}\0{link.trust}"
    return Event(
        WIRE_VERSION,
        LINKED,
        link.at,
        f"link-{blake2b(said.encode(), digest_size=16).hexdigest()}",
        link.upper,
        f"{link.cause} {link.lower_rank:d} {link.upper_rank:d} {link.by}".rstrip(),
        received_at=received_at,
        engine_at=engine_at,
        trust=int(link.signed),
        anonymous=int(link.lower_rank is Rank.DEVICE),
    )


def link_of(lower: str, event: Event) -> Link:
    """The link in an event of the kind `LINKED` under the key `lower`. Raises `BadEvent`."""
    try:
        cause, lower_rank, upper_rank, *by = event.category.split(" ", 3)
        ranks = Rank(int(lower_rank)), Rank(int(upper_rank))
        ids = customer_id(lower), customer_id(event.item)
        return Link(ids[0], ranks[0], ids[1], ranks[1], event.at, Cause(cause), event.trust == 1, "".join(by))
    except ValueError:
        raise BadEvent("malformed", "the link's category is no cause and two ranks", "category") from None
