"""Decoded batches applied in memory, and what becomes of them: commits, and mail that these wait for."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.clock import wall_ms
from engine.kernels.advance import APPLIED, DUPLICATE, NOTED
from engine.kernels.forgetting import newest_came_in
from engine.ports.kafka import AuditEntry, Mail
from engine.ports.meter import Meter
from engine.ports.stream_store import StreamStore
from engine.stream.chunk_run import ChunkRun
from engine.stream.commit import CommitSender, PreparedCommit
from engine.stream.commit_ends import commit_ends
from engine.stream.decoded_batch import DecodedBatch
from engine.stream.delivery import PostChanges
from engine.stream.dictionary import NameDictionary
from engine.stream.erasing import NOTHING, Erasing, ErasureStep
from engine.stream.erasures import Erasures
from engine.stream.held_commits import HeldCommits
from engine.stream.instructions import split
from engine.stream.merging import Merging
from engine.stream.partition_state import PartitionState
from engine.stream.post_office import PostOffice
from engine.stream.prepared_policy import PreparedPolicy
from engine.stream.traits import traits_in


class Advancing:
    """Applies the batches of one worker's partitions, in commits of at most `rows_per_commit` rows."""

    def __init__(
        self,
        rows_per_commit: int,
        meter: Meter,
        in_use: PreparedPolicy,
        committer: CommitSender,
        office: PostOffice,
        erasures: Erasures,
        dictionary: NameDictionary,
        store: StreamStore,
    ) -> None:
        self._rows_per_commit = rows_per_commit
        self._meter = meter
        self._in_use = in_use
        self._committer = committer
        self._office = office
        self._erasures = erasures
        self._dictionary = dictionary
        self._erasing = Erasing(store, erasures)
        self._merging = Merging(meter)

    async def run(
        self,
        state: PartitionState,
        batch: DecodedBatch,
        slots: NDArray[np.int32],
        changes: PostChanges,
        held: HeldCommits,
    ) -> None:
        """Apply `batch`, whose rows are in `slots`, in memory, and commit it; from its first mail on it is `held`
        instead."""
        if not state.live:
            return
        self._dictionary.write(batch)
        start = 0
        for stop in commit_ends(slots, len(state.cache.rows), len(state.cache), self._rows_per_commit, batch.cuts):
            await state.room()
            if not state.live:
                return
            _, erased = split(batch.instructed(start, stop))  # at most one, then it is alone
            if erased and not await self._may_erase(state, held):
                return
            step = await self._erasing.step(state, batch, start, erased[0]) if erased else NOTHING
            if not state.live:
                return
            end = int(batch.offsets[stop]) if stop < len(slots) else batch.end
            run = ChunkRun(
                self._in_use.get()[0], state.cache, slots[start:stop], batch.events[start:stop], batch.data
            )
            if step.cut:
                run.cut()
            commit, mail, audit = self._chunk(state, batch, changes, run, start, end, step)
            for one in step.erased:
                self._erasures.done(state, one)
            if mail or audit or held.holds(state):
                held.add(state, commit, mail, audit)
            else:
                self._committer.send(state, commit)
            start = stop
        state.watermark = max(state.watermark, batch.watermark)
        state.came_in = max(state.came_in, int(newest_came_in(batch.events)))

    async def _may_erase(self, state: PartitionState, held: HeldCommits) -> bool:
        """Let all that was before be committed: what is erased must be there to be found."""
        if held.holds(state):
            await held.deliver(self._office, self._committer)
        return state.live

    def _chunk(
        self,
        state: PartitionState,
        batch: DecodedBatch,
        changes: PostChanges,
        run: ChunkRun,
        start: int,
        end: int,
        step: ErasureStep,
    ) -> tuple[PreparedCommit, Sequence[Mail], Sequence[AuditEntry]]:
        """Run the kernels over the events of one commit, from `start` of `batch` on; the commit, up to the offset
        `end`, and the mail and the entries of the audit that it waits for. ``step`` is the erasure among them."""
        evaluator, policy = self._in_use.get()
        first, stop, events = state.next, start + len(run.events), run.events
        tallies = batch.counts(first, end)
        tallies["erased"] = self._erasures.keep_out(state, batch, start, stop)
        began = time.perf_counter()
        caused = self._merging.run(state, batch, start, run)
        self._meter.observe("kernel_seconds", time.perf_counter() - began)
        sent, mail = self._office.address(state, [*changes.misplaced_within(first, end), *caused.mail, *step.mail])
        applied = (run.outcomes == APPLIED) | (run.outcomes == NOTED)
        touched, received = run.touched, events["received_at"][applied & (events["received_at"] > 0)]
        tallies["applied"] = int(np.count_nonzero(applied))
        tallies["duplicates"] += int(np.count_nonzero(run.outcomes == DUPLICATE))
        tallies["customers"] = state.cache.mark_seen(touched)
        self._meter.observe_many("row_seconds", (wall_ms() - received) / 1_000)
        stated, _ = split(batch.instructed(start, stop))
        prepared = self._committer.prepare(
            state,
            evaluator,
            policy,
            touched,
            run.activations,
            tallies,
            end,
            received,
            events["id"],
            {**changes.fields_within(first, end), **sent},
            self._erasures.consents(state, stated),
            step.erased,
            [*traits_in(batch, start, stop), *caused.words],
            caused.histories,
            caused.ids,
        )
        return prepared, mail, caused.audit
