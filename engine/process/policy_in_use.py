"""The policy in use: rulebook and learned counts, joined again whenever one of them changes."""

from __future__ import annotations

from collections.abc import Callable

from engine.decisions.policy import Policy, make_policy
from engine.process.learned_counts import LearnedCounts
from engine.process.rulebook_in_use import RulebookInUse


class PolicyInUse:
    """``policy`` is replaced whole, by one assignment; `on_change` gets each new one, and the first."""

    def __init__(
        self,
        rules: RulebookInUse,
        learned: LearnedCounts,
        on_change: Callable[[Policy], None] = lambda policy: None,
    ) -> None:
        self.rules = rules
        self.on_change = on_change
        self._learned = learned
        rules.on_change = learned.on_change = self._renew
        self._renew()

    def _renew(self) -> None:
        self.policy = make_policy(self.rules.rulebook, self._learned.counts)
        self.on_change(self.policy)
