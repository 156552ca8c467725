"""What a decision reads of a customer: the row, and when which offer was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

#: Behind an offer's name in an offer history: of web cues that no stream has taken.
OPEN = "?"


class View(msgspec.Struct, frozen=True, gc=False):
    """What a decision reads of one customer: the row (None: unknown) and the offer history as stored, `given` at a
    moment."""

    row: bytes | None
    history: Mapping[str, Sequence[int]]

    def given(self, now: int) -> Mapping[str, Sequence[int]]:
        """When each offer was given (epoch ms, ascending), without what cues gave that no stream had taken when
        they ended, at `now` or before. Those not taken yet stand as pairs (given, end) under the offer's name and
        `OPEN`."""
        if not any(name.endswith(OPEN) for name in self.history):
            return self.history
        found = {offer: list(times) for offer, times in self.history.items() if not offer.endswith(OPEN)}
        for offer, times in found.items():
            pairs = iter(self.history.get(offer + OPEN, ()))
            for given, end in zip(pairs, pairs, strict=True):
                if end <= now and given in times:
                    times.remove(given)
        return {offer: times for offer, times in found.items() if times}
