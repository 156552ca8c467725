"""The policy that a worker's kernels run by, with its rulebook made ready for them."""

from __future__ import annotations

from engine.decisions.policy import Policy
from engine.stream.evaluator import IndicatorEvaluator


class PreparedPolicy:
    """One at a time."""

    def __init__(self) -> None:
        self._use: tuple[IndicatorEvaluator, Policy] | None = None

    def take(self, policy: Policy) -> None:
        """Take `policy` into use; a commit in flight finishes with the one it began with."""
        evaluator = self._use[0] if self._use else None
        if evaluator is None or evaluator.rulebook is not policy.rulebook:
            evaluator = IndicatorEvaluator(policy.rulebook)
        self._use = (evaluator, policy)

    def get(self) -> tuple[IndicatorEvaluator, Policy]:
        """The evaluator of its rulebook, and the policy. Not before `take`."""
        if self._use is None:
            raise RuntimeError("no policy is in use: call `take` first")
        return self._use
