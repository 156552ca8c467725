"""msgspec's own words, as this version of it says them, taken apart; and that every border uses that."""

from __future__ import annotations

import enum

import msgspec
import pytest

from engine.decisions.request import read_request
from engine.errors import BadEvent, BadRequest
from engine.sources.segment.batch import read_batch
from engine.validation_errors import describe_validation_error
from engine.web.api.outcomes import read_report


class Word(enum.Enum):
    YES = "yes"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    n: int


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    a: int
    inner: Inner | None = None
    many: list[Inner] = []
    word: Word = Word.YES


@pytest.mark.parametrize(
    ("body", "detail", "field"),
    [
        (b'{"a": "x"}', "Expected `int`, got `str`", "a"),
        (b"{}", "Object missing required field `a`", "a"),
        (b'{"a": 1, "b": 2}', "Object contains unknown field `b`", "b"),
        (b'{"a": 1, "inner": {}}', "Object missing required field `n`", "inner.n"),
        (b'{"a": 1, "inner": {"n": 1, "m": 1}}', "Object contains unknown field `m`", "inner.m"),
        (b'{"a": 1, "many": [{"n": 1}, {"n": "x"}]}', "Expected `int`, got `str`", "many[1].n"),
        (b'{"a": 1, "word": "w - at `$.a`"}', "Invalid enum value 'w - at `$.a`'", "word"),
        (b'{"a": 1, "word": "field `a`"}', "Invalid enum value 'field `a`'", "word"),
        (b"[]", "Expected `object`, got `array`", ""),
    ],
)
def test_detail_and_field(body: bytes, detail: str, field: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(body, type=Outer)
    assert describe_validation_error(str(refused.value)) == (detail, field)


def test_every_border_names_the_field() -> None:
    with pytest.raises(BadRequest) as asked:
        read_request(b"{}")
    with pytest.raises(BadRequest) as reported:
        read_report(b'{"decisionId": "d", "offerId": "o", "outcome": "accepted - at `$.at`"}')
    with pytest.raises(BadEvent) as sent:
        read_batch(b"{}")
    assert (asked.value.field, reported.value.field, sent.value.field) == ("channel", "outcome", "batch")
    assert sent.value.code == "malformed"
