"""What a micro-batch of one partition holds, as columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.identity.cargo import Cargo, CargoKind
from engine.identity.link import Link
from engine.identity.split import Split
from engine.kernels.decode import INSTRUCTION
from engine.kernels.records import RECORD
from engine.ports.kafka import DeadLetter
from engine.ports.stream_store import Erasure
from engine.post.letter import Letter
from engine.stream.instructions import Instruction

_NONE: NDArray[np.int64] = np.zeros(0, np.int64)
_NO_PLACES: NDArray[np.void] = np.zeros(0, RECORD)


class DecodedBatch(msgspec.Struct, frozen=True):
    """Decoded records of offsets ``[first, end)``.

    ``events`` (`COLUMNS`, N), their ``customers`` (N) and ``offsets`` (N) are what can be applied here, in
    order; ``data`` are the bytes that the starts of items and categories point into; ``dead`` and ``forward``
    (customer, canonical event) must go elsewhere, with the offsets of the latter in ``forward_offsets`` and what
    they are measured by (epoch ms) in ``forward_came_in``; ``letters`` are those among the events, by offset, and
    ``repeated`` the offsets of those that were had before and are no events any more;
    ``tombstones`` are the offsets of records without a value, which say nothing, and of those that a source passed
    over. ``watermark`` is the largest event time and ``newest_at`` the last record's own (epoch ms, 0 for none).
    ``instructions`` are those among the events, by offset: these change no row. ``links`` say that two ids are one
    customer's, and ``cargoes`` are what letters bring beside their events, by offset, too. ``places`` (N) are the
    records of the events, in ``data``.
    ``warned`` counts by reason the events of which something could not be read, or was not taken as it stood.
    """

    customers: list[bytes]
    events: NDArray[np.void]
    offsets: NDArray[np.int64]
    data: bytes
    dead: list[DeadLetter]
    forward: list[tuple[bytes, bytes]]
    forward_offsets: NDArray[np.int64]
    tombstones: NDArray[np.int64]
    first: int
    end: int
    watermark: int
    newest_at: int
    warned: Counter[str]
    forward_came_in: NDArray[np.int64] = _NONE
    letters: Mapping[int, Letter] = {}
    repeated: NDArray[np.int64] = _NONE
    instructions: Mapping[int, Instruction] = {}
    links: Mapping[int, Link | Split] = {}
    cargoes: Mapping[int, Cargo] = {}
    places: NDArray[np.void] = _NO_PLACES

    def value(self, i: int) -> bytes:
        """Event `i` in canonical form, or the letter that it came in."""
        start = int(self.places["value"][i])
        return self.data[start : start + int(self.places["value_length"][i])]

    @property
    def records(self) -> int:
        """How many records there were; a damaged batch, of which nobody knows, counts as one."""
        elsewhere = len(self.dead) + len(self.forward_offsets) + len(self.tombstones)
        return len(self.events) + len(self.repeated) + elsewhere

    @property
    def cuts(self) -> list[int]:
        """Before which events (positions) a commit has to begin anew: what an instruction changes holds from there
        on, and so does a history that a letter brings; an erasure has a commit of its own."""
        kept = (
            [i + 1 for i, offset in enumerate(self.offsets.tolist()) if self._keeps(offset)]
            if self.cargoes
            else []
        )
        if not self.instructions:
            return kept
        places = np.flatnonzero(self.events["status"] == INSTRUCTION).tolist()
        erasures = [i for i in places if isinstance(self.instructions.get(int(self.offsets[i])), Erasure)]
        return [*kept, *(i + 1 for i in places), *(i for i in erasures if i)]

    def _keeps(self, offset: int) -> bool:
        """Whether the record brings another id's history, which counts in the next cue."""
        return offset in self.cargoes and self.cargoes[offset].kind is CargoKind.KEEP

    def instructed(self, start: int, stop: int) -> list[Instruction]:
        """The instructions among ``events[start:stop]``, as long as they are to be followed here; one that has no
        effect is among the events alone."""
        if not self.instructions:
            return []
        here = self.events["status"][start:stop] == INSTRUCTION
        offsets = self.offsets[start:stop][here].tolist()
        return [self.instructions[offset] for offset in offsets if offset in self.instructions]

    def counts(self, first: int, end: int) -> dict[str, int]:
        """Tallies of the records whose offsets are in ``[first, end)``."""
        dead = sum(first <= letter.offset < end for letter in self.dead)
        good, repeated, forward, tombstones = (
            int(np.searchsorted(offsets, end) - np.searchsorted(offsets, first)) if len(offsets) else 0
            for offsets in (self.offsets, self.repeated, self.forward_offsets, self.tombstones)
        )
        return {
            "events": good + repeated + dead + forward + tombstones,
            "duplicates": repeated,
            "deadletters": dead,
            "forwarded": forward,
            "tombstones": tombstones,
        }
