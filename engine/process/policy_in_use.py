"""The policy in use: rulebook and learned counts, joined again whenever one of them changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.consent import NO_LEVELS, Levels
from engine.decisions.policy import Policy, make_policy, policy_in_steps
from engine.process.learned_counts import LearnedCounts
from engine.process.rulebook_in_use import RulebookInUse
from engine.steps import in_slices


class PolicyInUse:
    """``policy`` is replaced whole, by one assignment; `on_change` gets each new one, and the first."""

    def __init__(
        self,
        rules: RulebookInUse,
        learned: LearnedCounts,
        on_change: Callable[[Policy], None] = lambda policy: None,
        levels: Levels = NO_LEVELS,
    ) -> None:
        self._levels = levels
        self.rules = rules
        self.on_change = on_change
        self.learned = learned
        self._joining = asyncio.Lock()
        rules.on_change = learned.on_change = self._renew
        self._use(make_policy(rules.rulebook, learned.counts, levels=levels))

    def known(self, offer_id: str, channel: str) -> float:
        """How much is known of an offer on a channel, in observations: its evidence and what known reporters said.

        What the others may add follows from it, and would grow by itself.
        """
        offers = self.policy.rulebook.offers
        evidence = next((offer.evidence for offer in offers if offer.id == offer_id), 0.0)
        return evidence + self.learned.of_known_reporters(offer_id, channel)

    async def _renew(self) -> None:
        """Join them anew, beside other work: thousands of offers take a tenth of a second."""
        async with self._joining:  # one after the other, each with the newest of both
            steps = policy_in_steps(
                self.rules.rulebook, self.learned.counts, before=self.policy, levels=self._levels
            )
            self._use(await in_slices(steps))

    def _use(self, policy: Policy) -> None:
        self.policy = policy
        self.on_change(policy)
