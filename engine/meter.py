"""Every metric, once: its name, kind, label and meaning, and the registry that Prometheus scrapes.

In code a metric is called by its bare name (``meter.observe("freshness_seconds", 0.003)``); the exposition
puts ``cueline_`` before it, the unit behind it where the name does not end so, and ``_total`` behind a
counter. Units are base units: seconds, never milliseconds. A new metric is one entry in `METRICS`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from engine.durations import BOUNDS, FINE, Durations, coarse_quantile, fine_quantile


class Metric(msgspec.Struct, frozen=True):
    """One metric. ``label`` is the name of its only label, or empty.

    A ``state`` is a gauge of which one label value holds at a time: setting another drops the first.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "state"]
    label: str
    unit: str
    help: str

    @property
    def exposed(self) -> str:
        """Its name in the exposition, without the suffixes of samples (``_total``, ``_bucket`` …)."""
        ending = f"_{self.unit}" if self.unit and not self.name.endswith(self.unit) else ""
        return f"cueline_{self.name}{ending}"


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        # the HTTP process
        Metric("http_seconds", "histogram", "route", "seconds", "request received to answer sent"),
        Metric("http_errors", "counter", "status", "", "answers with a 4xx or 5xx status"),
        Metric("http_in_flight", "gauge", "bulkhead", "", "requests being answered, of each kind"),
        Metric(
            "http_refused",
            "counter",
            "bulkhead",
            "",
            "requests refused because those of their kind fill its places",
        ),
        Metric("events_accepted", "counter", "", "", "events that Kafka acknowledged for the API"),
        Metric("events_repeated", "counter", "", "", "events of large batches that Kafka had already"),
        Metric("events_rejected", "counter", "code", "", "events the API refused, by code"),
        Metric("events_warned", "counter", "reason", "", "events the API took without what it could not read"),
        Metric(
            "links_announced", "counter", "cause", "", "links between ids that were written to Kafka, by cause"
        ),
        Metric("links_skipped", "counter", "reason", "", "links between ids that were not written: bound, store"),
        Metric("events_passed", "counter", "reason", "", "events of the contact centre that need nothing"),
        Metric("agent_states", "counter", "", "", "states of the contact centre's agents that the API took"),
        Metric("outcomes_not_taught", "counter", "reason", "", "outcomes of unknown reporters that teach nothing"),
        Metric("audit_written", "counter", "", "", "reads of customers and decisions that were audited"),
        Metric("audit_dropped", "counter", "", "", "reads that were not audited: too many waited for Kafka"),
        Metric("sse_clients", "gauge", "", "", "open server-sent-event streams"),
        Metric("cues_dropped_slow_clients", "counter", "", "", "cues dropped for slow consumers"),
        Metric("cues_taken", "counter", "", "", "cues for the web that a stream was the first to take"),
        Metric("cues_taken_dropped", "counter", "", "", "notes of cues taken that were dropped"),
        Metric("cue_seconds", "histogram", "", "seconds", "event received to its cue pushed to a client"),
        Metric("decisions", "counter", "", "", "decisions answered"),
        Metric("decision_seconds", "histogram", "", "seconds", "decision asked to decision ready"),
        Metric("decision_staleness_seconds", "histogram", "", "seconds", "age of the row a decision used"),
        Metric("decision_batch_requests", "gauge", "", "", "decisions that shared the last read of the store"),
        Metric("decision_fallbacks", "counter", "reason", "", "decisions answered with the fallback"),
        Metric("offers_given", "counter", "offer", "", "offers given in decisions"),
        Metric("offers_suppressed", "counter", "code", "", "offers not given, by reason code"),
        Metric("outcomes", "counter", "outcome", "", "outcomes reported"),
        # the stream worker
        Metric("stream_events", "counter", "", "", "records read from the events topic"),
        Metric("stream_applied", "counter", "", "", "events applied to a row and committed"),
        Metric("stream_duplicates", "counter", "", "", "events seen before and dropped"),
        Metric("stream_forwarded", "counter", "", "", "records sent on to the partition they belong to"),
        Metric("post_sent", "counter", "", "", "letters to other partitions that Kafka acknowledged"),
        Metric("post_repeated", "counter", "", "", "letters dropped because their number was had before"),
        Metric("post_holes", "gauge", "partition", "", "gaps in the letters to a partition"),
        Metric("stream_tombstones", "counter", "", "", "records without a value, or passed over"),
        Metric("stream_gaps", "counter", "", "", "offsets passed because nothing can be read there"),
        Metric("stream_deadletters", "counter", "reason", "", "records that went to the dead-letter topic"),
        Metric("stream_warned", "counter", "reason", "", "records applied without what could not be read of them"),
        Metric("stream_customers", "counter", "", "", "new customers"),
        Metric(
            "stream_erased", "counter", "", "", "events without effect, since their customer was erased after them"
        ),
        Metric("stream_forgotten", "counter", "", "", "rows deleted, idle for more than 400 days"),
        Metric("stream_links", "counter", "effect", "", "links between ids, and turns of their mail, by effect"),
        Metric("freshness_seconds", "histogram", "", "seconds", "event received to its row committed"),
        Metric("row_seconds", "histogram", "", "seconds", "event received to its row changed in memory"),
        Metric(
            "indicator_seconds",
            "histogram",
            "",
            "seconds",
            "indicators activated to their cues chosen, per micro-batch",
        ),
        Metric("commit_seconds", "histogram", "", "seconds", "one commit to the store, sent to answered"),
        Metric("commits", "counter", "", "", "commits that the store accepted"),
        Metric("commits_fenced", "counter", "", "", "commits refused: another worker owns the partition"),
        Metric("commit_rows", "counter", "", "rows", "rows written by commits"),
        Metric(
            "kernel_seconds",
            "histogram",
            "",
            "seconds",
            "one kernel call: windows and indicators of a micro-batch",
        ),
        Metric("lag_records", "gauge", "partition", "records", "records not yet applied"),
        Metric(
            "lag_seconds",
            "gauge",
            "",
            "seconds",
            "upper bound of the age of records not yet applied; 0 without lag",
        ),
        Metric("partitions_paused", "gauge", "", "", "partitions that take no records: too many are dead letters"),
        Metric("partitions_owned", "gauge", "", "", "partitions this worker owns"),
        Metric("arena_rows", "gauge", "", "rows", "rows in the cache"),
        Metric("arena_evictions", "counter", "", "", "rows evicted from the cache"),
        Metric("rows_read", "counter", "", "", "rows read from the store (cache misses)"),
        Metric("indicators_risen", "counter", "indicator", "", "activations of an indicator"),
        Metric("cues_sent", "counter", "offer", "", "cues written to the cue stream"),
        Metric("cues_capped", "counter", "", "", "cues not written because their cap was reached"),
        Metric("cues_unconsented", "counter", "", "", "cues not written because consent was missing"),
        Metric("timers_fired", "counter", "", "", "inactivity timers fired"),
        # every process
        Metric("rulebook_info", "state", "revision", "", "1 for the revision in use"),
        Metric("rulebook_loaded_timestamp", "gauge", "", "seconds", "when the rulebook in use was loaded, epoch"),
        Metric(
            "rulebook_faults", "gauge", "", "", "faults in the rule files; above 0 the previous rules stay in use"
        ),
        Metric("rulebook_reloads", "counter", "", "", "rulebooks taken into use after the first"),
        Metric("process_ready", "gauge", "", "", "1 when the process is ready"),
    )
}


