"""Who calls, and what that opens."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.access import CLIENT_KINDS, KeyRecord, Scope, Trust, kinds_of
from engine.customer_id import CustomerId
from engine.errors import BadEvent, Forbidden
from engine.events import CHANNELS
from engine.kernels.wire import Kind

#: The channels of a website, and of a visitor who is known to it.
PUBLIC_CHANNELS = frozenset({"web"})
VISITOR_CHANNELS = frozenset({"web", "app"})


class Principal(msgspec.Struct, frozen=True):
    """The holder of a credential.

    ``id`` names it in audits and quotas. ``kinds`` are the codes of the events that it may write. ``origins``:
    websites from which browsers may use it (none: any). ``rate``: requests a second (0: the settings' own).
    ``quota``: requests and events a day (0: any number).
    ``ids``: of a visitor token, the customers that it is for, and no other (None: whoever holds a key).
    ``expires_at``: epoch ms (0: never).
    """

    id: str
    trust: Trust
    scopes: frozenset[Scope]
    kinds: frozenset[int] = frozenset(Kind)
    origins: frozenset[str] = frozenset()
    rate: float = 0.0
    quota: int = 0
    ids: frozenset[CustomerId] | None = None
    expires_at: int = 0

    @property
    def public(self) -> bool:
        """Whether it is a visitor, or anybody: what is for agents alone is not for it."""
        return self.trust is Trust.PUBLIC

    @property
    def visitor(self) -> bool:
        """Whether a visitor token was shown."""
        return self.ids is not None

    @property
    def channels(self) -> frozenset[str]:
        """The channels whose offers it may ask for and report on."""
        if self.visitor:
            return VISITOR_CHANNELS
        return PUBLIC_CHANNELS if self.public else frozenset(CHANNELS)

    @property
    def signed(self) -> bool:
        """Whether what it says of a customer whom it may name is known to be so: a secret key, a visitor token."""
        return self.visitor or not self.public

    def vouches_for(self, customer: str) -> bool:
        """Whether it is known to speak for `customer`: any secret key, or a visitor token that names them."""
        return customer in self.ids if self.ids is not None else not self.public

    def require(self, *scopes: Scope) -> None:
        """Raises `Forbidden` unless one of `scopes` is among ours."""
        if self.scopes.isdisjoint(scopes) and Scope.ADMIN not in self.scopes:
            raise Forbidden(f"this {self._shown} has no scope {' or '.join(scopes)}", "Authorization")

    def require_customer(self, customer: str) -> None:
        """Raises `Forbidden` for a visitor token that does not name `customer`."""
        if self.ids is not None and customer not in self.ids:
            raise Forbidden("this token is not for this customer", "Authorization")

    def require_channel(self, channel: str) -> None:
        """Raises `Forbidden` unless offers of `channel` are for us."""
        if channel not in self.channels:
            raise Forbidden(
                f"this {self._shown} is for the channels {' and '.join(sorted(self.channels))}", "Authorization"
            )

    def require_event(self, kind: int, customer: str) -> None:
        """Raises `BadEvent` unless events of `kind` about `customer` may be written."""
        if kind not in self.kinds:
            name = Kind(kind).name.lower()
            raise BadEvent("not_allowed", f"this {self._shown} may not write events of the kind {name}", "event")
        if self.ids is not None and customer not in self.ids:
            raise BadEvent("not_allowed", "this token is not for this customer", "userId")

    @property
    def _shown(self) -> str:
        return "token" if self.visitor else "key"


#: Who shows nothing, where nothing is needed or the key is in the body.
NOBODY = Principal("", Trust.PUBLIC, frozenset(), frozenset())


def principal_of(record: KeyRecord) -> Principal:
    """The holder of a key."""
    return Principal(
        record.id,
        record.trust,
        frozenset(record.scopes),
        frozenset(int(kind) for kind in kinds_of(record)),
        frozenset(record.origins),
        record.rate,
        record.quota,
        expires_at=record.expires_at,
    )


def visitor_of(ids: Sequence[CustomerId], scopes: frozenset[Scope], expires_at: int) -> Principal:
    """The visitor whom a token names, by the first of its ids."""
    return Principal(
        f"visitor:{ids[0]}",
        Trust.PUBLIC,
        scopes,
        frozenset(CLIENT_KINDS),
        ids=frozenset(ids),
        expires_at=expires_at,
    )
