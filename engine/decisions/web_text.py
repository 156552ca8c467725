"""What a website may say of an offer: nothing from before the session, when nobody vouches for who is there.

The page's visitor is whoever shows the id, and an event of a public key may be anybody's invention: numbers of the
session are what that page itself has reported.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.kernels.catalogue import CART, LIFE
from engine.kernels.provenance import NEW_CART, SIGNED
from engine.rulebook.language.say import render
from engine.state.catalogue import CATALOGUE

_LIFE = frozenset(feature.index for feature in CATALOGUE if feature.reach == LIFE)
_LIFE_AND_CART = _LIFE | frozenset(feature.index for feature in CATALOGUE if feature.reach == CART)


def web_text(say: str, values: Sequence[float], currency: str, provenance: int) -> str:
    """The text for the channel web of a moment with these `provenance` flags and features (`values`, F)."""
    if provenance & SIGNED:
        return render(say, values, currency)
    return render(say, values, currency, _LIFE if provenance & NEW_CART else _LIFE_AND_CART)
