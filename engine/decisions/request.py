"""What a decision is asked and what it answers: the JSON of ``POST /v1/decisions`` (camelCase)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from engine.customer_id import CustomerId, customer_id
from engine.errors import BadEvent, BadRequest
from engine.events import CHANNELS, MAX_CUSTOMER_BYTES
from engine.json_bodies import read_json
from engine.placeholder_ids import WORDS, refuse_placeholder

MAX_LIMIT = 20
MAX_DEADLINE_MS = 10_000
MAX_NAME = 100  # characters of a placement
MAX_WEIGHT = 1_000

# For the documentation alone: the messages of `check` are clearer than msgspec's.
_Channel = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(CHANNELS)})]
_Limit = Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": MAX_LIMIT})]
_DeadlineMs = Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 0, "maximum": MAX_DEADLINE_MS})]
_Id = Annotated[
    CustomerId | None, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_CUSTOMER_BYTES})
]
_Weight = Annotated[float, msgspec.Meta(extra_json_schema={"exclusiveMinimum": 0, "maximum": MAX_WEIGHT})]
_Placement = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_NAME})]
_Placements = Annotated[tuple[_Placement, ...], msgspec.Meta(extra_json_schema={"maxItems": MAX_LIMIT})]

# Callers are shown the docstrings of these Structs, so fields have the names there that they have in the JSON.


class DecisionRequest(msgspec.Struct, frozen=True, rename="camel", gc=False, forbid_unknown_fields=True):
    """A question: the best offers for one customer on one channel, now.

    ``customerId`` or ``anonymousId`` names the customer (the first wins). ``placements`` are the slots
    to fill, best offer first. ``context`` weighs offers of an id or a kind by a factor (the id's goes before
    the kind's). ``peek``: do not count the offers as given. ``explain``: give the reason for every
    other offer. ``deadlineMs``: answer by then, if necessary with the fallback (0: the default).
    """

    channel: _Channel
    customer_id: _Id = None
    anonymous_id: _Id = None
    placements: _Placements = ()
    limit: _Limit = 3
    context: Mapping[str, _Weight] = {}
    peek: bool = False
    explain: bool = False
    deadline_ms: _DeadlineMs = 0

    @property
    def customer(self) -> CustomerId:
        """Whom it is about. Raises `BadRequest` when nobody is named, which `check` has seen to."""
        if named := self.customer_id or self.anonymous_id:
            return named
        raise BadRequest("customerId or anonymousId is needed", "customerId")

    @property
    def slots(self) -> int:
        """How many offers may be given: the limit, or the placements where fewer."""
        return min(self.limit, len(self.placements)) if self.placements else self.limit


class OfferAnswer(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One offer given. ``priority`` = ``propensity`` x ``contextWeight`` x ``value`` x ``lever``."""

    offer_id: str
    kind: str
    placement: str
    rank: int
    priority: float
    propensity: float
    value: float
    context_weight: float
    lever: float
    say: str
    why: tuple[str, ...]
    expires_at: int


class Suppressed(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One offer not given: ``stage`` and ``code`` give where and why, ``detail`` as text.

    An empty ``offerId`` refers to the whole answer (a fallback).
    """

    offer_id: str
    stage: str
    code: str
    detail: str


class Answer(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The answer. ``asOf`` is the engine time of the decision (epoch ms), ``stalenessMs`` the age of the
    newest event in the row it rests on (0 for a customer never seen)."""

    decision_id: str
    customer_id: str
    revision: str
    as_of: int
    staleness_ms: int
    arm: str
    offers: tuple[OfferAnswer, ...]
    suppressed: tuple[Suppressed, ...]
    fallback: bool


class VisitorsOffer(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One offer given, as its visitor sees it: without reasons, and without the numbers that rank it."""

    offer_id: str
    kind: str
    placement: str
    rank: int
    say: str
    expires_at: int


class VisitorsAnswer(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The answer, as its visitor sees it: with what an ``Answer`` has but for its offers."""

    decision_id: str
    customer_id: str
    revision: str
    as_of: int
    staleness_ms: int
    arm: str
    offers: tuple[VisitorsOffer, ...]
    suppressed: tuple[Suppressed, ...]
    fallback: bool


_decode = msgspec.json.Decoder(DecisionRequest).decode
_ANSWER = msgspec.json.Encoder()
_OF_VISITORS = msgspec.json.Decoder(VisitorsAnswer)


def read_request(body: bytes, placeholders: frozenset[str] = WORDS) -> DecisionRequest:
    """The request in `body` (JSON), checked. Raises `BadRequest` that names the field."""
    return check(read_json(_decode, body), placeholders)


def check(request: DecisionRequest, placeholders: frozenset[str] = WORDS) -> DecisionRequest:
    """`request` when its values are allowed, and its customer is none of `placeholders`. Raises `BadRequest` that
    names the field."""
    request = _bare(request)
    field = "customerId" if request.customer_id else "anonymousId"
    try:
        customer_id(request.customer)
    except BadEvent as fault:
        raise BadRequest(fault.detail, field) from None
    refuse_placeholder(request.customer, field, placeholders)
    if request.channel not in CHANNELS:
        raise BadRequest(f"one of {', '.join(CHANNELS)} is needed", "channel")
    if not 1 <= request.limit <= MAX_LIMIT:
        raise BadRequest(f"1 to {MAX_LIMIT} is allowed", "limit")
    if not 0 <= request.deadline_ms <= MAX_DEADLINE_MS:
        raise BadRequest(f"0 (the default deadline) to {MAX_DEADLINE_MS} is allowed", "deadlineMs")
    if request.placements:
        _check_placements(request.placements)
    for offer, weight in request.context.items():
        if not 0 < weight <= MAX_WEIGHT:
            raise BadRequest(f"a context weight lies above 0, up to {MAX_WEIGHT}", f"context.{offer}")
    return request


def _bare(request: DecisionRequest) -> DecisionRequest:
    """`request`, its ids without the blanks around them."""
    bare = (request.customer_id or "").strip(), (request.anonymous_id or "").strip()
    if bare == (request.customer_id or "", request.anonymous_id or ""):
        return request
    return msgspec.structs.replace(request, customer_id=bare[0], anonymous_id=bare[1])


def _check_placements(placements: Sequence[str]) -> None:
    if len(placements) > MAX_LIMIT or not all(0 < len(name) <= MAX_NAME for name in placements):
        raise BadRequest(f"at most {MAX_LIMIT} names of 1 to {MAX_NAME} characters are allowed", "placements")


def encode(answer: Answer) -> bytes:
    """The answer as JSON."""
    return _ANSWER.encode(answer)


def for_visitors(encoded: bytes) -> bytes:
    """An answer as JSON, as its visitor sees it (`VisitorsAnswer`)."""
    return _ANSWER.encode(_OF_VISITORS.decode(encoded))
