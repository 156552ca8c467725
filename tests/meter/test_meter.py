"""The meter, read back the way Prometheus reads it."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from engine.meter import METRICS, PrometheusMeter, quantiles, total


def scrape(meter: PrometheusMeter) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of the exposition by name and labels."""
    text = meter.render()[0].decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def buckets(meter: PrometheusMeter, name: str) -> dict[float, float]:
    return {
        float(dict(labels)["le"]): value
        for (found, labels), value in scrape(meter).items()
        if found == f"{name}_bucket"
    }


def test_every_metric_can_be_used_and_is_exposed_with_its_unit() -> None:
    meter = PrometheusMeter()
    for metric in METRICS.values():
        label = "x" if metric.label else ""
        methods: dict[str, Callable[[str, float, str], None]] = {
            "counter": meter.add,
            "gauge": meter.set,
            "state": meter.set,
            "histogram": meter.observe,
        }
        methods[metric.kind](metric.name, 1.0, label)
    samples = scrape(meter)
    for metric in METRICS.values():
        name = metric.exposed + {"counter": "_total", "histogram": "_count"}.get(metric.kind, "")
        labels = ((metric.label, "x"),) if metric.label else ()
        assert samples[name, labels] == 1.0, metric
        assert metric.help
        assert metric.exposed.startswith("cueline_")
        if metric.unit:
            assert metric.exposed.endswith(metric.unit)


def test_counters_without_a_label_are_there_before_the_first_event() -> None:
    assert scrape(PrometheusMeter())["cueline_stream_duplicates_total", ()] == 0.0


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=200))
def test_exposed_buckets_are_numpys(seconds: list[float]) -> None:
    meter = PrometheusMeter()
    values = np.array(seconds)
    meter.observe_many("freshness_seconds", values)
    found = buckets(meter, "cueline_freshness_seconds")
    assert len(found) == 51
    for bound, count in found.items():
        assert count == np.sum(values <= bound)
    samples = scrape(meter)
    assert samples["cueline_freshness_seconds_sum", ()] == pytest.approx(values.sum())
    assert samples["cueline_freshness_seconds_count", ()] == len(values)


@given(st.lists(st.one_of(st.floats(-10, 1e7), st.just(math.nan)), max_size=50))
def test_one_by_one_is_the_same_as_many(seconds: list[float]) -> None:
    one, many = PrometheusMeter(), PrometheusMeter()
    for value in seconds:
        one.observe("freshness_seconds", value)
    many.observe_many("freshness_seconds", np.array(seconds))
    assert buckets(one, "cueline_freshness_seconds") == buckets(many, "cueline_freshness_seconds")
    for q in (0.0, 0.5, 1.0):
        assert one.quantile("freshness_seconds", q) == pytest.approx(
            many.quantile("freshness_seconds", q), rel=0.03, nan_ok=True
        )


