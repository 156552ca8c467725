"""The in-memory twin of `lessons.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from engine.events import Outcome
from engine.ports.lesson_store import LessonBound, Lessons, Withdrawn

HOUR_MS = 3_600_000

Arm = tuple[str, str]  # offer, channel


class _Trial(NamedTuple):
    """What was counted of an offer of a decision: in which place of `Lessons`, in which hour, by which key."""

    place: int
    hour: int
    key: str


class MemoryLessons:
    """`engine.ports.lesson_store.LessonStore` in one process."""

    def __init__(self) -> None:
        super().__init__()
        self._outcomes: set[tuple[str, str, str]] = set()
        self._trials: dict[tuple[str, Arm], _Trial] = {}
        self._learned: dict[Arm, list[int]] = {}
        self._taught: dict[str, Counter[tuple[int, Arm, int]]] = {}
        self._bounds: Counter[tuple[int, str, str]] = Counter()
        self._delivered: set[str] = set()

    async def decision(self, decision_id: str) -> bytes | None:
        """The record of a decision: the store's."""
        raise NotImplementedError

    async def learn(self, outcome: Outcome, success: bool | None) -> bool:
        if await self.decision(outcome.decision_id) is None:
            return False
        seen = (outcome.decision_id, outcome.offer_id, outcome.outcome.value)
        new = seen not in self._outcomes
        self._outcomes.add(seen)
        if success is not None and outcome.teaches:
            self._count_result(outcome, success)
        return new

    def _count_result(self, outcome: Outcome, success: bool) -> None:
        arm = (outcome.offer_id, outcome.channel)
        place = (0 if success else 1) + (0 if outcome.trust else 2)
        before = self._trials.get((outcome.decision_id, arm))
        if before is not None and (before.place % 2 == 0 or not success):
            return
        if before is not None:
            self._teach(arm, before, -1)
        trial = self._trials[outcome.decision_id, arm] = _Trial(place, outcome.received_at // HOUR_MS, outcome.key)
        self._teach(arm, trial, 1)

    def _teach(self, arm: Arm, trial: _Trial, by: int) -> None:
        self._learned.setdefault(arm, [0, 0, 0, 0])[trial.place] += by
        if trial.key:
            self._taught.setdefault(trial.key, Counter())[trial.hour, arm, trial.place] += by

    async def propensities(self) -> Mapping[Arm, Lessons]:
        return {arm: Lessons(*counts) for arm, counts in self._learned.items()}

    async def delivered(self, decision_id: str) -> bool:
        return decision_id in self._delivered

    async def admit_lesson(self, bound: LessonBound) -> bool:
        of_all, of_address = (bound.hour, bound.arm, ""), (bound.hour, bound.arm, bound.address)
        if self._bounds[of_all] >= bound.most_of_all or self._bounds[of_address] >= bound.most_of_address:
            return False
        self._bounds.update((of_all, of_address))
        return True

    async def forget_lessons(self, key: str, since: int, only_look: bool = False) -> list[Withdrawn]:
        taught = self._taught.get(key, Counter())
        found = {one: number for one, number in taught.items() if one[0] >= since // HOUR_MS}
        total: dict[Arm, list[int]] = {}
        for (hour, arm, place), number in found.items():
            total.setdefault(arm, [0, 0])[place % 2] += number
            if not only_look:
                del taught[hour, arm, place]
                counts = self._learned[arm]
                counts[place] -= min(number, counts[place])
        return [Withdrawn(*arm, *counts) for arm, counts in sorted(total.items())]
