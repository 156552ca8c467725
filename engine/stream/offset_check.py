"""Whether fetched records go on where a partition stands."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import LostLog
from engine.ports.kafka import KafkaRecord
from engine.ports.meter import Meter
from engine.stream.partition_state import PartitionState


def continuing(
    partition_state: PartitionState, records: Sequence[KafkaRecord], meter: Meter
) -> Sequence[KafkaRecord] | None:
    """`records` when they begin at ``partition_state.next``; None when they must be fetched again from there.

    A fetch that crossed a seek does not fit; neither does a log whose head was deleted or that holds
    transaction markers. What does not fit twice at the same place is the log's own: a hole is passed and
    counted, records from before ``partition_state.next`` raise `LostLog`.
    """
    first = records[0].offset
    if first == partition_state.next:
        return records
    if partition_state.mismatch_at != partition_state.next:
        partition_state.mismatch_at = partition_state.next
        return None
    if first < partition_state.next:
        raise LostLog(
            f"partition {partition_state.partition}: the log goes on at offset {first}, the store has applied it "
            f"up to {partition_state.next}. "
            "If the log was lost for good, set CUELINE_STREAM__LOST_LOG=restart once"
        )
    meter.add("stream_gaps", first - partition_state.next)
    return records
