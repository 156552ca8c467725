"""A rulebook as bytes, for a process that compiles to hand it to one that uses it.

The bytes go from a child to its parent of the same release and are kept nowhere, so there is no version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.kernels.moments import Moments
from engine.kernels.predicates import Program
from engine.rulebook.language.traits import TraitColumn
from engine.rulebook.language.words import words_of
from engine.rulebook.model import Indicator, Offer, Rulebook
from engine.state.vector import columns_of
from engine.steps import Steps

T = TypeVar("T")

#: Rules read back in one step: some tenths of a millisecond.
AT_ONCE = 256


class _Array(msgspec.Struct, frozen=True, array_like=True):
    """A numpy array."""

    dtype: str
    shape: tuple[int, ...]
    content: bytes


class _Sent(msgspec.Struct, frozen=True, array_like=True):
    """A rulebook; its long parts in pieces, each encoded by itself."""

    revision: str
    indicators: list[bytes]
    offers: list[bytes]
    mentions: list[bytes]
    program: list[_Array]
    moments: list[_Array]
    codes: _Array
    traits: list[TraitColumn]
    words: list[str]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Sent).decode
_indicators = msgspec.msgpack.Decoder(tuple[Indicator, ...])
_offers = msgspec.msgpack.Decoder(tuple[Offer, ...])
_mentions = msgspec.msgpack.Decoder(list[frozenset[int]])


def to_bytes(rulebook: Rulebook) -> bytes:
    """The bytes of `rulebook`."""
    return _encode(
        _Sent(
            rulebook.revision,
            _pieces(rulebook.indicators),
            _pieces(rulebook.offers),
            _pieces(rulebook.mentions),
            list(map(_sent, rulebook.program)),
            list(map(_sent, rulebook.moments)),
            _sent(rulebook.codes),
            list(rulebook.traits),
            sorted({*rulebook.words.values()}),
        )
    )


def from_bytes(content: bytes) -> Steps[Rulebook]:
    """The rulebook that `content` is of, in steps. Raises `msgspec.MsgspecError` for other bytes."""
    sent = _decode(content)
    yield
    program = Program(*map(_array, sent.program))
    moments = Moments(*map(_array, sent.moments))
    yield
    indicators = yield from _joined(sent.indicators, _indicators)
    offers = yield from _joined(sent.offers, _offers)
    mentions = yield from _joined(sent.mentions, _mentions)
    return Rulebook(
        sent.revision,
        tuple(indicators),
        tuple(offers),
        program,
        moments,
        _array(sent.codes),
        tuple(mentions),
        tuple(sent.traits),
        words_of(sent.words),
        columns_of([(trait.name, trait.type) for trait in sent.traits]),
    )


def _pieces(rules: Sequence[object]) -> list[bytes]:
    return [_encode(rules[start : start + AT_ONCE]) for start in range(0, len(rules), AT_ONCE)]


def _joined(pieces: Sequence[bytes], decoder: msgspec.msgpack.Decoder[Any]) -> Steps[list[Any]]:
    members: list[Any] = []
    for piece in pieces:
        members += decoder.decode(piece)
        yield
    return members


def _sent(array: NDArray[Any]) -> _Array:
    return _Array(array.dtype.str, array.shape, array.tobytes())


def _array(sent: _Array) -> NDArray[Any]:
    """Writable, as the compiler's own are: for arrays that are not, the kernels would be compiled anew."""
    return np.frombuffer(sent.content, np.dtype(sent.dtype)).reshape(sent.shape).copy()
