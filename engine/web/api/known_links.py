"""The links of a customer's ids, as they stand before the ids' rows: for people, who want to know why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypedDict

import msgspec

from engine.customer_id import CustomerId, customer_id
from engine.identity.link import LinkTrust
from engine.identity.marker import Phase
from engine.identity.split import SPLIT
from engine.identity.ties import Ties, ties_in
from engine.ports.decision_store import DecisionStore
from engine.state.profile import is_anonymous
from engine.state.tied_rows import is_tied, row_behind, ties_before

MOST_HOPS = 16  # more than any chain that mail goes along

State = Literal["merged", "parted", "opened"]
STATES: dict[Phase, State] = {Phase.OPEN: "opened", Phase.MERGED: "merged", Phase.ALONE: "parted"}


class IdentityLink(TypedDict):
    """What became of ``id``. ``merged``: it is ``into``'s, as of ``since`` (event time, epoch ms; 0: not known).
    ``parted``: it was taken back, or two customers use it, and is its own since then. ``opened``: links went
    round. Of the latter two the other id keeps what had come. ``trust`` says who vouches: ``unsigned`` (anybody),
    ``signed`` (a secret key, or a visitor token of both ids), ``operator``; ``by`` is the key, ``cause`` the
    reason; empty: not known."""

    id: str
    state: State
    into: str
    since: int
    trust: str
    cause: str
    by: str


class KnownId(msgspec.Struct, frozen=True):
    """What an id has to do with others; whether anything is known of it, and whether no event named a user by
    it."""

    ties: Ties
    known: bool
    anonymous: bool

    @property
    def leads_on(self) -> bool:
        """Whether a signed link makes it another's."""
        return bool(self.ties.signed_to)


class KnownLinks:
    """Reads what ties ids to one another from `store`, whose views follow no links."""

    def __init__(self, store: DecisionStore) -> None:
        self._store = store

    async def ties(self, customers: Iterable[CustomerId]) -> dict[CustomerId, Ties]:
        """What ties each of `customers` to others, in one round trip, whatever state their rows are in. Raises as
        `ids`."""
        asked = list(dict.fromkeys(customers))
        views = await self._store.views(asked) if asked else []
        return {one: ties_in(ties_before(view.row)) for one, view in zip(asked, views, strict=True)}

    async def ids(self, customers: Iterable[CustomerId]) -> dict[CustomerId, KnownId]:
        """Of `customers`, in one round trip. Raises `Unavailable`, and `BadState`."""
        asked = list(dict.fromkeys(customers))
        views = await self._store.views(asked) if asked else []
        return {
            customer: KnownId(
                ties_in(ties_before(view.row)),
                bool(view.row or view.history),
                is_anonymous(row_behind(view.row) if view.row is not None and is_tied(view.row) else view.row),
            )
            for customer, view in zip(asked, views, strict=True)
        }

    async def way(self, customer: CustomerId) -> dict[CustomerId, KnownId]:
        """From `customer` by links, whoever vouches for them, as far as they lead. Raises as `ids`."""
        found, at = await self.ids([customer]), customer
        while (marker := found[at].ties.marker).phase is Phase.MERGED and marker.to not in found:
            if len(found) > MOST_HOPS:
                break
            found |= await self.ids([marker.to])
            at = marker.to
        return found

    async def of(self, customer: CustomerId) -> list[IdentityLink]:
        """The links by which `customer` became another's, whoever vouches for them, and those by which ids became
        whose it is by signed ones, as far as that row lists them. Raises as `ids`."""
        way = await self.way(customer)
        whose = next((one for one, known in way.items() if not known.leads_on), customer)
        merged = [customer_id(one) for one in way[whose].ties.merged]
        known = way | await self.ids(one for one in merged if one not in way)
        linked = [one for one in way if known[one].ties.marker.phase is not Phase.OPEN]
        return [link_of(one, known[one].ties) for one in dict.fromkeys([*linked, *merged])]


def link_of(one: CustomerId, ties: Ties) -> IdentityLink:
    """What became of `one`, which has `ties`."""
    marker, provenance = ties.marker, ties.provenance
    holds = marker.phase is not Phase.OPEN
    return IdentityLink(
        id=one,
        state=STATES[marker.phase],
        into=marker.to,
        since=marker.since,
        trust=_vouched(ties) if holds else "",
        cause=provenance.cause if holds else "",
        by=provenance.by if holds else "",
    )


def _vouched(ties: Ties) -> str:
    """Who vouches for it. A split is an operator's, though its marker has the trust of the links that it bars."""
    trust = LinkTrust.OPERATOR if ties.provenance.cause == SPLIT else ties.marker.trust
    return trust.name.lower()
