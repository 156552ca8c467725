"""Which rules hold for a customer at a moment, and which indicators therefore stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.kernels.predicates import match
from engine.rulebook.model import Indicator, Rulebook
from engine.state.profile import active_codes
from engine.state.row_codec import read
from engine.state.vector import vectors_of


def holding(rulebook: Rulebook, features: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rules of the program (R) hold for `features` (F, and a place for each of the rulebook's traits)."""
    if features.shape != (rulebook.columns.width,):
        raise ValueError(f"{rulebook.columns.width} values are needed, not {features.shape}")
    program = rulebook.program
    truth = np.zeros(program.required.shape[1], np.uint64)
    holds = np.zeros(program.first.size - 1, np.bool_)
    match(features, program, truth, holds)
    return holds


def standing(rulebook: Rulebook, row: bytes | None, now: int) -> list[Indicator]:
    """The indicators that were activated for the stored `row` and still hold at `now` (epoch ms). What silence
    ended needs no writing: it is evaluated where it is read. Raises `BadState` for a version we do not know."""
    rows = read([row])
    if not (active := active_codes(rows[0])):
        return []
    holds = holding(rulebook, vectors_of(rows, np.full(1, now), rulebook.columns)[0])
    return [one for one, held in zip(rulebook.indicators, holds, strict=False) if held and one.code in active]
