"""Rows in their stored form, which leaves out what is 0: most words of most rows, and much of the others.

A stored row is units of two bytes, little-endian; a word is four of them, the lowest first. The version (one byte)
and a 0 (one byte); how many words the row has in memory; a bit for each of these that is not 0; of each that is
not, a bit for each of its units that is not; these units. Bits begin with the lowest, and end with 0 up to a whole
unit. A row has one stored form and no other, so equal rows are equal bytes.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import inlined, kernel

HEAD = 2  # units: version, and number of words
MOST_WORDS = 0xFFFF  # that a row can have

_UNIT, _UNIT_BITS = np.uint64(0xFFFF), np.uint64(16)


def most_units(count: int) -> int:
    """The longest that a stored row of `count` words can be."""
    return HEAD + -(-count // 16) + -(-count // 4) + 4 * count


@inlined
def pack(words, version, kept, packed, start):
    """Write the row `words` (uint64, W) as one of `version` into `packed` (uint16) at `start`; returns its end.

    There must be room for one unit more than `most_units`; `kept` (uint64, W + 3 or more) is room to work in.
    """
    count = words.shape[0]
    packed[start], packed[start + 1] = version, count
    end, many = start + HEAD, np.uint64(0)
    for first in range(0, count, 16):
        bits = np.uint64(0)
        if first + 16 <= count:  # a loop of known length, so that it is unrolled
            for i in range(16):
                word = words[np.uint64(first + i)]
                kept[many] = word  # written over by the next one if it is 0: no branch to mispredict
                some = np.uint64(word != 0)
                bits |= some << np.uint64(i)
                many += some
        else:
            for i in range(count - first):
                word = words[np.uint64(first + i)]
                kept[many] = word
                some = np.uint64(word != 0)
                bits |= some << np.uint64(i)
                many += some
        packed[np.uint64(end)] = bits
        end += 1
    return _pack_units(kept, np.int64(many), packed, end)


@kernel
def _pack_units(kept, many, packed, end):
    """Write the first `many` of `kept`, none of which is 0, into `packed` at `end`: their marks, then their units;
    returns the end. Words by fours, which have 16 marks; up to three behind the last become 0."""
    for k in range(many, many + 3):
        kept[np.uint64(k)] = 0
    marks, at = np.uint64(end), np.uint64(end + (many + 3) // 4)
    for first in range(0, many, 4):
        bits = np.uint64(0)
        for i in range(4):
            word = kept[np.uint64(first + i)]
            a, b = word & _UNIT, word >> _UNIT_BITS & _UNIT
            c, d = word >> (_UNIT_BITS + _UNIT_BITS) & _UNIT, word >> np.uint64(48)
            in_a, in_b, in_c, in_d = np.uint64(a != 0), np.uint64(b != 0), np.uint64(c != 0), np.uint64(d != 0)
            two = in_a + in_b  # of each word one addition waits for that of the word before, not four
            packed[at], packed[at + in_a], packed[at + two], packed[at + two + in_c] = a, b, c, d
            marked = in_a | in_b << np.uint64(1) | in_c << np.uint64(2) | in_d << np.uint64(3)
            bits |= marked << np.uint64(4 * i)
            at += two + (in_c + in_d)
        packed[marks] = bits
        marks += np.uint64(1)
    return np.int64(at)


@kernel
def pack_many(rows, slots, version, kept, packed, ends):
    """`pack` each of ``rows[slots]`` (uint64, capacity x W; int32, N), one behind the other, into `packed`
    (uint16, N times `most_units`, and one more); `ends` (int64, N) gets the unit at which each ends."""
    end = 0
    for i in range(slots.shape[0]):
        end = pack(rows[slots[i]], version, kept, packed, end)
        ends[i] = end


@kernel
def ones(packed, start, end):
    """How many bits of ``packed[start:end]`` (uint16) are set: of each summed in pairs, fours, bytes, then both
    bytes by one product."""
    found = np.int64(0)
    for i in range(start, end):
        bits = np.uint64(packed[i])
        bits -= bits >> np.uint64(1) & np.uint64(0x5555)
        bits = (bits & np.uint64(0x3333)) + (bits >> np.uint64(2) & np.uint64(0x3333))
        bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F)
        found += np.int64(bits * np.uint64(0x0101) >> np.uint64(8) & np.uint64(0xFF))
    return found


@kernel
def _are_bits(packed, start, end, count):
    """Whether ``packed[start:end]`` has no more than `count` bits, 0 behind them."""
    used = count & 15
    return used == 0 or packed[end - 1] >> used == 0


@kernel
def is_whole(packed, start, end, version, most):
    """Whether ``packed[start:end]`` (uint16) has the head of a row of `version` with at most `most` words, and as
    many marks and units behind it as it says."""
    if end - start < HEAD or packed[start] != version or packed[start + 1] > most:
        return False
    count = np.int64(packed[start + 1])
    first, marks = start + HEAD, start + HEAD + (count + 15) // 16
    if marks > end or not _are_bits(packed, first, marks, count):
        return False
    many = ones(packed, first, marks)
    units = marks + (many + 3) // 4
    if units > end or not _are_bits(packed, marks, units, 4 * many):
        return False
    return units + ones(packed, marks, units) == end


@kernel
def _places(packed, start, end, places):
    """Write which bits of ``packed[start:end]`` (uint16) are set into `places` (uint64, one longer than there are
    such); returns how many."""
    many = np.uint64(0)
    for first in range(start, end):
        bits, low = np.uint64(packed[first]), np.uint64(16 * (first - start))
        if bits:  # of most rows a third is empty
            for bit in range(16):
                places[many] = low + np.uint64(bit)  # written over by the next one if it is not: no branch
                many += bits >> np.uint64(bit) & np.uint64(1)
    return np.int64(many)


@kernel
def _has_zero(packed, start, end):
    """Whether one of ``packed[start:end]`` is 0. All are looked at: that is done by many at once."""
    found = False
    for i in range(start, end):
        found |= packed[i] == 0
    return found


@kernel
def unpack(packed, start, end, version, kept, words):
    """Read the stored row ``packed[start:end]`` into `words` (uint64, W); what it has not is 0. Whether it was a
    row of `version` with at most W words; if not, `words` means nothing.

    `packed` (uint16) is at least one unit longer than `end`; `kept` (uint64, W + 1 or more) is room to work in.
    """
    if not is_whole(packed, start, end, version, words.shape[0]):
        return False
    count = np.int64(packed[start + 1])
    first, marks = start + HEAD, start + HEAD + (count + 15) // 16
    many = _places(packed, first, marks, kept)
    units = marks + (many + 3) // 4
    at, lost = np.uint64(units), _has_zero(packed, units, end)
    for i in range(words.shape[0]):
        words[i] = 0
    for k in range(many):
        bits, word = np.uint64(packed[np.uint64(marks + k // 4)]) >> np.uint64(4 * k & 15), np.uint64(0)
        for unit in range(4):
            some = bits >> np.uint64(unit) & np.uint64(1)
            word |= np.uint64(packed[at]) * some << (np.uint64(unit) * _UNIT_BITS)
            at += some
        words[kept[np.uint64(k)]] = word
        lost |= word == 0
    return not lost


@kernel
def unpack_many(packed, ends, version, kept, rows, slots):
    """`unpack` the stored rows that end at `ends` (int64, N) of `packed` into ``rows[slots]`` (uint64, capacity
    x W; int32, N). Returns N, or the place of the first that is none; those behind it are not read then."""
    start = 0
    for i in range(ends.shape[0]):
        if not unpack(packed, start, ends[i], version, kept, rows[slots[i]]):
            return i
        start = ends[i]
    return ends.shape[0]
