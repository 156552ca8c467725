"""Rows in their stored form, which leaves out what is 0: most words of most rows are.

A stored row is whole words of eight bytes, little-endian: a head, then the words of the row that are not 0, in
order. The head is the version (one byte), a 0 (one byte), how many words the row has in memory (two bytes), a bit
for each of them that is stored (the lowest first), and 0 up to a whole word. A row has one stored form and no
other, so equal rows are equal bytes.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import inlined, kernel

HEAD_BITS = 32  # version, 0 and number of words
MOST_WORDS = 0xFFFF  # that a row can have


@kernel
def head_words(count):
    """Words of the head of a row of `count` words."""
    return (HEAD_BITS + count + 63) // 64


@kernel
def word_count(head):
    """Of a row whose stored form begins with the word `head`."""
    return np.int64(head >> np.uint64(16) & np.uint64(MOST_WORDS))


@inlined
def pack(words, version, packed):
    """Write the row `words` (uint64, W) as one of `version` into `packed` (uint64, ``head_words(W) + W`` or more);
    returns how many words that took."""
    count = words.shape[0]
    heads = head_words(count)
    end, bits, first = heads, np.uint64(version | count << 16), 0
    for head in range(heads):
        last = min(64 * (head + 1) - HEAD_BITS, count)
        for i in range(first, last):
            word = words[np.uint64(i)]
            packed[np.uint64(end)] = word  # written over by the next one if it is 0: no branch to mispredict
            some = np.uint64(word != 0)
            bits |= some << np.uint64((i + HEAD_BITS) & 63)
            end += np.int64(some)
        packed[np.uint64(head)] = bits
        bits, first = np.uint64(0), last
    return end


@kernel
def pack_many(rows, slots, version, packed, ends):
    """`pack` each of ``rows[slots]`` (uint64, capacity x W; int32, N), one behind the other, into `packed`
    (uint64, long enough for N); `ends` (int64, N) gets the word at which each ends."""
    end = 0
    for i in range(slots.shape[0]):
        end += pack(rows[slots[i]], version, packed[end:])
        ends[i] = end


@inlined
def ones(bits):
    """How many bits of `bits` (uint64) are set: summed in pairs, fours, bytes, then all bytes by one product."""
    bits -= bits >> np.uint64(1) & np.uint64(0x5555555555555555)
    bits = (bits & np.uint64(0x3333333333333333)) + (bits >> np.uint64(2) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64(bits * np.uint64(0x0101010101010101) >> np.uint64(56))


@kernel
def is_whole(packed, start, end, version, most):
    """Whether ``packed[start:end]`` (uint64) has the head of a row of `version` with at most `most` words, and as
    many words behind it as it says."""
    if end <= start or packed[start] & np.uint64(0xFFFF) != np.uint64(version):
        return False
    count = word_count(packed[start])
    heads = head_words(count)
    if count > most or start + heads > end:
        return False
    used = HEAD_BITS + count - 64 * (heads - 1)
    if used < 64 and packed[start + heads - 1] >> np.uint64(used) != 0:
        return False
    stored = ones(packed[start] >> np.uint64(HEAD_BITS))
    for head in range(start + 1, start + heads):
        stored += ones(packed[head])
    return stored == end - start - heads


@inlined
def unpack(packed, start, end, version, words):
    """Read the stored row ``packed[start:end]`` into `words` (uint64, W); what it has not is 0. Whether it was a
    row of `version` with at most W words; if not, `words` means nothing.

    `packed` (uint64) is at least one word longer than `end`.
    """
    if not is_whole(packed, start, end, version, words.shape[0]):
        return False
    count = word_count(packed[start])
    heads = head_words(count)
    at, first, lost = start + heads, 0, False
    for head in range(heads):
        bits, last = packed[start + head], min(64 * (head + 1) - HEAD_BITS, count)
        for i in range(first, last):
            some = bits >> np.uint64((i + HEAD_BITS) & 63) & np.uint64(1)
            word = packed[np.uint64(at)] * some
            words[np.uint64(i)] = word
            lost |= np.uint64(word != 0) != some  # a 0 that is stored
            at += np.int64(some)
        first = last
    for i in range(count, words.shape[0]):
        words[i] = 0
    return not lost


@kernel
def unpack_many(packed, ends, version, rows, slots):
    """`unpack` the stored rows that end at `ends` (int64, N) of `packed` into ``rows[slots]`` (uint64, capacity
    x W; int32, N). Returns N, or the place of the first that is none; those behind it are not read then."""
    start = 0
    for i in range(ends.shape[0]):
        if not unpack(packed, start, ends[i], version, rows[slots[i]]):
            return i
        start = ends[i]
    return ends.shape[0]
