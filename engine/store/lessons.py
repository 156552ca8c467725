"""Commands of lessons: what outcomes taught, how much unknown reporters may teach, and taking it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from engine.events import Outcome
from engine.ports.lesson_store import LessonBound, Lessons, Withdrawn
from engine.settings import Redis
from engine.steps import Steps, in_slices
from engine.store.commands import Commands
from engine.store.counts import Counts
from engine.store.functions.library import ADMIT_LESSON, FORGET, LEARN
from engine.store.keys import DAY_S, DELIVERED, LESSON_BOUNDS, LESSONS_KEPT_DAYS
from engine.store.resp import pack

HOUR_MS = 3_600_000
BOUNDS_KEPT_S = 7_200
#: Learned counts read in one step: half a millisecond.
COUNTS_AT_ONCE = 512

Learned = dict[tuple[str, str], Lessons]


class LessonCommands(Commands):
    """`engine.ports.lesson_store.LessonStore` on Redis."""

    def __init__(self, settings: Redis, partitions: int) -> None:
        super().__init__(settings, partitions)
        self._versions = b"".join(pack(("HGET", key, "version")) for key in self._keys.learned)
        self._seen: tuple[int, list[Any]] = (0, [None] * partitions)  # connection, versions
        self._learned: list[Learned] = [{} for _ in range(partitions)]
        self._learned_counts = Counts()

    async def learn(self, outcome: Outcome, success: bool | None) -> bool:
        partition = self._keys.of_decision(outcome.decision_id)
        if partition is None:
            return False
        decision = outcome.decision_id.encode()
        keys = [
            self._keys.decision_prefix[partition] + decision,
            self._keys.outcomes_prefix[partition] + decision,
            self._keys.learned[partition],
        ]
        if outcome.key:
            keys.append(self._taught(partition, outcome.received_at // (DAY_S * 1_000), outcome.key))
        seen = f"{outcome.offer_id}|{outcome.outcome.value}"
        arm, result = f"{outcome.offer_id}|{outcome.channel}", _result(outcome, success)
        arguments = (seen, arm, result, "" if outcome.trust else "u", outcome.received_at // HOUR_MS)
        return bool(await self._connection.call(pack(("FCALL", LEARN, len(keys), *keys, *arguments))))

    def _taught(self, partition: int, day: int, key: str) -> bytes:
        return self._keys.taught_prefix[partition] + f"{day}:{key}".encode()

    async def propensities(self) -> Mapping[tuple[str, str], Lessons]:
        connection = self._connection.connections
        versions = await self._connection.pipe(self._versions, self._keys.partitions)
        await self._fetch_changed(connection, versions)
        return await in_slices(_add(self._learned))

    async def _fetch_changed(self, connection: int, versions: list[Any]) -> None:
        """Read the partitions whose version changed; all after a reconnect, since Redis may have lost data."""
        seen_connection, seen = self._seen
        known = seen if connection == seen_connection else [b"?"] * len(versions)
        changed = [p for p, version in enumerate(versions) if version != known[p]]
        if not changed:
            return
        frame = b"".join(pack(("HGETALL", self._keys.learned[p])) for p in changed)
        for partition, reply in zip(changed, await self._connection.pipe(frame, len(changed)), strict=True):
            counts = self._learned_counts.named(self._keys.learned[partition], _without_version(reply))
            self._learned[partition] = await in_slices(_learned(counts))
        self._seen = (connection, versions)

    async def delivered(self, decision_id: str) -> bool:
        partition = self._keys.of_decision(decision_id)
        if partition is None:
            return False
        key = self._keys.outcomes_prefix[partition] + decision_id.encode()
        return bool(await self._connection.call(pack(("SISMEMBER", key, DELIVERED))))

    async def admit_lesson(self, bound: LessonBound) -> bool:
        key = LESSON_BOUNDS + str(bound.hour).encode()
        arguments = (bound.arm, bound.address, bound.most_of_all, bound.most_of_address, BOUNDS_KEPT_S)
        return bool(await self._connection.call(pack(("FCALL", ADMIT_LESSON, 1, key, *arguments))))

    async def forget_lessons(self, key: str, since: int, only_look: bool = False) -> list[Withdrawn]:
        newest = (await self._now_ms()) // (DAY_S * 1_000) + 1  # a process's clock may be ahead
        oldest = max(since // (DAY_S * 1_000), newest - LESSONS_KEPT_DAYS - 1)
        total: Counter[str] = Counter()
        for day in range(oldest, newest + 1):
            frame = b"".join(
                pack(
                    ("FCALL", FORGET, 2, self._taught(p, day, key), learned, since // HOUR_MS, int(not only_look))
                )
                for p, learned in enumerate(self._keys.learned)
            )
            for flat in await self._connection.pipe(frame, self._keys.partitions):
                for field, count in zip(flat[::2], flat[1::2], strict=True):
                    total[field.decode(errors="replace")] += count
        return withdrawn(total)

    async def _now_ms(self) -> int:
        seconds, _ = await self._connection.call(pack(("TIME",)))
        return int(seconds) * 1_000


def _result(outcome: Outcome, success: bool | None) -> str:
    return {True: "s", False: "f", None: ""}[success] if outcome.teaches else ""


def withdrawn(lessons: Mapping[str, int]) -> list[Withdrawn]:
    """Lessons by the field that held them, as offers and channels."""
    arms: dict[str, Counter[str]] = {}
    for field, count in lessons.items():
        arm, _, result = field.rpartition("|")
        arms.setdefault(arm, Counter())[result[-1:]] += count
    found = ((arm.rpartition("|"), counts) for arm, counts in sorted(arms.items()))
    return [Withdrawn(offer, channel, counts["s"], counts["f"]) for (offer, _, channel), counts in found]


def _without_version(flat: Sequence[bytes]) -> list[bytes]:
    """The reply to HGETALL without the version, which is compared and never counted."""
    return [
        *chain.from_iterable(pair for pair in zip(flat[::2], flat[1::2], strict=True) if pair[0] != b"version")
    ]


_PLACES = {"s": 0, "f": 1, "us": 2, "uf": 3}


def _learned(counts: Iterable[tuple[str, int]]) -> Steps[Learned]:
    """Lessons by arm, from counts whose names end with a key of `_PLACES`."""
    learned: dict[tuple[str, str], list[int]] = {}
    for position, (name, count) in enumerate(counts):
        if position % COUNTS_AT_ONCE == 0:
            yield
        arm, _, result = name.rpartition("|")
        offer, _, channel = arm.rpartition("|")
        if offer and result in _PLACES:
            learned.setdefault((offer, channel), [0, 0, 0, 0])[_PLACES[result]] += count
    return {arm: Lessons(*found) for arm, found in learned.items()}


def _add(parts: list[Learned]) -> Steps[Learned]:
    total: Learned = {}
    for learned in parts:
        yield
        for arm, lessons in learned.items():
            before = total.get(arm)
            total[arm] = lessons if before is None else Lessons(*map(sum, zip(before, lessons, strict=True)))
    return total
