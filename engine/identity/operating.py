"""Links and splits that an operator asks for: why one cannot be, in words, before it is written.

What is decided here is what the worker will decide, of ids as they are now; should they change meanwhile, the
worker's word counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.customer_id import CustomerId
from engine.events import UNKNOWN_CUSTOMER, Rank
from engine.identity.link import Link
from engine.identity.marker import Effect, Phase, change_of
from engine.identity.ties import Ties
from engine.reserved_ids import EMAIL, PHONE


def rank_of(customer: CustomerId, ties: Ties, anonymous: bool) -> Rank:
    """What `customer` is, as far as it shows: by its form, by what it was when it was linked, or, where
    `anonymous`, because no event named a user by it."""
    if customer.startswith((EMAIL, PHONE)):
        return Rank.ADDRESS
    if customer.startswith(UNKNOWN_CUSTOMER):
        return Rank.DEVICE
    if ties.provenance.cause:
        return Rank(ties.provenance.rank)
    return Rank.DEVICE if anonymous else Rank.USER


def fault_of_link(link: Link, ties: Ties, beyond: Sequence[CustomerId]) -> str:
    """Why `link` would not do what it says; empty when it does. `ties` are those of its lower id; `beyond` are the
    ids to which links lead on from the upper one."""
    if link.refusal:
        named = f" ({link.lower} is {_named(link.lower_rank)}, {link.upper} {_named(link.upper_rank)})"
        return link.refusal + (named if link.lower_rank > link.upper_rank else "")
    if link.lower in beyond:
        return f"{link.upper} is {link.lower}'s already: split {link.upper} first"
    effect = change_of(ties.marker, link, ties.merged).effect
    if effect is Effect.REPEATED:
        return f"it is {link.upper}'s already"
    if effect is Effect.CIRCULAR:
        return f"{link.upper} went into {link.lower}: split {link.upper} first"
    if effect in (Effect.PARTED, Effect.CONTRADICTED):
        return f"an operator linked it to {ties.marker.to}: split it first"
    return "operators linked it to two customers, so it is linked no more" if effect is Effect.KEPT_ALONE else ""


def fault_of_split(customer: CustomerId, ties: Ties) -> str:
    """Why `customer` cannot be split; empty when it can."""
    if ties.marker.phase is Phase.MERGED:
        return ""
    if ties.marker.phase is Phase.ALONE:
        return "it is its own already, and is linked no more but by an operator"
    whose = f"; ids that became its own are split themselves: {', '.join(ties.merged)}" if ties.merged else ""
    return f"{customer} is nobody else's{whose}"


def _named(rank: Rank) -> str:
    return {Rank.DEVICE: "an anonymous one", Rank.ADDRESS: "an address", Rank.USER: "a user's"}[rank]
