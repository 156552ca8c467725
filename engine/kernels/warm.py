"""Compiles every kernel once, so that the first event does not wait: `python -m engine.kernels.warm`."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from engine.kernels import (
    advance,
    big_endian,
    cache,
    chunks,
    decode,
    evaluate,
    features,
    forgetting,
    hash_set,
    hashing,
    merge,
    messagepack,
    moments,
    nested,
    partition,
    predicates,
    provenance,
    records,
    row_order,
    row_v1,
    row_v1_counts,
    row_v1_orders,
    sparse,
    timers,
    word_sparse,
)
from engine.kernels import row as layout
from engine.kernels.cache_directory import is_filled
from engine.kernels.catalogue import FEATURES
from engine.kernels.groups import (
    activity,
    cart,
    cart_contents,
    cart_items,
    category,
    contact,
    contact_entry,
    contact_features,
    contact_starts,
    contact_state,
    contact_waits,
    days,
    indicator,
    item,
    life,
    message_id,
    order,
    order_features,
    order_id,
    order_state,
    recent,
    session,
    session_number,
    session_steps,
    session_sum,
    slots,
    struggle,
    trait,
    window,
)

_MODULES = (
    *(advance, big_endian, chunks, decode, evaluate, features, forgetting, hash_set, hashing),
    *(
        layout,
        merge,
        messagepack,
        moments,
        nested,
        partition,
        predicates,
        provenance,
        records,
        row_order,
        row_v1,
        row_v1_counts,
        row_v1_orders,
        sparse,
        timers,
        word_sparse,
    ),
    *(activity, cart, cart_contents, cart_items, category),
    *(contact, contact_entry, contact_features, contact_starts, contact_state, contact_waits),
    *(days, indicator, item, life, message_id, order, order_features, order_id, order_state),
    *(recent, session, session_number, session_steps, session_sum, slots, struggle, trait, window),
)


def warm_up() -> None:
    """Call each kernel with the types it is used with; what is compiled stays in the cache on disk."""
    rows = np.zeros(1, layout.ROW)
    places = np.zeros(1, np.int32)
    events = np.zeros(1, decode.COLUMNS)
    rules = _rules()
    scratch = _scratch()
    activations = np.zeros(8, evaluate.ACTIVATION)
    trait.read_named_many(
        activations, np.zeros(1, np.uint64), np.zeros(1, np.uint8), np.zeros((8, FEATURES + 1)), FEATURES
    )
    data = np.frombuffer(b"\x94\x01\x01\x01\xa1x", np.uint8)
    fetched = np.zeros(1, records.RECORD)
    records.scan(data, batches := np.zeros(1, records.BATCH))
    records.parse(data, batches, 0, data, data, fetched)
    decode.decode(data, fetched, np.zeros(1, np.int64), events)
    decode.place(data, fetched, 0, 1, events, np.zeros(1, np.bool_))
    row_order.row_order(places, order := places.copy(), places.copy(), np.zeros(row_order.DIGITS, np.int32))
    advance.advance(
        rows, places, events, order, 0, data, rules, scratch, np.zeros(1, np.uint8), activations, places.copy()
    )
    forgetting.newest_came_in(events)
    advance.fire(rows, places, 0, 1, rules, scratch, activations)
    timers.timers(rows, places, np.zeros(1, np.int64), rules, scratch, np.zeros(1, np.bool_))
    advance.touched(places, np.zeros(1, np.uint8), np.zeros(1, np.int64), 1, np.zeros(1, np.int32))
    hash_set.add_new(np.ones(1, np.uint64), np.zeros(2, np.uint64), np.zeros(1, np.int64), np.zeros(1, np.int32))
    chunks.chunk_end(places, 0, 1, np.zeros(1, np.int64))
    warm_up_decisions()


def warm_up_decisions() -> None:
    """Those that decisions use, and no others: a process that only answers starts sooner."""
    rows = np.zeros(1, layout.ROW)
    words = rows.view(np.uint64).reshape(1, -1)
    packed, kept, places = np.zeros(2, np.uint16), np.zeros(words.shape[1] + 1, np.uint64), np.zeros(1, np.int32)
    word_sparse.unpack_many(packed, np.ones(1, np.int64), layout.VERSION, kept, words, places)
    row_v1.upgrade_many(np.zeros(1, row_v1.OLD_ROW), rows)
    partition.partition_of(b"warm", 1)
    found = np.zeros((1, FEATURES))
    features.read_many(rows, np.zeros(1, np.int64), found)
    sparse.pack_many(found, np.zeros(2 + 9 * FEATURES, np.uint8), np.zeros(1, np.int64))
    names, types = np.zeros(1, np.uint64), np.zeros(1, np.uint8)
    named = np.zeros((1, FEATURES + 1))
    trait.read_named_many(rows, names, types, named, FEATURES)
    _warm_up_values(rows)
    _warm_up_joins(rows, words, places)
    predicates.match_many(found, np.zeros(1, np.uint64), np.zeros((1, 1), np.bool_), *_rules().program)


def _warm_up_joins(rows: NDArray[np.void], words: NDArray[np.uint64], places: NDArray[np.int32]) -> None:
    """What rows of a customer's ids are made one with (`engine.state.joined_rows`)."""
    events, activations = np.zeros(1, decode.COLUMNS), np.zeros(8, evaluate.ACTIVATION)
    merge.merge(rows, places, events, 0, np.zeros(1, layout.ROW), _rules(), _scratch(), activations)
    kept, ends = np.zeros(words.shape[1] + 3, np.uint64), np.zeros(1, np.int64)
    packed = np.zeros(word_sparse.most_units(words.shape[1]) + 1, np.uint16)
    word_sparse.pack_many(words, places, layout.VERSION, kept, packed, ends)


