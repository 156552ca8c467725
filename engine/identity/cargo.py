"""What a letter brings beside its event, in `engine.post.letter.Letter.body`."""

from __future__ import annotations

import enum

import msgspec

from engine.errors import BadEvent
from engine.identity.marker import Parts
from engine.validation_errors import UNREADABLE


class CargoKind(enum.IntEnum):
    """The codes are stored: never renumber."""

    EVENT = 0  # nothing: the letter is the event
    MERGE = 1  # a stored row, which joins the receiver's
    KEEP = 2  # an offer history and consents; unnumbered, since it joins as a set


class Cargo(msgspec.Struct, frozen=True, array_like=True):
    """``parts`` of a customer, as a body of ``kind``. The whole of an event is no cargo: an empty body, as letters
    of misplaced records have it."""

    kind: CargoKind = CargoKind.EVENT
    parts: Parts = Parts.ALL
    body: bytes = b""


PLAIN = Cargo()


def packed(cargo: Cargo) -> bytes:
    """
    >>> packed(PLAIN), cargo_in(packed(Cargo(CargoKind.MERGE, Parts.REST, b"row"))).body
    (b'', b'row')
    """
    return b"" if cargo == PLAIN else msgspec.msgpack.encode(cargo)


def cargo_in(body: bytes) -> Cargo:
    """Of a letter's body. Raises `BadEvent` for what is none, and for no part that is known."""
    if not body:
        return PLAIN
    try:
        found = _read(body)
    except UNREADABLE:
        raise BadEvent("malformed", "the letter's body is no cargo") from None
    if not Parts.NOTHING < found.parts <= Parts.ALL:
        raise BadEvent("malformed", "the letter brings no part of a customer that is known")
    return found


_read = msgspec.msgpack.Decoder(Cargo).decode
