"""Canonical events, outcomes and reason codes: the vocabulary that every part of Cueline shares.

On Kafka an event is a MessagePack *array* (`Event`, fields in order) under the customer's key (UTF-8).
The stream core reads that array in compiled code, so the order of the fields is the wire format:
append only (within `More`, which is the last of the fifteen fields that the short form of an array has), and
increase ``WIRE_VERSION`` when an old reader could misread. A letter from one partition to another has one field
more (`engine.post.letter`). Kinds and limits are `engine.kernels.wire`, which compiled code reads too.
"""

from __future__ import annotations

import enum

import msgspec

from engine.customer_id import CustomerId
from engine.kernels.wire import AHEAD_MS as AHEAD_MS
from engine.kernels.wire import EARLIEST_MS as EARLIEST_MS
from engine.kernels.wire import LATEST_MS as LATEST_MS
from engine.kernels.wire import LINKED as LINKED
from engine.kernels.wire import MAX_CUSTOMER_BYTES as MAX_CUSTOMER_BYTES
from engine.kernels.wire import MAX_EVENT_BYTES as MAX_EVENT_BYTES
from engine.kernels.wire import MAX_ID_BYTES as MAX_ID_BYTES
from engine.kernels.wire import MAX_VALUE as MAX_VALUE
from engine.kernels.wire import WIRE_VERSION as WIRE_VERSION
from engine.kernels.wire import ContactChannel as ContactChannel
from engine.kernels.wire import Kind as Kind
from engine.traits import TraitValue

#: Before the contact's id: the customer of a contact of whom nobody says who it is.
UNKNOWN_CUSTOMER = "contact:"

#: Where an offer can be made.
CHANNELS = ("web", "agent", "email", "app")


class Contact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which contact with the contact centre an event is about: an array within the event's, so that what later
    releases append lies here, and takes none of the fifteen places of an event's short array.

    ``id`` (1..100 bytes of UTF-8) is the same for all events of one contact, by whichever channel;
    ``channel`` is a code of `ContactChannel`; ``queue``, ``agent`` and ``reason`` are the sender's own words for
    them, empty where not known: of an outcome or an end ``reason`` is what it came to.
    """

    id: str
    channel: int = 0
    queue: str = ""
    agent: str = ""
    reason: str = ""


class CartLine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a cart has of one item: ``thousandths`` of a piece (goods by weight have parts of one), and the
    ``amount`` of all of them together in hundredths of the currency, up to 1e14. Without an ``item``: of all
    others."""

    item: str
    thousandths: int
    amount: int


