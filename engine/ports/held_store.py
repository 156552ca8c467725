"""The store as an export and an erasure see it: what is held of a customer beside row, history and cues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from engine.customer_id import CustomerId
from engine.events import Cue
from engine.ports.traits import Trait


class CountedLinks(msgspec.Struct, frozen=True, rename="camel"):
    """The digests (hexadecimal) of the ids that were linked in ``month`` (months since the year 0)."""

    month: int
    signed: bool
    digests: list[str]


class HeldUnder(msgspec.Struct, frozen=True):
    """All that is held under one id, but for its timer, which follows from the row.

    ``row`` is as stored, behind what ties the id to others (empty: none); ``history`` as stored, too, the consents
    in it; ``traits`` with those that were taken back; ``cues`` the newest ones and those in the cue stream, oldest
    first; ``linked`` all ids that ever became this one. ``decisions`` are those of decisions and cues that were
    recorded lately, each with what is kept of its outcomes. ``sent_batches`` are the message ids of large batches,
    digests in hexadecimal, a text a batch.
    """

    row: bytes
    history: Mapping[str, Sequence[int]]
    traits: Sequence[Trait]
    cues: Sequence[Cue]
    linked: Sequence[str]
    decisions: Mapping[str, Sequence[str]]
    sent_batches: Sequence[str]
    link_counts: Sequence[CountedLinks]

    @property
    def anything(self) -> bool:
        """Whether there is something."""
        return any(getattr(self, name) for name in self.__struct_fields__)


class HeldStore(Protocol):
    """Methods raise `Unavailable`."""

    async def recorded(self, customer: CustomerId) -> list[str]:
        """The ids of the decisions and cues of the customer that were recorded lately, each once; of those older
        than a day the record is gone."""

    async def ids_linked(self, customers: Sequence[CustomerId]) -> list[list[CustomerId]]:
        """Of each all ids that ever became the customer's, by unsigned links, too, and those that are their own
        again; in one round trip."""

    async def traits(self, customer: CustomerId) -> list[Trait]:
        """What is kept of the customer's traits, as words, by name."""

    async def held_under(self, customers: Sequence[CustomerId]) -> list[HeldUnder]:
        """What is held under each of these ids, itself. It looks through the cue stream of each of their
        partitions."""
