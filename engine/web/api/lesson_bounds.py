"""How much reporters whom nobody knows may teach: bounded by offer, hour and address."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from engine.clock import wall_ms
from engine.decisions.record import DecisionRecord
from engine.events import REWARDS, OutcomeName
from engine.ports.meter import Meter
from engine.ports.store import LessonBound, LessonStore
from engine.settings import LessonLimits

HOUR_MS = 3_600_000
LEAST_AN_HOUR = 5  # lessons of an arm, so that one of which nothing is known can learn at all

#: What is known of an offer on a channel, in observations: its evidence and what outcomes added.
Known = Callable[[str, str], float]


class LessonBounds:
    """Decides which outcomes of unknown reporters teach. The others are taken all the same."""

    def __init__(self, store: LessonStore, known: Known, settings: LessonLimits, meter: Meter) -> None:
        self._store, self._known, self._settings, self._meter = store, known, settings, meter

    async def teaches(
        self, record: DecisionRecord, decision_id: str, offer_id: str, outcome: OutcomeName, address: str
    ) -> bool:
        """Whether an outcome, reported from `address`, may teach. Raises `Unavailable`.

        A cue must have reached a stream of its visitor; a decision did when somebody knows its id.
        """
        if outcome not in REWARDS:
            return True
        if record.indicator and not await self._store.delivered(decision_id):
            return self._refused("undelivered")
        if not await self._store.admit_lesson(self._bound(offer_id, record.channel, address)):
            return self._refused("bound")
        return True

    def _bound(self, offer_id: str, channel: str, address: str) -> LessonBound:
        hour, settings = wall_ms() // HOUR_MS, self._settings
        weight = max(settings.unsigned_weight, 0.01)
        share = settings.unsigned_share_per_hour * self._known(offer_id, channel) / weight
        return LessonBound(
            hour,
            f"{offer_id}|{channel}",
            blake2b(f"{hour} {address}".encode(), digest_size=8).hexdigest(),
            max(int(share), LEAST_AN_HOUR),
            settings.unsigned_per_address_hour,
        )

    def _refused(self, reason: str) -> bool:
        self._meter.add("outcomes_not_taught", label=reason)
        return False
