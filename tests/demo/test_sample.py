"""What the demo remembers of its measurements."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.demo.sample import Sample


@given(st.integers(0, 60), st.integers(1, 20))
def test_a_sample_has_a_bound_and_knows_how_many_there_were(count: int, size: int) -> None:
    sample = Sample(np.random.default_rng(7), size)
    for value in range(count):
        sample.add(value)
    assert sample.count == count
    assert len(sample.values) == min(count, size)
    assert len(set(sample.values)) == len(sample.values)
    assert set(sample.values) <= set(range(count))


def test_late_values_have_the_same_chance_as_early_ones() -> None:
    rng, kept = np.random.default_rng(7), np.zeros(40)
    for _ in range(4_000):
        sample = Sample(rng, 10)
        for value in range(40):
            sample.add(value)
        kept[np.array(sample.values, int)] += 1
    assert np.all(np.abs(kept - 1_000) < 5 * np.sqrt(4_000 * 0.25 * 0.75))
