"""What a website may say of an offer: nothing from before the session, when nobody vouches for who is there.

The page's visitor is whoever shows the id, and an event of a public key may be anybody's invention: numbers of the
session are what that page itself has reported.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.kernels.catalogue import CART, LIFE
from engine.kernels.provenance import NEW_CART, SIGNED
from engine.rulebook.language.say import named, render
from engine.state.catalogue import CATALOGUE

_LIFE = frozenset(feature.index for feature in CATALOGUE if feature.reach == LIFE)
_LIFE_AND_CART = _LIFE | frozenset(feature.index for feature in CATALOGUE if feature.reach == CART)


def web_text(say: str, said: str, values: Sequence[float], currency: str, provenance: int) -> str:
    """What the channel web says at a moment with these `provenance` flags and features (`values`, F), where an
    agent reads `said`."""
    hidden = _LIFE if provenance & NEW_CART else _LIFE_AND_CART
    if provenance & SIGNED or named(say).isdisjoint(hidden):  # as nearly always: not rendered again
        return said
    return render(say, values, currency, hidden)
