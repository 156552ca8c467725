"""Which stage dropped an offer, noted once: answers, the log and the counters all read it here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.events import Reason

#: The stages in order, each with the reason of the offers that it drops: the fields of `Survivors`.
STAGES: dict[str, Reason] = {
    "available": Reason.CHANNEL_MISMATCH,
    "triggered": Reason.NOT_TRIGGERED,
    "applicable": Reason.NOT_APPLICABLE,
    "consented": Reason.NO_CONSENT,
    "contactable": Reason.CAP_PERIOD,
    "given": Reason.OUTRANKED,
}


class Survivors(msgspec.Struct, frozen=True, gc=False):
    """The offers (positions in the rulebook) that are left after each stage; each field is part of the one before.

    What passed as a whole keeps one list for both fields, so a decision notes its drops without looking for them.
    """

    available: Sequence[int]
    triggered: Sequence[int]
    applicable: Sequence[int]
    consented: Sequence[int]
    contactable: Sequence[int]
    given: Sequence[int]

    @property
    def capped(self) -> Sequence[int]:
        """The offers that only a cap held back."""
        if self.contactable is self.consented:
            return ()
        return [offer for offer in self.consented if offer not in self.contactable]

    @property
    def unconsented(self) -> Sequence[int]:
        """The offers that are kept back because consent is missing."""
        if self.consented is self.applicable:
            return ()
        return [offer for offer in self.applicable if offer not in self.consented]

    def dropped(self, offers: int) -> dict[int, Reason]:
        """The reason of each of `offers` (their number) that was not given."""
        found, before = {}, set(range(offers))
        for stage, reason in STAGES.items():
            after = set(getattr(self, stage))
            found.update(dict.fromkeys(before - after, reason))
            before = after
        return found


def drop_counts(decisions: Sequence[Survivors], offers: int) -> dict[Reason, int]:
    """How many of `offers` (their number) each stage dropped, over all `decisions`."""
    left = [0] * len(STAGES)
    for one in decisions:
        left[0] += len(one.available)
        left[1] += len(one.triggered)
        left[2] += len(one.applicable)
        left[3] += len(one.consented)
        left[4] += len(one.contactable)
        left[5] += len(one.given)
    before = [offers * len(decisions), *left]
    return {reason: before[i] - left[i] for i, reason in enumerate(STAGES.values())}
