"""Customers who do nothing: their timers that are due are evaluated, by the kernels that evaluate events. Those of
customers who became another's have their histories sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from engine.errors import Unavailable
from engine.kernels.timers import CALLED
from engine.ports.meter import Meter
from engine.ports.stream_store import StreamStore
from engine.stream.commit import CommitSender
from engine.stream.debts import Debts
from engine.stream.partition_state import PartitionState
from engine.stream.prepared_policy import PreparedPolicy
from engine.stream.row_loader import RowLoader

TIMERS_AT_ONCE = 512


class TimerRound:
    """Fires what is due in the partitions of one worker."""

    def __init__(
        self,
        store: StreamStore,
        meter: Meter,
        rows: RowLoader,
        committer: CommitSender,
        in_use: PreparedPolicy,
        debts: Debts,
    ) -> None:
        self._store = store
        self._meter = meter
        self._rows = rows
        self._committer = committer
        self._in_use = in_use
        self._debts = debts

    async def fire(self, states: Collection[PartitionState], until: Callable[[PartitionState], int]) -> None:
        """Evaluate the silence of those whose timers are due, of each partition up to and including its `until`
        (epoch ms)."""
        moments = {state.partition: until(state) for state in states}
        replies = await asyncio.gather(
            *(self._store.due(state.partition, moments[state.partition], TIMERS_AT_ONCE) for state in states),
            return_exceptions=True,
        )
        due: list[tuple[PartitionState, list[bytes]]] = []
        for state, reply in zip(states, replies, strict=True):
            if isinstance(reply, Unavailable):
                state.failed = True
            elif isinstance(reply, BaseException):
                raise reply
            elif reply:
                due.append((state, reply))
        await self._rows.load(due)
        for state, customers in due:
            await self._debts.pay(state, customers)
            await self._fire(state, customers, moments[state.partition])

    async def _fire(self, state: PartitionState, customers: Sequence[bytes], until: int) -> None:
        await state.room()
        if not state.live:
            return
        evaluator, policy = self._in_use.get()
        slots = state.cache.locate(customers)
        state.cache.timers[slots] = CALLED
        activations = evaluator.fire(state.cache.rows, slots, until)
        self._meter.add("timers_fired", len(slots))
        commit = self._committer.prepare(state, evaluator, policy, slots, activations, {}, state.next)
        self._committer.send(state, commit)
