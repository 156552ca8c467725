"""Customers as they are asked for: by an id that became another customer's, that one is meant.

A marker lies before the id's row, so whoever reads the row finds it. What was found is remembered, and asked for
together with the id the next time: one round trip, and the marker in it says whether the guess still holds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

from engine.customer_id import CustomerId
from engine.identity.link import LinkTrust
from engine.identity.ties import SHOWN, Ties, ties_in
from engine.ports.decision_store import DecisionStore, Reservation, Taking
from engine.ports.offer_history import View, united
from engine.state.joined_rows import joined_rows
from engine.state.tied_rows import any_tied, is_tied, row_behind, ties_before

MOST_GUESSES = 100_000
MOST_HOPS = 16  # more than any chain that mail goes along


class FollowedViews:
    """`store` (a `DecisionStore`), whose views follow signed links. An unsigned one leads nowhere: who only claims
    to be somebody reads nothing of theirs."""

    def __init__(self, store: DecisionStore, most: int = MOST_GUESSES) -> None:
        self._store = store
        self._most = most
        self._guesses: OrderedDict[CustomerId, CustomerId] = OrderedDict()

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        """Of each the view of whose it is; ``customer`` says who that is where it is another."""
        if not self._guesses:
            found = await self._store.views(customers)
            if not any_tied([view.row for view in found]):
                return found
            known = dict(zip(customers, found, strict=True))
        else:
            known = await self._asked({one for customer in customers for one in self._guessed(customer)})
        while missing := {to for customer in customers if (to := _way(customer, known)[-1]) not in known}:
            known |= await self._asked(missing)
        return [self._view(customer, known) for customer in customers]

    async def _asked(self, customers: set[CustomerId]) -> dict[CustomerId, View]:
        ordered = list(customers)
        return dict(zip(ordered, await self._store.views(ordered), strict=True))

    def _guessed(self, customer: CustomerId) -> list[CustomerId]:
        """It and those to whom its links were seen to lead."""
        way = [customer]
        while (to := self._guesses.get(way[-1])) is not None and to not in way:
            self._guesses.move_to_end(way[-1])
            way.append(to)
        return way

    def _view(self, customer: CustomerId, known: Mapping[CustomerId, View]) -> View:
        way = _way(customer, known)
        whose, view = way[-1], known[way[-1]]
        if whose == customer:
            self._guesses.pop(customer, None)
            return _own(view)
        for one, to in pairwise(way):
            self._guess(one, to)
        ties = _ties(view)
        full = len(ties.merged) == SHOWN  # then it may be one of those that are not shown
        coming = [_ties(known[one]).kept for one in way[:-1] if one not in ties.merged and not full]
        brought: Mapping[str, Sequence[int]] = {}
        for one in way[:-1]:
            brought = united(brought, known[one].history)
        ids = ties.with_merged(whose, way[:-1]).merged
        return View(joined_rows([_row(view), *coming]), view.history, whose, brought, ids)

    def _guess(self, customer: CustomerId, to: CustomerId) -> None:
        self._guesses[customer] = to
        self._guesses.move_to_end(customer)
        if len(self._guesses) > self._most:
            self._guesses.popitem(last=False)

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[Taking]]:
        """As the store's."""
        return await self._store.reserve(reservations)

    async def decision(self, decision_id: str) -> bytes | None:
        """As the store's."""
        return await self._store.decision(decision_id)


def _way(customer: CustomerId, known: Mapping[CustomerId, View]) -> list[CustomerId]:
    """From `customer` by signed links to whose it is, as far as that is `known`. Where links go round, until mail
    has opened one of them, it is the id's own."""
    way = [customer]
    while way[-1] in known:
        marker = _ties(known[way[-1]]).marker
        if marker.to == "" or marker.trust is LinkTrust.UNSIGNED:
            return way
        if marker.to in way or len(way) > MOST_HOPS:
            return [customer]
        way.append(marker.to)
    return way


def _ties(view: View) -> Ties:
    return ties_in(ties_before(view.row))


def _row(view: View) -> bytes | None:
    return row_behind(view.row) if view.row is not None and is_tied(view.row) else view.row


def _own(view: View) -> View:
    """What an id itself has; also of what an unsigned link has moved, as it was then."""
    ties = _ties(view)
    if not ties.is_merged:
        return msgspec.structs.replace(view, ids=ties.merged) if ties.merged else view
    return View(joined_rows([_row(view), ties.kept]), view.history)
