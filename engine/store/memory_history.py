"""The in-memory twin of an offer history, as `cueline.lua` keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from engine.consent import MARK, MOST_CONSENTS, REQUESTED, ConsentStatement, allows, joined, parsed, with_request
from engine.ports.decision_store import Candidate, Taking
from engine.ports.offer_history import FROZEN, OPEN
from engine.ports.stream_store import CueCandidate, CueChoice
from engine.store.keys import HISTORY


class OfferHistory:
    """When each offer was given to one customer, ascending; and of web cues that no stream has taken, as they were
    written, when they were given and when they end (epoch ms). And the consents, by name: the newest times of each
    state."""

    def __init__(
        self, given: dict[str, list[int]] | None = None, consents: dict[str, list[int]] | None = None
    ) -> None:
        self._given = given or {}
        self._consents = consents or {}
        self._open: dict[str, list[tuple[int, int]]] = {}
        self.frozen = False  # the customer is another's: it gives nothing

    def stored(self) -> Mapping[str, Sequence[int]]:
        """As a `View` has it."""
        open_ = {offer + OPEN: list(chain(*pairs)) for offer, pairs in self._open.items() if pairs}
        frozen = {FROZEN: [1]} if self.frozen else {}
        given = {offer: list(times) for offer, times in self._given.items() if times}
        return given | open_ | self._consents | frozen

    def settled(self, at: int) -> OfferHistory:
        """A copy without what was given by cues that no stream had taken when they ended, at `at` or before."""
        copy = OfferHistory({offer: list(times) for offer, times in self._given.items()}, self._consents)
        for offer, pairs in self._open.items():
            given = copy._given.get(offer, [])
            for time, end in pairs:
                if end <= at and time in given:
                    given.remove(time)
            copy._open[offer] = [pair for pair in pairs if pair[1] > at]
        copy.frozen = self.frozen
        return copy

    def joined(self, other: Mapping[str, Sequence[int]], erased: int) -> OfferHistory:
        """A copy with what another id of the customer was given, and stated, after `erased` (epoch ms)."""
        copy = OfferHistory({offer: list(times) for offer, times in self._given.items()}, dict(self._consents))
        copy._open, copy.frozen = {offer: list(pairs) for offer, pairs in self._open.items()}, self.frozen
        for name, times in other.items():
            if name.startswith(MARK):
                copy._join_consent(name, times, erased)
            elif not name.endswith((OPEN, FROZEN)):
                copy._join_given(name, times, erased)
        return copy

    def _join_given(self, offer: str, times: Sequence[int], erased: int) -> None:
        given = self._given.get(offer, [])
        most = max(HISTORY, len(given), len(times))
        both = sorted((Counter(given) | Counter(at for at in times if at > erased)).elements())
        for at in both[:-most]:
            self.keep(offer, at)
        self._given[offer] = both[-most:]

    def _join_consent(self, name: str, times: Sequence[int], erased: int) -> None:
        known = self._consents.get(name, [0, 0, 0])
        newest = [max(own, at if at > erased else 0) for own, at in zip(known, times, strict=True)]
        if newest != list(known) and self._has_room(name):
            self._consents[name] = newest
            self._grant_requested(name)

    def _has_room(self, name: str) -> bool:
        return name in self._consents or len(self._consents) < MOST_CONSENTS

    def _grant_requested(self, name: str) -> None:
        """What was requested is granted once it is confirmed, under whichever name something is new."""
        base = name.removesuffix(REQUESTED)
        if base in self._consents:
            requested = self._consents.get(base + REQUESTED, ())
            self._consents[base] = [*with_request(self._consents[base], requested)]

    def allows(self, candidate: Candidate | CueCandidate, at: int) -> bool:
        """Whether the offer's cap leaves room."""
        given = self._given.get(candidate.offer_id, [])
        recent = sum(at - before < candidate.cap_period_ms for before in given)
        return candidate.cap_period_ms <= 0 or recent < candidate.cap_max

    def consents(self, candidate: Candidate | CueCandidate) -> bool:
        """Whether the consents allow it."""
        return not self.missing(candidate)

    def missing(self, candidate: Candidate | CueCandidate) -> list[str]:
        """The names of the consents that do not allow it."""
        return [name for name, level in parsed(candidate.needs) if not allows(self._consents.get(name, ()), level)]

    def state(self, statement: ConsentStatement) -> bool:
        """Keep `statement`; whether it changed something."""
        before = self._consents.get(statement.name, ())
        if statement.at <= (before[statement.state] if before else 0) or not self._has_room(statement.name):
            return False
        self._consents = {**self._consents, statement.name: joined(before, statement)}
        self._grant_requested(statement.name)
        return True

    def give(self, candidate: Candidate | CueCandidate, at: int) -> Taking:
        """Record that the offer was given, if its cap and its consents allow it."""
        if not self.consents(candidate):
            return Taking.UNCONSENTED
        return Taking.TAKEN if self.take(candidate, at) else Taking.CAPPED

    def take(self, candidate: Candidate | CueCandidate, at: int) -> bool:
        """Record that the offer was given, if its cap allows it."""
        if not self.allows(candidate, at):
            return False
        self.add(candidate, at)
        return True

    def add(self, candidate: Candidate | CueCandidate, at: int) -> None:
        """Record that the offer was given."""
        given = self._given.setdefault(candidate.offer_id, [])
        given.append(at)
        given.sort()
        if isinstance(candidate, CueCandidate) and candidate.ends > 0:
            self._open.setdefault(candidate.offer_id, []).append((at, candidate.ends))
        if len(given) > max(HISTORY, candidate.cap_max):
            self.keep(candidate.offer_id, given.pop(0))

    def keep(self, offer: str, at: int) -> bool:
        """What was given at `at` does not come back any more; whether it might have."""
        pairs = self._open.get(offer, [])
        found = next((pair for pair in pairs if pair[0] == at), None)
        if found is not None:
            pairs.remove(found)
        return found is not None

    def fill(self, choice: CueChoice) -> tuple[list[int], list[str]]:
        """The candidates (positions) that fill the slots of `choice`; and the offers that consent kept back, those
        of successive candidates once."""
        best: dict[int, tuple[int, str]] = {}
        without: list[str] = []
        for candidate in choice.candidates:
            if not self.consents(candidate):
                without += [candidate.offer_id] if without[-1:] != [candidate.offer_id] else []
            elif self.allows(candidate, choice.at):
                for slot, place in enumerate(candidate.places):
                    if place and place < best.get(slot, (place + 1, ""))[0]:
                        best[slot] = (place, candidate.offer_id)
        filled = [
            tuple(
                bool(slot in best and best[slot][1] == candidate.offer_id) for slot in range(len(candidate.places))
            )
            for candidate in choice.candidates
        ]
        wanted = [tuple(map(bool, candidate.places)) for candidate in choice.candidates]
        return [i for i, slots in enumerate(filled) if any(slots) and slots == wanted[i]], without
