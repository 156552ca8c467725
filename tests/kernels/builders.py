"""Events and rows as the kernels' tests make and read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.events import Kind
from engine.kernels import decode
from engine.kernels import row as layout
from engine.kernels.catalogue import FEATURES
from engine.kernels.features import read_many
from engine.rulebook.directory import compile_texts
from engine.rulebook.model import Rulebook
from engine.state.catalogue import BY_NAME
from engine.stream.evaluator import IndicatorEvaluator

START = 1_700_000_000_000
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True)
class Happening:
    """One event as the oracle sees it."""

    at: int
    kind: Kind
    id: int
    item: int = 0
    category: int = 0
    value: float = 0.0
    quantity: int = 1
    order: int = 0
    signed: int = 0
    anonymous: int = 0
    came_in: int = 0
    contact: int = 0


def rulebook(**indicators: str) -> Rulebook:
    lines = ["indicators:"]
    for name, when in indicators.items():
        lines += [f"  - name: {name}", f"    description: {name}", f'    when: "{when}"']
    return compile_texts({"test.yaml": "\n".join(lines)})


def columns(events: Sequence[Happening]) -> NDArray[np.void]:
    out = np.zeros(len(events), decode.COLUMNS)
    for got, event in zip(out, events, strict=True):
        got["at"], got["kind"], got["id"] = event.at, event.kind, event.id
        got["item"], got["category"] = event.item, event.category
        got["value"], got["quantity"], got["order"] = event.value, event.quantity, event.order
        got["signed"], got["anonymous"], got["contact"] = event.signed, event.anonymous, event.contact
        got["came_in"] = event.came_in or event.at
    return out


def run(
    evaluator: IndicatorEvaluator, events: Sequence[Happening], cuts: Sequence[int] = ()
) -> tuple[NDArray[np.void], list[tuple[int, int]]]:
    """One customer's row after `events`, advanced in batches cut at `cuts`; and each
    activation's (indicator, at)."""
    rows, activated = np.zeros(1, layout.ROW), []
    for start, stop in zip([0, *cuts], [*cuts, len(events)], strict=True):
        batch = columns(events[start:stop])
        _, activations = evaluator.advance(rows, np.zeros(len(batch), np.int32), batch)
        activated += [(int(activation["indicator"]), int(activation["at"])) for activation in activations]
    return rows, activated


def features(rows: NDArray[np.void], now: int) -> dict[str, float]:
    out = np.zeros((1, FEATURES))
    read_many(rows[:1], np.full(1, now), out)
    return {name: float(out[0, feature.index]) for name, feature in BY_NAME.items()}


NOTHING = IndicatorEvaluator(rulebook(never="customer.events < 0"))
