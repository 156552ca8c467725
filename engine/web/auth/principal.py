"""Who calls, and what that opens."""

from __future__ import annotations

import msgspec

from engine.access import KeyRecord, Scope, Trust, kinds_of
from engine.errors import BadEvent, Forbidden
from engine.kernels.wire import Kind


class Principal(msgspec.Struct, frozen=True):
    """The holder of a credential.

    ``id`` names it in audits and quotas. ``kinds`` are the codes of the events that it may write. ``origins``:
    websites from which browsers may use it (none: any). ``rate``: requests a second (0: the settings' own).
    ``quota``: requests and events a day (0: any number).
    """

    id: str
    trust: Trust
    scopes: frozenset[Scope]
    kinds: frozenset[int] = frozenset(Kind)
    origins: frozenset[str] = frozenset()
    rate: float = 0.0
    quota: int = 0

    @property
    def public(self) -> bool:
        """Whether anybody may be behind it."""
        return self.trust is Trust.PUBLIC

    def require(self, scope: Scope) -> None:
        """Raises `Forbidden` unless `scope` is among ours."""
        if scope not in self.scopes and Scope.ADMIN not in self.scopes:
            raise Forbidden(f"this key has no scope {scope}", "Authorization")

    def require_kind(self, kind: int) -> None:
        """Raises `BadEvent` unless events of `kind` may be written."""
        if kind not in self.kinds:
            name = Kind(kind).name.lower()
            raise BadEvent("not_allowed", f"this key may not write events of the kind {name}", "event")


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
    )