@given(st.lists(st.floats(1e-5, 500), min_size=1, max_size=300), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_in_the_process_are_within_two_percent(seconds: list[float], q: float) -> None:
    meter = PrometheusMeter()
    meter.observe_many("http_seconds", np.array(seconds), "/v1/decisions")
    exact = np.quantile(seconds, q, method="inverted_cdf")
    assert meter.quantile("http_seconds", q) == pytest.approx(exact, rel=0.02)


def test_quantiles_of_one_label_and_of_all() -> None:
    meter = PrometheusMeter()
    meter.observe_many("http_seconds", np.full(90, 0.001), "/a")
    meter.observe_many("http_seconds", np.full(10, 1.0), "/b")
    assert meter.quantile("http_seconds", 0.5, "/b") == pytest.approx(1.0, rel=0.02)
    assert meter.quantile("http_seconds", 0.5) == pytest.approx(0.001, rel=0.02)
    assert math.isnan(meter.quantile("http_seconds", 0.5, "/c"))


def test_negative_counts_as_zero_and_nan_as_none() -> None:
    meter = PrometheusMeter()
    meter.observe_many("freshness_seconds", np.array([-0.5, math.nan, 0.0]))
    samples = scrape(meter)
    assert samples["cueline_freshness_seconds_count", ()] == 2
    assert samples["cueline_freshness_seconds_sum", ()] == 0


def test_quantiles_of_scraped_processes_and_of_what_came_since() -> None:
    rng = np.random.default_rng(7)
    values = rng.lognormal(-6, 1, 20_000)
    first, second = PrometheusMeter(), PrometheusMeter()
    first.observe_many("decision_seconds", np.full(50_000, 30.0))
    before = first.render()[0].decode() + second.render()[0].decode()
    first.observe_many("decision_seconds", values[:5_000])
    second.observe_many("decision_seconds", values[5_000:])
    text = first.render()[0].decode() + second.render()[0].decode()
    found = quantiles(text, "decision_seconds", [0.5, 0.99], before)
    assert found == pytest.approx(np.quantile(values, [0.5, 0.99]), rel=0.31)
    assert quantiles(text, "decision_seconds", [0.5])[0] == pytest.approx(30.0, rel=0.31)


def test_quantiles_of_nothing_and_beyond_the_last_bucket() -> None:
    meter = PrometheusMeter()
    assert math.isnan(quantiles(meter.render()[0].decode(), "decision_seconds", [0.5])[0])
    meter.observe("decision_seconds", 500.0)
    assert quantiles(meter.render()[0].decode(), "decision_seconds", [0.5]) == [60.0]


def test_totals_in_the_process_and_scraped() -> None:
    first, second = PrometheusMeter(), PrometheusMeter()
    first.add("stream_deadletters", 2, "malformed")
    first.add("stream_deadletters", 3, "bad_time")
    second.add("stream_deadletters", 5, "malformed")
    assert first.value("stream_deadletters") == 5
    assert first.value("stream_deadletters", "malformed") == 2
    text = first.render()[0].decode() + second.render()[0].decode()
    assert total(text, "stream_deadletters") == 10
    assert total(text, "stream_deadletters", "malformed") == 7
    assert total(text, "events_accepted") == 0


def test_a_state_holds_one_label_at_a_time() -> None:
    meter = PrometheusMeter()
    meter.set("rulebook_info", 1, "aaa")
    meter.set("rulebook_info", 1, "bbb")
    found = [labels for (name, labels) in scrape(meter) if name == "cueline_rulebook_info"]
    assert found == [(("revision", "bbb"),)]


def test_nan_removes_a_gauge() -> None:
    meter = PrometheusMeter()
    meter.set("lag_records", 12, "3")
    meter.set("lag_records", 0, "4")
    meter.set("lag_records", math.nan, "3")
    assert [labels for (name, labels) in scrape(meter) if name == "cueline_lag_records"] == [(("partition", "4"),)]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("add", ("no_such_metric",)),
        ("set", ("no_such_metric", 1.0)),
        ("observe", ("no_such_metric", 1.0)),
        ("observe_many", ("no_such_metric", np.ones(1))),
        ("quantile", ("no_such_metric", 0.5)),
        ("add", ("freshness_seconds",)),
        ("set", ("decisions", 1.0)),
        ("observe", ("decisions", 1.0)),
        ("add", ("decisions", 1, "label")),
        ("add", ("stream_deadletters",)),
    ],
)
def test_a_mistaken_name_method_or_label_is_an_error(method: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(KeyError):
        getattr(PrometheusMeter(), method)(*arguments)


def test_labels_are_escaped() -> None:
    meter = PrometheusMeter()
    meter.add("events_rejected", 1, 'a"b\\c\nd')
    assert scrape(meter)["cueline_events_rejected_total", (("code", 'a"b\\c\nd'),)] == 1


def test_durations_are_all_counted_however_many_come_and_whenever_somebody_looks() -> None:
    meter = PrometheusMeter()
    expected = 0
    for i in range(1_300):
        meter.observe("freshness_seconds", 0.001)
        meter.observe_many("freshness_seconds", np.full(i % 3, 0.001))
        expected += 1 + i % 3
        if i % 100 == 0:
            assert scrape(meter)["cueline_freshness_seconds_count", ()] == expected
    meter.observe_many("freshness_seconds", np.full(2_000, 1.0))
    found = scrape(meter)
    assert found["cueline_freshness_seconds_count", ()] == expected + 2_000
    assert found["cueline_freshness_seconds_sum", ()] == pytest.approx(expected * 0.001 + 2_000)
