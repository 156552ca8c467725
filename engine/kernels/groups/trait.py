"""What a customer is said to be: the 16 traits and memberships set last, by 64-bit hashes of their names.

The last word wins, and whose word it is counts before its time: a server's before a visitor's own (by a token),
and that before what anybody may have written with a public key. So the greatest of all that was ever said of a
name stays, and of more than 16 names those whose words are greatest. That is a function of the set of events,
whatever their order and however many there are: nothing that stays depends on what was forgotten.

``trait_mark`` is the order: 2 bits of rank, the time (epoch ms), 2 bits of the value's type. Of the same mark the
greater value wins. A name that was taken back is kept, with the type `REMOVED`, or an older word that comes late
would bring it back.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.big_endian import big_endian
from engine.kernels.entry import Entry
from engine.kernels.groups.slots import move, place_of, room
from engine.kernels.hashing import hash64
from engine.kernels.jit import kernel
from engine.kernels.messagepack import integer, number, text
from engine.kernels.wire import MAX_TRAIT_NAME_BYTES, MAX_TRAIT_TEXT_BYTES, MAX_TRAITS

TRAITS = MAX_TRAITS

ANYBODY, VISITOR, SERVER = range(3)  # ranks of who says it
REMOVED, NUMBER, WORD, VERSION = range(4)  # types of a value
ANY = REMOVED  # asked for: a value of whatever type there is
BEYOND = 2.0**900  # no number of a customer's is as large

FIELDS = [
    ("trait_name", "u8", (TRAITS,)),  # ascending
    ("trait_mark", "u8", (TRAITS,)),
    ("trait_value", "u8", (TRAITS,)),  # a float64's bits, of a version too, or a word's hash
]

ENTRIES = (Entry("customer.traits", "", f"traits and memberships known (the {TRAITS} set last)"),)

_TYPE_BITS, _RANK_SHIFT = np.uint64(2), np.uint64(62)
_TYPE = np.uint64(3)
_TIME = np.uint64((1 << 62) - 1)
_WORD_SHIFT = np.uint64(11)  # what is left of a hash is exact in a float64

#: How large each part of a version may be: together 53 bits, so that versions are in order as float64s.
VERSION_BITS = (12, 12, 16, 13)


@kernel
def mark_of(rank, at, kind):
    """The order of a word said at `at` (epoch ms) by `rank`, of a value of type `kind`."""
    return np.uint64(rank) << _RANK_SHIFT | np.uint64(at) << _TYPE_BITS | np.uint64(kind)


@kernel
def type_of(mark):
    """The type of the value that has this mark."""
    return mark & _TYPE


@kernel
def time_of(mark):
    """When it was said, in epoch ms."""
    return np.int64((mark & _TIME) >> _TYPE_BITS)


@kernel
def rank_of(mark):
    """Who said it."""
    return np.int64(mark >> _RANK_SHIFT)


@kernel
def number_bits(number):
    """The bits of a float64; of 0 and -0 the same."""
    return np.float64(number + 0.0).view(np.uint64)


@kernel
def coded_text(data, start, length):
    """(type, value) of a text: two to four whole numbers with dots between are a `VERSION`, all else a `WORD`."""
    packed, part, digits, parts = np.int64(0), np.int64(0), 0, 0
    for i in range(start, start + length):
        if 0x30 <= data[i] <= 0x39 and digits < 5:
            part, digits = part * 10 + np.int64(data[i] - 0x30), digits + 1
        elif data[i] == 0x2E and digits > 0 and parts < 3 and part < 1 << VERSION_BITS[parts]:
            packed = packed << VERSION_BITS[parts] | part
            part, digits, parts = np.int64(0), 0, parts + 1
        else:
            return WORD, hash64(data, start, length)
    if parts == 0 or digits == 0 or part >= 1 << VERSION_BITS[parts]:
        return WORD, hash64(data, start, length)
    packed = packed << VERSION_BITS[parts] | part
    for missing in range(parts + 1, 4):
        packed <<= VERSION_BITS[missing]
    return VERSION, number_bits(np.float64(packed))


@kernel
def rank_among(stated, signed):
    """Who says it: whoever is not known to have written the event is `ANYBODY`."""
    return stated if signed and VISITOR <= stated <= SERVER else ANYBODY


@kernel
def set_trait(row, name, mark, value):
    """Let what was said of `name` (its hash, not 0) with `mark` count, if it is the last word."""
    place = place_of(row.trait_name, name)
    if place < TRAITS and row.trait_name[place] == name:
        known = row.trait_mark[place]
        if mark < known or (mark == known and value <= row.trait_value[place]):
            return
    else:
        free, place = room(row.trait_name, row.trait_mark, name, mark, place)
        if free < 0:
            return
        move(row.trait_name, free, place)
        move(row.trait_mark, free, place)
        move(row.trait_value, free, place)
        row.trait_name[place] = name
    row.trait_mark[place] = mark
    row.trait_value[place] = value


@kernel
def apply_trait(row, event, data):
    """Let the traits of an `event` (`decode.COLUMNS`) count, wherever in time it lies. `data` (uint8) holds them
    where its ``traits_start`` says, as `engine.events.Traits`; from the first that is none on they say nothing."""
    at, end = np.int64(event.traits_start), np.int64(event.traits_start + event.traits_length)
    if event.traits_length == 0 or not 0x93 <= data[at] <= 0x9F:
        return
    stated, at = integer(data, at + 1, end)
    if at >= 0:
        at = text(data, at, end)[2]
    count, at = _entries(data, at, end)
    rank, said = rank_among(stated, event.signed != 0), 0
    for _ in range(count):
        start, length, at = text(data, at, end)
        if at < 0:
            return
        kind, value, at = _coded(data, at, end)
        if at < 0:
            return
        if 0 < length <= MAX_TRAIT_NAME_BYTES and kind >= 0 and said < TRAITS:
            set_trait(row, hash64(data, start, length), mark_of(rank, event.at, kind), value)
            said += 1


@kernel
def _entries(data, at, end):
    """(entries of the map at `at`, next position); none where there is no map."""
    if at < 0 or at >= end:
        return 0, -1
    if 0x80 <= data[at] <= 0x8F:
        return np.int64(data[at] & 0x0F), at + 1
    if data[at] == 0xDE and at + 3 <= end:
        return np.int64(big_endian(data, at + 1, 2)), at + 3
    return 0, -1


@kernel
def _coded(data, at, end):
    """(type, value, next position) of a trait's value; type -1: none that can be kept, position -1: no value."""
    if at >= end:
        return -1, np.uint64(0), -1
    tag = data[at]
    if tag == 0xC0:
        return REMOVED, np.uint64(0), at + 1
    if tag == 0xC2 or tag == 0xC3:
        return NUMBER, number_bits(np.float64(tag == 0xC3)), at + 1
    start, length, after = text(data, at, end)
    if after >= 0:
        if length > MAX_TRAIT_TEXT_BYTES:
            return -1, np.uint64(0), after
        kind, value = coded_text(data, start, length)
        return kind, np.uint64(value), after
    found, after = number(data, at, end)
    if after < 0:
        return -1, np.uint64(0), -1
    return (NUMBER if np.isfinite(found) else -1), number_bits(found), after