class Traits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is said of the customer: ``values`` by name, at most `engine.traits.MOST_TRAITS` (None: it is taken
    back); whose word it is (``rank``: 0 anybody's, 1 the visitor's own, 2 a server's), and ``by`` which key."""

    rank: int = 0
    by: str = ""
    values: dict[str, TraitValue] = {}


class More(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the fifteen places of an event's short array have no room for: an array in the last of them, to which
    later releases append. Readers pass over what they do not know of it; those of before pass over all of it.

    ``kind``, where it is not 0, is the event's true kind, one that readers of before do not know; the event's own
    is what it is to them. ``thousandths``: how much of a piece was put into the cart or taken out, where that is
    not a whole number of pieces (0: it is, `Event.quantity`); value times quantity is what it is worth in both
    cases. ``lines``, at most 15: all that is in the cart, of the kinds CART_VIEWED and CHECKOUT_STARTED; what was
    added or removed together, of CART_ADDED and CART_REMOVED. ``traits``: of the kinds IDENTIFIED, GROUPED and
    TRAITS_SET.
    """

    kind: int = 0
    thousandths: int = 0
    lines: tuple[CartLine, ...] = ()
    traits: Traits | None = None


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing a customer did; the customer is the Kafka key.

    ``at`` and ``received_at`` are epoch milliseconds: when it happened (event time, skew removed) and
    when the API accepted it (wall time, 0 = unknown). ``id`` identifies the event for deduplication
    (1..100 bytes of UTF-8). ``value`` is the unit price, or the order's total for order events, in the
    shop's currency, from 0 to 1e12. ``quantity`` counts pieces (>= 0). ``order`` identifies the order of an
    order event: a repeat of the customer's last one is ignored; order events without one that come within a
    minute are lines of one order. ``engine_at`` is the engine's time (epoch ms) of receipt, where that is
    not the wall's (0: the Kafka record's time says it); what happened more than a day after it is refused.
    ``trust`` is 1 where whoever wrote it is known (a secret key, or a visitor token that names the customer),
    0 where anybody may have. ``anonymous`` is 1 where an anonymous id alone names the customer, and 0, the careful
    side, for a user's. ``contact`` is there for events of a contact centre (None: no contact); the score of a
    survey is the ``value``. ``more`` has what else there is (None: nothing).

    Of orders: ORDER_REFUNDED gives back ``value`` of ``order``, 0: all of it; ORDER_CANCELLED undoes it;
    ORDER_UPDATED (a `More.kind`, beside OTHER) says that its total is ``value`` now. Without an ``order`` they
    correct none.
    """

    version: int
    kind: int
    at: int
    id: str
    item: str = ""
    category: str = ""
    value: float = 0.0
    quantity: int = 1
    received_at: int = 0
    order: str = ""
    engine_at: int = 0
    trust: int = 0
    anonymous: int = 0
    contact: Contact | None = None
    more: More | None = None

    @property
    def true_kind(self) -> int:
        """What it is, to readers of this release."""
        return self.more.kind if self.more is not None and self.more.kind else self.kind


class LeftOut(msgspec.Struct, frozen=True, gc=False):
    """What could not be read of an event that was taken all the same: ``reason`` is a code of `BadEvent` or
    ``placeholder_id``, ``misspelt_event``, ``missing_amount``, ``address_alone``, ``shared_id`` or
    ``link_refused``, ``field`` the path in the sender's own shape."""

    reason: str
    field: str
    detail: str


class Rank(enum.IntEnum):
    """How surely an id is one person's: links go from lower to higher. The codes are stored: never renumber."""

    DEVICE = 0  # an anonymous id, or a contact of whom nobody says who it is
    ADDRESS = 1  # of e-mail or phone, as a hash
    USER = 2


class Name(msgspec.Struct, frozen=True, gc=False):
    """One of the ids under which an event's customer is known; ``field`` is the path in the sender's own shape.

    ``vouched``: whether a sender whom we trust knows it to be so; the number that a call comes from is only
    repeated. ``alias``: the sender says explicitly that it is another id of the same customer.
    """

    id: CustomerId
    rank: Rank
    field: str = ""
    vouched: bool = True
    alias: bool = False


class Message(msgspec.Struct, frozen=True, gc=False):
    """An event and the customer it belongs to, as the API publishes it; ``left_out`` stays behind, and so do
    ``names``: all ids of that customer in the payload, where links are made of them."""

    customer: CustomerId
    event: Event
    left_out: tuple[LeftOut, ...] = ()
    names: tuple[Name, ...] = ()


class OutcomeName(enum.StrEnum):
    """What became of an offer (Genesys' life cycle plus display)."""

    QUALIFIED = "qualified"
    OFFERED = "offered"
    DISPLAYED = "displayed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    IGNORED = "ignored"
    TIMEDOUT = "timedout"
    STARTED = "started"
    ENGAGED = "engaged"
    ABANDONED = "abandoned"
    COMPLETED = "completed"
    ERRORED = "errored"


#: Outcome -> success (True) or failure (False) of the offer; the others count as neither.
REWARDS: dict[OutcomeName, bool] = {
    OutcomeName.ACCEPTED: True,
    OutcomeName.ENGAGED: True,
    OutcomeName.COMPLETED: True,
    OutcomeName.REJECTED: False,
    OutcomeName.IGNORED: False,
    OutcomeName.TIMEDOUT: False,
    OutcomeName.ABANDONED: False,
}


class Outcome(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One outcome of one offer of one decision, as it travels on the topic ``cueline.outcomes``.

    ``key`` is the id of the key by which it was reported, ``trust`` 1 where its reporter is known, ``received_at``
    the wall time of receipt (epoch ms). ``teaches``: whether it may change how likely the offer is held to be.
    """

    decision_id: str
    offer_id: str
    outcome: OutcomeName
    at: int
    customer: CustomerId
    channel: str
    key: str = ""
    trust: int = 0
    received_at: int = 0
    teaches: bool = True


class Cue(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An action pushed because an indicator was activated.

    ``at`` is the event time of the activation, ``expiresAt`` the end of its lifetime (both epoch ms);
    ``receivedAt`` is the wall time at which its event was received (0: an inactivity timer). ``sayWeb`` is what
    a website says instead of ``say``; None: the same. ``anonymous``: an anonymous id alone names the
    customer. ``signed``: who wrote the event behind it is known; of silence, all of the session's.
    """

    customer: CustomerId
    indicator: str
    offer_id: str
    kind: str
    channels: tuple[str, ...]
    say: str
    why: tuple[str, ...]
    at: int
    expires_at: int
    received_at: int
    decision_id: str
    revision: str
    say_web: str | None = None
    anonymous: bool = False
    signed: bool = False


class Reason(enum.StrEnum):
    """Why an offer was not given: ``stage.code``, a closed list."""

    INACTIVE = "availability.inactive"
    NOT_STARTED = "availability.not_started"
    EXPIRED = "availability.expired"
    CHANNEL_MISMATCH = "availability.placement_mismatch"
    NOT_ELIGIBLE = "eligibility.rule"
    NOT_TRIGGERED = "applicability.trigger"
    NOT_APPLICABLE = "applicability.rule"
    NO_CONSENT = "contact.no_consent"
    CAP_PERIOD = "contact.cap_period"
    BELOW_THRESHOLD = "propensity.below_threshold"
    OUTRANKED = "arbitration.outranked"
    DEADLINE = "runtime.deadline"
    STATE_UNAVAILABLE = "runtime.state_unavailable"
    STALE_TRIGGER = "runtime.stale_trigger"
    RULE_ERROR = "runtime.rule_error"
