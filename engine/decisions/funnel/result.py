"""What the funnel found for one customer, one channel and one moment."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.decisions.funnel.survivors import Survivors
from engine.decisions.policy import ChannelRanking, Policy


class FunnelResult(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What was found at ``now`` (epoch ms) for up to ``slots`` offers.

    ``values`` (F; ``packed`` as stored) are the features that it rests on. ``weights`` are the context weights of
    the request, ``priorities`` those that follow from them (float64[O]; None: no context).
    """

    policy: Policy
    ranking: ChannelRanking
    values: Sequence[float]
    survivors: Survivors
    slots: int
    now: int
    packed: bytes
    weights: NDArray[np.float64] | None = None
    priorities: NDArray[np.float64] | None = None

    @property
    def given(self) -> Sequence[int]:
        """The offers to give, best first."""
        return self.survivors.given

    def without(self, capped: Collection[int], unconsented: Collection[int] = ()) -> FunnelResult:
        """The same, had the caps of `capped` been reached and were consent to `unconsented` missing: the next
        offers take their places."""
        left, consented = self.survivors, self.survivors.consented
        contactable = [offer for offer in left.contactable if offer not in capped and offer not in unconsented]
        if unconsented:
            consented = [offer for offer in consented if offer not in unconsented]
        given = self.ranking.arm.arbitration.select(contactable, self.slots)
        left = Survivors(left.available, left.triggered, left.applicable, consented, contactable, given)
        return FunnelResult(
            self.policy, self.ranking, self.values, left, self.slots, self.now, self.packed, self.weights,
            self.priorities,
        )  # fmt: skip

    def weight(self, offer: int) -> float:
        """The context weight of an offer."""
        return 1.0 if self.weights is None else float(self.weights[offer])

    def propensity(self, offer: int) -> float:
        """The propensity of an offer on this channel."""
        return self.ranking.given[offer].propensity

    def priority(self, offer: int) -> float:
        """The priority of an offer on this channel, in this context."""
        return self.ranking.given[offer].priority if self.priorities is None else float(self.priorities[offer])
