"""What a decision reads of a customer: the row, and when which offer was given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from engine.consent import MARK, REQUESTED, ConsentState, split_name, state_of, with_request
from engine.customer_id import CustomerId

#: Behind an offer's name in an offer history: of web cues that no stream has taken.
OPEN = "?"
#: Under this name, which is no offer's, an offer history says that its customer is another's: it gives nothing.
FROZEN = ">"
_MARKS = frozenset((OPEN, FROZEN))
#: A history of nothing: one for all, where `{}` as the default of a field is made anew each time.
NOTHING: Mapping[str, Sequence[int]] = MappingProxyType({})


class Consent(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What was stated of a purpose on a channel: when it was last revoked, granted and confirmed (epoch ms, 0:
    never), and what holds."""

    purpose: str
    channel: str
    state: str
    revoked_at: int
    granted_at: int
    confirmed_at: int


class View(msgspec.Struct, frozen=True, gc=False):
    """What a decision reads of one customer: the row (None: unknown) and the offer history as stored, `given` at a
    moment; consents stand in it, too, under the names that `engine.consent.name_of` makes.

    ``customer`` is whose all this is, where that is another than the one asked for; ``brought`` is the history of
    the latter, which may not be among this customer's yet. ``ids`` are those that became this customer's, the
    newest last; not all, where they are many.
    """

    row: bytes | None
    history: Mapping[str, Sequence[int]]
    customer: CustomerId | None = None
    brought: Mapping[str, Sequence[int]] = NOTHING
    ids: tuple[str, ...] = ()

    @property
    def frozen(self) -> bool:
        """Whether the customer is another's, who has all this, too."""
        return FROZEN in self.history

    def given(self, now: int) -> Mapping[str, Sequence[int]]:
        """When each offer was given (epoch ms, ascending), without what cues gave that no stream had taken when
        they ended, at `now` or before. Those not taken yet stand as pairs (given, end) under the offer's name and
        `OPEN`."""
        if not self.brought and _MARKS.isdisjoint([name[-1:] for name in self.history]):
            return self.history
        found = {name: times for name, times in united(self.history, self.brought).items() if times}
        for name, open_ones in self.history.items():
            if name[-1:] in _MARKS:
                found.pop(name, None)
                times = found.pop(offer := name[:-1], None) if name[-1:] == OPEN else None
                if times and (left := _without_ended(times, open_ones, now)):
                    found[offer] = left
        return found

    def offers_given(self, now: int) -> Mapping[str, Sequence[int]]:
        """As `given`, without the consents."""
        return {name: times for name, times in self.given(now).items() if not name.startswith(MARK)}

    def consents(self) -> list[Consent]:
        """What was stated, by purpose and channel; not what was only requested, or confirmed without that."""
        together = united(self.history, self.brought)
        found = []
        for name, kept in sorted(together.items()):
            times = with_request(kept, together.get(name + REQUESTED, ()))
            if (named := split_name(name)) and any(times[: ConsentState.CONFIRMED]):
                found.append(Consent(*named, state_of(times).name.lower(), *times))
        return found


def _without_ended(times: Sequence[int], open_ones: Sequence[int], now: int) -> Sequence[int]:
    """`times` without those of `open_ones` (given, end, given, …) that ended at `now` or before."""
    left, pairs = [*times], iter(open_ones)
    for given, end in zip(pairs, pairs, strict=True):
        if end <= now and given in left:
            left.remove(given)
    return left


def united(one: Mapping[str, Sequence[int]], other: Mapping[str, Sequence[int]]) -> Mapping[str, Sequence[int]]:
    """`one`, with what another id of the customer was given and stated: each time as often as either has it, and
    the newest words. What the other's cues may give back is given for good."""
    if not other:
        return one
    both = {name: list(times) for name, times in one.items()}
    for name, times in other.items():
        if name.startswith(MARK):
            both[name] = [max(pair) for pair in zip(both.get(name, (0, 0, 0)), times, strict=True)]
        elif name[-1:] not in _MARKS:
            both[name] = sorted((Counter(both.get(name, ())) | Counter(times)).elements())
    for name in [name for name in both if name.startswith(MARK) and name.endswith(REQUESTED)]:
        if base := both.get(name.removesuffix(REQUESTED)):
            both[name.removesuffix(REQUESTED)] = [*with_request(base, both[name])]
    return both
