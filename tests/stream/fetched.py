"""Records by partition, as the consumer passes them to the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.ports.records import FetchedRecords, KafkaRecord, as_columns


def fetched(records: Mapping[int, Sequence[KafkaRecord]]) -> dict[int, FetchedRecords]:
    return {partition: as_columns(batch) for partition, batch in records.items()}
