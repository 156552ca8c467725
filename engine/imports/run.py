"""An import: lines to traits, traits to the API, in batches, and an account of all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice

import msgspec
import numpy as np

from engine.customer_id import CustomerId, customer_id
from engine.errors import BadEvent, CuelineError
from engine.imports.bad_cell import BadCell
from engine.imports.cells import clean, id_of, time_of
from engine.imports.mapping import FileMapping
from engine.imports.report import Account, ImportReport
from engine.imports.tables import Line
from engine.kernels.hash_set import add_new
from engine.placeholder_ids import WORDS, is_placeholder
from engine.reserved_ids import is_reserved
from engine.traits import TraitValue

BATCH = 500  # customers of one request
SENDERS = 4  # requests in flight
AGE_MS = 399 * 86_400_000  # the API takes 400 days, and the run takes its time
REMEMBERED = 1 << 22  # three quarters of so many lines are remembered for duplicates: 32 MB


class TraitsOf(msgspec.Struct, frozen=True, gc=False):
    """What a line says of a customer: since when (epoch ms), and under which id, so that it counts once."""

    customer: CustomerId
    at: int
    id: str
    traits: dict[str, TraitValue]


#: Sends; returns why the API did not take some, a code each. Raises `CuelineError`.
Send = Callable[[Sequence[TraitsOf]], Awaitable[Sequence[str]]]


class _Seen:
    """Hashes seen lately, in bounded memory."""

    def __init__(self, room: int) -> None:
        self._table, self._used = np.zeros(room, np.uint64), np.zeros(1, np.int64)

    def new(self, texts: Sequence[bytes]) -> set[int]:
        """The positions of those that were not there before, each once; all are there then."""
        digests = b"".join(blake2b(text, digest_size=8).digest() for text in texts)
        codes = np.frombuffer(digests, np.uint64) | np.uint64(1)
        places = np.empty(len(texts), np.int32)
        return set(places[: add_new(codes, self._table, self._used, places)].tolist())


class TableReader:
    """Lines to traits; what is not taken goes to the `account`.

    `at` (epoch ms) holds where no column has times; what was so more than `AGE_MS` before `now` the API would
    refuse. A customer's second line is refused where no column has times, because nothing says which of them is
    newer; the memory for that is bounded (`REMEMBERED`), as is that for lines that repeat one before.
    """

    def __init__(
        self,
        mapping: FileMapping,
        account: Account,
        at: int,
        now: int,
        placeholders: frozenset[str] = WORDS,
        room: int = REMEMBERED,
    ) -> None:
        self._mapping, self._account = mapping, account
        self._at, self._now, self._placeholders = at, now, placeholders
        self._lines, self._customers = _Seen(room), _Seen(room)

    def batches(self, lines: Iterable[Line]) -> Iterator[list[TraitsOf]]:
        """The traits of `lines`, up to `BATCH` at once."""
        rest = iter(lines)
        while some := list(islice(rest, BATCH)):
            read = [(line.number, found) for line in some if (found := self._read(line)) is not None]
            self._account.lines += len(some)
            kept = list(self._once(read))
            self._account.taken += len(kept)
            yield kept

    def _once(self, read: list[tuple[int, TraitsOf]]) -> Iterator[TraitsOf]:
        """Without repeats, and without a customer's second line where nothing says which is newer."""
        new = self._lines.new([found.id.encode() for _, found in read])
        self._account.repeated += len(read) - len(new)
        once = [one for place, one in enumerate(read) if place in new]
        if self._mapping.at:
            yield from (found for _, found in once)
            return
        first = self._customers.new([found.customer.encode() for _, found in once])
        for place, (number, found) in enumerate(once):
            if place in first:
                yield found
            else:
                self._account.refuse(number, "duplicate", self._mapping.customer)

    def _read(self, line: Line) -> TraitsOf | None:
        try:
            if line.fault:
                raise BadCell(line.fault)
            (customer, how), at = self._customer(line), self._time(line)
            traits, cleaned = self._traits(line)
            if not traits:
                raise BadCell("nothing_left")
        except BadCell as fault:
            self._account.refuse(line.number, fault.reason, fault.column)
            return None
        for column, done in ((self._mapping.customer, how), *cleaned):
            if done:
                self._account.clean(line.number, column, done)
        return TraitsOf(customer, at, _id_of(customer, at, traits), traits)

    def _customer(self, line: Line) -> tuple[CustomerId, str]:
        """Whose the line is, and what was done to the cell that says so."""
        column = self._mapping.customer
        try:
            cleaned = id_of(line.cells[column], self._mapping)
        except BadCell as fault:
            raise BadCell(fault.reason, column) from None
        if cleaned is None:
            raise BadCell("no_customer", column)
        text = str(cleaned.value)
        if is_placeholder(text, self._placeholders):
            raise BadCell("placeholder_id", column)
        if is_reserved(text):
            raise BadCell("reserved_id", column)
        try:
            return customer_id(text), cleaned.how
        except BadEvent:
            raise BadCell("long_id", column) from None

    def _time(self, line: Line) -> int:
        """When the line was so; not after now, as a clock that is ahead has it."""
        if not (column := self._mapping.at):
            return self._at
        try:
            at = min(time_of(line.cells[column], self._mapping), self._now)
        except BadCell as fault:
            raise BadCell(fault.reason, column) from None
        if at < self._now - AGE_MS:
            raise BadCell("old", column)
        return at

    def _traits(self, line: Line) -> tuple[dict[str, TraitValue], list[tuple[str, str]]]:
        """By name; and the columns whose cells were written otherwise, with how."""
        traits: dict[str, TraitValue] = {}
        how: list[tuple[str, str]] = []
        for column in self._mapping.columns:
            try:
                cleaned = clean(line.cells[column.column], column.type, self._mapping)
            except BadCell as fault:
                self._account.leave_out(line.number, column.column, fault.reason)
                continue
            if cleaned is not None:
                traits[column.trait] = cleaned.value
                how.append((column.column, cleaned.how))
        return traits, how


def _id_of(customer: str, at: int, traits: dict[str, TraitValue]) -> str:
    """The same for the same line of any file, whenever it is imported."""
    content = msgspec.json.encode((customer, at, traits))
    return f"import-{blake2b(content, digest_size=16).hexdigest()}"


async def send_all(
    batches: Iterable[list[TraitsOf]],
    send: Send,
    account: Account,
    on_progress: Callable[[Account], None],
    stop: asyncio.Event,
    dry_run: bool,
) -> ImportReport:
    """Send `batches`, a few at once, until `stop`; in a dry run read them only. Raises what `send` raises: what
    was sent by then stays sent, and a second run repeats nothing."""
    began = time.monotonic()
    running: set[asyncio.Task[None]] = set()

    async def one(batch: list[TraitsOf]) -> None:
        refused = await send(batch)
        account.sent += len(batch) - len(refused)
        account.not_sent += len(refused)
        account.api_reasons.update(refused)

    try:
        for batch in batches:
            if stop.is_set():
                break
            if batch and not dry_run:
                running.add(asyncio.create_task(one(batch)))
            await asyncio.sleep(0)
            while len(running) >= SENDERS:
                running = await _some(running)
            on_progress(account)
        while running:
            running = await _some(running)
    finally:
        for task in running:
            task.cancel()
    return account.report(dry_run, time.monotonic() - began)


async def _some(running: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait for one at least; those that still run. Raises what one raised."""
    done, still = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    faults = [error for task in done if isinstance(error := task.exception(), CuelineError)]
    if faults:
        raise faults[0]
    for task in done:
        task.result()
    return still
