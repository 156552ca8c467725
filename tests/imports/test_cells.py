"""Cells: what is cleaned, and what is refused."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal

import pytest

from engine.imports.cells import BadCell, clean
from engine.imports.mapping import FileMapping, Type
from engine.traits import TraitValue

GERMAN = FileMapping("id", (), region="DE", decimal=",", dates="%d.%m.%Y")
PLAIN = FileMapping("id", ())


@pytest.mark.parametrize(
    ("cell", "kind", "mapping", "value", "how"),
    [
        ("  gold ", "text", PLAIN, "gold", ""),
        (7.0, "text", PLAIN, "7", ""),
        (True, "text", PLAIN, "true", ""),
        ("12.5", "number", PLAIN, 12.5, ""),
        ("1,234.5", "number", PLAIN, 1234.5, "number"),
        ("1.234,5", "number", GERMAN, 1234.5, "number"),
        ("1.234.567", "number", GERMAN, 1_234_567.0, "number"),
        ("-3,25", "number", GERMAN, -3.25, "number"),
        ("1 234", "number", PLAIN, 1234.0, "number"),
        (Decimal("1.5"), "number", PLAIN, 1.5, ""),
        ("Ja", "flag", PLAIN, True, ""),
        ("0", "flag", PLAIN, False, ""),
        (False, "flag", PLAIN, False, ""),
        ("2024-02-29", "date", PLAIN, 1_709_164_800_000.0, ""),
        ("29.02.2024", "date", GERMAN, 1_709_164_800_000.0, ""),
        ("2024-02-29T01:00:00+01:00", "date", PLAIN, 1_709_164_800_000.0, ""),
        (datetime.date(2024, 2, 29), "date", PLAIN, 1_709_164_800_000.0, ""),
        ("1931-05-04", "date", PLAIN, -1_220_140_800_000.0, ""),
        ("Anna@EXAMPLE.com", "email", PLAIN, "Anna@example.com", "email"),
        ("anna@example.com", "email", PLAIN, "anna@example.com", ""),
        ("030 / 90 12 34 56", "phone", GERMAN, "+493090123456", "phone"),
        ("0049 30 90123456", "phone", PLAIN, "+493090123456", "phone"),
        ("+493090123456", "phone", PLAIN, "+493090123456", ""),
        ("\ufeffgold\u200b", "text", PLAIN, "gold", "unseen"),
        ("\u00a0gold\u00a0", "text", PLAIN, "gold", ""),
        ("Anna\u00a0Maria", "text", PLAIN, "Anna Maria", "unseen"),
        ("g\0ol\x07d", "text", PLAIN, "gold", "unseen"),
        ("two\nlines", "text", PLAIN, "two\nlines", ""),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "text",
            PLAIN,
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "",
        ),
        ('="007"', "text", PLAIN, "007", "formula"),
        ("12\u200b.5", "number", PLAIN, 12.5, "unseen"),
        ("1\u202f234,5", "number", GERMAN, 1234.5, "number"),
        ("ja\u200d", "flag", PLAIN, True, "unseen"),
        ("\u200e2024-02-29\u202c", "date", PLAIN, 1_709_164_800_000.0, "unseen"),
        ("ann@example.com\u200b", "email", PLAIN, "ann@example.com", "unseen"),
        ("+49\u00a030\u00a090123456", "phone", PLAIN, "+493090123456", "phone"),
    ],
)
def test_a_cell_is_cleaned(cell: object, kind: Type, mapping: FileMapping, value: TraitValue, how: str) -> None:
    found = clean(cell, kind, mapping)
    assert found is not None
    assert (found.value, type(found.value), found.how) == (value, type(value), how)


@pytest.mark.parametrize("cell", [None, "", "  ", math.nan, "\ufeff", "\u00a0\u200b", '=""'])
@pytest.mark.parametrize("kind", ["text", "number", "flag", "date", "email", "phone"])
def test_an_empty_cell_says_nothing(cell: object, kind: Type) -> None:
    assert clean(cell, kind, PLAIN) is None


@pytest.mark.parametrize(
    ("cell", "kind", "mapping", "reason"),
    [
        ("x" * 257, "text", PLAIN, "too_long"),
        ("é" * 129, "text", PLAIN, "too_long"),
        ([1], "text", PLAIN, "bad_text"),
        ("nan", "number", PLAIN, "bad_number"),
        ("-inf", "number", PLAIN, "bad_number"),
        ("1e999", "number", PLAIN, "bad_number"),
        ("1_000", "number", PLAIN, "bad_number"),
        ("1,5", "number", PLAIN, "bad_number"),
        ("1.5", "number", GERMAN, "bad_number"),
        ("١٢", "number", PLAIN, "bad_number"),
        ("9" * 300, "number", PLAIN, "bad_number"),
        ("perhaps", "flag", PLAIN, "bad_flag"),
        ("2", "flag", PLAIN, "bad_flag"),
        ("2023-02-29", "date", PLAIN, "impossible_date"),
        ("0001-01-01", "date", PLAIN, "impossible_date"),
        ("1899-12-31", "date", PLAIN, "impossible_date"),
        ("2136-01-01", "date", PLAIN, "impossible_date"),
        ("31.02.2024", "date", GERMAN, "impossible_date"),
        ("yesterday", "date", PLAIN, "bad_date"),
        (True, "date", PLAIN, "bad_date"),
        (3, "date", PLAIN, "number_for_date"),
        (45351.0, "date", PLAIN, "number_for_date"),
        ("45351", "date", PLAIN, "number_for_date"),
        ("45351,5", "date", GERMAN, "number_for_date"),
        ("1709164800000", "date", PLAIN, "number_for_date"),
        ("20240230", "date", PLAIN, "impossible_date"),
        ("2024-02-30", "date", PLAIN, "impossible_date"),
        ("2024-02-30T10:00:00Z", "date", PLAIN, "impossible_date"),
        ("2024-13-01", "date", PLAIN, "impossible_date"),
        ("0000-00-00", "date", PLAIN, "impossible_date"),
        ("03/04/2024", "date", PLAIN, "other_date"),
        ("29.02.2024", "date", PLAIN, "other_date"),
        ("3-Apr-2024", "date", PLAIN, "other_date"),
        ("01/02/03", "date", PLAIN, "other_date"),
        ("2024-2-9", "date", PLAIN, "other_date"),
        ("2024-02-29", "date", GERMAN, "other_date"),
        ("29.02.24", "date", GERMAN, "other_date"),
        ("02/29/2024", "date", GERMAN, "other_date"),
        ("30.02.2024", "date", GERMAN, "impossible_date"),
        ("1.13.2024", "date", GERMAN, "impossible_date"),
        ("anna@", "email", PLAIN, "bad_email"),
        ("anna@localhost", "email", PLAIN, "bad_email"),
        (3, "email", PLAIN, "bad_email"),
        ("030 90123456", "phone", PLAIN, "bad_phone"),
        ("+49 0", "phone", PLAIN, "bad_phone"),
        ("no phone", "phone", GERMAN, "bad_phone"),
    ],
)
def test_a_cell_is_refused_with_a_reason_alone(
    cell: object, kind: Type, mapping: FileMapping, reason: str
) -> None:
    with pytest.raises(BadCell) as refused:
        clean(cell, kind, mapping)
    assert str(refused.value) == refused.value.reason == reason
