"""The vector that rules read: the features of the catalogue, and behind them the traits that a rulebook names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.kernels.catalogue import FEATURES
from engine.kernels.features import NO_NAMES, NO_TYPES, read_many
from engine.kernels.groups.trait import read_named_many
from engine.state.traits import name_hash


class TraitColumns(NamedTuple):
    """The T traits behind the features: of each the hash of its name, and as which type it is read."""

    names: NDArray[np.uint64]
    types: NDArray[np.uint8]

    @property
    def width(self) -> int:
        """Of the whole vector."""
        return FEATURES + len(self.names)


NO_TRAITS = TraitColumns(NO_NAMES, NO_TYPES)


def columns_of(traits: Sequence[tuple[str, int]]) -> TraitColumns:
    """Columns of `traits`: name, and type as `engine.kernels.groups.trait.read_named` takes it."""
    return TraitColumns(
        np.array([name_hash(name) for name, _ in traits], np.uint64),
        np.array([kind for _, kind in traits], np.uint8),
    )


def vectors_of(rows: NDArray[np.void], moments: NDArray[np.int64], columns: TraitColumns) -> NDArray[np.float64]:
    """The vectors (N x `TraitColumns.width`) of `rows` (`ROW`, N), each at its own moment (epoch ms)."""
    vectors = np.empty((len(rows), columns.width))
    read_many(rows, moments, vectors)
    if len(columns.names):
        read_named_many(rows, *columns, vectors, FEATURES)
    return vectors


def vectors_of_activations(
    activations: NDArray[np.void], places: Sequence[int], columns: TraitColumns
) -> NDArray[np.float64]:
    """The vectors of those `activations` (`ACTIVATION`) that are at `places` (N), as they were at that moment."""
    features: NDArray[np.float64] = activations["features"][list(places)]
    if not len(columns.names):
        return features
    vectors = np.empty((len(places), columns.width))
    vectors[:, :FEATURES] = features
    read_named_many(activations[list(places)], *columns, vectors, FEATURES)
    return vectors


def each_of(vectors: NDArray[np.float64]) -> Iterator[Sequence[float]]:
    """Each of `vectors` (N x F). Little of them is read: as lists of floats they took 1 to 2 µs each, so 0.1."""
    width, values = vectors.shape[1], memoryview(vectors.tobytes()).cast("d")
    return (values[start : start + width] for start in range(0, len(values), width))