class PrometheusMeter(Collector):
    """The meter of one process (`engine.ports.meter.Meter`), with a registry of its own. Safe between threads.

    An unknown name, a method that is not for the metric's kind, or a label where none belongs (or none where one
    belongs) is a KeyError: it is a mistake in the program.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settlers: list[Callable[[], None]] = []
        self._values: dict[tuple[str, str], float] = {}
        self._histograms: dict[tuple[str, str], Durations] = {}
        for metric in METRICS.values():
            if not metric.label and metric.kind == "counter":
                self._values[metric.name, ""] = 0.0
            if not metric.label and metric.kind == "histogram":
                self._histograms[metric.name, ""] = Durations()
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def add(self, name: str, amount: float = 1, label: str = "") -> None:
        """Increase a counter by `amount` (>= 0), or move a gauge."""
        key = _key(name, label, "counter", "gauge")
        with self._lock:
            self._values[key] = self._values.get(key, 0.0) + amount

    def set(self, name: str, value: float, label: str = "") -> None:
        """Set a gauge; NaN removes the series (a partition that left)."""
        key = _key(name, label, "gauge", "state")
        with self._lock:
            if METRICS[name].kind == "state":
                for old in [old for old in self._values if old[0] == name]:
                    del self._values[old]
            if math.isnan(value):
                self._values.pop(key, None)
            else:
                self._values[key] = value

    def observe(self, name: str, seconds: float, label: str = "") -> None:
        """Count one duration. Below 0, from clocks that differ, counts as 0; NaN counts as none."""
        with self._lock:
            self._series(name, label).add(seconds)

    def observe_many(self, name: str, seconds: NDArray[np.float64], label: str = "") -> None:
        """Count each of `seconds` (N), as `observe` does."""
        with self._lock:
            self._series(name, label).add_many(seconds)

    def _series(self, name: str, label: str) -> Durations:
        found = self._histograms.get((name, label))  # a series that is there was checked when it was made
        if found is None:
            found = self._histograms[_key(name, label, "histogram")] = Durations()
        return found

    def on_read(self, settle: Callable[[], None]) -> None:
        """Call `settle` before each reading, in the reader's thread: it writes what was gathered until then."""
        self._settlers.append(settle)

    def _settle(self) -> None:
        for settle in self._settlers:
            settle()

    def value(self, name: str, label: str = "") -> float:
        """The value of a counter or gauge; without `label` the sum over all labels."""
        _metric(name, "counter", "gauge", "state")
        self._settle()
        with self._lock:
            return sum(v for (n, own), v in self._values.items() if n == name and label in ("", own))

    def quantile(self, name: str, q: float, label: str = "") -> float:
        """The q-quantile (0..1) in seconds within 2 %, over all labels unless one is given; NaN when empty."""
        _metric(name, "histogram")
        self._settle()
        with self._lock:
            counts = np.zeros(FINE, np.int64)
            for (found, own), durations in self._histograms.items():
                if found == name and label in ("", own):
                    counts += durations.fine
        return fine_quantile(counts, q)

    def render(self) -> tuple[bytes, str]:
        """The exposition in Prometheus' text format, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Family]:
        """Called by the registry at a scrape."""
        self._settle()
        with self._lock:
            values = dict(self._values)
            histograms = {key: (np.cumsum(h.coarse), h.sum) for key, h in self._histograms.items()}
        for metric in METRICS.values():
            if metric.kind == "histogram":
                yield _histogram_family(metric, histograms)
            else:
                yield _value_family(metric, values)


def _metric(name: str, *kinds: str) -> Metric:
    metric = METRICS[name]
    if metric.kind not in kinds:
        raise KeyError(f"{name} is a {metric.kind}")
    return metric


def _key(name: str, label: str, *kinds: str) -> tuple[str, str]:
    if bool(_metric(name, *kinds).label) != bool(label):
        raise KeyError(f"{name} takes {'the label ' + METRICS[name].label if METRICS[name].label else 'no label'}")
    return name, label


def _labels(metric: Metric) -> list[str]:
    return [metric.label] if metric.label else []


def _value_family(metric: Metric, values: dict[tuple[str, str], float]) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.exposed, metric.help, labels=_labels(metric))
    for (name, label), value in values.items():
        if name == metric.name:
            family.add_metric([label] if metric.label else [], value)
    return family


def _histogram_family(metric: Metric, found: dict[tuple[str, str], tuple[NDArray[np.int64], float]]) -> Family:
    family = HistogramMetricFamily(metric.exposed, metric.help, labels=_labels(metric))
    for (name, label), (cumulated, total) in found.items():
        if name == metric.name:
            buckets = [(_bound(i), float(count)) for i, count in enumerate(cumulated)]
            family.add_metric([label] if metric.label else [], buckets=buckets, sum_value=total)
    return family


def _bound(bucket: int) -> str:
    return repr(BOUNDS[bucket]) if bucket < len(BOUNDS) else "+Inf"


def quantiles(text: str, metric: str, qs: Iterable[float], before: str = "") -> list[float]:
    """Quantiles in seconds of a histogram in scraped expositions, as Prometheus' `histogram_quantile` has them.

    `text` may be the expositions of several processes one after the other: they are added up, over all
    labels. With `before`, an earlier scrape of the same processes, only what came since counts. The
    error is at most one bucket's width (31 %); NaN when there is nothing.
    """
    counts = _buckets(text, METRICS[metric].exposed)
    for bound, count in _buckets(before, METRICS[metric].exposed).items():
        counts[bound] = counts.get(bound, 0.0) - count
    bounds = sorted(counts)
    cumulated = [counts[bound] for bound in bounds]
    return [coarse_quantile(bounds, cumulated, q) for q in qs]


def total(text: str, metric: str, label: str = "") -> float:
    """A counter or gauge in scraped expositions: the sum over processes, and over labels unless one is given."""
    known = METRICS[metric]
    wanted = known.exposed + ("_total" if known.kind == "counter" else "")
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == wanted and label in ("", sample.labels.get(known.label, ""))
    )


def _buckets(text: str, exposed: str) -> dict[float, float]:
    """Upper bound -> cumulated count, added up over series and processes."""
    counts: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == f"{exposed}_bucket":
                bound = float(sample.labels["le"])
                counts[bound] = counts.get(bound, 0.0) + sample.value
    return counts