@kernel
def join_trait(into, other):
    """Add the traits of another row."""
    for i in range(TRAITS):
        if other.trait_name[i] == 0:
            return
        set_trait(into, other.trait_name[i], other.trait_mark[i], other.trait_value[i])


@kernel
def read_named(row, names, types, out, first):
    """The values of the traits `names` (hashes, uint64, N), as the types (uint8, N) that are asked for have them,
    into `out` (float64) from place `first` on; NaN where there is none. `NUMBER` and `VERSION` (to be put in
    order): of a value of that type alone. `ANY` (to be equal or not): of each, see `any_value`."""
    for i in range(names.shape[0]):
        out[first + i] = np.nan
        place = place_of(row.trait_name, names[i])
        if place == TRAITS or row.trait_name[place] != names[i]:
            continue
        kind = type_of(row.trait_mark[place])
        if kind == REMOVED:
            continue
        value = row.trait_value[place]
        if types[i] == ANY:
            out[first + i] = any_value(kind, value)
        elif types[i] == kind:
            out[first + i] = np.uint64(value).view(np.float64)


@kernel
def read_named_many(rows, names, types, out, first):
    """`read_named` for each of `rows` (N, with the fields of `FIELDS`) into `out` (float64, N x more)."""
    for i in range(rows.shape[0]):
        read_named(rows[i], names, types, out[i], first)


@kernel
def any_value(kind, value):
    """A float64 that is the same exactly where type and value are (words: by 53 bits of their hash). A number is
    itself, and NaN from `BEYOND` on, where words lie, and below -`BEYOND`, where versions do."""
    if kind == WORD:
        return (np.float64(value >> _WORD_SHIFT) + 1.0) * BEYOND
    number = np.uint64(value).view(np.float64)
    if kind == VERSION:
        return -(number + 1.0) * BEYOND
    return number if abs(number) < BEYOND else np.nan


@kernel
def copy_traits(row, into):
    """Copy the traits of `row` into another record with the fields of `FIELDS`."""
    for i in range(TRAITS):
        into.trait_name[i] = row.trait_name[i]
        into.trait_mark[i] = row.trait_mark[i]
        into.trait_value[i] = row.trait_value[i]


@kernel
def read_trait(row, now, out, index):
    """Fill the places `index` (names of `ENTRIES`, with an underscore for the dot) of `out` (float64)."""
    count = 0
    for i in range(TRAITS):
        if row.trait_name[i] == 0:
            break
        count += type_of(row.trait_mark[i]) != REMOVED
    out[index.customer_traits] = count
