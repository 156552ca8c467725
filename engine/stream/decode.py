"""Records of one partition, as the consumer passes them, to columns: the decode step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.errors import BadEvent
from engine.events import MAX_CUSTOMER_BYTES
from engine.kernels import decode as kernels
from engine.kernels.partition import misplaced
from engine.ports.kafka import DeadLetter, KafkaRecord
from engine.ports.sources import DEFAULT_SOURCE, SOURCE_HEADER, Source, Sources

# mapped in C: half of what a comprehension over the same attribute costs
_KEY, _VALUE, _TIMESTAMP, _OFFSET = map(attrgetter, ("key", "value", "timestamp", "offset"))


class DecodedBatch(msgspec.Struct, frozen=True):
    """Decoded records of offsets ``[first, end)``.

    ``events`` (`COLUMNS`, N), their ``customers`` (N) and ``offsets`` (N) are what can be applied here, in
    order; ``data`` are the bytes that the starts of items and categories point into; ``dead`` and ``forward``
    (customer, canonical event) must go elsewhere, with the offsets of the latter in ``forward_offsets``.
    ``watermark`` (epoch ms) is the largest event time, 0 for none; a clock that is ahead does not count beyond
    the time at which its event was received.
    """

    customers: list[bytes]
    events: NDArray[np.void]
    offsets: NDArray[np.int64]
    data: bytes
    dead: list[DeadLetter]
    forward: list[tuple[bytes, bytes]]
    forward_offsets: NDArray[np.int64]
    first: int
    end: int
    watermark: int

    @property
    def records(self) -> int:
        """How many records there were."""
        return len(self.events) + len(self.dead) + len(self.forward)

    def counts(self, first: int, end: int) -> dict[str, int]:
        """Tallies of the records whose offsets are in ``[first, end)``."""
        dead = sum(first <= letter.offset < end for letter in self.dead)
        forward = int(np.count_nonzero((self.forward_offsets >= first) & (self.forward_offsets < end)))
        good = int(np.searchsorted(self.offsets, end) - np.searchsorted(self.offsets, first))
        return {"events": good + dead + forward, "deadletters": dead, "forwarded": forward}


def decode(
    records: Sequence[KafkaRecord], partition: int, partitions: int, topic: str, sources: Sources
) -> DecodedBatch:
    """Decode `records` (one or more) of `partition`. Never raises for what a record contains."""
    values, keys = _filled(map(_VALUE, records)), _filled(map(_KEY, records))
    came_in = np.fromiter(map(_TIMESTAMP, records), np.int64, len(records))
    data, events = _columns(values, came_in)
    faults: dict[int, BadEvent] = {}
    external = np.flatnonzero(events["status"] == kernels.JSON).tolist()
    if external:
        for i in external:
            try:
                origin = f"{topic}-{partition}-{records[i].offset}"
                keys[i], values[i] = _source_of(records[i], sources).canonical(
                    values[i], records[i].key, records[i].timestamp, origin
                )
            except BadEvent as fault:
                faults[i], values[i] = fault, b""
        data, events = _columns(values, came_in)
    customers, offsets = keys, _offsets(records)
    elsewhere = _place(customers, events, partition, partitions)
    status = events["status"]
    first, end = int(offsets[0]), int(offsets[-1]) + 1
    times = np.minimum(events["at"], came_in)
    if not status.any() and not elsewhere.any():
        return DecodedBatch(customers, events, offsets, data, [], [], offsets[:0], first, end, int(times.max()))
    good = (status == kernels.OK) & ~elsewhere
    away = np.flatnonzero((status == kernels.OK) & elsewhere)
    return DecodedBatch(
        [customers[i] for i in np.flatnonzero(good).tolist()],
        events[good],
        offsets[good],
        data,
        [_dead(records[i], int(status[i]), faults.get(i)) for i in np.flatnonzero(status).tolist()],
        [(customers[i], values[i]) for i in away.tolist()],
        offsets[away],
        first,
        end,
        int(times[good].max(initial=0)),
    )


def _filled(parts: Iterable[bytes | None]) -> list[bytes]:
    """None as empty bytes."""
    found = list(parts)
    return cast("list[bytes]", found) if all(found) else [part or b"" for part in found]


def _offsets(records: Sequence[KafkaRecord]) -> NDArray[np.int64]:
    """They ascend, so without a gap the ends say all."""
    first, last = records[0].offset, records[-1].offset
    if last - first == len(records) - 1:
        return np.arange(first, last + 1)
    return np.fromiter(map(_OFFSET, records), np.int64, len(records))


def _source_of(record: KafkaRecord, sources: Sources) -> Source:
    """The source that a JSON record names. Raises `BadEvent` for one that is not known."""
    name = _source_name(record) or DEFAULT_SOURCE
    if name not in sources:
        raise BadEvent("unknown_source", f"one of {', '.join(sources)} is needed", SOURCE_HEADER)
    return sources[name]


def _source_name(record: KafkaRecord) -> str:
    named = (value for header, value in record.headers if header == SOURCE_HEADER)
    return next(named, b"").decode(errors="replace")


def _columns(values: list[bytes], came_in: NDArray[np.int64]) -> tuple[bytes, NDArray[np.void]]:
    data = b"".join(values)
    ends = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)))
    events = np.zeros(len(values), kernels.COLUMNS)
    kernels.decode(np.frombuffer(data, np.uint8), ends, came_in, events)
    return data, events


def _place(customers: list[bytes], events: NDArray[np.void], partition: int, partitions: int) -> NDArray[np.bool_]:
    """Which customers belong to another partition; refuses (in ``status``) empty and overlong ones."""
    lengths = np.fromiter(map(len, customers), np.int64, len(customers))
    events["status"][(lengths == 0) & (events["status"] == kernels.OK)] = kernels.MISSING_CUSTOMER
    events["status"][(lengths > MAX_CUSTOMER_BYTES) & (events["status"] == kernels.OK)] = kernels.TOO_LARGE
    elsewhere = np.zeros(len(customers), np.bool_)
    joined = b"".join(customers)
    if not joined.isascii():
        wrong = np.array([not _is_text(customer) for customer in customers])
        events["status"][wrong & (events["status"] == kernels.OK)] = kernels.BAD_CUSTOMER
    misplaced(np.frombuffer(joined, np.uint8), np.cumsum(lengths), partition, partitions, elsewhere)
    return elsewhere


def _is_text(customer: bytes) -> bool:
    try:
        customer.decode()
    except UnicodeDecodeError:
        return False
    return True


def _dead(record: KafkaRecord, status: int, fault: BadEvent | None) -> DeadLetter:
    reason = fault.code if fault else kernels.REASONS[status]
    detail = str(fault) if fault else kernels.DETAILS[status]
    return DeadLetter(reason, detail, record.offset, record.key, record.value, _source_name(record))
