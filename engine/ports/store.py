"""The store, by who asks it: the stream worker, decisions, the cue streams, and displays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from engine.access import KeyRecord
from engine.customer_id import CustomerId
from engine.events import Cue, Outcome
from engine.ports.clock import ClockAnchor
from engine.ports.health import CommitPoint
from engine.ports.offer_history import View


class Position(msgspec.Struct, frozen=True):
    """A partition's position in the store: the fencing epoch, the next offset to apply, and (of a claim) the epoch
    it replaced."""

    epoch: int
    offset: int
    previous: int = 0


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """An offer that may be taken: at most `cap_max` times in `cap_period_ms` (0 = no cap)."""

    offer_id: str
    cap_max: int
    cap_period_ms: int


class CueCandidate(msgspec.Struct, frozen=True, gc=False):
    """An offer as the cue that fills certain slots of a `CueChoice` and no other.

    ``places[s]`` is its place, from 1, in the order of slot s; 0: it is not for that slot. ``ends`` (epoch ms) is
    when the offer is taken back unless a stream has taken the cue; 0: never. ``payload`` (opaque bytes: an encoded
    `Cue`) goes to the cue stream. ``record``, when not empty, is kept under ``decision_id`` (begins with
    ``<partition>-``), for outcomes and look-ups of the cue.
    """

    offer_id: str
    cap_max: int
    cap_period_ms: int
    places: tuple[int, ...]
    decision_id: str = ""
    payload: bytes = b""
    record: bytes = b""
    ends: int = 0


class CueChoice(msgspec.Struct, frozen=True, gc=False):
    """Cues to send to one customer at one moment, one for each slot at most.

    Each slot is filled by the offer with the lowest place in it whose cap allows it. An offer that fills several
    counts once and is written once: as that of its candidates which is for the very slots it fills. All candidates
    have as many places.
    """

    customer: bytes
    at: int
    candidates: tuple[CueCandidate, ...]


class Timers(msgspec.Struct, frozen=True):
    """Changed timers of one commit: customers and when each is due (epoch ms; 0 = no timer any more)."""

    customers: Sequence[bytes]
    due: Sequence[int]


class Commit(msgspec.Struct, frozen=True):
    """What one micro-batch of one partition changes, atomically.

    ``customers[i]`` gets ``rows[i]`` (ROW_BYTES each). ``tallies`` are added to the partition's counters
    (``events``, ``applied``, ``duplicates``, ``deadletters``, ``forwarded``, ``tombstones``, ``customers``,
    ``activated``, and ``activated.<indicator>`` of each). ``connection``, when not 0, is the value of
    `StreamStore.connections` that all this is based on.
    """

    partition: int
    epoch: int
    expected: int
    offset: int
    customers: Sequence[bytes]
    rows: Sequence[bytes | memoryview]
    timers: Timers
    cues: Sequence[CueChoice]
    tallies: Mapping[str, int]
    connection: int = 0


class Pause(msgspec.Struct, frozen=True):
    """Why a partition takes no records from ``offset`` on: of the ``records`` looked at last, ``dead`` cannot be
    applied; ``detail`` says of the last why."""

    offset: int
    records: int
    dead: int
    detail: str

    @property
    def reason(self) -> str:
        """In words."""
        return f"{self.dead} of the last {self.records} records cannot be applied; the last: {self.detail}"


class Intake(msgspec.Struct, frozen=True):
    """What is kept of whether a partition's records are taken: its newest pause, and the offset below which an
    operator lets all records pass (0: none)."""

    pause: Pause | None = None
    let_below: int = 0

    def paused_at(self, offset: int) -> Pause | None:
        """The pause that holds for a partition whose next record is at `offset`."""
        pause = self.pause
        return pause if pause and pause.offset == offset and self.let_below <= offset else None


class StreamStore(Protocol):
    """The stream worker's view of the store. Every method raises `Unavailable` when the store is away."""

    @property
    def connections(self) -> int:
        """How often a connection was made: after a reconnect the store may have lost data."""

    async def claim(self, partition: int, held: int | None = None) -> Position:
        """Take the partition over: increase its epoch, which fences every earlier owner and every commit sent
        before. With `held` only if its epoch is still that; else ``epoch`` and ``previous`` of the answer are
        equal.

        Epochs are wall times (ms) or larger, so that none is issued twice even when the store lost the last. What
        is stored as one and is none is replaced like any other. Raises `BadState` when the offset is none.
        """

    async def position(self, partition: int) -> Position:
        """The partition's epoch and offset as stored (0, 0 when never claimed). Raises `BadState` when the offset
        is none; an epoch that is none is -1."""

    async def read(self, partition: int, customers: Sequence[bytes]) -> list[bytes | None]:
        """The customers' rows, None where there is none. Sees every commit *sent* before it."""

    async def commit(self, commit: Commit) -> list[list[int]]:
        """Apply it; returns for each of its cues the candidates written (positions), none where caps allowed none.
        Sent in call order before the first await. Raises `Unavailable` also when it would go over another
        connection than the commit names: since a reconnect the store may have lost data that no offset shows.

        Raises `Fenced` when epoch or expected offset differ from the store's.
        """

    async def due(self, partition: int, until: int, limit: int) -> list[bytes]:
        """Customers whose timer is due at or before `until` (epoch ms), soonest first."""

    async def intake(self, partition: int) -> Intake:
        """What is kept of whether its records are taken."""

    async def pause(self, partition: int, pause: Pause) -> None:
        """Keep `pause` in place of any earlier one."""


