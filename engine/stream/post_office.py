"""The post of a worker's partitions: their ledgers as the store has them, and one produce for all their mail."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from engine.errors import BadSettings, Unavailable
from engine.ports.kafka import AuditEntry, Mail
from engine.ports.meter import Meter
from engine.ports.stream_store import StreamStore
from engine.post.ledger import Ledger
from engine.post.seal import Seal
from engine.stream.decoded_batch import DecodedBatch
from engine.stream.delivery import NOTHING, Outgoing, PostChanges, addressed, misplaced, received
from engine.stream.partition_state import PartitionState

#: Sends mail; returns once Kafka has all of it.
SendMail = Callable[[Sequence[Mail]], Awaitable[None]]
#: The same of entries of the audit.
SendAudit = Callable[[Sequence[AuditEntry]], Awaitable[None]]


async def send_none(mail: Sequence[Mail]) -> None:
    """Of a worker that mails nothing."""
    raise BadSettings("nothing sends the mail between partitions")


async def audit_none(entries: Sequence[AuditEntry]) -> None:
    """Of a worker whose links nobody audits."""


class PostOffice:
    """What is mailed follows from the log and what is committed. ``on`` only has each partition begin, once, and
    for good: the offset from which on it mails is committed before anything is mailed. Where it `sends` none,
    nothing is lost to who reads a log once more, into a store of its own, whose mail is in there."""

    def __init__(
        self,
        store: StreamStore,
        meter: Meter,
        partitions: int,
        seal: Seal | None = None,
        on: bool = False,
        send: SendMail = send_none,
        audit: SendAudit = audit_none,
        sends: bool = True,
    ) -> None:
        self.seal = seal or Seal()
        self._store = store
        self._meter = meter
        self._partitions = partitions
        self._on = on
        self._send = send
        self._audit = audit
        self._sends = sends
        self._gauged: set[str] = set()

    async def look(self, states: Iterable[PartitionState]) -> None:
        """Read the ledgers that are not known; where the store is away the partitions have failed. Raises
        `BadState`, and `BadSettings` where a partition mails and nothing signs its letters."""
        unknown = [state for state in states if state.ledger is None]
        if not unknown:
            return
        kept = await asyncio.gather(*(self._store.post(s.partition) for s in unknown), return_exceptions=True)
        for state, found in zip(unknown, kept, strict=True):
            if isinstance(found, Unavailable):
                state.failed = True
            elif isinstance(found, BaseException):
                raise found
            else:
                state.ledger = self._signed(state.partition, Ledger(found))

    def _signed(self, partition: int, ledger: Ledger) -> Ledger:
        if ledger.mails_from is not None and not self.seal.ids:
            raise BadSettings(
                f"post.secrets is empty, and partition {partition} mails what is misplaced since offset "
                f"{ledger.mails_from}: there is no way back, so give each worker the secrets"
            )
        return ledger

    def begins(self, state: PartitionState) -> bool:
        """Whether its post must be begun before anything more of it is applied."""
        return self._on and state.ledger is not None and state.ledger.mails_from is None

    def sort(self, state: PartitionState, batch: DecodedBatch) -> tuple[DecodedBatch, PostChanges]:
        """`batch` without letters that were had before and misplaced records that are mailed; what changes."""
        if state.ledger is None or not (batch.letters or batch.forward):
            return batch, NOTHING
        batch, fields = received(batch, state.ledger)
        batch, mailed = misplaced(batch, state.ledger)
        self._meter.add("post_repeated", len(batch.repeated))
        return batch, PostChanges(fields, mailed)

    def address(self, state: PartitionState, outgoing: Sequence[Outgoing]) -> tuple[Mapping[str, str], list[Mail]]:
        """What the next commit mails, and the fields of the ledger that change with it."""
        if state.ledger is None or not outgoing:
            return {}, []
        return addressed(outgoing, state.ledger, state.partition, self._partitions, self.seal)

    async def send(self, mail: Sequence[Mail]) -> None:
        """Returns once Kafka has all of it. Raises `Unavailable`."""
        if not self._sends:
            return
        await self._send(mail)
        self._meter.add("post_sent", len(mail))

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        """As `send`, of entries of the audit."""
        if not self._sends:
            return
        await self._audit(entries)
        self._meter.add("audit_written", len(entries))

    def gauge(self, states: Iterable[PartitionState]) -> None:
        """Set how many stretches of letters each partition misses; those of partitions that left go."""
        holes = {str(state.partition): state.ledger.holes for state in states if state.ledger is not None}
        for left in self._gauged - holes.keys():
            self._meter.set("post_holes", math.nan, left)
        for partition, count in holes.items():
            self._meter.set("post_holes", count, partition)
        self._gauged = set(holes)
