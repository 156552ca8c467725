"""``GET /v1/customers/{id}/identities`` and ``POST …/link``, ``…/split``: which ids are one customer's, shown and
corrected by people. A 202 means that Kafka has it; the id's worker does it."""

from __future__ import annotations

import msgspec
from blacksheep import Request, Response

from engine.clock import wall_ms
from engine.customer_id import CustomerId
from engine.errors import BadRequest, NotFound
from engine.events import Event, Message
from engine.identity.link import Cause, Link, event_of
from engine.identity.operating import fault_of_link, fault_of_split, rank_of
from engine.identity.split import Split, event_of_split
from engine.json_bodies import read_json
from engine.ports.kafka import AuditAction, EventLog
from engine.settings import Web
from engine.web.api.customers import Identities, asked_for, named
from engine.web.api.known_links import KnownLinks
from engine.web.auth.audit import AuditTrail
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.server.limits import read_body
from engine.web.services import Services

OFF = "links between ids are off (identity.links), so workers would not follow it"


class LinkRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """``into``: the id whose customer the one in the address is, too."""

    into: str


class IdentityReceipt(msgspec.Struct, frozen=True, rename="camel"):
    """That a link (or, where ``into`` is empty, a split) of the id is in the log, and where: its worker follows it
    once it has applied that offset. ``at`` is epoch ms."""

    customer_id: str
    into: str
    at: int
    topic: str
    partition: int
    offset: int


_decode = msgspec.json.Decoder(LinkRequest).decode


class IdentityRoutes:
    """Identities, for operators."""

    def __init__(self, services: Services, web: Web, audit: AuditTrail) -> None:
        self._services = services
        self._audit = audit
        self._limit = web.max_event_bytes

    async def get(self, request: Request, caller: Principal) -> Response:
        """Whose the id is, and how its links came."""
        customer = self._customer(request)
        answer = await identities_of(self._services.known_links, customer)
        self._audit.note(caller, AuditAction.CUSTOMER_READ, customer)
        return replies.json(answer)

    async def link(self, request: Request, caller: Principal) -> Response:
        """The id in the address is the customer's whom the body names."""
        services, customer = self._services, self._customer(request)
        body = read_json(_decode, await read_body(request, self._limit))
        into = asked_for(body.into, "into", services.placeholders)
        self._require_links()
        now = services.clock.now_ms()
        link = await checked_link(services.known_links, customer, into, now, caller.id)
        receipt = await write_link(services.log, link)
        self._audit.note(caller, AuditAction.LINK_ASKED, customer)
        return replies.json(receipt, 202)

    async def split(self, request: Request, caller: Principal) -> Response:
        """The id in the address is its own again."""
        services, customer = self._services, self._customer(request)
        self._require_links()
        split = await checked_split(services.known_links, customer, services.clock.now_ms(), caller.id)
        receipt = await write_split(services.log, split)
        self._audit.note(caller, AuditAction.SPLIT_ASKED, customer)
        return replies.json(receipt, 202)

    def _customer(self, request: Request) -> CustomerId:
        return asked_for(named(request), "id", self._services.placeholders)

    def _require_links(self) -> None:
        if not self._services.links_on:
            raise BadRequest(OFF)


async def identities_of(links: KnownLinks, customer: CustomerId) -> Identities:
    """Raises `NotFound`, and as `KnownLinks.ids`."""
    way = await links.way(customer)
    if not way[customer].known:
        raise NotFound("nothing of this id has been seen", "id")
    whose = next((one for one, known in way.items() if not known.leads_on), customer)
    merged = way[whose].ties.merged
    ids = [*(one for one in way if one != whose and one not in merged and way[one].leads_on), *merged]
    return Identities(customerId=whose, ids=ids, links=await links.of(customer))


async def checked_link(links: KnownLinks, lower: CustomerId, upper: CustomerId, now: int, by: str) -> Link:
    """The link of `lower` to `upper` as of `now` (epoch ms), by an operator. Raises `NotFound` for an id of which
    nothing was seen, `BadRequest` for a link that would not be followed, and as `KnownLinks.ids`."""
    if lower == upper:
        raise BadRequest("an id cannot be linked to itself", "into")
    way = await links.way(upper)
    known = way | await links.ids([lower])
    for one, field in ((lower, "id"), (upper, "into")):
        if not known[one].known:
            raise NotFound(f"nothing of {one} has been seen", field)
    ranks = [rank_of(one, known[one].ties, known[one].anonymous) for one in (lower, upper)]
    link = Link(lower, ranks[0], upper, ranks[1], now, Cause.OPERATOR, True, by)
    if fault := fault_of_link(link, known[lower].ties, list(way)[1:]):
        raise BadRequest(fault, "into")
    return link


async def checked_split(links: KnownLinks, customer: CustomerId, now: int, by: str) -> Split:
    """Raises as `checked_link`."""
    known = (await links.ids([customer]))[customer]
    if not known.known:
        raise NotFound(f"nothing of {customer} has been seen", "id")
    if fault := fault_of_split(customer, known.ties):
        raise BadRequest(fault, "id")
    return Split(customer, now, by)


async def write_link(log: EventLog, link: Link) -> IdentityReceipt:
    """Raises `Unavailable`."""
    return await _written(log, link.lower, link.upper, event_of(link, wall_ms(), link.at))


async def write_split(log: EventLog, split: Split) -> IdentityReceipt:
    """Raises `Unavailable`."""
    return await _written(log, split.lower, "", event_of_split(split, wall_ms(), split.at))


async def _written(log: EventLog, customer: CustomerId, into: str, event: Event) -> IdentityReceipt:
    place = await log.publish_one(Message(customer, event))
    return IdentityReceipt(customer, into, event.at, place.topic, place.partition, place.offset)