class IntakeStore(Protocol):
    """An operator's view of the pauses. Methods raise `Unavailable`."""

    async def intakes(self) -> list[Intake]:
        """Of every partition."""

    async def let_pass(self, partition: int, below: int) -> None:
        """Take all records of a partition below that offset, whatever they are."""


class Reservation(msgspec.Struct, frozen=True, gc=False):
    """Take each of `candidates` for a customer whose cap still allows it.

    ``record`` is stored under the decision's id for a day, for outcomes and look-ups.
    """

    customer: CustomerId
    decision_id: str
    at: int
    candidates: tuple[Candidate, ...]
    record: bytes


class DecisionStore(Protocol):
    """The decisions' view of the store. Methods raise `Unavailable`."""

    async def views(self, customers: Sequence[CustomerId]) -> list[View]:
        """Row and offer history of each customer, in one round trip."""

    async def reserve(self, reservations: Sequence[Reservation]) -> list[list[bool]]:
        """Check and take every candidate of each, one after the other, atomically per customer, in one
        round trip; True where the cap allowed it. Stores each record."""

    async def decision(self, decision_id: str) -> bytes | None:
        """The record of a decision, None when unknown or older than a day."""


class Lessons(NamedTuple):
    """What outcomes taught of an offer on a channel: trials that succeeded and that failed, and those of reporters
    whom nobody knows."""

    successes: int = 0
    failures: int = 0
    unsigned_successes: int = 0
    unsigned_failures: int = 0


class LessonBound(NamedTuple):
    """How many lessons of visitors an arm (offer, channel) takes in an hour: of all, of one address or visitor.
    ``hour`` counts from 1970, ``address`` is a digest of either."""

    hour: int
    arm: str
    address: str
    most_of_all: int
    most_of_address: int


class Withdrawn(msgspec.Struct, frozen=True, rename="camel"):
    """Lessons of a key that were taken back."""

    offer_id: str
    channel: str
    successes: int
    failures: int


class LessonStore(Protocol):
    """What outcomes taught. Methods raise `Unavailable`."""

    async def learn(self, outcome: Outcome, success: bool | None) -> bool:
        """Record an outcome, idempotent per (decision, offer, outcome); False when it was recorded before.

        An offer of a decision is one trial: `success` counts once, and replaces a failure counted before. An
        outcome that does not teach is recorded alone, and does not keep the same of another from teaching.
        """

    async def propensities(self) -> Mapping[tuple[str, str], Lessons]:
        """(offer, channel) -> lessons, over all partitions."""

    async def delivered(self, decision_id: str) -> bool:
        """Whether a cue of that id reached a stream of its visitor."""

    async def admit_lesson(self, bound: LessonBound) -> bool:
        """Count one more lesson of the hour; False, and nothing is counted, beyond the bound."""

    async def forget_lessons(self, key: str, since: int, only_look: bool = False) -> list[Withdrawn]:
        """Take back what outcomes reported by the key taught since the hour of `since` (epoch ms), as far back as
        `LESSONS_KEPT_DAYS`; with `only_look` say what that would be."""


class TakenCue(msgspec.Struct, frozen=True, gc=False):
    """A cue that a stream has taken: whose it is, its offer, and when that was given (`Cue.at`). ``decision_id``
    is the cue's where that stream was its visitor's; empty: it was an agent's."""

    customer: CustomerId
    offer_id: str
    at: int
    decision_id: str = ""


class CueEntry(msgspec.Struct, frozen=True):
    """A cue as stored: ``id`` is ``<partition>-<stream id>``, the SSE event id."""

    id: str
    cue: Cue


