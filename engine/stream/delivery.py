"""The mail of one micro-batch: which letters in it are had for the first time, and which it causes.

What it causes follows from its records, the partition's ledger and constants, and from nothing else: no settings,
no clock, no rulebook. Whoever reads the records again, after a crash or beside another worker, writes the same
letters under the same numbers, and the receivers drop them.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from engine.kernels.partition import partition_of
from engine.ports.kafka import Mail
from engine.post.ledger import Ledger
from engine.post.letter import as_letter, is_whole
from engine.post.seal import Seal
from engine.stream.decode import DecodedBatch


class PostChanges(msgspec.Struct, frozen=True):
    """``fields`` of the ledger that change, and ``mail`` that must be written, by the offset of the record which
    causes it; both in order."""

    fields: list[tuple[int, Mapping[str, str]]] = []
    mail: list[tuple[int, Mail]] = []

    def fields_within(self, first: int, end: int) -> dict[str, str]:
        """What the records of offsets ``[first, end)`` change."""
        changed = (fields for offset, fields in self.fields if first <= offset < end)
        return {name: text for fields in changed for name, text in fields.items()}

    def mail_within(self, first: int, end: int) -> list[Mail]:
        """What the records of offsets ``[first, end)`` cause."""
        return [one for offset, one in self.mail if first <= offset < end]


NOTHING = PostChanges()


def received(batch: DecodedBatch, ledger: Ledger) -> tuple[DecodedBatch, PostChanges]:
    """`batch` without the letters that were had before, which `ledger` then has."""
    if not batch.letters:
        return batch, NOTHING
    fields: list[tuple[int, Mapping[str, str]]] = []
    repeated: list[int] = []
    for offset in batch.offsets.tolist():
        letter = batch.letters.get(offset)
        if letter is None:
            continue
        new, changed = ledger.receive(letter)
        if changed:
            fields.append((offset, changed))
        if not new:
            repeated.append(offset)
    return _without(batch, repeated), PostChanges(fields)


def _without(batch: DecodedBatch, offsets: list[int]) -> DecodedBatch:
    if not offsets:
        return batch
    kept = ~np.isin(batch.offsets, offsets)
    return msgspec.structs.replace(
        batch,
        customers=[batch.customers[i] for i in np.flatnonzero(kept).tolist()],
        events=batch.events[kept],
        offsets=batch.offsets[kept],
        repeated=np.array(offsets, np.int64),
    )


def caused(
    batch: DecodedBatch, ledger: Ledger, partition: int, partitions: int, seal: Seal
) -> tuple[DecodedBatch, PostChanges]:
    """`batch` without the misplaced records that are mailed, and the mail. One that has more behind its fields
    than can be read is sent on as it is. Raises `BadSettings` when nothing signs."""
    fields: list[tuple[int, Mapping[str, str]]] = []
    forward, mail = [], []
    places = zip(batch.forward, batch.forward_offsets.tolist(), batch.forward_came_in.tolist(), strict=True)
    for (key, event), offset, came_in in places:
        if not (ledger.mails(offset) and is_whole(event)):
            forward.append((key, event))
            continue
        receiver = partition_of(key, partitions)
        letter, changed = ledger.address(partition, receiver, offset)
        value = as_letter(event, came_in, letter)
        fields.append((offset, changed))
        mail.append((offset, Mail(key, value, seal.sign(receiver, key, value))))
    return msgspec.structs.replace(batch, forward=forward), PostChanges(fields, mail)
