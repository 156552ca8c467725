"""Files of packed records: MessagePack values one after the other, each ``[customer, event]``.

``customer`` is a string of 1 to 256 bytes, ``event`` the array as on Kafka (`engine.events.Event`): its
first four fields are needed, later releases may append. A custom producer or a dump of the topic can write it:
``file.write(msgpack.packb([customer, event]))``. A letter between partitions (`engine.post.letter`) is passed
over: the record that caused it is in a dump, too, and would count twice.

A record that is no event is a fault of that record. Bytes that are no MessagePack, or a value beyond the limits
below, end the file: the beginning of the next record is unknown then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import msgpack
import msgspec

from engine.customer_id import customer_id
from engine.errors import BadEvent, BadRequest
from engine.events import (
    EARLIEST_MS,
    LATEST_MS,
    MAX_EVENT_BYTES,
    MAX_ID_BYTES,
    MAX_VALUE,
    WIRE_VERSION,
    Contact,
    Event,
    Kind,
    Message,
    More,
)
from engine.kernels.wire import MAX_AMOUNT, MAX_LINES, MAX_THOUSANDTHS
from engine.post.letter import PLACE
from engine.replay.message_ids import MessageIds

FIRST = b"\x92"  # an array of two: no text begins with it
READ_BYTES = 64 * 1024
MOST_BYTES = 64 * 1024  # of one record
MOST_FIELDS = 16  # of a letter, one more than an event has
MOST_WORDS = MAX_EVENT_BYTES - 1_024  # the rest of an event takes less
KINDS = frozenset(map(int, Kind))


class _PackedRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    customer: str
    event: Event


def records(file: BinaryIO, name: str) -> Iterator[object]:
    """The values in `file`, one after the other. Raises `BadRequest` at the first that is none or is cut off, as
    ``name:number: reason``."""
    number, whole = 1, _unpacker()
    begun = read = 0
    fault = ""
    try:
        while read - begun <= MOST_BYTES and (part := file.read(READ_BYTES)):
            read += len(part)
            whole.feed(part)
            for record in whole:
                yield record
                number, begun = number + 1, whole.tell()
        if begun != read:
            fault = "cut off" if read - begun <= MOST_BYTES else f"larger than {MOST_BYTES} bytes"
    except (ValueError, msgpack.UnpackException) as error:
        fault = f"no MessagePack, or beyond its bounds{f': {error}' if str(error) else ''}"
    if fault:
        raise BadRequest(f"{name}:{number}: {fault}", "FILE")


def _unpacker() -> msgpack.Unpacker:
    return msgpack.Unpacker(
        raw=False,
        unicode_errors="surrogateescape",  # a fault of the record, found when it is read
        strict_map_key=True,
        max_buffer_size=2 * MOST_BYTES + READ_BYTES,  # it holds what is not parsed yet, never as much
        max_array_len=MOST_FIELDS,
        max_str_len=MAX_EVENT_BYTES,
        max_bin_len=MAX_EVENT_BYTES,
        max_map_len=0,
        max_ext_len=0,
    )


def read(record: object, identity: MessageIds) -> list[Message]:
    """The message of one record, under the event's own id; under one of this run where `identity` has a salt. None
    of a letter. Raises `BadEvent`."""
    if _is_letter(record):
        return []
    try:
        found = msgspec.convert(record, _PackedRecord)
    except msgspec.ValidationError as error:
        raise BadEvent("malformed", str(error)) from None
    customer = customer_id(found.customer, "customer")
    _check(found.event)
    event = msgspec.structs.replace(found.event, id=identity.message_id()) if identity.salt else found.event
    return [Message(customer, event)]


def _is_letter(record: object) -> bool:
    """Whether it is one to the stream (`engine.kernels.decode`), of whatever content."""
    event = record[1] if isinstance(record, list) and len(record) == 2 else None
    return isinstance(event, list) and len(event) > PLACE and isinstance(event[PLACE], list)


def _check(event: Event) -> None:
    """What the stream would refuse (`engine.kernels.decode`), but for what depends on when it is produced.
    Raises `BadEvent`."""
    if event.version != WIRE_VERSION:
        raise BadEvent("malformed", f"{event.version}, {WIRE_VERSION} is known", "version")
    if max(event.received_at, event.engine_at, event.trust, event.anonymous) >= 1 << 63:
        raise BadEvent("malformed", "a whole number has more than 63 bits")
    if event.kind not in KINDS:
        raise BadEvent("unknown_type", f"{event.kind} is no kind of event", "kind")
    if not 0 < _size(event.id, "id") <= MAX_ID_BYTES:
        raise BadEvent("missing_id", f"1 to {MAX_ID_BYTES} bytes are needed", "id")
    if not EARLIEST_MS <= event.at <= LATEST_MS:
        raise BadEvent("bad_time", f"{event.at} are no epoch milliseconds from 2000 to 2136", "at")
    if not 0 <= event.value <= MAX_VALUE:
        raise BadEvent("bad_number", f"{event.value} does not lie between 0 and {MAX_VALUE:.0e}", "value")
    if not 0 <= event.quantity < 1 << 32:
        raise BadEvent("bad_number", f"{event.quantity} does not lie between 0 and 2^32 - 1", "quantity")
    words = _size(event.item, "item") + _size(event.category, "category") + _size(event.order, "order")
    if event.contact is not None:
        words += _contact_size(event.contact)
    if event.more is not None:
        words += _more_size(event.more)
    if words > MOST_WORDS:
        raise BadEvent("too_large", f"its texts have more than {MOST_WORDS} bytes together")


def _contact_size(contact: Contact) -> int:
    """Bytes of its texts. Raises `BadEvent`."""
    if not 0 < (size := _size(contact.id, "contact")) <= MAX_ID_BYTES:
        raise BadEvent("malformed", f"1 to {MAX_ID_BYTES} bytes are needed", "contact")
    return size + sum(_size(text, "contact") for text in (contact.queue, contact.agent, contact.reason))


def _more_size(more: More) -> int:
    """Bytes of its texts. Raises `BadEvent`."""
    if len(more.lines) > MAX_LINES:
        raise BadEvent("malformed", f"more than {MAX_LINES} lines", "more")
    pieces = max(more.thousandths, *(line.thousandths for line in more.lines), 0)
    least = min(more.thousandths, *(min(line.thousandths, line.amount) for line in more.lines), 0)
    if least < 0 or pieces > MAX_THOUSANDTHS or any(line.amount > MAX_AMOUNT for line in more.lines):
        raise BadEvent("bad_number", "its numbers are out of their bounds", "more")
    return sum(_size(line.item, "more") for line in more.lines)


def _size(text: str, field: str) -> int:
    """Bytes of `text`. Raises `BadEvent` when it came as bytes that are no UTF-8."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise BadEvent("malformed", "not UTF-8", field) from None
