"""The words behind the hashes of items, categories and contacts (queue, agent, reason), written to the store for
display: each when it is new, and again once the store may have dropped it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import numpy as np

from engine.errors import Unavailable
from engine.events import Contact, Event
from engine.kernels.groups.contact_entry import IS_ABOUT
from engine.kernels.hash_set import add_new
from engine.ports.stats_store import StatsStore
from engine.stream.decoded_batch import DecodedBatch
from engine.validation_errors import UNREADABLE

TABLE = 1 << 20  # three quarters of them are remembered as written: 8 MB
MOST_CHARACTERS = 200  # of a word; longer ones are cut, as nobody reads them
_MOST_BYTES = 4 * MOST_CHARACTERS


#: The columns of an event's contact words, and their places in `engine.events.Contact`.
CONTACT_WORDS = {f"contact_{name}": Contact.__struct_fields__.index(name) for name in ("queue", "agent", "reason")}
_CONTACT = Event.__struct_fields__.index("contact")


class NameDictionary:
    """Writes each word once, best effort and beside the stream, but sent before the rows that hold its hash: who
    sees the row sees its words, and that a hash stands for two of them."""

    def __init__(self, stats: StatsStore, table: int = TABLE) -> None:
        self._stats = stats
        self._known = np.zeros(table, np.uint64)
        self._used = np.zeros(1, np.int64)
        self._writing: set[asyncio.Task[None]] = set()
        self._generation: tuple[int, str] | None = None

    def write(self, batch: DecodedBatch) -> None:
        """Write the words of `batch` that are new."""
        new = [*self._new(batch, "item"), *self._new(batch, "category"), *self._new_of_contacts(batch)]
        if new:
            task = asyncio.ensure_future(self._stats.name(new))
            self._writing.add(task)
            task.add_done_callback(self._ended)

    async def renew(self, connection: int) -> None:
        """Write all words again, as they come, once the store began to drop the oldest, was emptied, or was
        reached over another `connection` since. Raises `Unavailable`."""
        generation = (connection, await self._stats.names_begun())
        before, self._generation = self._generation, generation
        if before is not None and before != generation and before[1]:
            self._forget()

    def _new(self, batch: DecodedBatch, name: str) -> list[tuple[int, str]]:
        codes = np.ascontiguousarray(batch.events[name])
        places = np.empty(len(codes), np.int32)
        events = batch.events[places[: add_new(codes, self._known, self._used, places)]]
        starts, lengths = events[f"{name}_start"], np.minimum(events[f"{name}_length"], _MOST_BYTES)
        words = (batch.data[start : start + size] for start, size in zip(starts.tolist(), lengths, strict=True))
        return [
            (code, word.decode(errors="replace")[:MOST_CHARACTERS])
            for code, word in zip(events[name].tolist(), words, strict=True)
        ]

    def _new_of_contacts(self, batch: DecodedBatch) -> Iterator[tuple[int, str]]:
        """What is said of contacts, which few events are about: its place in the bytes is not noted. Rows have no
        words of what became of an e-mail."""
        events = batch.events
        about = np.flatnonzero((events["contact"] != 0) & IS_ABOUT[events["kind"], events["contact_channel"]])
        if not len(about):
            return
        for column, member in CONTACT_WORDS.items():
            codes = np.ascontiguousarray(events[column][about])
            places = np.empty(len(codes), np.int32)
            for place in places[: add_new(codes, self._known, self._used, places)].tolist():
                if word := _contact_word(batch.value(int(about[place])), member):
                    yield int(codes[place]), word[:MOST_CHARACTERS]

    def _forget(self) -> None:
        self._known[:] = 0
        self._used[:] = 0

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not isinstance(error, Unavailable):
            raise error
        self._forget()


def _contact_word(event: bytes, member: int) -> str:
    """A word of the contact that a canonical event (or letter) is about; empty where it is no text."""
    try:
        word = msgspec.msgpack.decode(event)[_CONTACT][member]
    except (LookupError, TypeError, *UNREADABLE):  # compiled code takes more, such as what is not UTF-8
        return ""
    return word if isinstance(word, str) else ""
