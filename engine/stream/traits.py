"""What events of a batch say of customers: the words that a commit writes beside the rows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from engine.events import Traits
from engine.kernels.decode import OK
from engine.ports.traits import TraitChange, TraitWord
from engine.state.traits import words_of
from engine.stream.decoded_batch import DecodedBatch
from engine.validation_errors import UNREADABLE

_read = msgspec.msgpack.Decoder(Traits).decode


def traits_in(batch: DecodedBatch, start: int, stop: int) -> list[TraitChange]:
    """The words of the events ``[start, stop)`` that may be applied. What cannot be read of them is passed over:
    it says nothing, and the rest of the event counts."""
    events = batch.events[start:stop]
    found: list[TraitChange] = []
    for i in np.flatnonzero(events["traits_length"]).tolist():  # of hardly any event
        if events["status"][i] != OK:
            continue
        first = int(events["traits_start"][i])
        said = batch.data[first : first + int(events["traits_length"][i])]
        words = _words(said, int(events["at"][i]), bool(events["signed"][i]))
        if words:
            found.append(TraitChange(batch.customers[start + i], words))
    return found


def _words(said: bytes, at: int, signed: bool) -> Sequence[TraitWord]:
    try:
        return words_of(_read(said), at, signed)
    except UNREADABLE:
        return ()
