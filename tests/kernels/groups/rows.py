"""The rows on which groups are tested, one layout for all tests of a kernel: where one begins as another does,
numba would call what is compiled for the shorter with the longer, and warns of it."""

from __future__ import annotations

import numpy as np

from engine.kernels.groups import cart, contact, message_id, order, recent

ORDERS_AND_CARTS = np.dtype([*order.FIELDS, *cart.FIELDS])

#: With what contacts read of a session and of recent events, and ids by which a worker drops what was sent again.
CONTACTS = np.dtype([*contact.FIELDS, *recent.FIELDS, ("session_struggled_at", "i8"), *message_id.FIELDS])
