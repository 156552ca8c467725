"""Whether fetched records begin at a partition's next offset."""

from __future__ import annotations

from engine.errors import LostLog
from engine.ports.meter import Meter
from engine.ports.records import FetchedRecords
from engine.stream.partition_state import PartitionState


def next_records(state: PartitionState, records: FetchedRecords, meter: Meter) -> FetchedRecords | None:
    """`records` when they begin at ``state.next``; None when they must be fetched again from there.

    A fetch in flight during a seek does not match; neither does a log whose head was deleted. A second mismatch
    at the same offset is the log's own: a gap is skipped and counted, records from before ``state.next`` raise
    `LostLog`. What is missing between records, where a topic is compacted, is counted too.
    """
    first = records.start
    if first == state.next:
        return _counted(records, 0, meter)
    if state.mismatch_at != state.next:
        state.mismatch_at = state.next
        return None
    if first < state.next:
        raise LostLog(
            f"partition {state.partition}: the log continues at offset {first}, the store has applied it "
            f"up to {state.next}. "
            "If the log was lost for good, set CUELINE_STREAM__LOST_LOG=restart once"
        )
    return _counted(records, first - state.next, meter)


def _counted(records: FetchedRecords, gap: int, meter: Meter) -> FetchedRecords:
    if gap + records.missing:
        meter.add("stream_gaps", gap + records.missing)
    return records
