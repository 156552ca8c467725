"""The store as the stream worker sees it, and an operator who lets a paused partition go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from engine.consent import ConsentStatement
from engine.ports.traits import TraitChange

#: Instead of positions: no cue was written, and consent kept offers back.
UNCONSENTED = -1


class Position(msgspec.Struct, frozen=True):
    """A partition's position in the store: the fencing epoch, the next offset to apply, and (of a claim) the epoch
    it replaced."""

    epoch: int
    offset: int
    previous: int = 0


class CueCandidate(msgspec.Struct, frozen=True, gc=False):
    """An offer as the cue that fills certain slots of a `CueChoice` and no other.

    ``places[s]`` is its place, from 1, in the order of slot s; 0: it is not for that slot. ``ends`` (epoch ms) is
    when the offer is taken back unless a stream has taken the cue; 0: never. ``payload`` (opaque bytes: an encoded
    `Cue`) goes to the cue stream. ``record``, when not empty, is kept under ``decision_id`` (begins with
    ``<partition>-``), for outcomes and look-ups of the cue; its last two fields, empty arrays, get the offers that
    consent kept back, and the consents for want of which it was not sent. Where no cue is written, and consent
    kept some back, the record of the first is kept for a day, one of a customer and an offer
    (`engine.store.keys.withheld_id`). ``needs`` are the consents without which it is not sent
    (`engine.consent.arguments_of`).
    """

    offer_id: str
    cap_max: int
    cap_period_ms: int
    places: tuple[int, ...]
    decision_id: str = ""
    payload: bytes = b""
    record: bytes = b""
    ends: int = 0
    needs: str = ""


class CueChoice(msgspec.Struct, frozen=True, gc=False):
    """Cues to send to one customer at one moment, one for each slot at most.

    Each slot is filled by the offer with the lowest place in it whose cap and consents allow it. An offer
    that fills several counts once and is written once: as that of its candidates which is for the very slots it
    fills. All candidates have as many places.
    """

    customer: bytes
    at: int
    candidates: tuple[CueCandidate, ...]


class CustomerConsent(msgspec.Struct, frozen=True, gc=False):
    """What a customer stated."""

    customer: bytes
    statement: ConsentStatement


class Erasure(msgspec.Struct, frozen=True, gc=False):
    """A customer of whom nothing is to be left, nor anything to come of what happened until ``at`` (epoch ms).
    ``cues`` are the ids in the partition's cue stream of what was sent to them."""

    customer: bytes
    at: int
    cues: Sequence[bytes] = ()


class HistoryChange(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a customer's offer history: it is ``frozen`` from now on, or (False) thaws; or (None)
    ``other`` is added to it, that of another of the customer's ids as the store has it."""

    customer: bytes
    frozen: bool | None
    other: Mapping[str, Sequence[int]] = {}


class NewIds(msgspec.Struct, frozen=True, gc=False):
    """Ids that became a customer's, by links to that very one."""

    customer: bytes
    ids: Sequence[str]


class Timers(msgspec.Struct, frozen=True):
    """Changed timers of one commit: customers and when each is due (epoch ms; 0 = no timer any more)."""

    customers: Sequence[bytes]
    due: Sequence[int]


class Commit(msgspec.Struct, frozen=True):
    """What one micro-batch of one partition changes, atomically.

    ``customers[i]`` gets ``rows[i]`` (ROW_BYTES each). ``tallies`` are added to the partition's counters
    (``events``, ``applied``, ``duplicates``, ``deadletters``, ``forwarded``, ``tombstones``, ``customers``,
    ``activated``, and ``activated.<indicator>`` of each). ``connection``, when not 0, is the value of
    `StreamStore.connections` that all this is based on. ``post`` replaces fields of the partition's
    `engine.post.ledger.Ledger`. ``traits`` are words about customers. ``consents`` are kept after the cues are
    written, then ``histories`` change, and those ``erased`` go last. The rows of those ``forgotten`` are deleted.
    ``ids`` are remembered until their customers are erased.
    """

    partition: int
    epoch: int
    expected: int
    offset: int
    customers: Sequence[bytes]
    rows: Sequence[bytes]
    timers: Timers
    cues: Sequence[CueChoice]
    tallies: Mapping[str, int]
    connection: int = 0
    post: Mapping[str, str] = {}
    traits: Sequence[TraitChange] = ()
    consents: Sequence[CustomerConsent] = ()
    erased: Sequence[Erasure] = ()
    forgotten: Sequence[bytes] = ()
    histories: Sequence[HistoryChange] = ()
    ids: Sequence[NewIds] = ()


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

    async def post(self, partition: int) -> Mapping[str, str]:
        """All fields that commits have stored of the partition's post."""

    async def read(self, partition: int, customers: Sequence[bytes]) -> list[bytes | None]:
        """The customers' rows, None where there is none. Sees every commit *sent* before it."""

    async def histories(self, partition: int, customers: Sequence[bytes]) -> list[Mapping[str, Sequence[int]]]:
        """The customers' offer histories as `View` has them. Sees every commit answered before it."""

    async def ids_of(self, partition: int, customer: bytes) -> list[str]:
        """All ids that became the customer's. Sees every commit answered before it."""

    async def words(self, partition: int, customers: Sequence[bytes]) -> list[Mapping[str, bytes]]:
        """What is kept of the customers' traits (`engine.ports.traits.stored`), by name; sees as `histories`."""

    async def commit(self, commit: Commit) -> list[list[int]]:
        """Apply it; returns for each of its cues the candidates written (positions), none where caps allowed none,
        and `UNCONSENTED` alone where consent kept offers back, too. Sent in call order before the first await.
        Raises `Unavailable` also when it would go over another connection than the commit names: since a reconnect
        the store may have lost data that no offset shows.

        Raises `Fenced` when epoch or expected offset differ from the store's.
        """

    async def due(self, partition: int, until: int, limit: int) -> list[bytes]:
        """Customers whose timer is due at or before `until` (epoch ms), soonest first."""

    async def rows_from(self, cursor: int, count: int) -> tuple[int, Mapping[int, Sequence[bytes]]]:
        """Some customers who have rows, by partition: of about `count` keys from `cursor` on, 0 at the beginning;
        and the next cursor, 0 at the end. One whose row was there all the time is found in between; some twice."""

    async def tombstones(self, partition: int) -> Mapping[str, int]:
        """Those who were erased, as `engine.identity.erased_ids` names them, and when (epoch ms)."""

    async def drop_tombstones(self, partition: int, digests: Sequence[str]) -> None:
        """Remember these no longer."""

    async def cues_of(self, partition: int, customer: bytes) -> list[bytes]:
        """The ids of all cues of the customer that the partition's cue stream has. Sees every commit answered
        before it."""

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
