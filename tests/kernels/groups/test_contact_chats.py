"""Live chats in Segment's words as contacts of a row: of two that are open, the end of one leaves the other."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.kernels.groups.contact import apply_contact
from engine.sources.segment.payload import message
from tests.kernels.groups.contact_oracle import features
from tests.kernels.groups.rows import CONTACTS as ROW
from tests.kernels.values import decoded

NOW = 1_700_000_000_000
MINUTE = 60_000


def open_after(*calls: tuple[str, dict[str, Any]]) -> float:
    """How many are open, when one call came a minute after the other."""
    values = []
    for number, (event, properties) in enumerate(calls):
        at = NOW + number * MINUTE
        body = {
            "type": "track",
            "event": event,
            "userId": "c7",
            "messageId": f"k{number}",
            "properties": properties,
        }
        values.append(msgspec.msgpack.encode(message(json.dumps(body).encode(), at, at).event))
    rows: np.ndarray[Any, np.dtype[np.void]] = np.zeros(1, ROW)
    for event in decoded(values, NOW + MINUTE * len(values)):
        apply_contact(rows[0], event)
    return features(rows, NOW + MINUTE * len(values))["contact_open"]


BEGAN, ENDED = "Live Chat Conversation Started", "Live Chat Conversation Ended"


@pytest.mark.parametrize("ended", ["A", "B"])
def test_of_two_chats_the_end_of_one_leaves_the_other(ended: str) -> None:
    chats = [(BEGAN, {"conversation_id": name}) for name in ("A", "B")]
    assert open_after(*chats) == 2
    assert open_after(*chats, (ENDED, {"conversation_id": ended})) == 1
    assert open_after(*chats, *((ENDED, {"conversation_id": name}) for name in ("B", "A"))) == 0


def test_of_two_chats_without_an_id_the_end_of_one_leaves_the_other() -> None:
    assert open_after((BEGAN, {}), (BEGAN, {})) == 2
    assert open_after((BEGAN, {}), (BEGAN, {}), (ENDED, {})) == 1
    assert open_after((BEGAN, {}), (BEGAN, {}), (ENDED, {}), (ENDED, {})) == 0
    assert open_after((BEGAN, {}), (BEGAN, {"conversation_id": "A"}), (ENDED, {})) == 1
