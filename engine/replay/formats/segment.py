"""Segment jsonl: one payload a line, bare or as ``{"payload": …}``.

The decoding of a payload belongs to the Segment source, so it is passed in.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.events import Message
from engine.replay.message_ids import MessageIds

#: (payload as JSON, message id for a payload without one) -> its message. Raises `BadEvent`.
Decode = Callable[[bytes, str], Message]


class _Line(msgspec.Struct, frozen=True):
    payload: msgspec.Raw = msgspec.Raw()


_DECODER = msgspec.json.Decoder(_Line)


def reader(decode: Decode) -> Callable[[bytes, MessageIds], list[Message]]:
    """How to read a line with the source's `decode`."""

    def read(line: bytes, identity: MessageIds) -> list[Message]:
        try:
            wrapped = bytes(_DECODER.decode(line).payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            wrapped = b""  # the source may still read it, or says what is wrong
        return [decode(wrapped or line, identity.message_id())]

    return read
