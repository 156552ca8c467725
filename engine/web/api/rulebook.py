"""``GET /v1/rulebook``: the rules in use."""

from __future__ import annotations

import msgspec
from blacksheep import Request, Response

from engine.rulebook.model import Indicator, Offer
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.services import Services


class IndicatorRule(msgspec.Struct, frozen=True, rename="camel"):
    """An indicator as the rule file has it."""

    name: str
    description: str
    when: str


class CapRule(msgspec.Struct, frozen=True, rename="camel"):
    """At most ``max`` times to one customer within ``periodMs``."""

    max: int
    period_ms: int


class OfferRule(msgspec.Struct, frozen=True, rename="camel"):
    """An offer as the rule file has it."""

    offer_id: str
    kind: str
    channels: tuple[str, ...]
    when: str
    value: float
    propensity: float
    evidence: float
    boost: float
    say: str
    cap: CapRule | None
    expires_ms: int


class RulebookAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """All rules; equal rules have an equal revision. ``faults``, as ``file:line:column: name: reason``, are of
    newer files that were therefore not loaded; none: the files and these rules are the same."""

    revision: str
    faults: list[str]
    indicators: list[IndicatorRule]
    offers: list[OfferRule]


class RulebookRoutes:
    """The rulebook in use."""

    def __init__(self, services: Services) -> None:
        self._rulebook = services.rulebook
        self._faults = services.rule_faults

    async def get(self, request: Request, caller: Principal) -> Response:
        """Revision, indicators and offers in use."""
        book = self._rulebook()
        return replies.json(
            RulebookAnswer(
                book.revision,
                list(self._faults()),
                [_indicator(one) for one in book.indicators],
                [_offer(one) for one in book.offers],
            )
        )


def _indicator(one: Indicator) -> IndicatorRule:
    return IndicatorRule(one.name, one.description, one.when)


def _offer(one: Offer) -> OfferRule:
    cap = CapRule(one.cap.max, one.cap.period_ms) if one.cap else None
    return OfferRule(
        one.id,
        one.kind,
        one.channels,
        one.when,
        one.value,
        one.propensity,
        one.evidence,
        one.boost,
        one.say,
        cap,
        one.expires_ms,
    )
