"""The arms of experiments: which there are, how each scores and arbitrates, and who is in which.

A holdout is an arm more in `ARMS` and an assignment that puts a share of the customers into it, by a salted hash
of the customer, so that it stays the same on every channel.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from engine.customer_id import CustomerId
from engine.decisions.arbitration import Arbitration, HighestPriority
from engine.decisions.scoring import ExpectedValue, ScoringModel


class Arm(msgspec.Struct, frozen=True, eq=False):
    """One way to decide, by name."""

    name: str
    scoring: ScoringModel
    arbitration: Arbitration


class ArmAssignment(Protocol):
    """Who is in which arm."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """All arms, each with a name of its own."""

    def assign(self, customer: CustomerId) -> Arm:
        """The arm of a customer (the key): always the same one. One of `arms`."""


class SingleArm:
    """No experiment: everybody is in the one arm."""

    def __init__(self, arm: Arm) -> None:
        self.arms = (arm,)
        self._arm = arm

    def assign(self, customer: CustomerId) -> Arm:
        return self._arm


#: Every arm there is, with its way to score and to arbitrate.
ARMS: tuple[Arm, ...] = (Arm("all", ExpectedValue(), HighestPriority()),)
#: The experiment that runs.
ASSIGNMENT: ArmAssignment = SingleArm(ARMS[0])
