"""The decision log's record: what was given to whom, and what it was decided on.

It holds the feature vector and not the reasons, because that takes some 100 bytes however many offers there
are: every candidate's reason follows from it and the rulebook of that revision (`engine.decisions.log`).
"""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.customer_id import CustomerId
from engine.decisions.older_features import in_todays_order
from engine.errors import BadState
from engine.kernels.catalogue import FEATURES
from engine.kernels.sparse import pack_many
from engine.validation_errors import UNREADABLE

RECORD_VERSION = 2
OLDER_VERSION = 1  # with the features of `older_features`
WITHHELD = "w"  # in the id of a record, where of others the time stands: no cue was sent, for want of consent


class Given(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One offer given; the place in the record's `given` is its rank."""

    offer_id: str
    placement: str
    priority: float
    propensity: float
    context_weight: float


class DecisionRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One decision or cue, a MessagePack array: append only.

    ``at`` is engine time (of a cue: of the activation), epoch ms. ``capped`` are offers that a cap held back.
    ``features`` is what `pack_features` made. ``indicator`` is the one that the cue's offer names, ``activated``
    all that were activated at that moment; both empty for a decision. ``arm``: of the experiment. ``anonymous``:
    of a cue, as `Cue` has it. ``others``: the channels of a cue beside `channel`, which is the most promising.
    ``unconsented`` are offers that consent kept back. ``withheld``, where not empty, are the consents for want of
    which no cue was sent, by the names under which they are kept: what is in ``given`` would have been. The
    function in Redis that writes cues fills both in, so they are the last.
    """

    version: int
    customer: CustomerId
    channel: str
    at: int
    revision: str
    given: tuple[Given, ...]
    capped: tuple[str, ...]
    features: bytes
    indicator: str = ""
    activated: tuple[str, ...] = ()
    arm: str = "all"
    anonymous: bool = False
    others: tuple[str, ...] = ()
    unconsented: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()

    @property
    def sent(self) -> tuple[Given, ...]:
        """What was given."""
        return () if self.withheld else self.given

    @property
    def channels(self) -> tuple[str, ...]:
        """Where it was given, the most promising first."""
        return (self.channel, *self.others)

    def vector(self, traits: int = 0) -> NDArray[np.float64]:
        """The features (F) as they were, NaN for those the catalogue has got since, and behind them `traits` of
        the rulebook."""
        found, end = _unpack(self.features)
        if self.version == OLDER_VERSION:
            found = in_todays_order(found)
        vector = np.full(FEATURES + traits, np.nan)
        vector[: min(len(found), FEATURES)] = found[:FEATURES]
        if traits and end < len(self.features):
            behind = _unpack(self.features[end:])[0]
            vector[FEATURES : FEATURES + len(behind)] = behind[:traits]
        return vector


def pack_features(features: NDArray[np.float64]) -> list[bytes]:
    """Each of `features` (float64, N x F, and traits behind them) as stored: how many features there are (two
    bytes), a bit for each that is not 0, then those (float64). Most of them are 0. The traits, if there are some,
    follow in the same form, so that they keep their places when the catalogue grows."""
    if features.shape[1] <= FEATURES:
        return _packed(features)
    parts = _packed(features[:, :FEATURES].copy()), _packed(features[:, FEATURES:].copy())
    return [one + other for one, other in zip(*parts, strict=True)]


def _packed(features: NDArray[np.float64]) -> list[bytes]:
    packed, ends = (
        np.empty(len(features) * (3 + 9 * features.shape[1]), np.uint8),
        np.empty(len(features), np.int64),
    )
    pack_many(features, packed, ends)
    limits = [0, *ends.tolist()]
    data = packed[: limits[-1]].tobytes()
    return [data[start:end] for start, end in pairwise(limits)]


def _unpack(packed: bytes) -> tuple[NDArray[np.float64], int]:
    """The values that `packed` begins with, and where they end."""
    count = int.from_bytes(packed[:2], "little")
    start = 2 + (count + 7) // 8
    some = np.unpackbits(np.frombuffer(packed[2:start], np.uint8), count=count).astype(np.bool_)
    end = start + 8 * int(np.count_nonzero(some))
    values = np.zeros(count)
    values[some] = np.frombuffer(packed[start:end], np.float64)
    return values, end


def is_withheld(decision_id: str) -> bool:
    """
    >>> is_withheld("7-w-0123456789abcdef"), is_withheld("7-18c-0123456789abcdef")
    (True, False)
    """
    return decision_id.split("-", 2)[1:2] == [WITHHELD]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DecisionRecord).decode


def encode_record(record: DecisionRecord) -> bytes:
    """The record as stored."""
    return _encode(record)


def read_record(stored: bytes) -> DecisionRecord:
    """The record in `stored`. Raises `BadState` when it is none of ours."""
    try:
        record = _decode(stored)
    except UNREADABLE as fault:
        raise BadState(f"a stored decision cannot be read: {fault}") from None
    if record.version not in (OLDER_VERSION, RECORD_VERSION):
        raise BadState(f"a stored decision is of version {record.version}")
    return record
