"""Records of one partition, as the consumer passes them, to columns: the decode step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.errors import BadEvent
from engine.kernels import decode as kernels
from engine.ports.kafka import DeadLetter
from engine.ports.records import FetchedRecords
from engine.ports.sources import DEFAULT_SOURCE, SOURCE_HEADER, Source, Sources


class DecodedBatch(msgspec.Struct, frozen=True):
    """Decoded records of offsets ``[first, end)``.

    ``events`` (`COLUMNS`, N), their ``customers`` (N) and ``offsets`` (N) are what can be applied here, in
    order; ``data`` are the bytes that the starts of items and categories point into; ``dead`` and ``forward``
    (customer, canonical event) must go elsewhere, with the offsets of the latter in ``forward_offsets``.
    ``watermark`` (epoch ms) is the largest event time, 0 for none; a clock that is ahead does not count beyond
    the time at which its event was received. ``warned`` counts the events of which something could not be read, by
    reason.
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
    warned: Counter[str]

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


def decode(fetched: FetchedRecords, partition: int, partitions: int, topic: str, sources: Sources) -> DecodedBatch:
    """Decode `fetched` (one record or more) of `partition`. Never raises for what a record contains."""
    records, data = fetched.columns, fetched.data
    came_in, events = records["timestamp"].copy(), np.zeros(len(records), kernels.COLUMNS)
    kernels.decode(np.frombuffer(data, np.uint8), records, came_in, events)
    faults: dict[int, BadEvent] = {}
    warned = Counter[str]()
    external = np.flatnonzero(events["status"] == kernels.JSON)
    if len(external):
        data, records, faults = _canonical(fetched, external.tolist(), f"{topic}-{partition}", sources, warned)
        again, times = events[external], came_in[external]
        kernels.decode(np.frombuffer(data, np.uint8), records[external], times, again)
        events[external], came_in[external] = again, times
    elsewhere = _place(data, records, events, partition, partitions)
    status, offsets = events["status"], records["offset"]
    first, end = fetched.start, fetched.end
    times = np.minimum(events["at"], came_in)
    if not status.any() and not elsewhere.any():
        customers = _keys(data, records)
        return DecodedBatch(
            customers, events, offsets, data, [], [], offsets[:0], first, end, int(times.max()), warned
        )
    good = (status == kernels.OK) & ~elsewhere
    away = (status == kernels.OK) & elsewhere
    decoded = FetchedRecords(data, records, first, end)
    return DecodedBatch(
        _keys(data, records[good]),
        events[good],
        offsets[good],
        data,
        [_dead(fetched, i, int(status[i]), faults.get(i)) for i in np.flatnonzero(status).tolist()],
        [(decoded.key(i) or b"", decoded.value(i) or b"") for i in np.flatnonzero(away).tolist()],
        offsets[away],
        first,
        end,
        int(times[good].max(initial=0)),
        warned,
    )


def _canonical(
    fetched: FetchedRecords, external: Sequence[int], origin: str, sources: Sources, warned: Counter[str]
) -> tuple[bytes, NDArray[np.void], dict[int, BadEvent]]:
    """`fetched` with the records at `external` in canonical form, behind the others' bytes; why some have none.
    `warned` gets what was left out."""
    records, faults = fetched.columns.copy(), {}
    parts, end = [fetched.data], len(fetched.data)
    for i in external:
        key, value = fetched.key(i), b""
        try:
            key, value, left_out = _source_of(fetched.source(i), sources).canonical(
                fetched.value(i) or b"",
                key,
                int(records["timestamp"][i]),
                f"{origin}-{records['offset'][i]}",
            )
            warned.update({one.reason for one in left_out})
        except BadEvent as fault:
            faults[i] = fault
        for name, part in (("key", key or b""), ("value", value)):
            records[name][i], records[f"{name}_length"][i] = end, len(part)
            parts.append(part)
            end += len(part)
    return b"".join(parts), records, faults


def _source_of(name: str, sources: Sources) -> Source:
    """The source that a JSON record names. Raises `BadEvent` for one that is not known."""
    name = name or DEFAULT_SOURCE
    if name not in sources:
        raise BadEvent("unknown_source", f"one of {', '.join(sources)} is needed", SOURCE_HEADER)
    return sources[name]


def _keys(data: bytes, records: NDArray[np.void]) -> list[bytes]:
    starts = records["key"]
    ends = starts + np.maximum(records["key_length"], 0)
    return [data[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _place(
    data: bytes, records: NDArray[np.void], events: NDArray[np.void], partition: int, partitions: int
) -> NDArray[np.bool_]:
    """Which customers belong to another partition; refuses (in ``status``) what names none."""
    elsewhere = np.zeros(len(records), np.bool_)
    if kernels.place(np.frombuffer(data, np.uint8), records, partition, partitions, events, elsewhere):
        wrong = np.array([not _is_text(customer) for customer in _keys(data, records)])
        events["status"][wrong & (events["status"] == kernels.OK)] = kernels.BAD_CUSTOMER
    return elsewhere


def _is_text(customer: bytes) -> bool:
    try:
        customer.decode()
    except UnicodeDecodeError:
        return False
    return True


def _dead(fetched: FetchedRecords, place: int, status: int, fault: BadEvent | None) -> DeadLetter:
    reason = fault.code if fault else kernels.REASONS[status]
    detail = str(fault) if fault else kernels.DETAILS[status]
    offset = int(fetched.columns["offset"][place])
    return DeadLetter(reason, detail, offset, fetched.key(place), fetched.value(place), fetched.source(place))
