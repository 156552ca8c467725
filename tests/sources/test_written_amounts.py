"""Amounts of money as text: read where they mean one thing only."""

from __future__ import annotations

import pytest

from tests.sources.payloads import read, refusal, track

READ = {
    "12.5": 12.5,
    " 12.50 ": 12.5,
    "1.234": 1.234,  # as JSON and programs write numbers
    "1234.5": 1234.5,
    "€12.50": 12.5,
    "€ 5": 5.0,
    "12,50 €": 12.5,
    "12,5": 12.5,
    "0,500 €": 0.5,
    "1.234,56 €": 1234.56,
    "$1,234.56": 1234.56,
    "1,234,567": 1_234_567.0,
    "1.234.567": 1_234_567.0,
    "1\u202f234,56\xa0€": 1234.56,
    "CHF 1'234.50": 1234.5,
    "US$12.50": 12.5,
    "12.50 EUR": 12.5,
    "R$ 1.234,56": 1234.56,
    "1 234 kr": 1234.0,
}
UNREAD = [
    "€1.234", "1,234", "$1,234", "1.2.3", "1,23,456", "1.234.56", "12,", "5 kg", "5-10", "50%", "-12,50 €", "€",
    "free", "12 50", "1_000", "12€50", "½", "€" * 4_000, "1" * 9_000 + "€", "nan €",
]  # fmt: skip


@pytest.mark.parametrize("written", READ)
def test_what_means_one_thing_is_read(written: str) -> None:
    assert read(track(properties={"price": written})).event.value == pytest.approx(READ[written])


@pytest.mark.parametrize("written", UNREAD)
def test_what_may_mean_two_things_or_nothing_is_not_guessed_at(written: str) -> None:
    payload = track(properties={"price": written})
    assert refusal(payload) == ("bad_number", "properties.price")


def test_pieces_bear_no_currency() -> None:
    assert read(track(properties={"quantity": "2"})).event.quantity == 2
    assert read(track(properties={"quantity": "2 €"})).event.quantity == 1
