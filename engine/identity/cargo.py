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
    MERGE = 1  # a `MergedRow`, which joins the receiver's
    KEEP = 2  # a `Kept`; unnumbered, since it joins as a set


class Cargo(msgspec.Struct, frozen=True, array_like=True):
    """``parts`` of a customer, as a body of ``kind``. The whole of an event is no cargo: an empty body, as letters
    of misplaced records have it."""

    kind: CargoKind = CargoKind.EVENT
    parts: Parts = Parts.ALL
    body: bytes = b""


PLAIN = Cargo()


class MergedRow(msgspec.Struct, frozen=True, array_like=True):
    """The stored ``row`` (empty: as of a customer never seen) of a customer into whom those ``merged`` went
    before."""

    row: bytes = b""
    merged: tuple[str, ...] = ()


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What is no fold of the log, or only its words: the offer ``history`` as it is stored, with the consents in
    it, and the ``words`` of traits, by name. Each joins what the receiver has as a set: repeats add nothing."""

    history: dict[str, list[int]] = {}
    words: dict[str, bytes] = {}


def keep_of(kept: Kept) -> Cargo:
    """`kept`, which an unsigned link never moves."""
    return Cargo(CargoKind.KEEP, Parts.REST, msgspec.msgpack.encode(kept))


def kept_in(cargo: Cargo) -> Kept:
    """Of a `Cargo` of the kind KEEP. Raises `BadEvent` for what is none."""
    try:
        return _read_kept(cargo.body)
    except UNREADABLE:
        raise BadEvent("malformed", "the letter's cargo is no history") from None


def merge_of(parts: Parts, row: MergedRow) -> Cargo:
    """`row`, which is ``parts`` of a customer."""
    return Cargo(CargoKind.MERGE, parts, msgspec.msgpack.encode(row))


def merged_row(cargo: Cargo) -> MergedRow:
    """Of a `Cargo` of the kind MERGE. Raises `BadEvent` for what is none."""
    try:
        return _read_row(cargo.body)
    except UNREADABLE:
        raise BadEvent("malformed", "the letter's cargo is no row") from None


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
_read_kept = msgspec.msgpack.Decoder(Kept).decode
_read_row = msgspec.msgpack.Decoder(MergedRow).decode
