"""What is kept of a customer's traits, as words: for people. Rules read them from the row."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.traits import TraitValue
from engine.validation_errors import UNREADABLE


class Trait(msgspec.Struct, frozen=True, gc=False):
    """What was said last of one name: the value (None: it was taken back), ``since`` when (epoch ms), and by whom:
    the id of a key, ``visitor``, or nothing where it is not known."""

    name: str
    value: TraitValue
    since: int
    by: str


class TraitWord(msgspec.Struct, frozen=True, gc=False):
    """A trait with its place in the order of what may be said: of one name the greatest ``order`` stays, and of
    more than `engine.traits.MOST_TRAITS` names those with the greatest beginnings of it (`MARK` digits) and then
    with the greatest ``place``. Hexadecimal digits, so that any program compares them as texts."""

    trait: Trait
    order: str
    place: str


class TraitChange(msgspec.Struct, frozen=True, gc=False):
    """Words about one customer. What comes again, late or in another order leads to the same."""

    customer: bytes
    words: Sequence[TraitWord]


MARK = 16  # digits of `TraitWord.order` in which rank, time and type of the value stand
ORDER = 32  # all of them
PLACE = 16


def stored(word: TraitWord) -> bytes:
    """As it is kept under the trait's name: order, place, a blank, JSON ``[value, since, by]``."""
    trait = word.trait
    return f"{word.order}{word.place} ".encode() + msgspec.json.encode((trait.value, trait.since, trait.by))


def read(name: str, kept: bytes) -> Trait | None:
    """The trait in what is kept; None for what is none."""
    try:
        value, since, by = _content(kept[ORDER + PLACE + 1 :])
    except UNREADABLE:
        return None
    return Trait(name, value, since, by)


def word_in(name: str, kept: bytes) -> TraitWord | None:
    """The word in what is kept; None for what is none."""
    trait = read(name, kept)
    order, place = kept[:ORDER].decode(errors="replace"), kept[ORDER : ORDER + PLACE].decode(errors="replace")
    return TraitWord(trait, order, place) if trait is not None else None


_content = msgspec.json.Decoder(tuple[TraitValue, int, str]).decode
