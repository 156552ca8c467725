"""Letters: canonical events with one field more, which says from which partition they came and as which number.

The field is an array of its own and not some more fields at the end: whatever an ordinary event has appended later
then stands behind one empty field and not behind six. It goes with the long form of the array (array16), which
workers of before refuse: they would apply the event without its number, and nobody would know.
"""

from __future__ import annotations

import msgspec

from engine.errors import BadEvent
from engine.events import Event
from engine.validation_errors import UNREADABLE

PLACE = 15  # of the letter among an event's fields
ENGINE_AT, ANONYMOUS = 10, 12
INDEX_BITS = 16  # of a number: which of the letters that one record caused

_LONG_ARRAY = b"\xdc" + (PLACE + 1).to_bytes(2, "big")

#: What stands for fields that an event's sender left out.
_LEFT_OUT = tuple(msgspec.msgpack.encode(value) for value in msgspec.structs.astuple(Event(1, 0, 0, "")))


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """What makes an event a letter.

    ``sender`` is the partition that it comes from. ``number`` (above 0) is its place in the sender's log: the
    offset of the record that caused it, plus 1, and which of that record's letters it is (`number_of`). Within
    one ``era`` of the sender's log (0, until the log begins again below what was applied) no two letters have the
    same; 0: it has none, and may count twice. ``previous`` is the number of the letter to the same receiver before
    this one, 0 for the first. ``path`` has the customers through whom it came, ``body`` what an event cannot hold.
    """

    sender: int
    era: int
    number: int
    previous: int
    path: tuple[str, ...] = ()
    body: bytes = b""


def number_of(offset: int, index: int = 0) -> int:
    """The number of the letter `index` (below 2^16) caused by the record at `offset`."""
    return (offset + 1 << INDEX_BITS) | index


def as_letter(event: bytes, came_in: int, letter: Letter, of_user: bool = False) -> bytes:
    """The canonical `event`, which is whole, as a letter that the receiver measures by `came_in` (epoch ms) as the
    sender did, whenever it is read; one ``of_user`` is no anonymous id's any more. Raises `BadEvent`."""
    fields = _fields(event)[:PLACE]
    fields += _LEFT_OUT[len(fields) :]
    fields[ENGINE_AT] = msgspec.msgpack.encode(came_in)
    if of_user:
        fields[ANONYMOUS] = _LEFT_OUT[ANONYMOUS]
    return b"".join((_LONG_ARRAY, *fields, msgspec.msgpack.encode(letter)))


def is_whole(event: bytes) -> bool:
    """Whether `event` ends with its last field, so that it can become a letter."""
    try:
        return len(_fields(event)) > 0
    except BadEvent:
        return False


def letter_in(value: bytes) -> Letter:
    """Of an event that has one. Raises `BadEvent`."""
    try:
        letter = _read(_fields(value)[PLACE])
    except (IndexError, *UNREADABLE):
        raise BadEvent("malformed", "the event's last field is no letter") from None
    in_order = letter.previous < letter.number or letter.previous == letter.number == 0
    if min(letter.sender, letter.era, letter.previous) < 0 or not in_order:
        raise BadEvent("malformed", "the letter's numbers contradict one another")
    return letter


def _fields(event: bytes) -> list[bytes]:
    """The fields as they are written, of which nothing is read."""
    try:
        return [bytes(field) for field in _split(event)]
    except RecursionError:  # behind its fields, which nobody reads, an event may hold anything
        raise BadEvent("malformed", "nested too deeply") from None
    except msgspec.DecodeError:
        raise BadEvent("malformed", "not a MessagePack array") from None


_split = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_read = msgspec.msgpack.Decoder(Letter).decode
