"""``PUT /v1/customers/{id}``: what a customer is said to be, by a server. A 2xx means that Kafka has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b

import msgspec
from blacksheep import Request, Response

from engine.clock import wall_ms
from engine.customer_id import CustomerId
from engine.errors import BadRequest
from engine.events import AHEAD_MS, EARLIEST_MS, WIRE_VERSION, Event, Kind, Message, More, Traits
from engine.json_bodies import read_json
from engine.kernels.wire import MAX_TRAIT_NAME_BYTES
from engine.settings import Web
from engine.traits import MEMBER, MOST_TRAITS, TraitValue, fault_of, is_name
from engine.web.api.customers import brought, named
from engine.web.api.events import author
from engine.web.api.outcomes import epoch_ms
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.server.admission import Admission
from engine.web.server.bulkheads import Bulkhead
from engine.web.server.limits import read_body
from engine.web.services import Services

AGE_MS = 400 * 86_400_000
NAMED = (
    f"a name has 1 to {MAX_TRAIT_NAME_BYTES} printable bytes (a membership's "
    f"{MAX_TRAIT_NAME_BYTES - len(MEMBER)}), no blanks around it, and does not begin with {MEMBER}"
)
SERVER = 2  # the rank of what a secret key says


class TraitsRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """``traits``: text, number, true or false by name; null takes one back. ``memberships``: whether the customer
    belongs to a segment or list, by its name. At most 16 together. ``at``: since when it is so (RFC 3339 or epoch
    ms; now when absent): of two that say otherwise the later counts."""

    traits: dict[str, TraitValue] = {}
    memberships: dict[str, bool | None] = {}
    at: datetime | int | None = None


class TraitsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The traits and memberships that were taken; ``at`` is epoch ms, ``messageId`` that of their event."""

    customer_id: str
    message_id: str
    at: int
    accepted: int


_decode = msgspec.json.Decoder(TraitsRequest).decode


class TraitRoutes:
    """Traits in."""

    def __init__(self, services: Services, admission: Admission, web: Web, bulkhead: Bulkhead) -> None:
        self._services = services
        self._admission = admission
        self._bulkhead = bulkhead
        self._limit = web.max_event_bytes

    async def put(self, request: Request, caller: Principal) -> Response:
        """Set what is named. The same request with the same ``at`` changes nothing a second time."""
        services = self._services
        customer = brought(named(request), "id", services.placeholders)
        stated = read_json(_decode, await read_body(request, self._limit))
        values = checked(stated)
        now = services.clock.now_ms()
        with self._bulkhead:
            message = message_of(customer, values, moment(stated.at, now), now, author(caller))
            self._admission.events(caller, request, [message])
            await services.log.publish([message])
        services.meter.add("events_accepted")
        return replies.json(TraitsAnswer(customer, message.event.id, message.event.at, len(values)))


def checked(stated: TraitsRequest) -> dict[str, TraitValue]:
    """The values by name of the trait. Raises `BadRequest` that names what is wrong."""
    values: dict[str, TraitValue] = {}
    for field, named_values in (("traits", stated.traits), ("memberships", stated.memberships)):
        for name, value in named_values.items():
            trait = MEMBER + name if field == "memberships" else name
            if not is_name(trait) or (field == "traits" and name.startswith(MEMBER)):
                raise BadRequest(NAMED, f"{field}.{name[:MAX_TRAIT_NAME_BYTES]}")
            if reason := fault_of(value):
                raise BadRequest(reason, f"{field}.{name}")
            values[trait] = value
    if not 0 < len(values) <= MOST_TRAITS:
        detail = f"1 to {MOST_TRAITS} traits and memberships are needed, not {len(values)}: send them in parts"
        raise BadRequest(detail if values else detail.partition(":")[0], "traits")
    return values


def moment(stated: datetime | int | None, now: int) -> int:
    """Since when (epoch ms), not after `now`. Raises `BadRequest`."""
    if stated is None:
        return now
    at = stated if isinstance(stated, int) else epoch_ms(stated)
    if not max(now - AGE_MS, EARLIEST_MS) <= at <= now + AHEAD_MS:
        raise BadRequest("more than 400 days ago, or more than 24 hours in the future", "at")
    return min(at, now)


def message_of(customer: CustomerId, values: Mapping[str, TraitValue], at: int, now: int, by: str) -> Message:
    """The event that sets them, under an id that follows from what it says."""
    digest = blake2b(msgspec.json.encode((customer, at, values)), digest_size=16).hexdigest()
    more = More(kind=int(Kind.TRAITS_SET), traits=Traits(SERVER, by, dict(values)))
    received = wall_ms()
    event = Event(
        WIRE_VERSION, int(Kind.IDENTIFIED), at, f"traits-{digest}",
        received_at=received, engine_at=0 if abs(now - received) < 1_000 else now, trust=1, more=more,
    )  # fmt: skip
    return Message(customer, event)
