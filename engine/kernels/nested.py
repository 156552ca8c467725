"""What lies nested in an event: the contact that it is about, and what its fifteen fields have no place for.

Both are arrays within the event's (`engine.events.Contact` and `More`), to which later releases append.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.hashing import hash64
from engine.kernels.jit import kernel
from engine.kernels.messagepack import NIL, integer, passed_over, text
from engine.kernels.wire import MAX_AMOUNT, MAX_ID_BYTES, MAX_LINES, MAX_THOUSANDTHS, ContactChannel

LAST_CHANNEL = int(max(ContactChannel))

OUT_OF_BOUNDS = 0xFF  # instead of a number of lines: a number is out of its bounds


@kernel
def contact(data, at, end, out):
    """Read a contact (`engine.events.Contact`) or nil into `out`; returns the position behind it. -1 where it is
    neither: an array of the contact's id, which is needed, the code of its channel, and texts or whole numbers of
    any number. A channel that is not known, and a whole number where a word is meant, say nothing."""
    if at >= end:
        return -1
    if data[at] == NIL:
        return at + 1
    if not 0x91 <= data[at] <= 0x9F:
        return -1
    places = data[at] & 0x0F
    start, length, at = text(data, at + 1, end)
    if at < 0 or not 0 < length <= MAX_ID_BYTES:
        return -1
    out.contact = hash64(data, start, length)
    for place in range(1, places):
        start, length, after = text(data, at, end)
        if place == 1 or after < 0:
            whole, at = integer(data, at, end)
            length = 0
            if place == 1 and 0 < whole <= LAST_CHANNEL:
                out.contact_channel = whole
        else:
            at = after
        if at < 0:
            return -1
        if place == 2:
            out.contact_queue = hash64(data, start, length)
        elif place == 3:
            out.contact_agent = hash64(data, start, length)
        elif place == 4:
            out.contact_reason = hash64(data, start, length)
    return at


@kernel
def more(data, at, end, out):
    """The position behind an event's `engine.events.More` or nil, -1 where it is neither. `out` (`decode.COLUMNS`)
    gets its kind (``stated``, 0 for none), its thousandths, and how many lines lie where, `OUT_OF_BOUNDS` where a
    number is, and where its traits lie (``traits_length`` 0: nowhere), whatever they are. What is appended to it
    is passed over."""
    if at >= end:
        return -1
    if data[at] == NIL:
        return at + 1
    if not 0x90 <= data[at] <= 0x9F:
        return -1
    places, at = data[at] & 0x0F, at + 1
    if places > 0:
        kind, at = integer(data, at, end)
        out.stated = kind if 0 <= kind <= 0xFF else 0
    thousandths = np.int64(0)
    if places > 1 and at >= 0:
        thousandths, at = integer(data, at, end)
    if places > 2 and at >= 0:
        at = _lines(data, at, end, out)
    for place in range(3, places):
        if at >= 0:
            before, at = at, passed_over(data, at, end)
            if place == 3 and at >= 0 and data[before] != NIL:
                out.traits_start, out.traits_length = before, at - before
    if 0 <= thousandths <= MAX_THOUSANDTHS:
        out.thousandths = thousandths
    else:
        out.lines = OUT_OF_BOUNDS
    return at


@kernel
def _lines(data, at, end, out):
    if at >= end or not 0x90 <= data[at] <= 0x90 + MAX_LINES:
        return -1
    lines, at = data[at] & 0x0F, at + 1
    out.lines, out.lines_start = lines, at
    for _ in range(lines):
        _, thousandths, amount, at = line(data, at, end)
        if at < 0:
            return -1
        if not (0 <= thousandths <= MAX_THOUSANDTHS and 0 <= amount <= MAX_AMOUNT):
            out.lines = OUT_OF_BOUNDS
    return at


@kernel
def line(data, at, end):
    """(hash of the item, thousandths of a piece, hundredths of the currency, next position) of one
    `engine.events.CartLine`; position -1: it is none."""
    if at >= end or not 0x93 <= data[at] <= 0x9F:
        return np.uint64(0), np.int64(0), np.int64(0), -1
    places = data[at] & 0x0F
    start, length, after = text(data, at + 1, end)
    thousandths = amount = np.int64(0)
    if after >= 0:
        thousandths, after = integer(data, after, end)
    if after >= 0:
        amount, after = integer(data, after, end)
    for _ in range(3, places):
        if after >= 0:
            after = passed_over(data, after, end)
    if after < 0:
        return np.uint64(0), np.int64(0), np.int64(0), -1
    return hash64(data, start, length), thousandths, amount, after
