"""Event names that are probably meant to be one of Segment's: a slip makes the event one of the kind `other`."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from engine.sources.segment.commerce import KINDS

#: Names of Segment's own that are `Kind.OTHER` on purpose, so that none is taken for a slip of another.
OTHERS = (
    "Product Clicked", "Product Reviewed", "Products Reviewed", "Product Removed From Wishlist",
    "Promotion Viewed", "Promotion Clicked", "Coupon Denied", "Coupon Removed", "Order Updated", "Email Opened",
    "Signed Up", "Signed In", "Signed Out", "Live Chat Message Sent", "Live Chat Message Received",
)  # fmt: skip
SHORTEST, LONGEST = 6, 40  # letters and digits of a name that is looked at
SURE = 9  # a shorter name may have one slip, a longer one two: letters left out, added, changed or swapped

_MARKS = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def meant(name: str) -> str:
    """Segment's name that `name` is probably meant to be; empty when it is none, or like none.

    >>> meant("Product Viewd"), meant("order_completed"), meant("Started Checkout"), meant("Product Reviewed")
    ('Product Viewed', 'Order Completed', 'Checkout Started', '')
    """
    letters = _letters(name)
    if not SHORTEST <= len(letters) <= LONGEST or letters in _others():
        return ""
    by_letters, by_words = _known()
    if turned := by_words.get(_words(name)):
        return turned
    slips = 2 if len(letters) >= SURE else 1
    found = process.extractOne(letters, by_letters.keys(), scorer=OSA.distance, score_cutoff=slips)
    return by_letters[found[0]] if found else ""


@cache
def _known() -> tuple[dict[str, str], dict[frozenset[str], str]]:
    """Segment's names by their letters, and by their words."""
    names = [name.title() for name in KINDS]
    return {_letters(name): name for name in names}, {_words(name): name for name in names[::-1]}


@cache
def _others() -> frozenset[str]:
    return frozenset(map(_letters, OTHERS))


def _letters(name: str) -> str:
    return _MARKS.sub("", name.lower())


def _words(name: str) -> frozenset[str]:
    return frozenset(_MARKS.sub(" ", name.lower()).split())
