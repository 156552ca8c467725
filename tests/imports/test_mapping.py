"""Mapping files of imports: what they mean, and every fault at its place."""

from __future__ import annotations

import pytest

from engine.errors import BadRule
from engine.imports.mapping import Column, parse
from tests.imports.builders import MAPPING


def test_a_mapping_is_read() -> None:
    found = parse(MAPPING + 'at: seen\ndelimiter: ";"\ndecimal: ","\nencoding: latin-1\ndates: "%d.%m.%Y"\n')
    assert found.columns[:2] == (Column("plan", "tariff", "text"), Column("age", "age", "number"))
    assert found.columns[-1] == Column("member:newsletter", "nl", "flag")
    assert (found.customer, found.at, found.delimiter, found.decimal, found.region) == (
        "id",
        "seen",
        ";",
        ",",
        "DE",
    )
    assert (found.encoding, found.dates) == ("iso8859-1", "%d.%m.%Y")
    assert found.needed == ("id", "seen", "tariff", "age", "joined", "mail", "phone", "nl")


def test_a_tab_is_a_delimiter() -> None:
    assert parse('customer: id\ntraits: {a: b}\ndelimiter: "\\t"').delimiter == "\t"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "mapping.yaml:1:1: mapping: holds no mapping"),
        ("customer: id\n", "1 to 16 traits and memberships are needed, not 0"),
        ("traits: {a: b}\n", "customer"),
        ("customer: id\ntrait: {a: b}\n", "unknown key 'trait'; did you mean traits?"),
        ("customer: id\ntraits: [a]\n", "traits must be a mapping of names to columns"),
        ("customer: id\ntraits: {a: {column: b, type: nummer}}\n", "type must be one of text, number, flag"),
        ('customer: id\ntraits: {"member:a": b}\n', "is no name of one"),
        (f"customer: id\ntraits: {{{'a' * 65}: b}}\n", "is no name of one"),
        ("customer: id\ntraits: {a: b}\ndelimiter: ab\n", "delimiter must be one character"),
        ("customer: id\ntraits: {a: b}\nencoding: utf-16\n", "not of UTF-16"),
        ("customer: id\ntraits: {a: b}\nencoding: latein\n", "encoding must be the name of one"),
        ("customer: id\ntraits: {a: b}\ndates: '%d.%m.%y'\n", "dates has a year of two digits"),
        ("customer: id\ntraits: {a: b}\ndates: '%x'\n", "dates has a year of two digits"),
        ("customer: id\ntraits: {a: b}\ndates: dd.mm.yyyy\n", "dates names no day, month and year"),
        ("customer: id\ntraits: {a: b}\ndates: '%m/%Y'\n", "dates names no day, month and year"),
        ("customer: id\ntraits: {a: b}\ndates: '%d.%m.%Y %'\n", "dates cannot be read back"),
        ("customer: id\ntraits: {a: b}\nregion: Germany\n", "region must be two capital letters"),
        ("customer: id\ntraits: {a: b}\ndecimal: '\n", "mapping.yaml"),
        (f"customer: id\ntraits: {{{', '.join(f'a{i}: b' for i in range(17))}}}\n", "needed, not 17"),
    ],
)
def test_a_fault_is_said_at_its_place(text: str, fault: str) -> None:
    with pytest.raises(BadRule) as refused:
        parse(text)
    assert any(fault in line and line.startswith("mapping.yaml:") for line in refused.value.faults), (
        refused.value.faults
    )
