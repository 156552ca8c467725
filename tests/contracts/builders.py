"""Words the store's tests share: commits, cues and customers in a few letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

import msgspec

from engine.customer_id import CustomerId, customer_id
from engine.events import Cue, Outcome, OutcomeName
from engine.kernels.partition import partition_of
from engine.ports.decision_store import Candidate, Reservation, Taking
from engine.ports.stream_store import Commit, CueCandidate, CueChoice, CustomerConsent, Erasure, NewIds, Timers
from engine.ports.traits import Trait, TraitChange, TraitWord
from engine.store.cue_entries import StreamPosition, parse
from engine.store.memory import MemoryStore
from engine.store.redis import RedisStore
from engine.traits import MOST_TRAITS, TraitValue

PARTITIONS = 4
CUES_KEPT = 1_000
DAY_MS = 86_400_000
TAKEN, CAPPED, UNCONSENTED = Taking.TAKEN, Taking.CAPPED, Taking.UNCONSENTED

AnyStore = MemoryStore | RedisStore


def place(entry_id: str) -> StreamPosition:
    """Where a cue's id says that it stands."""
    found = parse(entry_id)
    assert found, entry_id
    return found


def customers_of(partition: int, number: int) -> list[CustomerId]:
    """The first `number` customers that belong to the partition; one of them is not ASCII."""
    names = (f"käufer-{i}" if i % 2 else f"c{i}" for i in count())
    mine = (name for name in names if partition_of(name.encode(), PARTITIONS) == partition)
    return [customer_id(next(mine)) for _ in range(number)]


def change(
    epoch: int,
    expected: int,
    offset: int,
    *,
    partition: int = 1,
    rows: Mapping[bytes, bytes] | None = None,
    timers: Mapping[bytes, int] | None = None,
    cues: Sequence[CueChoice] = (),
    tallies: Mapping[str, int] | None = None,
    post: Mapping[str, str] | None = None,
    traits: Sequence[TraitChange] = (),
    consents: Sequence[CustomerConsent] = (),
    erased: Sequence[Erasure] = (),
    forgotten: Sequence[bytes] = (),
    ids: Sequence[NewIds] = (),
) -> Commit:
    rows, timers = rows or {}, timers or {}
    return Commit(
        partition,
        epoch,
        expected,
        offset,
        list(rows),
        list(rows.values()),
        Timers(list(timers), list(timers.values())),
        cues,
        tallies or {},
        post=post or {},
        traits=traits,
        consents=consents,
        erased=erased,
        forgotten=forgotten,
        ids=ids,
    )


def word(
    name: str, value: TraitValue, mark: int, bits: int = 0, place: int = 0, since: int = 5, by: str = "crm"
) -> TraitWord:
    return TraitWord(Trait(name, value, since, by), f"{mark:016x}{bits:016x}", f"{place:016x}")


def too_many_traits(customer: str) -> list[TraitChange]:
    """One more than are kept."""
    words = [word(f"t{i}", i, i + 1) for i in range(MOST_TRAITS + 1)]
    return [TraitChange(customer.encode(), words)]


def cue(customer: str, offer: str = "chat", at: int = 1_000) -> Cue:
    return Cue(
        customer_id(customer),
        "bursty_session",
        offer,
        kind="chat",
        channels=("web",),
        say="Hi",
        why=("session.bursts >= 3",),
        at=at,
        expires_at=at + 60_000,
        received_at=at,
        decision_id="",
        revision="r1",
    )


def candidate(
    customer: str,
    offer: str = "chat",
    cap: tuple[int, int] = (0, 0),
    at: int = 1_000,
    places: tuple[int, ...] = (),
    name: str = "",
    needs: str = "",
) -> CueCandidate:
    """A cue; without `places` in the one slot of a `choice`, in its order there."""
    return CueCandidate(offer, *cap, places, name, msgspec.json.encode(cue(customer, offer, at)), needs=needs)


def choice(customer: str, *candidates: CueCandidate, at: int = 1_000) -> CueChoice:
    offered = enumerate(candidates or (candidate(customer, at=at),), 1)
    placed = [one if one.places else msgspec.structs.replace(one, places=(place,)) for place, one in offered]
    return CueChoice(customer.encode(), at, tuple(placed))


def reservation(
    customer: str, *candidates: Candidate, at: int = 1_000, name: str = "x", record: bytes = b"r"
) -> Reservation:
    partition = partition_of(customer.encode(), PARTITIONS)
    return Reservation(customer_id(customer), f"{partition}-{name}", at, candidates, record)


def outcome(decision: str, offer: str = "chat", what: OutcomeName = OutcomeName.ACCEPTED) -> Outcome:
    return Outcome(decision, offer, what, 5, customer_id("c0"), "web", trust=1)
