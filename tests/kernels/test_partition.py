"""The partitioner agrees with the Java client's, through aiokafka's port of it and known values."""

from aiokafka.partitioner import murmur2 as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernels.partition import partition_of


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 4096))
def test_agrees_with_the_kafka_client(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (reference(key) & 0x7FFFFFFF) % partitions


def test_values_of_kafkas_own_test() -> None:
    # org.apache.kafka.common.utils.UtilsTest.testMurmur2, taken modulo 2**31 - 1 places
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, value in known.items():
        assert partition_of(key, 2**31 - 1) == (value & 0x7FFFFFFF) % (2**31 - 1)
