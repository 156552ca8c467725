"""What is audited of links: each that changed something, or would have, with its cause and who vouches for it.

An entry follows from the log and what is committed, as mail does, and is written before the commit that changes
the id: none is missing, and after a crash one may be there twice.
"""

from __future__ import annotations

from engine.identity.link import Link, LinkTrust
from engine.identity.marker import Effect
from engine.identity.route import Passage
from engine.identity.split import SPLIT, Split
from engine.ports.kafka import AuditAction, AuditedLink, AuditEntry
from engine.stream.decoded_batch import DecodedBatch


def of_link(batch: DecodedBatch, at: int, link: Link, effect: Effect) -> AuditEntry:
    """What `link`, which is event `at` of `batch`, did."""
    return _entry(batch, at, link.by, AuditedLink(effect, link.upper, link.cause, _named(link.trust)))


def of_split(batch: DecodedBatch, at: int, split: Split, effect: Effect) -> AuditEntry:
    """What `split`, which is event `at` of `batch`, did."""
    return _entry(batch, at, split.by, AuditedLink(effect, "", SPLIT, _named(LinkTrust.OPERATOR)))


def of_passage(batch: DecodedBatch, at: int, passage: Passage) -> AuditEntry:
    """That event `at` of `batch`, which came a long way, or round, opened its customer's marker."""
    return _entry(batch, at, "", AuditedLink(passage.turn))


def _entry(batch: DecodedBatch, at: int, who: str, link: AuditedLink) -> AuditEntry:
    event = batch.events[at]
    when = int(event["received_at"]) or int(event["came_in"])
    return AuditEntry(who, AuditAction.IDENTITY_CHANGED, batch.customers[at].decode(), when, link)


def _named(trust: LinkTrust) -> str:
    return trust.name.lower()
