"""The mail of one micro-batch: which letters in it are had for the first time, and which it causes.

What it causes follows from its records, the partition's ledger and constants, and from nothing else: no settings,
no clock, no rulebook. Whoever reads the records again, after a crash or beside another worker, writes the same
letters under the same numbers, and the receivers drop them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from engine.kernels.partition import partition_of
from engine.ports.kafka import Mail
from engine.post.ledger import Ledger
from engine.post.letter import as_letter, is_whole
from engine.post.seal import Seal
from engine.stream.decoded_batch import DecodedBatch


class Outgoing(msgspec.Struct, frozen=True):
    """An ``event`` in canonical form (or in a letter, which another replaces) that is mailed to ``key`` because of
    the record at ``offset``. ``came_in`` (epoch ms) is its measure; ``path`` and ``body`` are the letter's.
    ``of_user``: it counts as one that names a user, whoever it names. Without a number it may count twice."""

    offset: int
    key: bytes
    event: bytes
    came_in: int
    path: tuple[str, ...] = ()
    body: bytes = b""
    of_user: bool = False
    numbered: bool = True


class PostChanges(msgspec.Struct, frozen=True):
    """``fields`` of the ledger that change because letters came, by the offset of the letter, and what is
    ``misplaced``, and mailed; both in order."""

    fields: Sequence[tuple[int, Mapping[str, str]]] = ()
    misplaced: Sequence[Outgoing] = ()

    def fields_within(self, first: int, end: int) -> dict[str, str]:
        """What the letters of offsets ``[first, end)`` change."""
        changed = (fields for offset, fields in self.fields if first <= offset < end)
        return {name: text for fields in changed for name, text in fields.items()}

    def misplaced_within(self, first: int, end: int) -> list[Outgoing]:
        """Of offsets ``[first, end)``."""
        return [one for one in self.misplaced if first <= one.offset < end]


NOTHING = PostChanges()


def received(batch: DecodedBatch, ledger: Ledger) -> tuple[DecodedBatch, Sequence[tuple[int, Mapping[str, str]]]]:
    """`batch` without the letters that were had before, which `ledger` then has; its fields that change."""
    if not batch.letters:
        return batch, ()
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
    return _without(batch, repeated), fields


def _without(batch: DecodedBatch, offsets: list[int]) -> DecodedBatch:
    if not offsets:
        return batch
    kept = ~np.isin(batch.offsets, offsets)
    return msgspec.structs.replace(
        batch,
        customers=[batch.customers[i] for i in np.flatnonzero(kept).tolist()],
        events=batch.events[kept],
        offsets=batch.offsets[kept],
        places=batch.places[kept],
        repeated=np.array(offsets, np.int64),
    )


def misplaced(batch: DecodedBatch, ledger: Ledger) -> tuple[DecodedBatch, Sequence[Outgoing]]:
    """`batch` without the misplaced records that are mailed, and these. One that has more behind its fields than
    can be read is sent on as it is."""
    forward, mailed = [], []
    places = zip(batch.forward, batch.forward_offsets.tolist(), batch.forward_came_in.tolist(), strict=True)
    for (key, event), offset, came_in in places:
        if ledger.mails(offset) and is_whole(event):
            mailed.append(Outgoing(offset, key, event, came_in))
        else:
            forward.append((key, event))
    return msgspec.structs.replace(batch, forward=forward), mailed


def addressed(
    outgoing: Iterable[Outgoing], ledger: Ledger, partition: int, partitions: int, seal: Seal
) -> tuple[dict[str, str], list[Mail]]:
    """The letters from `partition` that `outgoing` become, in the order of the log, and the fields of the `ledger`
    that change. Raises `BadSettings` when nothing signs."""
    fields: dict[str, str] = {}
    mail = []
    caused = Counter[int]()
    for one in sorted(outgoing, key=lambda one: one.offset):
        receiver = partition_of(one.key, partitions)
        changed: Mapping[str, str] = {}
        if one.numbered:
            letter, changed = ledger.address(partition, receiver, one.offset, caused[one.offset])
            caused[one.offset] += 1
        else:
            letter = ledger.unnumbered(partition)
        letter = msgspec.structs.replace(letter, path=one.path, body=one.body)
        value = as_letter(one.event, one.came_in, letter, one.of_user)
        fields |= changed
        mail.append(Mail(one.key, value, seal.sign(receiver, one.key, value)))
    return fields, mail
