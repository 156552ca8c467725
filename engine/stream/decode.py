"""Records of one partition, as the consumer passes them, to columns: the decode step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadEvent
from engine.events import EARLIEST_MS, LATEST_MS, LINKED
from engine.kernels import decode as kernels
from engine.kernels.wire import FIRST_INSTRUCTION_KIND
from engine.ports import record_headers
from engine.ports.kafka import DeadLetter
from engine.ports.records import FetchedRecords
from engine.ports.sources import CLOUDEVENTS, DEFAULT_SOURCE, SOURCE_HEADER, RecordSource, Sources
from engine.post.letter import Letter, letter_in
from engine.post.seal import Seal
from engine.stream.decoded_batch import DecodedBatch
from engine.stream.instructions import WITHOUT_EFFECT, Instruction, instruction_in
from engine.stream.links_in import links_in

NO_SEAL = Seal()
_NONE: NDArray[np.int64] = np.zeros(0, np.int64)

#: Dead-letter reason of a record batch, and reasons for which an event is counted that is taken all the same: it
#: lay ahead of its record, or its record's time was in seconds.
NOTHING = -1  # the length of a value that is not there: a tombstone, or an event that is passed over
DAMAGED, AHEAD, IN_SECONDS = "damaged_batch", "ahead_of_record", "record_time_in_seconds"


def decode(
    fetched: FetchedRecords,
    partition: int,
    partitions: int,
    topic: str,
    sources: Sources,
    seal: Seal = NO_SEAL,
    links_followed: bool = False,
) -> DecodedBatch:
    """Decode `fetched` (what there is of `partition`); `seal` verifies letters. Where links are not followed they
    are events of an unknown type. Never raises for what a record contains."""
    records, data = fetched.columns, fetched.data
    came_in, in_seconds = fetched.times()
    newest_at, events = int(came_in[-1]) if len(came_in) else 0, np.zeros(len(records), kernels.COLUMNS)
    ahead = kernels.decode(np.frombuffer(data, np.uint8), records, came_in, events)
    faults: dict[int, BadEvent] = {}
    warned = Counter[str]()
    external = _external(fetched, events["status"])
    if len(external):
        times = came_in[external]
        data, records, faults = _canonical(
            fetched, external.tolist(), times.tolist(), f"{topic}-{partition}", sources, warned
        )
        again = events[external]
        kernels.decode(np.frombuffer(data, np.uint8), records[external], times, again)
        events[external], came_in[external] = again, times
    if ahead or in_seconds:
        warned.update({AHEAD: ahead, IN_SECONDS: in_seconds})
    if not links_followed:
        events["status"][events["status"] == kernels.LINK] = kernels.UNKNOWN_TYPE
    letters = _verified(fetched, events, partition, seal, faults)
    elsewhere = _place(data, records, events, partition, partitions)
    instructions = _instructed(data, records, events, letters, elsewhere, faults, warned)
    links, cargoes = links_in(data, records, events, letters, elsewhere, faults)
    status, offsets = events["status"], records["offset"]
    first, end, none = fetched.start, fetched.end, offsets[:0]
    if not status.any() and not elsewhere.any():
        customers, watermark, dead = _keys(data, records), int(events["at"].max(initial=0)), _damaged(fetched)
        return DecodedBatch(
            customers, events, offsets, data, dead, [], none, none, first, end, watermark, newest_at, warned,
            letters=letters, places=records,
        )  # fmt: skip
    whole = np.isin(status, (kernels.OK, kernels.INSTRUCTION, kernels.LINK))
    good, away = whole & ~elsewhere, whole & elsewhere
    void = status == kernels.TOMBSTONE
    decoded = FetchedRecords(data, records, first, end)
    dead = [_dead(fetched, i, int(status[i]), faults.get(i)) for i in np.flatnonzero(~whole & ~void).tolist()]
    return DecodedBatch(
        _keys(data, records[good]),
        events[good],
        offsets[good],
        data,
        [*dead, *_damaged(fetched)],
        [(decoded.key(i) or b"", decoded.value(i) or b"") for i in np.flatnonzero(away).tolist()],
        offsets[away],
        offsets[void],
        first,
        end,
        int(events["at"][good].max(initial=0)),
        newest_at,
        warned,
        came_in[away],
        letters,
        instructions=instructions,
        links=links,
        cargoes=cargoes,
        places=records[good],
    )


def _verified(
    fetched: FetchedRecords, events: NDArray[np.void], partition: int, seal: Seal, faults: dict[int, BadEvent]
) -> dict[int, Letter]:
    """The letters among the records, by offset, made events that may be applied; `faults` gets why others are
    not."""
    letters: dict[int, Letter] = {}
    if not events["status"].any():  # as nearly always
        return letters
    for i in np.flatnonzero(events["status"] == kernels.MAIL).tolist():
        value = fetched.value(i) or b""
        try:
            seal.verify(fetched.signature(i), partition, fetched.key(i) or b"", value)
            letters[int(fetched.columns["offset"][i])] = letter_in(value)
        except BadEvent as fault:
            faults[i], events["status"][i] = fault, kernels.MALFORMED
        else:
            events["status"][i] = kernels.LINK if events["kind"][i] == LINKED else kernels.OK
    return letters


def _instructed(
    data: bytes,
    records: NDArray[np.void],
    events: NDArray[np.void],
    letters: Mapping[int, Letter],
    elsewhere: NDArray[np.bool_],
    faults: dict[int, BadEvent],
    warned: Counter[str],
) -> dict[int, Instruction]:
    """The instructions among the events that are ours, by offset, which change no row; `faults` gets why others
    are none, and `warned` counts those for which nobody vouches: they have no effect."""
    found: dict[int, Instruction] = {}
    if events["kind"].max(initial=0) < FIRST_INSTRUCTION_KIND:  # as nearly always
        return found
    ours = (events["status"] == kernels.OK) & (events["kind"] >= FIRST_INSTRUCTION_KIND) & ~elsewhere
    if not ours.any():
        return found
    for i in np.flatnonzero(ours).tolist():
        record = records[i]
        key, value = (data[record[name] : record[name] + record[f"{name}_length"]] for name in ("key", "value"))
        events["status"][i] = kernels.INSTRUCTION
        try:
            path = letters[offset].path if (offset := int(record["offset"])) in letters else ()
            found[offset] = instruction_in(key, value, int(events["at"][i]), "".join(path[:1]))
        except BadEvent as fault:
            if fault.code in WITHOUT_EFFECT:
                warned[fault.code] += 1
            else:
                faults[i], events["status"][i] = fault, kernels.MALFORMED
    for name in ("item", "category"):  # no words of things
        events[name][ours] = 0
    return found


def _canonical(
    fetched: FetchedRecords,
    external: Sequence[int],
    came_in: Sequence[int],
    origin: str,
    sources: Sources,
    warned: Counter[str],
) -> tuple[bytes, NDArray[np.void], dict[int, BadEvent]]:
    """`fetched` with the records at `external`, which `came_in` then, in canonical form, behind the others' bytes;
    why some have none. `warned` gets what was left out."""
    records, faults = fetched.columns.copy(), {}
    parts, end = [fetched.data], len(fetched.data)
    for i, at in zip(external, came_in, strict=True):
        key: bytes | None = fetched.key(i) or b""
        value: bytes | None = b""
        try:
            headers, unnamed = fetched.headers(i), f"{origin}-{records['offset'][i]}"
            source = _source_of(fetched.source(i) or _implied(headers), sources)
            key, value, left_out = source.canonical(
                fetched.value(i) or b"", key, _measured(at), unnamed, record_headers.as_http(headers)
            )
            warned.update({one.reason for one in left_out})
        except BadEvent as fault:
            faults[i] = fault
        for name, part in (("key", key), ("value", value)):
            records[name][i], records[f"{name}_length"][i] = end, NOTHING if part is None else len(part)
            parts.append(part or b"")
            end += len(part or b"")
    return b"".join(parts), records, faults


def _external(fetched: FetchedRecords, status: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The places of records that a source reads: JSON, and CloudEvents in binary form, whose value may be
    anything, or nothing."""
    if not status.any():  # as nearly always: all are ours
        return _NONE
    found = status == kernels.JSON
    odd = (status == kernels.MALFORMED) | (status == kernels.TOMBSTONE)
    for i in np.flatnonzero(odd & (fetched.columns["headers_length"] > 1)).tolist():
        found[i] = record_headers.is_cloudevent(fetched.headers(i))
    return np.flatnonzero(found)


