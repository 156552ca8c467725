"""What makes a session: what a customer does on a client, as the kind of an event says, whoever wrote it.

The kind decides and nothing else. A server SDK writes what its customers view, so neither the key nor the library
says where something was done; a refund, an e-mail's delivery, a CRM's identify or a contact is done by no client.
An order is placed on a client, but servers announce it as well, at any time, and the steps of its checkout and the
page behind it count already: it makes no session. Neither does an event of no known kind, which may be anything.
"""

from __future__ import annotations

import numpy as np

from engine.kernels.jit import kernel
from engine.kernels.wire import Kind

KINDS = (
    Kind.PAGE_VIEWED,
    Kind.ITEM_VIEWED,
    Kind.LIST_VIEWED,
    Kind.SEARCHED,
    Kind.REVIEW_READ,
    Kind.CART_ADDED,
    Kind.CART_REMOVED,
    Kind.CART_VIEWED,
    Kind.WISHLISTED,
    Kind.CHECKOUT_STARTED,
    Kind.CHECKOUT_STEP,
    Kind.COUPON_APPLIED,
    Kind.SHARED,
)

_ACTIVITY = np.isin(np.arange(max(Kind) + 1), KINDS)


@kernel
def is_activity(kind):
    """Whether an event of `kind` belongs to a session."""
    return _ACTIVITY[kind]
