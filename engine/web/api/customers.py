"""``GET /v1/customers/{id}``: what is known of a customer now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from blacksheep import Request, Response

from engine.customer_id import CustomerId, stated_id
from engine.decisions.log import withheld_in
from engine.decisions.record import DecisionRecord, is_withheld
from engine.errors import BadEvent, BadRequest, BadState, NotFound
from engine.events import Kind
from engine.placeholder_ids import refuse_placeholder
from engine.ports.kafka import AuditAction
from engine.ports.offer_history import Consent
from engine.reserved_ids import refuse_reserved
from engine.rulebook.standing import standing
from engine.state.profile import Moment, Reading, profile_of
from engine.traits import TraitValue
from engine.web.api.known_links import IdentityLink
from engine.web.auth.audit import AuditTrail
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.services import Services


class ActiveIndicator(TypedDict):
    """An indicator that is active."""

    name: str
    description: str


class TimelineEvent(TypedDict):
    """One of the last events (epoch ms)."""

    at: int
    kind: str
    item: str
    category: str
    value: float


class StatedConsent(TypedDict):
    """What holds of a purpose on a channel, and when it was last revoked, granted and confirmed (epoch ms, 0:
    never)."""

    purpose: str
    channel: str
    state: str
    revokedAt: int
    grantedAt: int
    confirmedAt: int


class Identities(TypedDict):
    """The ids of the customer: the one that all else is kept under, those that became it, the newest last, and how
    they came. Unsigned links are among ``links``, too; ``customerId`` never follows them."""

    customerId: str
    ids: list[str]
    links: list[IdentityLink]


class KnownTrait(TypedDict):
    """What was said last of one trait or membership (``member:…``): the value, since when (epoch ms), and by which
    key."""

    name: str
    value: TraitValue
    since: int
    by: str


class WithheldCue(TypedDict):
    """A cue of the last day that was not sent, and a consent for want of which it was not; ``at``: epoch ms."""

    decisionId: str
    at: int
    offerId: str
    purpose: str
    channel: str
    detail: str


class Customer(TypedDict):
    """The answer. Times are epoch ms; ``offersGiven`` says when each offer was given, ``withheld`` what was not
    sent for want of consent."""

    customerId: str
    asOf: int
    revision: str
    firstAt: int
    lastAt: int
    stalenessMs: int
    features: Mapping[str, Reading]
    indicators: Sequence[ActiveIndicator]
    timeline: Sequence[TimelineEvent]
    offersGiven: Mapping[str, Sequence[int]]
    consent: Sequence[StatedConsent]
    withheld: Sequence[WithheldCue]
    traits: Sequence[KnownTrait]
    identities: Identities


class CustomerRoutes:
    """The customer's profile."""

    def __init__(self, services: Services, audit: AuditTrail) -> None:
        self._services = services
        self._audit = audit

    async def get(self, request: Request, caller: Principal) -> Response:
        """Features with unit and meaning, active indicators, the last events, traits."""
        services = self._services
        customer = asked_for(named(request), "id", services.placeholders)
        (view,) = await services.decisions.views([customer])
        whose = view.customer or customer
        traits = await services.stats.traits(whose)
        if view.row is None and not traits:
            raise NotFound("nothing of this customer has been seen", "id")
        now = services.clock.now_ms()
        profile = profile_of(view.row, now)
        self._audit.note(caller, AuditAction.CUSTOMER_READ, customer)
        known = await services.stats.names(profile.hashes)
        links = await services.known_links.of(customer)
        return replies.plain_json(
            Customer(
                customerId=customer,
                asOf=now,
                revision=services.rulebook().revision,
                firstAt=profile.first_at,
                lastAt=profile.last_at,
                stalenessMs=max(now - profile.last_at, 0) if profile.last_at else 0,
                features=profile.worded(known),
                indicators=self._active(view.row, now),
                timeline=[_of_timeline(moment, known) for moment in profile.timeline],
                offersGiven=view.offers_given(now),
                consent=list(map(_of_consent, view.consents())),
                withheld=await self._withheld(whose),
                traits=[KnownTrait(name=t.name, value=t.value, since=t.since, by=t.by) for t in traits],
                identities=Identities(customerId=whose, ids=list(view.ids), links=links),
            )
        )

    async def _withheld(self, customer: CustomerId) -> list[WithheldCue]:
        names = [name for name in await self._services.held.recorded(customer) if is_withheld(name)]
        found = [(name, await self._readable(name)) for name in names]
        return [
            WithheldCue(
                decisionId=name,
                at=record.at,
                offerId=one.offer_id,
                purpose=one.purpose,
                channel=one.channel,
                detail=one.detail,
            )
            for name, record in found
            if record is not None
            for one in withheld_in(record)
        ]

    async def _readable(self, decision_id: str) -> DecisionRecord | None:
        """The record; None for one that is gone, or of another release."""
        try:
            return await self._services.batcher.record(decision_id)
        except BadState:
            return None

    def _active(self, row: bytes | None, now: int) -> list[ActiveIndicator]:
        active = standing(self._services.rulebook(), row, now)
        return [ActiveIndicator(name=one.name, description=one.description) for one in active]


def named(request: Request) -> CustomerId:
    """The id in the address. Raises `BadRequest` when it cannot be one."""
    return _checked((request.route_values or {}).get("id") or "", "id")


def asked_for(text: str, field: str, placeholders: frozenset[str]) -> CustomerId:
    """`text`, a parameter of a request, as a customer's id. Raises `BadRequest`, for `placeholders` too."""
    found = _checked(text, field)
    refuse_placeholder(found, field, placeholders)
    return found


def brought(text: str, field: str, placeholders: frozenset[str]) -> CustomerId:
    """As `asked_for`, of whom something is to be kept: an id that is made here alone is refused."""
    found = asked_for(text, field, placeholders)
    refuse_reserved(found, field)
    return found


def _checked(text: str, field: str) -> CustomerId:
    try:
        return stated_id(text, field)
    except BadEvent as fault:
        raise BadRequest(fault.detail, field) from None


def _of_consent(one: Consent) -> StatedConsent:
    return StatedConsent(
        purpose=one.purpose,
        channel=one.channel,
        state=one.state,
        revokedAt=one.revoked_at,
        grantedAt=one.granted_at,
        confirmedAt=one.confirmed_at,
    )


def _of_timeline(moment: Moment, known: Mapping[int, str]) -> TimelineEvent:
    try:
        kind = Kind(moment.kind)
    except ValueError:
        kind = Kind.OTHER
    return TimelineEvent(
        at=moment.at,
        kind=kind.name.lower(),
        item=known.get(moment.item, ""),
        category=known.get(moment.category, ""),
        value=moment.value,
    )
