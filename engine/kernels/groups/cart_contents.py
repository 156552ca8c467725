"""What a cart comes to: its items, and the changes since, one after the other."""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel
from engine.kernels.row_limits import U4_MAX
from engine.kernels.wire import Kind

MOST = 1 << 60  # hundredths and thousandths: sums stay there


@kernel
def is_live(row, ordered):
    """Whether what is kept as items came after the newest order."""
    return max(row.cart_stated_at, row.cart_folded_at) > ordered


@kernel
def put_in(pieces, amount, more, worth):
    """(thousandths, hundredths) after `more` of `worth` was put in; of no worth: at the price of what is there."""
    if worth == 0 and pieces > 0:
        worth = share(amount, more, pieces)
    return pieces + more, min(amount + worth, MOST)


@kernel
def taken_out(pieces, amount, less, worth):
    """(thousandths, hundredths) after `less` of `worth` was taken out; of no worth: at the price of what is
    there."""
    if less >= pieces:
        return np.int64(0), np.int64(0)
    return pieces - less, max(amount - (worth if worth > 0 else share(amount, less, pieces)), np.int64(0))


@kernel
def share(amount, part, whole):
    """What `part` of `whole` is worth."""
    return np.int64(np.floor(amount / whole * part + 0.5))


@kernel
def add_up(row, ordered):
    """Set what all of it comes to, in whole pieces and hundredths, when the newest order was at `ordered`."""
    row.cart_pieces, row.cart_value = _sum(row, row.cart_change_at.shape[0], ordered)


@kernel
def was_empty_since(row, ordered, at):
    """Whether nothing was in it at `at`, or at a moment since, as far as changes are kept."""
    kept = 0
    while kept < row.cart_change_at.shape[0] and row.cart_change_at[kept] != 0:
        if row.cart_change_at[kept] >= at and _sum(row, kept, ordered)[0] == 0:
            return True
        kept += 1
    return _sum(row, kept, ordered)[0] == 0


@kernel
def _sum(row, changes, ordered):
    """(whole pieces, hundredths) after the first `changes`."""
    live = is_live(row, ordered)
    total, value = _rest(row, changes, live, ordered)
    total = -(-total // 1_000)
    if live:
        for i in range(row.cart_item.shape[0]):
            if row.cart_item[i] != 0:
                pieces, amount = _held(row, row.cart_item[i], changes, live, ordered)
                total, value = total - (-pieces // 1_000), min(value + amount, MOST)
    for i in range(changes):
        if row.cart_change_at[i] > ordered and row.cart_change_item[i] != 0 and _is_first(row, i, live, ordered):
            pieces, amount = _held(row, row.cart_change_item[i], changes, live, ordered)
            total, value = total - (-pieces // 1_000), min(value + amount, MOST)
    return total, value


@kernel
def _rest(row, changes, live, ordered):
    """(thousandths, hundredths) of what is known as a sum alone."""
    pieces = row.cart_rest_pieces if live else np.int64(0)
    amount = row.cart_rest_amount if live else np.int64(0)
    for i in range(changes):
        if row.cart_change_at[i] <= ordered:
            continue
        item, more = row.cart_change_item[i], np.int64(row.cart_change_pieces[i])
        if row.cart_change_kind[i] == Kind.CART_ADDED:
            if item == 0:
                pieces, amount = put_in(pieces, amount, more, row.cart_change_amount[i])
        elif item == 0 or _held(row, item, i, live, ordered)[0] == 0:
            pieces, amount = taken_out(pieces, amount, more, row.cart_change_amount[i])
    return pieces, amount


@kernel
def _held(row, item, changes, live, ordered):
    """(thousandths, hundredths) of an item after the first `changes`."""
    pieces = amount = np.int64(0)
    if live:
        for i in range(row.cart_item.shape[0]):
            if row.cart_item[i] == item:
                pieces, amount = np.int64(row.cart_item_pieces[i]), row.cart_item_amount[i]
    for i in range(changes):
        if row.cart_change_item[i] == item and row.cart_change_at[i] > ordered:
            more, worth = np.int64(row.cart_change_pieces[i]), row.cart_change_amount[i]
            if row.cart_change_kind[i] == Kind.CART_ADDED:
                pieces, amount = put_in(pieces, amount, more, worth)
                pieces = min(pieces, np.int64(U4_MAX))
            else:
                pieces, amount = taken_out(pieces, amount, more, worth)
    return pieces, amount


@kernel
def _is_first(row, place, live, ordered):
    """Whether no change before, and no item, is of the same item."""
    item = row.cart_change_item[place]
    if live:
        for i in range(row.cart_item.shape[0]):
            if row.cart_item[i] == item:
                return False
    for i in range(place):
        if row.cart_change_item[i] == item and row.cart_change_at[i] > ordered:
            return False
    return True
