"""The event log, and what passes between the Kafka edge and the stream core: records in, dead letters out."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from engine.events import Message, Outcome
from engine.ports.records import FetchedRecords


class DeadLetter(msgspec.Struct, frozen=True):
    """A record that cannot be applied, and why; ``source`` and ``signature`` as its headers had them, and in
    ``headers`` those that are a part of a CloudEvent."""

    reason: str
    detail: str
    offset: int
    key: bytes | None
    value: bytes | None
    source: str = ""
    signature: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Mail(msgspec.Struct, frozen=True):
    """A letter as a record of the events topic: the customer it is for, the event, and what signs both."""

    key: bytes
    value: bytes
    signature: bytes


class PartitionProgress(Protocol):
    """Progress of one owned partition: the ``next`` offset to apply, what the store has ``committed``, its lag
    ``behind`` the log's end in records (None: not known), and whether its rows may be changed (``live``)."""

    partition: int
    next: int
    committed: int
    behind: int | None

    @property
    def live(self) -> bool: ...


class PartitionOwnership(Protocol):
    """Which partitions are ours, as a rebalance assigns and revokes them."""

    async def own(self, partitions: Sequence[int]) -> dict[int, int]:
        """Claim `partitions`, and no others; returns the offset to resume each from."""

    async def release(self, partitions: Sequence[int]) -> None:
        """Give `partitions` up once their commits in flight have been answered."""

    async def restore(self, still_ours: Callable[[], bool], patience_s: float) -> dict[int, int]:
        """Reset failed partitions to what the store holds; returns the offsets to fetch them from."""

    async def drain(self) -> None:
        """Wait until every commit in flight has been answered."""


class MicroBatchHandler(Protocol):
    """The stream core as the consumer drives it: one coroutine calls `apply` and `fire_timers` in turn."""

    @property
    def owned(self) -> PartitionOwnership: ...

    @property
    def states(self) -> Mapping[int, PartitionProgress]: ...

    @property
    def paused(self) -> Collection[int]:
        """Partitions of which nothing is to be fetched for now."""

    async def apply(self, fetched: Mapping[int, FetchedRecords]) -> dict[int, int]:
        """Apply records by partition; returns partitions that must be fetched again, and from where."""

    async def fire_timers(self, caught_up: Callable[[int], bool]) -> None:
        """Fire the timers that are due; ``caught_up(partition)``: whether it has no lag."""


class LagMonitor(Protocol):
    """Watches the lag."""

    def begin(self) -> None:
        """The assignment changed: forget everything."""

    def look(self, lags: Mapping[int, tuple[int, int | None]], now: float, paused: Collection[int] = ()) -> None:
        """Take (next offset, records behind) by partition at `now` (monotonic s); raises `Stuck`. Those `paused`
        need not move."""


class AuditAction(enum.StrEnum):
    """What was read, or opened to be read; and what became of ids."""

    CUSTOMER_READ = "customer.read"
    CUSTOMER_EXPORTED = "customer.exported"
    CUSTOMER_ERASED = "customer.erased"
    IDENTITY_CHANGED = "identity.changed"  # by a link, or a split, as the worker followed it
    LINK_ASKED = "identity.link_asked"  # by an operator
    SPLIT_ASKED = "identity.split_asked"  # likewise
    DECISION_MADE = "decision.made"
    DECISION_READ = "decision.read"
    CUES_READ = "cues.read"  # a stream was opened
    CONSENT_STATED = "consent.stated"  # the answer says all that holds
    TOKEN_MADE = "token.made"  # for a visitor, whose cues and decisions its holder may read


class AuditedLink(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What a link, or a split, did to an id: the ``effect`` (`engine.identity.marker.Effect`, or the word of a
    `Turn` by which it opened), whom the link names (``to``; empty: nobody), its ``cause``, and whether it is
    ``unsigned``, ``signed`` or by an ``operator``."""

    effect: str
    to: str = ""
    cause: str = ""
    trust: str = ""


class AuditEntry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """``who`` (a key's id, or a visitor; empty: not known) did ``what`` with what is known of ``whom`` (a
    customer; empty: of everybody), ``at`` epoch ms of the wall. ``link``: of IDENTITY_CHANGED, how."""

    who: str
    what: AuditAction
    whom: str
    at: int
    link: AuditedLink | None = None


class LogPlace(msgspec.Struct, frozen=True):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


class EventLog(Protocol):
    """Kafka, as the API and replays write to it."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Returns once Kafka has acknowledged all; raises `Unavailable` or `Overloaded`."""

    async def publish_one(self, message: Message) -> LogPlace:
        """Returns once Kafka has acknowledged it; where it lies. Raises `Unavailable`."""

    async def publish_outcome(self, outcome: Outcome) -> None:
        """Returns once Kafka has acknowledged it."""

    async def publish_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Returns once Kafka has acknowledged all; raises `Unavailable`."""
