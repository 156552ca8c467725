"""The result of one demo, its last line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from engine.demo.sample import Sample
from engine.demo.scene import Scene
from engine.meter import quantiles


class Quantiles(msgspec.Struct, frozen=True):
    """Milliseconds; null when nothing was measured."""

    p50: float | None
    p99: float | None


class SceneResult(msgspec.Struct, frozen=True, rename="camel"):
    """How often the scene was played, how often an agent had a cue of it, and how long after the call."""

    played: int
    cues: int
    cue_ms: Quantiles


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """The counts of a demo, and how long things took; ``restarts`` of children that died unplanned.

    ``events_sent`` are those of the input and the scene, ``events_skipped`` the input's lines and events that were
    not accepted; the others count what is sent by hand, too. ``scene`` is null where a log is the input."""

    events_sent: int
    events_skipped: int
    events_applied: int
    events_duplicate: int
    events_dead_lettered: int
    customers: int
    indicators_risen: int
    cues: int
    decisions: int
    decision_ms: Quantiles
    freshness_ms: Quantiles
    cue_ms: Quantiles
    seconds_to_first_cue: float | None
    revision: str
    restarts: int
    scene: SceneResult | None


def accounted(tallies: Mapping[str, int]) -> int:
    """Events that the store has accounted for: applied, dropped as duplicates, or dead letters."""
    return sum(tallies.get(name, 0) for name in ("applied", "duplicates", "deadletters"))


def collect(
    sent: int,
    skipped: int,
    tallies: Mapping[str, int],
    decision_ms: Sample,
    cue_ms: Sample,
    worker_metrics: str,
    first_cue_s: float | None,
    revision: str,
    restarts: int,
    scene: Scene | None,
) -> Result:
    """The result, from the store's tallies, the simulated agent's measurements, and the worker's exposition."""
    freshness = [1_000 * seconds for seconds in quantiles(worker_metrics, "freshness_seconds", [0.5, 0.99])]
    return Result(
        events_sent=sent,
        events_skipped=skipped,
        events_applied=tallies.get("applied", 0),
        events_duplicate=tallies.get("duplicates", 0),
        events_dead_lettered=tallies.get("deadletters", 0),
        customers=tallies.get("customers", 0),
        indicators_risen=tallies.get("risen", 0),
        cues=tallies.get("cues", 0),
        decisions=decision_ms.count,
        decision_ms=_measured(decision_ms.values),
        freshness_ms=_pair(*freshness),
        cue_ms=_measured(cue_ms.values),
        seconds_to_first_cue=None if first_cue_s is None else round(first_cue_s, 2),
        revision=revision,
        restarts=restarts,
        scene=None if scene is None else _of_scene(scene),
    )


def _of_scene(scene: Scene) -> SceneResult:
    return SceneResult(scene.played, scene.cue_ms.count, _measured(scene.cue_ms.values))


def _measured(values: Sequence[float]) -> Quantiles:
    return _pair(*np.quantile(values or [np.nan], [0.5, 0.99]))


def _pair(p50: float, p99: float) -> Quantiles:
    return Quantiles(*(None if np.isnan(value) else round(float(value), 3) for value in (p50, p99)))
