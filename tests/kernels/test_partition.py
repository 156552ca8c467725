"""The partitioner agrees with the Java client's, through aiokafka's port of it and known values."""

import numpy as np
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernels.decode import COLUMNS, MISSING_CUSTOMER, OK, place
from engine.kernels.partition import partition_of
from engine.ports.records import as_columns
from tests.stream.test_worker import KafkaRecord


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 4096))
def test_agrees_with_the_kafka_client(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (reference(key) & 0x7FFFFFFF) % partitions


def test_values_of_kafkas_own_test() -> None:
    # org.apache.kafka.common.utils.UtilsTest.testMurmur2, taken modulo 2**31 - 1 places
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, value in known.items():
        assert partition_of(key, 2**31 - 1) == (value & 0x7FFFFFFF) % (2**31 - 1)


@given(st.lists(st.binary(max_size=20), max_size=20), st.integers(1, 8), st.data())
def test_misplaced_are_keys_of_other_partitions(keys: list[bytes], partitions: int, data: st.DataObject) -> None:
    mine = data.draw(st.integers(0, partitions - 1))
    fetched = as_columns([KafkaRecord(0, None, key) for key in keys])
    elsewhere, events = np.ones(len(keys), np.bool_), np.zeros(len(keys), COLUMNS)
    data_bytes = np.frombuffer(fetched.data, np.uint8)
    odd = place(data_bytes, fetched.columns, mine, partitions, events, elsewhere)
    assert odd == sum(not key.isascii() for key in keys)
    assert events["status"].tolist() == [OK if key else MISSING_CUSTOMER for key in keys]
    assert elsewhere.tolist() == [(reference(key) & 0x7FFFFFFF) % partitions != mine for key in keys]
