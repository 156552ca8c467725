"""The items that a cart keeps: the 8 changed last each for itself, the others as a sum."""

from __future__ import annotations

import numpy as np

from engine.kernels.groups.cart_contents import MOST, is_live, put_in, taken_out
from engine.kernels.groups.slots import move, place_of, room
from engine.kernels.jit import kernel
from engine.kernels.row_limits import U4_MAX
from engine.kernels.units import SECOND
from engine.kernels.wire import EARLIEST_S, Kind


@kernel
def clear(row):
    """Nothing is in it."""
    row.cart_item[:] = 0
    row.cart_item_amount[:] = 0
    row.cart_item_pieces[:] = 0
    row.cart_item_s[:] = 0
    row.cart_rest_pieces, row.cart_rest_amount = 0, 0


@kernel
def settle(row, ordered):
    """Drop the items where all that became one was ordered. What was stated alone stays: it counts again where
    that order turns out to be older."""
    if row.cart_folded_at != 0 and not is_live(row, ordered):
        clear(row)


@kernel
def fold(row, kind, item, at, pieces, amount, ordered):
    """Keep a change as what it makes of the items; of one that an order made void, when it was."""
    if at > ordered:
        if not is_live(row, ordered):
            clear(row)
        if kind == Kind.CART_ADDED:
            include(row, item, pieces, amount, at // SECOND)
        else:
            _exclude(row, item, pieces, amount, at // SECOND)
    row.cart_folded_at = max(row.cart_folded_at, at)


@kernel
def include(row, item, pieces, amount, second):
    """Put `pieces` (thousandths) of an item in, at `second` (epoch); without an item, or where all items changed
    later, they are in the sum."""
    if item == 0:
        _add_to_rest(row, pieces, amount)
        return
    place, mark = place_of(row.cart_item, item), np.uint32(second - EARLIEST_S)
    if place == row.cart_item.shape[0] or row.cart_item[place] != item:
        free, place = room(row.cart_item, row.cart_item_s, item, mark, place)
        if free < 0:
            _add_to_rest(row, pieces, amount)
            return
        if row.cart_item[free] != 0:
            _add_to_rest(row, np.int64(row.cart_item_pieces[free]), row.cart_item_amount[free])
        _make_room(row, free, place)
        row.cart_item[place], row.cart_item_pieces[place], row.cart_item_amount[place] = item, 0, 0
        row.cart_item_s[place] = mark
    held, worth = put_in(np.int64(row.cart_item_pieces[place]), row.cart_item_amount[place], pieces, amount)
    row.cart_item_pieces[place], row.cart_item_amount[place] = min(held, U4_MAX), worth
    row.cart_item_s[place] = max(row.cart_item_s[place], mark)


@kernel
def _exclude(row, item, pieces, amount, second):
    place = place_of(row.cart_item, item) if item != 0 else row.cart_item.shape[0]
    if place == row.cart_item.shape[0] or row.cart_item[place] != item:
        row.cart_rest_pieces, row.cart_rest_amount = taken_out(
            row.cart_rest_pieces, row.cart_rest_amount, pieces, amount
        )
        return
    held, worth = taken_out(np.int64(row.cart_item_pieces[place]), row.cart_item_amount[place], pieces, amount)
    row.cart_item_pieces[place], row.cart_item_amount[place] = held, worth
    row.cart_item_s[place] = max(row.cart_item_s[place], np.uint32(second - EARLIEST_S))
    if held == 0:
        last = row.cart_item.shape[0] - 1
        _make_room(row, place, last)
        row.cart_item[last], row.cart_item_amount[last] = 0, 0
        row.cart_item_pieces[last], row.cart_item_s[last] = 0, 0


@kernel
def _make_room(row, free, place):
    move(row.cart_item, free, place)
    move(row.cart_item_amount, free, place)
    move(row.cart_item_pieces, free, place)
    move(row.cart_item_s, free, place)


@kernel
def _add_to_rest(row, pieces, amount):
    held, worth = put_in(row.cart_rest_pieces, row.cart_rest_amount, pieces, amount)
    row.cart_rest_pieces, row.cart_rest_amount = min(held, MOST), worth
