"""How much visitors may teach: bounded by offer, hour and visitor, and those whom nobody knows by address, too."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from engine.clock import wall_ms
from engine.decisions.record import DecisionRecord
from engine.events import REWARDS, OutcomeName
from engine.ports.lesson_store import LessonBound, LessonStore
from engine.ports.meter import Meter
from engine.settings import LessonLimits
from engine.web.auth.principal import Principal

HOUR_MS = 3_600_000
NO_BOUND = 1 << 53  # as Lua counts exactly
LEAST_AN_HOUR = 5  # lessons of an arm, so that one of which nothing is known can learn at all

#: What is known of an offer on a channel, in observations: its evidence and what known
#: reporters added.
Known = Callable[[str, str], float]


class LessonBounds:
    """Decides which outcomes of visitors teach. The others are taken all the same."""

    def __init__(self, store: LessonStore, known: Known, settings: LessonLimits, meter: Meter) -> None:
        self._store, self._known, self._settings, self._meter = store, known, settings, meter

    async def teaches(
        self,
        caller: Principal,
        record: DecisionRecord,
        decision_id: str,
        offer_id: str,
        outcome: OutcomeName,
        address: str,
    ) -> bool:
        """Whether an outcome that `caller` reports from `address` may teach. Raises `Unavailable`.

        A cue must have reached a stream of its visitor; a decision did when somebody knows its id.
        """
        if not caller.public or outcome not in REWARDS:
            return True
        if record.indicator and not await self._store.delivered(decision_id):
            return self._refused("undelivered")
        arm = f"{offer_id}|{record.channel}"
        bound = (
            self._of_visitor(arm, record) if caller.visitor else self._of_address(arm, offer_id, record, address)
        )
        if not await self._store.admit_lesson(bound):
            return self._refused("bound")
        return True

    def _of_visitor(self, arm: str, record: DecisionRecord) -> LessonBound:
        """Of one visitor, who asks for decisions as often as it likes; together they are not bounded."""
        hour = wall_ms() // HOUR_MS
        most = self._settings.per_visitor_hour
        return LessonBound(hour, f"{arm}|tokens", _digest(hour, record.customer), NO_BOUND, most)

    def _of_address(self, arm: str, offer_id: str, record: DecisionRecord, address: str) -> LessonBound:
        hour, settings = wall_ms() // HOUR_MS, self._settings
        weight = max(settings.unsigned_weight, 0.01)
        share = settings.unsigned_share_per_hour * self._known(offer_id, record.channel) / weight
        most = max(int(share), LEAST_AN_HOUR)
        return LessonBound(hour, arm, _digest(hour, address), most, settings.unsigned_per_address_hour)

    def _refused(self, reason: str) -> bool:
        self._meter.add("outcomes_not_taught", label=reason)
        return False


def _digest(hour: int, reporter: str) -> str:
    return blake2b(f"{hour} {reporter}".encode(), digest_size=8).hexdigest()
