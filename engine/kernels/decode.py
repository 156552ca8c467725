"""Canonical events (`engine.events.Event`, a MessagePack array) to columns, a whole batch in one call."""

from __future__ import annotations

import numpy as np

from engine.kernels.big_endian import big_endian
from engine.kernels.hashing import hash64
from engine.kernels.jit import kernel
from engine.kernels.messagepack import LONG_ARRAY, integer, number, text
from engine.kernels.nested import OUT_OF_BOUNDS, contact, more
from engine.kernels.partition import partition
from engine.kernels.wire import (
    AHEAD_MS,
    EARLIEST_MS,
    LATEST_MS,
    LEAST_FIELDS,
    LINKED,
    MAX_CUSTOMER_BYTES,
    MAX_EVENT_BYTES,
    MAX_ID_BYTES,
    MAX_LETTER_BYTES,
    MAX_QUANTITY,
    MAX_VALUE,
    WIRE_VERSION,
    Kind,
)

#: Kind -> whether it is one (bool, by code).
KNOWN = np.isin(np.arange(max(Kind) + 1), list(Kind))

OK, JSON, MALFORMED, UNKNOWN_TYPE, MISSING_ID, BAD_TIME, BAD_NUMBER, TOO_LARGE, MISSING_CUSTOMER, BAD_CUSTOMER = (
    range(10)
)
BAD_RECORD_TIME, TOMBSTONE = 10, 11
MAIL = 12  # whole, and more than an event: it may be applied once its letter has been verified
CLAMPED = 13  # inside of this module: `OK`, and counted
INSTRUCTION = 14  # whole, and nothing for rows: what it says is done beside them
LINK = 15  # whole, and no event: it says that two ids are one customer's

#: Dead-letter reasons by status, the codes of `engine.errors.BadEvent`; empty for what is no dead letter.
REASONS = (
    "",
    "",
    "malformed",
    "unknown_type",
    "missing_id",
    "bad_time",
    "bad_number",
    "too_large",
    "missing_customer",
    "bad_field",
    "bad_record_time",
    "",
    "",
)

DETAILS = (
    "",
    "",
    f"not a canonical event: a MessagePack array as in engine.events.Event, wire version {WIRE_VERSION}",
    "the kind is not one of engine.events.Kind",
    f"the id must have 1 to {MAX_ID_BYTES} bytes",
    "the time is before 2000, after 2136, or more than a day ahead of when it came in",
    f"value must lie between 0 and {MAX_VALUE:.0e}, quantity and thousandths be "
    "whole numbers from 0 to 2^32 - 1, a line's amount one from 0 to 1e14",
    f"more than {MAX_EVENT_BYTES // 1024} KiB, or a customer of more than {MAX_CUSTOMER_BYTES} bytes",
    "the record's key, which names the customer, is empty",
    "the record's key, which names the customer, is not UTF-8",
    "the record's own timestamp, not the event's, is no time since 2000 in epoch milliseconds (nor in seconds): "
    "nothing says whether the event lies ahead",
    "",
    "",
)

#: What each event has comes first, then what few have: fewer cache lines are read.
COLUMNS = np.dtype(
    [
        ("id", "u8"),
        ("at", "i8"),
        ("received_at", "i8"),
        ("came_in", "i8"),  # the record's time, or the engine's that the event brings: the measure of `at`
        ("value", "f8"),
        ("item", "u8"),  # 64-bit hashes, 0: none
        ("category", "u8"),
        ("order", "u8"),
        ("quantity", "u4"),
        ("traits_length", "i4"),
        ("kind", "u1"),
        ("stated", "u1"),
        ("lines", "u1"),
        ("status", "u1"),
        ("signed", "u1"),
        ("anonymous", "u1"),
        ("contact_channel", "u1"),
        ("thousandths", "u4"),
        ("item_start", "i4"),
        ("item_length", "i4"),
        ("category_start", "i4"),
        ("category_length", "i4"),
        ("lines_start", "i4"),
        ("traits_start", "i4"),
        ("contact", "u8"),  # 0: no contact, or one without an id
        ("contact_queue", "u8"),
        ("contact_agent", "u8"),
        ("contact_reason", "u8"),
    ],
    align=True,
)


@kernel
def _known(kind):
    return 0 <= kind < KNOWN.shape[0] and KNOWN[kind]


@kernel
def _begins_object(data, at, end):
    """Whether a JSON object begins at `at`, behind the byte order mark and the blanks that some programs write."""
    if at + 3 <= end and data[at] == 0xEF and data[at + 1] == 0xBB and data[at + 2] == 0xBF:
        at += 3
    while at < end and (data[at] == 0x20 or data[at] == 0x0A or data[at] == 0x0D or data[at] == 0x09):
        at += 1
    return at < end and data[at] == 0x7B


