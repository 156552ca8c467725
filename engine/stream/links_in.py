"""The links among the records of a micro-batch, and what letters bring because of links."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.errors import BadEvent
from engine.events import Event
from engine.identity.cargo import PLAIN, Cargo, CargoKind, cargo_in, kept_in, merged_row
from engine.identity.link import Link
from engine.identity.split import Split, said_of
from engine.kernels import decode as kernels
from engine.post.letter import Letter
from engine.validation_errors import UNREADABLE


def links_in(
    data: bytes,
    records: NDArray[np.void],
    events: NDArray[np.void],
    letters: Mapping[int, Letter],
    elsewhere: NDArray[np.bool_],
    faults: dict[int, BadEvent],
) -> tuple[dict[int, Link | Split], dict[int, Cargo]]:
    """Those that are ours, by offset; `faults` gets why others are none, by place."""
    links: dict[int, Link | Split] = {}
    cargoes: dict[int, Cargo] = {}
    for i in np.flatnonzero((events["status"] == kernels.LINK) & ~elsewhere).tolist():
        record, offset = records[i], int(records["offset"][i])
        key, value = (data[record[name] : record[name] + record[f"{name}_length"]] for name in ("key", "value"))
        letter = letters.get(offset)
        try:
            cargo = cargo_in(letter.body) if letter else PLAIN
            if cargo.kind is CargoKind.EVENT:
                links[offset] = _link(key, value, int(events["at"][i]))
            else:
                cargoes[offset] = _checked(cargo)
        except BadEvent as fault:
            faults[i], events["status"][i] = fault, kernels.MALFORMED
    return links, cargoes


def _link(key: bytes, value: bytes, at: int) -> Link | Split:
    """What the event `value` under `key` says, as of `at` (epoch ms). Raises `BadEvent`."""
    try:
        return said_of(key.decode(), msgspec.structs.replace(_event(value), at=at))
    except UNREADABLE as fault:
        raise BadEvent("malformed", f"a link: {fault}") from None


def _checked(cargo: Cargo) -> Cargo:
    """Raises `BadEvent`."""
    if cargo.kind is CargoKind.MERGE:
        merged_row(cargo)
    else:
        kept_in(cargo)
    return cargo


_event = msgspec.msgpack.Decoder(Event).decode
