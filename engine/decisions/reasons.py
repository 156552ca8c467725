"""Why an offer was given or not: texts with the customer's numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from engine.decisions.funnel.survivors import Survivors
from engine.decisions.request import Suppressed
from engine.events import Reason
from engine.rulebook.explain import explain
from engine.rulebook.model import Offer, Rulebook

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))


class _Case(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The input of the text for one offer."""

    rulebook: Rulebook
    position: int
    values: Sequence[float]
    survivors: Survivors

    @property
    def offer(self) -> Offer:
        return self.rulebook.offers[self.position]


def why_not(rulebook: Rulebook, values: Sequence[float], survivors: Survivors) -> tuple[Suppressed, ...]:
    """A reason for every offer that was not given, in the rulebook's order; ``values`` are the features (F)."""
    dropped = survivors.dropped(len(rulebook.offers))
    return tuple(
        because(
            offer.id, dropped[position], _TEXTS[dropped[position]](_Case(rulebook, position, values, survivors))
        )
        for position, offer in enumerate(rulebook.offers)
        if position in dropped
    )


def because(offer_id: str, reason: Reason, detail: str) -> Suppressed:
    """One reason of one offer (of the whole answer where `offer_id` is empty)."""
    stage, _, code = reason.value.partition(".")
    return Suppressed(offer_id, stage, code, detail)


def _other_channel(case: _Case) -> str:
    return f"is for {', '.join(case.offer.channels)}"


def _not_triggered(case: _Case) -> str:
    return "names no indicator that was activated at this moment"


def _rule(case: _Case) -> str:
    return "; ".join(explain(case.rulebook, case.rulebook.offer_rule + case.position, case.values))


def _consent(case: _Case) -> str:
    return f"needs the customer's consent to {case.offer.purpose} on this channel"


def _cap(case: _Case) -> str:
    """``at most 2 in 7 d, reached``."""
    if (cap := case.offer.cap) is None:
        return "reached"
    size, unit = next((s, u) for s, u in _UNITS if cap.period_ms % s == 0)
    return f"at most {cap.max} in {cap.period_ms // size} {unit}, reached"


def _outranked(case: _Case) -> str:
    if not case.survivors.given:
        return "holds, but others rank higher, and none of them could be sent"
    return f"holds, but the {len(case.survivors.given)} given rank higher"


#: Reason -> its text; one for each of `STAGES`.
_TEXTS: dict[Reason, Callable[[_Case], str]] = {
    Reason.CHANNEL_MISMATCH: _other_channel,
    Reason.NOT_TRIGGERED: _not_triggered,
    Reason.NOT_APPLICABLE: _rule,
    Reason.NO_CONSENT: _consent,
    Reason.CAP_PERIOD: _cap,
    Reason.OUTRANKED: _outranked,
}
