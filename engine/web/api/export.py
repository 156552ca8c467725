"""``GET /v1/customers/{id}/export``: all that is held of a customer, under each of the ids that are theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from blacksheep import Request, Response

from engine.customer_id import CustomerId
from engine.errors import BadState, NotFound
from engine.events import Cue
from engine.identity.marker import Phase
from engine.identity.ties import ties_in
from engine.ports.held_store import CountedLinks, HeldUnder
from engine.ports.kafka import AuditAction
from engine.ports.offer_history import Consent, View, united
from engine.ports.traits import Trait
from engine.rulebook.standing import standing
from engine.state.profile import profile_of
from engine.state.tied_rows import is_tied, row_behind, ties_before
from engine.web.api.customers import asked_for, named
from engine.web.api.erasure_reach import ErasureReach
from engine.web.api.known_links import IdentityLink, link_of
from engine.web.auth.audit import AuditTrail
from engine.web.auth.principal import Principal
from engine.web.server import replies
from engine.web.services import Services


class HeldUnderId(msgspec.Struct, frozen=True, rename="camel"):
    """What is held under one id itself. ``link`` says whose it is, and how it came (null: its own); ``keptRow`` is
    the row that it sent there, for 30 days; ``linked`` are all ids that ever became it. ``history`` is the offer
    history as it is stored, the consents in it; ``decisions`` are the ids of its decisions and cues, with what is
    kept of outcomes; ``sentBatches`` and ``linkCounts`` hold digests (hexadecimal)."""

    id: str
    link: IdentityLink | None
    row: bytes
    kept_row: bytes
    linked: Sequence[str]
    traits: Sequence[Trait]
    consent: Sequence[Consent]
    history: Mapping[str, Sequence[int]]
    decisions: Mapping[str, Sequence[str]]
    sent_batches: Sequence[str]
    link_counts: Sequence[CountedLinks]


class CustomerExport(msgspec.Struct, frozen=True, rename="camel"):
    """All that is held (times in epoch ms). ``features`` are what the customer's row says now (null: no value),
    ``row`` is the row itself (base64), ``timeline`` are its newest events: time, code of the kind, hashes of item
    and category, value. ``consent``, ``offersGiven``, ``cues`` and ``decisions`` are those of all ids together,
    the latter of the last day, as ``GET /v1/decisions/{id}`` has them. ``ids`` say what is held under each id that
    signed links made the customer's, the one that was asked for first: those that an erasure reaches."""

    customer_id: str
    as_of: int
    row: bytes
    features: dict[str, float | str | None]
    indicators: list[str]
    timeline: list[dict[str, Any]]
    traits: list[Trait]
    consent: list[Consent]
    offers_given: dict[str, list[int]]
    cues: list[Cue]
    decisions: list[dict[str, Any]]
    ids: list[HeldUnderId] = []


class ExportRoutes:
    """All that is held of a customer."""

    def __init__(self, services: Services, reach: ErasureReach, audit: AuditTrail) -> None:
        self._services = services
        self._audit = audit
        self._reach = reach

    async def get(self, request: Request, caller: Principal) -> Response:
        """What is held, whether or not there is a row."""
        services = self._services
        customer, now = _customer(request, services), services.clock.now_ms()
        (view,) = await services.decisions.views([customer])
        ids = await self._ids(customer, view.customer or customer)
        held = dict(zip(ids, await services.held.held_under(ids), strict=True))
        if view.row is None and not any(one.anything for one in held.values()):
            raise NotFound("nothing is held of this customer", "id")
        self._audit.note(caller, AuditAction.CUSTOMER_EXPORTED, customer)
        return replies.json(await self._export(customer, now, view, held))

    async def _ids(self, customer: CustomerId, whose: CustomerId) -> list[CustomerId]:
        """All ids of a customer, who is ``whose``: the other end may not know of that link yet."""
        ids = await self._reach.ids(customer)
        return ids if whose in ids else list(dict.fromkeys([*ids, *await self._reach.ids(whose)]))

    async def _export(
        self, customer: CustomerId, now: int, view: View, held: Mapping[CustomerId, HeldUnder]
    ) -> CustomerExport:
        whose = view.customer or customer
        profile = None if view.row is None else profile_of(view.row, now)
        known = {} if profile is None else await self._services.stats.names(profile.hashes)
        brought: Mapping[str, Sequence[int]] = {}
        for one in (held[id_] for id_ in held if id_ != whose):
            brought = united(brought, one.history)
        together = View(view.row, held[whose].history, brought=brought)
        return CustomerExport(
            customer,
            now,
            _without_ties(view.row or b""),
            {} if profile is None else {name: one["value"] for name, one in profile.worded(known).items()},
            [one.name for one in standing(self._services.rulebook(), view.row, now)],
            [] if profile is None else [msgspec.to_builtins(moment) for moment in profile.timeline],
            [one for one in held[whose].traits if one.value is not None],
            together.consents(),
            {offer: list(times) for offer, times in together.offers_given(now).items()},
            sorted((cue for one in held.values() for cue in one.cues), key=lambda cue: cue.at),
            await self._decisions(sorted({name for one in held.values() for name in one.decisions})),
            [_under(id_, one) for id_, one in held.items()],
        )

    async def _decisions(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Those that are kept and can be read; of the others the ids stand where they are held."""
        found = []
        for name in names:
            try:
                record = await self._services.batcher.recall(name)
            except BadState:
                continue
            if record is not None:
                found.append(msgspec.to_builtins(record))
        return found


def _under(customer: CustomerId, held: HeldUnder) -> HeldUnderId:
    ties = ties_in(ties_before(held.row))
    return HeldUnderId(
        customer,
        None if ties.marker.phase is Phase.OPEN else link_of(customer, ties),
        _without_ties(held.row),
        ties.kept,
        held.linked,
        held.traits,
        View(None, held.history).consents(),
        held.history,
        held.decisions,
        held.sent_batches,
        held.link_counts,
    )


def _without_ties(stored: bytes) -> bytes:
    return (row_behind(stored) or b"") if is_tied(stored) else stored


def _customer(request: Request, services: Services) -> CustomerId:
    return asked_for(named(request), "id", services.placeholders)
