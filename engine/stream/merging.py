"""Links followed: rows that become another customer's, and what comes for them later.

Here is only what reads and changes rows; what is to be done says `engine.identity`. Nothing of it depends on
settings, clocks or rules, but for what a row remembers of rules.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from engine.customer_id import customer_id
from engine.events import Kind
from engine.identity.cargo import Cargo, CargoKind, MergedRow, kept_in, merge_of, merged_row, packed
from engine.identity.link import Link
from engine.identity.marker import Effect as LinkEffect
from engine.identity.marker import HistoryTurn, KeyChange, Parts, change_of
from engine.identity.marker import split as split_of
from engine.identity.route import Passage, route
from engine.identity.split import SPLIT, Split
from engine.identity.ties import Provenance
from engine.kernels.decode import INSTRUCTION, LINK, OK, TOMBSTONE
from engine.kernels.timers import CALLED
from engine.ports.kafka import AuditEntry
from engine.ports.meter import Meter
from engine.ports.stream_store import CustomerConsent, HistoryChange, NewIds
from engine.ports.traits import TraitChange, word_in
from engine.state.joined_rows import joined_rows
from engine.stream.audited_links import of_link, of_passage, of_split
from engine.stream.chunk_run import ChunkRun
from engine.stream.decoded_batch import DecodedBatch
from engine.stream.delivery import Outgoing
from engine.stream.mailed_rows import mailed_row, row_in, split_row
from engine.stream.partition_state import PartitionState

#: Kinds of which all is a person's own: an unsigned link never moves them.
OWN = (Kind.ORDER_COMPLETED, Kind.ORDER_REFUNDED, Kind.ORDER_CANCELLED, Kind.ORDER_UPDATED, Kind.TRAITS_SET)


#: What one record causes.
Effect = Outgoing | HistoryChange | TraitChange | NewIds | AuditEntry


class Caused(msgspec.Struct):
    """What links cause beside the rows: ``mail``, changed ``histories``, words that are said of customers, ids
    that became theirs, and entries of the ``audit``."""

    mail: list[Outgoing] = []
    histories: list[HistoryChange] = []
    words: list[TraitChange] = []
    ids: list[NewIds] = []
    audit: list[AuditEntry] = []

    def add(self, effect: Effect) -> None:
        """One more."""
        if isinstance(effect, Outgoing):
            self.mail.append(effect)
        elif isinstance(effect, HistoryChange):
            self.histories.append(effect)
        elif isinstance(effect, NewIds):
            self.ids.append(effect)
        elif isinstance(effect, AuditEntry):
            self.audit.append(effect)
        else:
            self.words.append(effect)


class Merging:
    """Follows links while a chunk runs."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def run(self, state: PartitionState, batch: DecodedBatch, start: int, run: ChunkRun) -> Caused:
        """Apply all events of `run`, which are those of `batch` from `start` on.

        An event that goes on to another customer has no effect here any more.
        """
        caused = Caused()
        for i in self._concerned(state, batch, run):
            for one in self._follow(state, batch, start + i, run, i):
                caused.add(one)
        run.go_on(len(run.events))
        return caused

    def _concerned(self, state: PartitionState, batch: DecodedBatch, run: ChunkRun) -> list[int]:
        """The places of links, and of events whose customer may be another's by then."""
        if not (batch.links or batch.cargoes or state.cache.has_ties):  # as nearly always
            return []
        links, concerned = run.events["status"] == LINK, state.cache.merged[run.slots]
        if links.any():
            concerned |= np.isin(run.slots, run.slots[links])
        found: list[int] = np.flatnonzero(concerned).tolist()
        return found

    def _follow(
        self, state: PartitionState, batch: DecodedBatch, at: int, run: ChunkRun, i: int
    ) -> Iterator[Effect]:
        status, offset = run.events["status"][i], int(batch.offsets[at])
        if status == LINK and offset in batch.links:
            said = batch.links[offset]
            follow = (
                self._split(state, batch, at, run, i, said)
                if isinstance(said, Split)
                else self._linked(state, batch, at, run, i, said)
            )
            yield from follow
        elif status == LINK and batch.cargoes[offset].kind is CargoKind.MERGE:
            yield from self._merged(state, batch, at, run, i, batch.cargoes[offset])
        elif status == LINK:
            yield from self._kept(state, batch, at, run, i, batch.cargoes[offset])
        elif status == INSTRUCTION and not isinstance(batch.instructions.get(offset), CustomerConsent):
            return  # an erasure is about this id, and what nobody vouches for is about none
        elif status in (OK, INSTRUCTION) and state.cache.ties(int(run.slots[i])).is_merged:
            yield from self._passed_on(state, batch, at, run, i)

    def _linked(
        self, state: PartitionState, batch: DecodedBatch, at: int, run: ChunkRun, i: int, link: Link
    ) -> Iterator[Effect]:
        """What a link does to its lower id's row; and the row's way, if it goes."""
        slot, offset = int(run.slots[i]), int(batch.offsets[at])
        if state.ledger is None or not state.ledger.mails(offset):
            self._meter.add("stream_links", 1, "unmailed")
            return
        ties = state.cache.ties(slot)
        change = change_of(ties.marker, link, ties.merged)
        self._meter.add("stream_links", 1, change.effect)
        if change.effect is not LinkEffect.REPEATED:
            yield of_link(batch, at, link, change.effect)
        owes = dict.fromkeys((*ties.owes, change.marker.to)) if change.owes else ties.owes
        provenance = ties.provenance
        if change.marker != ties.marker:
            provenance = Provenance(link.cause, link.by, link.lower_rank)
        ties = msgspec.structs.replace(ties, marker=change.marker, owes=tuple(owes), provenance=provenance)
        if change.history is not HistoryTurn.STAYS:
            yield HistoryChange(batch.customers[at], change.history is HistoryTurn.FREEZES)
        if change.mails:
            run.meet(i)
            cargo = self._taken(state, slot, change)
            left = () if Parts.FEATURES in change.mails else ties.merged
            ties = msgspec.structs.replace(ties, kept=_kept_with(ties.kept, cargo, change), merged=left)
            state.cache.timers[slot] = CALLED  # it is set anew, for what is left
            yield self._letter(batch, at, change.marker.to, (link.lower,), packed(cargo))
        if ties != state.cache.ties(slot):
            state.cache.tie(slot, ties)
            run.change(i)

    def _split(
        self, state: PartitionState, batch: DecodedBatch, at: int, run: ChunkRun, i: int, said: Split
    ) -> Iterator[Effect]:
        """An id is its own again, with the row that it had when it was linked. Whose it was keeps that, too."""
        slot = int(run.slots[i])
        ties = state.cache.ties(slot)
        change = split_of(ties.marker, said.at)
        self._meter.add("stream_links", 1, change.effect)
        if change.effect is LinkEffect.REPEATED:
            return
        yield of_split(batch, at, said, change.effect)
        run.meet(i, row_in(ties.restorable(int(batch.events["came_in"][at]))))
        provenance = Provenance(SPLIT, said.by, ties.provenance.rank)
        state.cache.tie(slot, msgspec.structs.replace(ties, marker=change.marker, kept=b"", provenance=provenance))
        state.cache.timers[slot] = CALLED  # it is set anew, for what is back
        if change.history is HistoryTurn.THAWS:
            yield HistoryChange(batch.customers[at], False)

    def _taken(self, state: PartitionState, slot: int, change: KeyChange) -> Cargo:
        """What `change` mails of the row in `slot`, which does not have it any more. Once features have gone, all
        that is left is the rest."""
        row, merged = state.cache.row(slot), state.cache.ties(slot).merged
        left = None
        if change.mails == Parts.FEATURES:
            row, left = split_row(row)
        state.cache.replace(slot, left)
        return merge_of(change.mails, MergedRow(mailed_row(row), merged if Parts.FEATURES in change.mails else ()))

    def _merged(
        self, state: PartitionState, batch: DecodedBatch, at: int, run: ChunkRun, i: int, cargo: Cargo
    ) -> Iterator[Effect]:
        """Another customer's row joins this one's, or goes on."""
        slot, key = int(run.slots[i]), batch.customers[at].decode()
        letter = batch.letters[int(batch.offsets[at])]
        passage = self._way(state, slot, key, cargo.parts, letter.path)
        if passage.opens:
            yield from _opened(batch, at, passage)
        if letter.path:  # whoever is erased here is erased there, and so on
            yield NewIds(batch.customers[at], letter.path[-1:])
        brought = goes = merged_row(cargo)
        here = row_in(brought.row)
        if passage.here and passage.on:
            used, here = split_row(here)
            goes = MergedRow(mailed_row(used), brought.merged)
        if passage.on:
            yield self._letter(batch, at, passage.to, passage.path, packed(merge_of(passage.on, goes)))
        if passage.here:
            run.meet(i, here)
            ties = state.cache.ties(slot)
            if Parts.FEATURES in passage.here:
                ties = ties.with_merged(key, (*brought.merged, *letter.path[:1]))
            state.cache.tie(slot, ties)

    def _kept(
        self, state: PartitionState, batch: DecodedBatch, at: int, run: ChunkRun, i: int, cargo: Cargo
    ) -> Iterator[Effect]:
        """Another customer's history joins this one's, or goes on. It changes no marker: it may come twice."""
        slot, customer = int(run.slots[i]), batch.customers[at]
        path = batch.letters[int(batch.offsets[at])].path
        passage = self._way(state, slot, customer.decode(), cargo.parts, path, numbered=False)
        if passage.on:
            letter = self._letter(batch, at, passage.to, passage.path, packed(cargo))
            yield msgspec.structs.replace(letter, numbered=False)
        if passage.here:
            kept = kept_in(cargo)
            yield HistoryChange(customer, None, kept.history)
            words = [word_in(name, word) for name, word in kept.words.items()]
            if words:
                yield TraitChange(customer, [word for word in words if word is not None])

    def _passed_on(
        self, state: PartitionState, batch: DecodedBatch, at: int, run: ChunkRun, i: int
    ) -> Iterator[Effect]:
        """An event, or a consent, of a customer who is another's. A consent is kept here, too: it holds for this
        id before the mail is there, and if the id is opened again."""
        slot, key = int(run.slots[i]), batch.customers[at].decode()
        letter = batch.letters.get(int(batch.offsets[at]))
        passage = self._way(state, slot, key, _parts_of(run, i), letter.path if letter else ())
        if passage.opens:
            run.change(i)
            yield from _opened(batch, at, passage)
        if passage.on:
            if run.events["status"][i] != INSTRUCTION:
                run.events["status"][i] = TOMBSTONE
            yield self._letter(batch, at, passage.to, passage.path)

    def _way(
        self,
        state: PartitionState,
        slot: int,
        key: str,
        parts: Parts,
        path: tuple[str, ...],
        numbered: bool = True,
    ) -> Passage:
        ties = state.cache.ties(slot)
        passage = route(customer_id(key), ties.marker, parts, path, numbered)
        if passage.turn:
            self._meter.add("stream_links", 1, passage.turn)
        if passage.marker != ties.marker:
            state.cache.tie(slot, msgspec.structs.replace(ties, marker=passage.marker))
        return passage

    def _letter(self, batch: DecodedBatch, at: int, to: str, path: tuple[str, ...], body: bytes = b"") -> Outgoing:
        came_in = int(batch.events["came_in"][at])
        return Outgoing(int(batch.offsets[at]), to.encode(), batch.value(at), came_in, path, body, of_user=True)


def _kept_with(kept: bytes, cargo: Cargo, change: KeyChange) -> bytes:
    """The row that a key keeps which sends `cargo`; with what it `kept`, where that went to the same customer."""
    sent = merged_row(cargo).row
    if change.effect is LinkEffect.CONFIRMED:
        return joined_rows([kept, sent]) or b""
    return sent or kept


def _opened(batch: DecodedBatch, at: int, passage: Passage) -> Iterator[Effect]:
    yield of_passage(batch, at, passage)
    yield HistoryChange(batch.customers[at], False)


def _parts_of(run: ChunkRun, i: int) -> Parts:
    event = run.events[i]
    own = event["status"] == INSTRUCTION or event["kind"] in OWN or event["traits_length"] > 0
    return Parts.REST if own else Parts.FEATURES
