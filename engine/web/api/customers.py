"""``GET /v1/customers/{id}``: what is known of a customer now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from blacksheep import Request, Response

from engine.errors import BadRequest, NotFound
from engine.events import MAX_CUSTOMER_BYTES, Kind
from engine.state.profile import CustomerProfile, Moment, Reading, profile_of, words
from engine.web.server import replies
from engine.web.services import Services


class Standing(msgspec.Struct, frozen=True, rename="camel"):
    """An indicator that stands; without description when the rulebook no longer has it."""

    name: str
    description: str


class Happening(msgspec.Struct, frozen=True, rename="camel"):
    """One of the last events (epoch ms)."""

    at: int
    kind: str
    item: str
    category: str
    value: float


class Identities(msgspec.Struct, frozen=True, rename="camel"):
    """Under which ids the customer is known."""

    customer_id: str


class Customer(msgspec.Struct, frozen=True, rename="camel"):
    """The answer. Times are epoch ms; ``offersGiven`` says when each offer was given."""

    customer_id: str
    as_of: int
    revision: str
    first_at: int
    last_at: int
    staleness_ms: int
    features: Mapping[str, Reading]
    indicators: Sequence[Standing]
    timeline: Sequence[Happening]
    offers_given: Mapping[str, Sequence[int]]
    identities: Identities


class CustomerRoutes:
    """The customer's page."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, request: Request) -> Response:
        """Features with unit and meaning, indicators that stand, the last events."""
        customer, services = named(request), self._services
        (view,) = await services.decisions.views([customer])
        if view.row is None:
            raise NotFound("no event of this customer has been seen", "id")
        now = services.clock.now_ms()
        told = profile_of(view.row, now)
        known = await services.stats.names(words(told.timeline))
        return replies.json(
            Customer(
                customer,
                now,
                services.rulebook().revision,
                told.first_at,
                told.last_at,
                max(now - told.last_at, 0),
                told.features,
                self._standing(told),
                [_happening(moment, known) for moment in told.timeline],
                view.history,
                Identities(customer),
            )
        )

    def _standing(self, told: CustomerProfile) -> list[Standing]:
        indicators = self._services.rulebook().indicators
        return [Standing(one.name, one.description) for one in indicators if one.code in told.active]


def named(request: Request) -> str:
    """The id in the address. Raises `BadRequest` when it cannot be one."""
    name = request.route_values["id"] if request.route_values else ""
    if not name or len(name.encode(errors="replace")) > MAX_CUSTOMER_BYTES:
        raise BadRequest(f"1 to {MAX_CUSTOMER_BYTES} bytes are needed", "id")
    return name


def _happening(moment: Moment, known: Mapping[int, str]) -> Happening:
    try:
        kind = Kind(moment.kind)
    except ValueError:
        kind = Kind.OTHER
    return Happening(
        moment.at, kind.name.lower(), known.get(moment.item, ""), known.get(moment.category, ""), moment.value
    )