@kernel
def _event(data, at, end, came_in, i, out):
    """Read one event into the record `out`; returns its status. ``came_in[i]`` becomes the event's own word, when
    it has one; an event that lies after that is `CLAMPED` to it."""
    if at >= end:
        return MALFORMED
    packed = 0x90 <= data[at] <= 0x9F
    if not packed and _begins_object(data, at, end):
        return JSON
    size, long = end - at, end - at > 2 and data[at] == LONG_ARRAY
    if size > (MAX_LETTER_BYTES if long else MAX_EVENT_BYTES):
        return TOO_LARGE
    if not packed and not long:
        return MALFORMED
    fields = np.int64(big_endian(data, at + 1, 2)) if long else np.int64(data[at] & 0x0F)
    if fields < LEAST_FIELDS:
        return MALFORMED
    version, at = integer(data, at + (3 if long else 1), end)
    if at < 0 or version != WIRE_VERSION:
        return MALFORMED
    kind, at = integer(data, at, end)
    if at < 0:
        return MALFORMED
    moment, at = integer(data, at, end)
    if at < 0:
        return MALFORMED
    id_start, id_length, at = text(data, at, end)
    if at < 0:
        return MALFORMED
    item_start = item_length = category_start = category_length = order_start = order_length = received_at = 0
    value, quantity = 0.0, 1
    if fields > 4:
        item_start, item_length, at = text(data, at, end)
    if fields > 5 and at >= 0:
        category_start, category_length, at = text(data, at, end)
    if fields > 6 and at >= 0:
        value, at = number(data, at, end)
    if fields > 7 and at >= 0:
        quantity, at = integer(data, at, end)
    if fields > 8 and at >= 0:
        received_at, at = integer(data, at, end)
    if fields > 9 and at >= 0:
        order_start, order_length, at = text(data, at, end)
    engine_at = trust = anonymous = 0
    out.contact = out.contact_queue = out.contact_agent = out.contact_reason = np.uint64(0)
    out.contact_channel = 0
    if fields > 10 and at >= 0:
        engine_at, at = integer(data, at, end)
    if fields > 11 and at >= 0:
        trust, at = integer(data, at, end)
    if fields > 12 and at >= 0:
        anonymous, at = integer(data, at, end)
    if fields > 13 and at >= 0:
        at = contact(data, at, end, out)
    out.stated = out.thousandths = out.lines = out.lines_start = 0
    out.traits_start = out.traits_length = 0
    if fields > 14 and at >= 0:
        at = more(data, at, end, out)
    if at < 0 or (fields <= 15 and at != end):
        return MALFORMED
    mail = fields > 15 and at < end and (0x90 <= data[at] <= 0x9F or data[at] == LONG_ARRAY)
    if size > MAX_EVENT_BYTES and not mail:
        return TOO_LARGE
    if not _known(kind) and kind != LINKED:
        return UNKNOWN_TYPE
    if id_length == 0 or id_length > MAX_ID_BYTES:
        return MISSING_ID
    if engine_at > 0:
        came_in[i] = engine_at
    if moment < EARLIEST_MS:
        return BAD_TIME
    if came_in[i] < EARLIEST_MS:
        return BAD_RECORD_TIME
    if moment > min(came_in[i], LATEST_MS - AHEAD_MS) + AHEAD_MS:
        return BAD_TIME
    if not (0.0 <= value <= MAX_VALUE and 0 <= quantity <= MAX_QUANTITY and out.lines != OUT_OF_BOUNDS):
        return BAD_NUMBER
    out.id = hash64(data, id_start, id_length)
    out.at = min(moment, came_in[i])
    out.received_at = max(received_at, 0)
    out.came_in = came_in[i]
    out.value = value
    out.item = hash64(data, item_start, item_length)
    out.category = hash64(data, category_start, category_length)
    out.quantity = quantity
    out.order = hash64(data, order_start, order_length)
    out.item_start = item_start
    out.item_length = item_length
    out.category_start = category_start
    out.category_length = category_length
    out.kind = out.stated if out.stated != 0 and _known(out.stated) and kind != LINKED else kind
    out.signed = trust == 1
    out.anonymous = anonymous == 1
    if mail:
        return MAIL
    if kind == LINKED:
        return LINK
    return OK if moment <= came_in[i] else CLAMPED


@kernel
def decode(data, records, came_in, columns):
    """Read the values of N `records` (`engine.kernels.records.RECORD`), which lie in `data` (uint8).

    ``came_in`` (int64, N): the records' own times (epoch ms), replaced by the engine's where an event brings it
    (``engine_at``). It is the measure of "too far in the future", and lies in the record, so that it is the same
    whenever it is read. An event that lies after it happened at it, as in every source: a clock that is ahead
    would make all that follows late. ``columns`` (`COLUMNS`, N) is filled; where ``status`` is not `OK`, `LINK` or
    `MAIL` the other columns of that event are undefined. Returns how many events lay ahead.
    """
    clamped = 0
    for i in range(records.shape[0]):
        if records[i].value_length < 0:
            columns[i].status = TOMBSTONE
            continue
        start = np.int64(records[i].value)
        status = _event(data, start, start + records[i].value_length, came_in, i, columns[i])
        if status == CLAMPED:
            status = OK
            clamped += 1
        columns[i].status = status
    return clamped


@kernel
def place(data, records, mine, partitions, columns, elsewhere):
    """Refuse the empty and the overlong keys of N `records` in ``columns.status``, and set `elsewhere` (bool, N)
    where a key belongs to another partition than `mine`. Returns how many keys are not ASCII."""
    odd = np.int64(0)
    for i in range(records.shape[0]):
        start, length = np.int64(records[i].key), np.int64(max(records[i].key_length, 0))
        if columns[i].status == OK or columns[i].status == LINK:
            if length == 0:
                columns[i].status = MISSING_CUSTOMER
            elif length > MAX_CUSTOMER_BYTES:
                columns[i].status = TOO_LARGE
        seen = np.uint8(0)
        for j in range(start, start + length):
            seen |= data[j]
        odd += seen >= 0x80
        elsewhere[i] = partition(data, start, length, partitions) != mine
    return odd
