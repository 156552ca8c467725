"""A customer's id: the boundaries of its length, and the one place that makes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.customer_id import customer_id
from engine.errors import BadEvent
from engine.events import MAX_CUSTOMER_BYTES

ENGINE = Path(__file__).parent.parent / "engine"


@pytest.mark.parametrize("text", ["a", "ü" * (MAX_CUSTOMER_BYTES // 2), "a" * MAX_CUSTOMER_BYTES, " ", "a\nb"])
def test_one_byte_to_the_most_are_an_id(text: str) -> None:
    assert customer_id(text) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "missing_customer"),
        ("a" * (MAX_CUSTOMER_BYTES + 1), "too_large"),
        ("ü" * (MAX_CUSTOMER_BYTES // 2) + "a", "too_large"),
        ("\ud800", "bad_field"),
    ],
)
def test_what_is_none_names_the_field_and_is_not_quoted(text: str, code: str) -> None:
    with pytest.raises(BadEvent) as refused:
        customer_id(text, "userId")
    assert (refused.value.code, refused.value.field) == (code, "userId")
    assert not text or text not in str(refused.value)


def test_nobody_else_makes_one() -> None:
    makers = [file for file in ENGINE.rglob("*.py") if re.search(r"\bCustomerId\(", file.read_text())]
    assert makers == [ENGINE / "customer_id.py"]
