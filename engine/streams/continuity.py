"""Whether fetched records go on where a partition stands."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import LostLog
from engine.ports import Meter
from engine.streams.batch import Record
from engine.streams.lane import Lane


def continuing(lane: Lane, records: Sequence[Record], meter: Meter) -> Sequence[Record] | None:
    """`records` when they begin at ``lane.next``; None when they must be fetched again from there.

    A fetch that crossed a seek does not fit; neither does a log whose head was deleted or that holds
    transaction markers. What does not fit twice at the same place is the log's own: a hole is passed and
    counted, records from before ``lane.next`` raise `LostLog`.
    """
    first = records[0].offset
    if first == lane.next:
        return records
    if lane.misfit_at != lane.next:
        lane.misfit_at = lane.next
        return None
    if first < lane.next:
        raise LostLog(
            f"partition {lane.partition}: the log goes on at offset {first}, the store has applied it up to "
            f"{lane.next}. If the log was lost for good, set CUELINE_STREAM__LOST_LOG=restart once"
        )
    meter.add("stream_gaps", first - lane.next)
    return records
