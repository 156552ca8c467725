"""The records of batches whose headers have been read: which count, whether they are whole, and where they lie."""

from __future__ import annotations

from collections.abc import Iterable

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from engine.errors import BadBatch
from engine.kafka.codecs import MOST_BYTES, uncompressed
from engine.kernels import records as kernels
from engine.ports.records import FetchedRecords
from engine.ports.sources import SOURCE_HEADER
from engine.post.seal import SIGNATURE_HEADER

_SOURCE = np.frombuffer(SOURCE_HEADER.encode(), np.uint8)
_SIGNATURE = np.frombuffer(SIGNATURE_HEADER.encode(), np.uint8)
_MOST_BYTES = 2**31 - 1  # columns hold starts as 32 bits
_ABORT = b"\x00\x00"  # the type in a marker's key, behind two bytes of version
_CHECKSUM, _CHECKED = 44, 40  # bytes before a batch's records: its checksum, and what that is of

#: Producer and first offset of a transaction that was aborted.
Aborted = Iterable[tuple[int, int]]


def applicable(raw: bytes, batches: NDArray[np.void], aborted: Aborted) -> NDArray[np.bool_]:
    """Which batches hold records that count: no markers, and nothing of a transaction that was aborted."""
    control: NDArray[np.bool_] = (batches["attributes"] & kernels.CONTROL) != 0
    kept: NDArray[np.bool_] = ~control
    waiting, gone = sorted(aborted, key=lambda one: one[1]), set[int]()
    if not waiting:
        return kept
    for place, batch in enumerate(batches):
        while waiting and waiting[0][1] <= batch["base_offset"]:
            gone.add(waiting.pop(0)[0])
        producer = int(batch["producer"])
        if control[place]:
            if _aborts(raw, batches[place : place + 1]):
                gone.discard(producer)
        elif batch["attributes"] & kernels.TRANSACTIONAL and producer in gone:
            kept[place] = False
    return kept


def _aborts(raw: bytes, marker: NDArray[np.void]) -> bool:
    """Whether the only record of a control batch ends an aborted transaction; one that cannot be read ends it,
    too: of a producer's open transactions it is the only end."""
    try:
        found = FetchedRecords(raw, _parsed(raw, marker, 0), 0, 0)
    except BadBatch:
        return True
    return len(found) > 0 and (found.key(0) or b"")[2:4] == _ABORT


def records_of(
    raw: bytes, batches: NDArray[np.void], first: int
) -> tuple[bytes, NDArray[np.void], NDArray[np.void]]:
    """The bytes that the records of `batches` lie in, their columns from offset `first` on, and the batches that
    were read: fewer than all when what they decompress to is much. Raises `BadBatch`."""
    _check(raw, batches)
    if (batches["attributes"] & kernels.CODEC).any():
        raw, batches = _decompressed(raw, batches)
    return raw, _parsed(raw, batches, first), batches


def _check(raw: bytes, batches: NDArray[np.void]) -> None:
    for start, end in zip(batches["start"].tolist(), batches["end"].tolist(), strict=True):
        checksum = int.from_bytes(raw[start - _CHECKSUM : start - _CHECKED], "big")
        if google_crc32c.value(raw[start - _CHECKED : end]) != checksum:
            raise BadBatch("its checksum is not that of its bytes")


def _parsed(raw: bytes, batches: NDArray[np.void], first: int) -> NDArray[np.void]:
    count = int(batches["records"].sum())
    if count > len(raw) // kernels.LEAST_RECORD_BYTES or len(raw) > _MOST_BYTES:
        raise BadBatch(f"{count} records in {len(raw)} bytes")
    columns = np.empty(count, kernels.RECORD)
    read = kernels.parse(np.frombuffer(raw, np.uint8), batches, first, _SOURCE, _SIGNATURE, columns)
    if read < 0:
        raise BadBatch("its records do not lie where it says")
    return columns[:read]


def _decompressed(raw: bytes, batches: NDArray[np.void]) -> tuple[bytes, NDArray[np.void]]:
    """The records of `batches` without their headers, and the batches with their new places."""
    batches, parts, end = batches.copy(), list[bytes](), 0
    for place, batch in enumerate(batches):
        part, codec = raw[batch["start"] : batch["end"]], int(batch["attributes"]) & kernels.CODEC
        if codec:
            part = uncompressed(codec, part)
        if place and end + len(part) > MOST_BYTES:
            return b"".join(parts), batches[:place]
        batch["start"], batch["end"] = end, end + len(part)
        end += len(part)
        parts.append(part)
    return b"".join(parts), batches