def _warm_up_values(rows: NDArray[np.void]) -> None:
    """What traits in rules and in events are made of, of bytes that cannot be written."""
    text = np.frombuffer(b"2.10", np.uint8)
    hashing.hash64(text, 0, 4)
    trait.coded_text(text, 0, 4)
    trait.number_bits(1.0)
    trait.any_value(trait.WORD, np.uint64(1))
    mark = trait.mark_of(trait.rank_among(trait.SERVER, True), 1, trait.NUMBER)
    trait.set_trait(rows[0], np.uint64(1), np.uint64(mark), np.uint64(1))


def _scratch() -> evaluate.Scratch:
    return evaluate.scratch_of(FEATURES, 1, 1)


def _rules() -> evaluate.Rules:
    """One rule that asks nothing."""
    program = predicates.Program(
        np.zeros(1, np.int32),
        np.zeros(1, np.int8),
        np.full(1, -1, np.int32),
        np.zeros(1),
        np.array([0, 1], np.int32),
        np.zeros((1, 1), np.uint64),
        np.zeros((1, 1), np.uint64),
    )
    wanted = features.wanted_of(np.zeros(FEATURES, np.bool_))
    return evaluate.Rules(program, np.zeros(1, np.uint32), moments.NO_MOMENTS, wanted)


def tally() -> tuple[int, int]:
    """How many kernels this process has read from disk, and how many it has compiled, so far."""
    named = [value for module in _MODULES for value in vars(module).values()]
    kernels = {
        id(value): value for value in named if isinstance(getattr(value, "_cache", None), cache.KernelCache)
    }
    stats = [kernel.stats for kernel in kernels.values()]
    return sum(of.cache_hits.total() for of in stats), sum(of.cache_misses.total() for of in stats)


def main() -> None:
    """Fill the cache and say what that took."""
    folder, began = cache.opened().folder, time.perf_counter()
    if folder is None or not is_filled(folder):
        print("set-up: compiling the kernels for this processor, up to a minute or two", flush=True)
    warm_up()
    read, compiled = tally()
    took = f"set-up: {read} kernels read, {compiled} compiled in {time.perf_counter() - began:.0f} s"
    print(f"{took}, kept in {folder}" if folder else took, flush=True)


if __name__ == "__main__":
    main()
