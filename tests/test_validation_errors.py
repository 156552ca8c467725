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
        (b'{"a": "x"}', "a whole number is needed, not a text", "a"),
        (b"{}", "it is needed", "a"),
        (b'{"a": 1, "b": 2}', "there is no such field", "b"),
        (b'{"a": 1, "inner": {}}', "it is needed", "inner.n"),
        (b'{"a": 1, "inner": {"n": 1, "m": 1}}', "there is no such field", "inner.m"),
        (b'{"a": 1, "many": [{"n": 1}, {"n": "x"}]}', "a whole number is needed, not a text", "many[1].n"),
        (b'{"a": 1, "word": "w - at `$.a`"}', "unknown value 'w - at `$.a`'", "word"),
        (b'{"a": 1, "word": "field `a`"}', "unknown value 'field `a`'", "word"),
        (b'{"a": 1, "inner": []}', "an object is needed, not an array", "inner"),
        (b'{"a": null}', "a whole number is needed, not null", "a"),
        (b"[]", "an object is needed, not an array", ""),
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