class CueStore(Protocol):
    """The cue streams. Methods raise `Unavailable`."""

    def tail(self) -> AsyncIterator[CueEntry]:
        """Every cue of every partition from now on, until cancelled."""

    async def since(self, customer: CustomerId | None, last_id: str, limit: int = 1000) -> list[CueEntry]:
        """Cues after `last_id`, oldest first; unknown id: as far as kept. Those of all customers are in the
        streams; of one customer the newest few are at hand for a day, whatever the streams hold."""

    async def latest(self, customer: CustomerId) -> CueEntry | None:
        """The newest cue of a customer, kept for a day."""

    async def newest(self, limit: int, after_id: str = "") -> list[CueEntry]:
        """The newest `limit` cues (1 or more) of all customers as far as kept, oldest first; only those after
        `after_id`, if it is known."""

    async def take_cues(self, taken: Sequence[TakenCue]) -> int:
        """Their offers were given for good, and those with an id count as `LessonStore.delivered` for a day, in
        one round trip; how many had neither been taken before, nor ended without that."""


#: The memory for repeats of large batches, of each customer: so many of the newest batches …
SENT_BATCHES = 16
#: … as long as another comes within this.
SENT_KEPT_S = 3_600
#: How long a batch that nobody ended counts as under way: longer than Kafka is waited for.
UNDER_WAY_S = 30


class SentStore(Protocol):
    """Which message ids of large batches Kafka has acknowledged. Methods take one round trip and raise
    `Unavailable`."""

    async def begin_batch(self, batch: bytes, customers: Sequence[CustomerId]) -> list[bytes] | None:
        """Of each customer the ids that `end_batch` was given with the newest `SENT_BATCHES` batches, joined; and
        `batch` (its digest) is under way from now on. None, and nothing else, while it is so already."""

    async def end_batch(self, batch: bytes, sent: Mapping[CustomerId, bytes]) -> None:
        """`batch` is under way no more, and of each customer these ids, 8 bytes each, are remembered."""


class StatsStore(Protocol):
    """Counters and names for display, and the clock of a replay."""

    async def set_clock(self, anchor: ClockAnchor | None) -> None:
        """Let every process that follows the replay clock run by `anchor`; None: by the wall."""

    async def clock(self) -> ClockAnchor | None:
        """The anchor as set, None for wall time."""

    async def tallies(self) -> Mapping[str, int]:
        """Sum over the partitions of the counters named at `Commit`, and ``cues``."""

    async def commit_points(self) -> list[CommitPoint]:
        """How far each partition is."""

    async def name(self, words: Sequence[tuple[int, str]]) -> None:
        """Remember what the hashes of items and categories stand for. Sent in call order before the first await.
        The words written last are kept, as many as the settings say, and up to as many again of those before. A
        hash that was given two words stands for neither."""

    async def names(self, hashes: Sequence[int]) -> Mapping[int, str]:
        """The words behind hashes, where known and one each."""

    async def names_begun(self) -> str:
        """When the words written last began to be kept, empty before the first. Another answer than before means
        that older ones were dropped, or will be unless they are written again."""


class Settlement(NamedTuple):
    """What each key (by id) ``spent`` at one ``process``. ``number`` grows with each settlement of the process."""

    process: str
    number: int
    spent: Mapping[str, int]


class QuotaStore(Protocol):
    """What keys have spent. Raises `Unavailable`."""

    async def spend_quotas(self, day: int, settlement: Settlement) -> Mapping[str, int]:
        """Add `settlement` to what keys spent on `day` (UTC, days since 1970), unless it, or one of its process
        with a higher number, was added to that day before; returns what each of its keys has in all."""


class KeyStore(Protocol):
    """The keys of callers, beside those of the settings. Methods raise `Unavailable`."""

    async def access_keys(self) -> list[KeyRecord]:
        """All of them, by id."""

    async def add_key(self, record: KeyRecord) -> bool:
        """Keep a key; False when there is one of that id, which stays as it is."""

    async def revoke_key(self, key_id: str) -> bool:
        """Forget a key; False when there is none of that id."""


#: How long a ticket for an event stream may be kept before it is used.
TICKET_KEPT_S = 30


class TicketStore(Protocol):
    """Tickets for event streams, by their digest. Methods take one round trip and raise `Unavailable`."""

    async def keep_ticket(self, digest: str, grant: bytes) -> None:
        """Keep what a ticket grants, for `TICKET_KEPT_S`."""

    async def take_ticket(self, digest: str) -> bytes | None:
        """What it grants, to whoever asks first; None afterwards, when it is over, and when there was none."""
