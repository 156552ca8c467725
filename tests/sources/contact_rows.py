"""What rules see of a customer's contacts after deliveries of vendors, by the whole row."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from engine.events import Message
from engine.kernels.groups.contact_features import word_value
from engine.kernels.hashing import word_hash
from engine.kernels.row import ROW
from engine.ports.sources import ContactSource, Delivery
from tests.kernels.builders import NOTHING, features
from tests.kernels.values import decoded
from tests.sources.contacts import NOW, events


def seen(source: ContactSource, deliveries: Iterable[Delivery | object], at: int = NOW) -> dict[str, float]:
    """Features at `at` of one customer, to whom all of `deliveries` belong; what is passed over is nothing."""
    taken = [one for delivery in deliveries for one in events(source, delivery) if isinstance(one, Message)]
    values = [msgspec.msgpack.encode(one.event) for one in taken]
    rows = np.zeros(1, ROW)
    if values:
        NOTHING.advance(rows, np.zeros(len(values), np.int32), decoded(values, NOW), b"".join(values))
    return features(rows, at)


def word(text: str) -> float:
    """A word as a feature has it."""
    return float(word_value(np.uint64(word_hash(text))))
