"""What a website may say of an offer: nothing from before the session, when nobody vouches for who is there.

The page's visitor is whoever shows the id, and an event of a public key may be anybody's invention: numbers of the
session are what that page itself has reported.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from engine.kernels.entry import CART, LIFE
from engine.kernels.provenance import NEW_CART, SIGNED
from engine.rulebook.language.say import named, render
from engine.state.catalogue import CATALOGUE

_LIFE = frozenset(feature.index for feature in CATALOGUE if feature.reach == LIFE)
_LIFE_AND_CART = _LIFE | frozenset(feature.index for feature in CATALOGUE if feature.reach == CART)


def web_text(say: str, values: Sequence[float], currency: str, provenance: int) -> str | None:
    """What the channel web says at a moment with these `provenance` flags and features (`values`, F); None: the
    same as an agent reads."""
    if provenance & SIGNED:
        return None
    hidden = _hidden(say, provenance & NEW_CART)
    return render(say, values, currency, hidden) if hidden else None


@functools.lru_cache(maxsize=8192)
def _hidden(say: str, new_cart: int) -> frozenset[int]:
    """The features of a template that are not for the web."""
    return named(say) & (_LIFE if new_cart else _LIFE_AND_CART)
