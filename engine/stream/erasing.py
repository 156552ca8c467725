"""An erasure reaches all ids of a customer: the one that it names, whose that is, and all that became theirs.

It goes on as mail, by signed links alone, since who only claims to be somebody must not erase them. An id that was
opened since is its own: nothing of it goes but what it kept of the row that it once sent.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.errors import Unavailable
from engine.kernels.decode import TOMBSTONE
from engine.ports.stream_store import Erasure, StreamStore
from engine.stream.decoded_batch import DecodedBatch
from engine.stream.delivery import Outgoing
from engine.stream.erasures import Erasures
from engine.stream.partition_state import PartitionState


class ErasureStep(msgspec.Struct, frozen=True):
    """What an erasure comes to: who is ``erased`` here, and ``mail``; ``cut``: only the kept row goes."""

    erased: Sequence[Erasure] = ()
    mail: Sequence[Outgoing] = ()
    cut: bool = False


NOTHING = ErasureStep()


class Erasing:
    """Looks up what an erasure has to reach."""

    def __init__(self, store: StreamStore, erasures: Erasures) -> None:
        self._store = store
        self._erasures = erasures

    async def step(self, state: PartitionState, batch: DecodedBatch, at: int, erasure: Erasure) -> ErasureStep:
        """Of `erasure`, which is event `at` of `batch`; where the store is away the partition has failed. Every
        commit before it must have been sent."""
        offset = int(batch.offsets[at])
        letter = batch.letters.get(offset)
        path = letter.path if letter else ()
        ties = state.cache.ties(int(state.cache.locate([erasure.customer])[0]))
        await state.drained()
        try:
            ids = await self._store.ids_of(state.partition, erasure.customer)
        except Unavailable:
            state.failed = True
            return NOTHING
        if path and path[-1] != ties.signed_to and path[-1] not in ids:
            batch.events["status"][at] = TOMBSTONE
            return ErasureStep(cut=bool(ties.kept))
        found = await self._erasures.prepared(state, erasure)
        return ErasureStep([found], self._mail(state, batch, at, path, {*ids, *filter(None, [ties.signed_to])}))

    def _mail(
        self, state: PartitionState, batch: DecodedBatch, at: int, path: tuple[str, ...], ids: set[str]
    ) -> Sequence[Outgoing]:
        """To all of `ids` who have not had it yet."""
        offset, key = int(batch.offsets[at]), batch.customers[at].decode()
        if state.ledger is None or not state.ledger.mails(offset):
            return ()
        came_in, seen = int(batch.events["came_in"][at]), (*path, key)
        return [Outgoing(offset, one.encode(), batch.value(at), came_in, seen) for one in sorted(ids - {*seen})]
