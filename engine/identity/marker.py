"""What becomes of a key that is linked: its marker, and how a link changes it.

Everything follows from the marker, which is committed, and the link, which lies in the log: no clock, no setting.
A retry after a crash, and a replay of the log, come to the same and mail the same.
"""

from __future__ import annotations

import enum
from collections.abc import Collection

import msgspec

from engine.customer_id import NO_CUSTOMER, CustomerId
from engine.events import Rank
from engine.identity.link import Link, LinkTrust


class Phase(enum.IntEnum):
    """The codes are stored: never renumber."""

    OPEN = 0  # it has a row of its own
    MERGED = 1  # it is somebody's
    ALONE = 2  # it has a row of its own, and is linked no more: two people use it


class Parts(enum.IntFlag):
    """What of a customer is mailed. The codes are stored: never renumber."""

    NOTHING = 0
    FEATURES = 1
    REST = 2  # orders, traits, consent and caps: what an unsigned link never moves
    ALL = 3


class HistoryTurn(enum.IntEnum):
    """What becomes of a key's offer history, in the commit of its marker."""

    STAYS = 0
    FREEZES = 1  # it answers "moved" from now on, and is sent on
    THAWS = 2


class Marker(msgspec.Struct, frozen=True, array_like=True):
    """Of a merged key whose it is (``to``), since which event time (epoch ms), and who vouches for that; of one
    that is alone the trust of the links that contradicted each other."""

    phase: Phase = Phase.OPEN
    to: CustomerId = NO_CUSTOMER
    trust: LinkTrust = LinkTrust.UNSIGNED
    since: int = 0


OPEN = Marker()


class Effect(enum.StrEnum):
    """What a link did. The words are counted and audited."""

    MERGED = "merged"
    CONFIRMED = "confirmed"  # the same, now by somebody who is trusted more
    MOVED = "moved"  # to another, by somebody who is trusted more
    PARTED = "parted"  # a second customer: nobody's from now on
    REPEATED = "repeated"
    OVERRULED = "overruled"  # by somebody who is trusted more
    CONTRADICTED = "contradicted"  # a user's id that is another's already
    KEPT_ALONE = "kept_alone"
    CIRCULAR = "circular"
    IMPOSSIBLE = "impossible"


class KeyChange(msgspec.Struct, frozen=True):
    """The key's next ``marker``; ``mails`` of its row to ``marker.to``, which it then has no more; ``history``;
    and whether it owes ``marker.to`` that history (``KEEP``): by name, whatever its marker says when it is sent. A
    debt that went to whom the marker names then would take the history of a key that opened, and was closed by an
    unsigned link since, where no signed link leads."""

    effect: Effect
    marker: Marker
    mails: Parts = Parts.NOTHING
    history: HistoryTurn = HistoryTurn.STAYS
    owes: bool = False


def change_of(marker: Marker, link: Link, merged: Collection[str] = ()) -> KeyChange:
    """What `link` does to the key ``link.lower``, which has `marker` and into whose row `merged` went, as far as
    the row lists them (what it does not list is found by the path of the mail)."""
    if link.refusal:
        return KeyChange(Effect.IMPOSSIBLE, marker)
    if marker.phase is Phase.MERGED:
        return _of_merged(marker, link)
    if marker.phase is Phase.ALONE and link.trust <= marker.trust:
        return KeyChange(Effect.KEPT_ALONE, marker)
    if link.upper in merged:
        return KeyChange(Effect.CIRCULAR, marker)
    signed = link.trust > LinkTrust.UNSIGNED
    return KeyChange(
        Effect.MERGED,
        _merged(link),
        Parts.ALL if signed else Parts.FEATURES,
        HistoryTurn.FREEZES if signed else HistoryTurn.STAYS,
        owes=signed,
    )


def _of_merged(marker: Marker, link: Link) -> KeyChange:
    if link.trust < marker.trust:
        return KeyChange(Effect.REPEATED if link.upper == marker.to else Effect.OVERRULED, marker)
    if link.trust > marker.trust:
        return _by_more_trusted(marker, link)
    if link.upper == marker.to:
        return KeyChange(Effect.REPEATED, marker)
    if link.lower_rank is Rank.USER:
        return KeyChange(Effect.CONTRADICTED, marker)
    thaws = HistoryTurn.THAWS if marker.trust > LinkTrust.UNSIGNED else HistoryTurn.STAYS
    return KeyChange(Effect.PARTED, Marker(Phase.ALONE, trust=link.trust, since=link.at), history=thaws)


def _by_more_trusted(marker: Marker, link: Link) -> KeyChange:
    """What an unsigned link left behind goes to whom the signed one names. What it moved stays where it is: it
    counted there. To another customer mail goes even of nothing, because only mail finds a cycle."""
    effect = Effect.CONFIRMED if link.upper == marker.to else Effect.MOVED
    if marker.trust is LinkTrust.UNSIGNED:
        return KeyChange(effect, _merged(link), Parts.REST, HistoryTurn.FREEZES, owes=True)
    moved = effect is Effect.MOVED
    return KeyChange(effect, _merged(link), Parts.ALL if moved else Parts.NOTHING, owes=moved)


def _merged(link: Link) -> Marker:
    return Marker(Phase.MERGED, link.upper, link.trust, link.at)


def split(marker: Marker, at: int) -> KeyChange:
    """An operator opens a merged key. Only another operator's link closes it again."""
    if marker.phase is not Phase.MERGED:
        return KeyChange(Effect.REPEATED, marker)
    thaws = HistoryTurn.THAWS if marker.trust > LinkTrust.UNSIGNED else HistoryTurn.STAYS
    return KeyChange(Effect.PARTED, Marker(Phase.ALONE, trust=LinkTrust.SIGNED, since=at), history=thaws)
