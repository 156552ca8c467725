"""What every event on Kafka keeps to: its version, its kinds, and its limits. Each of these facts is here alone.

Plain constants, for compiled code and, by `engine.events`, for all the rest.
"""

from __future__ import annotations

import enum

WIRE_VERSION = 1
LEAST_FIELDS = 4  # version, kind, at, id; later releases may append

MAX_ID_BYTES = 100
MAX_CUSTOMER_BYTES = 256
MAX_EVENT_BYTES = 32 * 1024
MAX_LETTER_BYTES = 2 * MAX_EVENT_BYTES  # an event of any size becomes a letter of one that is read
MAX_VALUE = 1e12  # keeps sums over a customer's life finite, and exact to the cent
MAX_QUANTITY = 0xFFFFFFFF
MAX_AMOUNT = 100_000_000_000_000  # `MAX_VALUE` in hundredths
MAX_THOUSANDTHS = 0xFFFFFFFF  # of a piece
MAX_LINES = 15  # of a cart, in one event
MAX_TRAITS = 16  # of one event, and of one customer
MAX_TRAIT_NAME_BYTES = 64
MAX_TRAIT_TEXT_BYTES = 256  # of a value

EARLIEST_S = 946_684_800  # 2000-01-01 UTC: nothing we serve is older
EARLIEST_MS = EARLIEST_S * 1_000
LATEST_MS = EARLIEST_MS + 1_000 * (2**32 - 1)  # in 2136: rows keep unsigned 32-bit seconds from `EARLIEST_S` on
AHEAD_MS = 86_400_000  # an event may lie this far past the time at which it came in


class Kind(enum.IntEnum):
    """What a customer or contact did. The codes are stored: never renumber."""

    OTHER = 0
    PAGE_VIEWED = 1
    ITEM_VIEWED = 2
    LIST_VIEWED = 3
    SEARCHED = 4
    REVIEW_READ = 5
    CART_ADDED = 6
    CART_REMOVED = 7
    CART_VIEWED = 8
    WISHLISTED = 9
    CHECKOUT_STARTED = 10
    CHECKOUT_STEP = 11
    ORDER_COMPLETED = 12
    ORDER_REFUNDED = 13
    ORDER_CANCELLED = 14
    COUPON_APPLIED = 15
    SHARED = 16
    ORDER_UPDATED = 17
    IDENTIFIED = 20
    GROUPED = 21
    ALIASED = 22
    TRAITS_SET = 24
    CONTACT_STARTED = 30
    CONTACT_CONNECTED = 31
    CONTACT_ENDED = 32
    CONTACT_IN_IVR = 33
    CONTACT_QUEUED = 34
    CONTACT_HELD = 35
    CONTACT_TRANSFERRED = 36
    CONTACT_WRAPPED_UP = 37
    CONTACT_ABANDONED = 38
    CALLBACK_ASKED = 39
    CONTACT_OUTCOME = 40
    CONTACT_SURVEYED = 41
    CONSENT_REVOKED = 60
    CONSENT_GRANTED = 61
    CONSENT_CONFIRMED = 62
    ERASED = 63


#: The code of records that link two ids (`engine.identity.link`). It is no `Kind`: nothing that a customer did.
LINKED = 23

FIRST_CONTACT_KIND = int(Kind.CONTACT_STARTED)  # it and all kinds with greater codes are the contact centre's
FIRST_INSTRUCTION_KIND = int(Kind.CONSENT_REVOKED)  # it and all with greater codes change what is kept beside rows


class ContactChannel(enum.IntEnum):
    """By what a contact is made. The codes are stored: never renumber."""

    UNKNOWN = 0
    VOICE = 1
    CHAT = 2
    EMAIL = 3
    MESSAGING = 4
