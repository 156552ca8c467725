"""Rules, customers and numbers for the tests of decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.rulebook.directory import compile_texts
from engine.rulebook.model import Rulebook
from engine.state.row_codec import blank

NOW = 1_700_000_000_000
DAY = 86_400_000

INDICATORS = """
indicators:
  - {name: bursty, when: session.bursts >= 2}
  - {name: carted, when: cart.items > 0}
"""

SHOP = (
    INDICATORS
    + """
offers:
  - {id: chat, kind: chat, channels: [web, agent], when: bursty, value: 10, propensity: 0.3,
     say: "{session.bursts} bursts", cap: {max: 2, period: 1d}}
  - {id: cart-help, kind: serve, channels: [web], when: carted and cart.value > 50, value: 40, propensity: 0.2,
     say: "Your cart of {cart.value:money}", cap: {max: 1, period: 7d}}
  - {id: newsletter, kind: nurture, purpose: service, channels: [web, email], when: true, value: 1,
     propensity: 0.1, say: Read on}
  - {id: guide, kind: ask, channels: [web], when: bursty or carted, value: 5, propensity: 0.2, say: A guide}
  - {id: vip-call, kind: retain, channels: [agent], when: purchases.count >= 5, value: 90, propensity: 0.2,
     boost: 2, say: Call them}
"""
)


def shop() -> Rulebook:
    """Two indicators, five offers. Priorities on the web: cart-help 8, chat 3, guide 1, newsletter 0.1."""
    return compile_texts({"shop.yaml": SHOP})


def rows(*customers: dict[str, Any]) -> NDArray[np.void]:
    """Rows with the fields given, in a session that goes on at `NOW`."""
    made = blank(len(customers))
    for row, fields in zip(made, customers, strict=True):
        row["session_started"] = row["session_last"] = row["life_last_at"] = NOW - 1_000
        for name, value in fields.items():
            row[name] = value
    return made


BUSY: dict[str, Any] = {"session_bursts": 3, "cart_pieces": 2, "cart_value": 8_000}