def _implied(headers: Mapping[str, str]) -> str:
    """The source of a record that names none."""
    return CLOUDEVENTS if record_headers.is_cloudevent(headers) else ""


def _measured(came_in: int) -> int:
    """`came_in`, when it can be the time of a record. Raises `BadEvent`."""
    if not EARLIEST_MS <= came_in <= LATEST_MS:
        raise BadEvent("bad_record_time", kernels.DETAILS[kernels.BAD_RECORD_TIME])
    return came_in


def _source_of(name: str, sources: Sources) -> RecordSource:
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
        taken = (events["status"] == kernels.OK) | (events["status"] == kernels.LINK)
        events["status"][wrong & taken] = kernels.BAD_CUSTOMER
    return elsewhere


def _is_text(customer: bytes) -> bool:
    try:
        customer.decode()
    except UnicodeDecodeError:
        return False
    return True


def _damaged(fetched: FetchedRecords) -> list[DeadLetter]:
    return [DeadLetter(DAMAGED, batch.detail, batch.offset, None, batch.data) for batch in fetched.damaged]


def _dead(fetched: FetchedRecords, place: int, status: int, fault: BadEvent | None) -> DeadLetter:
    reason = fault.code if fault else kernels.REASONS[status]
    detail = fault.sentence if fault else kernels.DETAILS[status]
    offset = int(fetched.columns["offset"][place])
    key, value, source = fetched.key(place), fetched.value(place), fetched.source(place)
    headers = record_headers.of_cloudevent(fetched.headers(place))
    return DeadLetter(reason, detail, offset, key, value, source, fetched.signature(place), headers)
