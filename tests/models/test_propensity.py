"""The propensity model against its closed form, computed in exact fractions."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.propensity import fit, posterior_mean


class Believed(msgspec.Struct, frozen=True):
    id: str
    channels: tuple[str, ...]
    propensity: float
    evidence: float


def exact(propensity: float, evidence: float, successes: int, failures: int) -> Fraction:
    alpha = Fraction(propensity) * Fraction(evidence)
    beta = (1 - Fraction(propensity)) * Fraction(evidence)
    total = alpha + beta + successes + failures
    return (alpha + successes) / total if total else Fraction(propensity)


priors = st.floats(0.0, 1.0)
weights = st.floats(0.0, 1e4)
tallies = st.integers(0, 10**6)


def mean(propensity: float, evidence: float, successes: int, failures: int) -> float:
    offer = Believed("a", ("web",), propensity, evidence)
    return float(fit([offer], {("a", "web"): (successes, failures)}).mean[0, 0])


@given(priors, weights, tallies, tallies)
def test_the_mean_is_the_closed_form(propensity: float, evidence: float, successes: int, failures: int) -> None:
    expected = float(exact(propensity, evidence, successes, failures))
    # a product below the smallest float is 0
    assert mean(propensity, evidence, successes, failures) == pytest.approx(expected, rel=1e-12, abs=1e-150)


@given(priors, st.floats(0.01, 1e4), tallies, tallies)
def test_a_success_raises_a_failure_lowers(propensity: float, evidence: float, good: int, bad: int) -> None:
    before = mean(propensity, evidence, good, bad)
    assert mean(propensity, evidence, good + 1, bad) >= before
    assert mean(propensity, evidence, good, bad + 1) <= before
    assert 0 <= before <= 1


@given(priors, weights, st.integers(1, 1000), st.integers(0, 1000))
def test_enough_outcomes_outweigh_the_prior(propensity: float, evidence: float, good: int, bad: int) -> None:
    rate, times = good / (good + bad), 10**6
    distance = abs(mean(propensity, evidence, good * times, bad * times) - rate)
    assert distance <= evidence / (times * (good + bad)) + 1e-12


def test_without_outcomes_it_is_the_prior_even_without_evidence() -> None:
    offers = [Believed("firm", ("web", "agent"), 0.2, 50.0), Believed("loose", ("agent",), 0.7, 0.0)]
    table = fit(offers, {})
    assert table.channels == ("agent", "web")
    np.testing.assert_allclose(table.mean, [[0.2, 0.2], [0.7, 0.7]])


def test_a_pair_learns_alone_and_offers_gone_are_left_out() -> None:
    offers = [Believed("a", ("web", "agent"), 0.5, 10.0), Believed("b", ("web",), 0.5, 10.0)]
    table = fit(offers, {("a", "web"): (10, 0), ("gone", "web"): (9, 9), ("a", "fax"): (7, 7)})
    assert table.channels == ("agent", "web")
    assert table.mean.tolist() == [[0.5, 0.75], [0.5, 0.5]]


def test_the_table_cannot_be_changed() -> None:
    table = fit([Believed("a", ("web",), 0.5, 10.0)], {})
    with pytest.raises(ValueError, match="read-only"):
        table.mean[0, 0] = 1.0


def test_no_offers_give_an_empty_table() -> None:
    assert fit([], {("a", "web"): (1, 1)}).mean.shape == (0, 0)


def test_arrays_are_taken_together() -> None:
    many = posterior_mean(np.array([0.5, 0.1]), np.array([2.0, 0.0]), np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(many, [0.5, 0.1])
