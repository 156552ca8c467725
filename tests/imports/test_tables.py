"""Files line by line: nothing is lost silently, whatever stands between good lines."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadRequest
from engine.imports import tables
from engine.imports.mapping import FileMapping, parse
from engine.imports.tables import FileProgress, Line, lines
from tests.imports.builders import table

PLAIN = parse("customer: id\ntraits: {plan: tariff}\n")
SEMICOLON = parse('customer: id\ntraits: {plan: tariff}\ndelimiter: ";"\nencoding: cp1252\n')


def read(path: Path, mapping: FileMapping = PLAIN) -> list[Line]:
    return list(lines(path, mapping, FileProgress()))


def found(path: Path, mapping: FileMapping = PLAIN) -> list[tuple[int, object, object] | tuple[int, str]]:
    """Number and either the cells or the fault."""
    return [
        (one.number, one.fault) if one.fault else (one.number, one.cells["id"], one.cells["tariff"])
        for one in read(path, mapping)
    ]


def test_lines_are_read_by_the_names_of_their_columns(tmp_path: Path) -> None:
    path = table(tmp_path, b'\xef\xbb\xbfother,tariff ,id\r\n1,gold,a\r\n2,"si""l,ver",b\r\n')
    assert found(path) == [(2, "a", "gold"), (3, "b", 'si"l,ver')]


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    assert found(table(tmp_path, gzip.compress(b"id,tariff\na,gold\n"))) == [(2, "a", "gold")]


def test_other_delimiters_and_encodings(tmp_path: Path) -> None:
    path = table(tmp_path, "id;tariff\nä;groß\n".encode("cp1252"))
    assert found(path, SEMICOLON) == [(2, "ä", "groß")]


def test_bad_lines_stand_between_good_ones_and_cost_no_other(tmp_path: Path) -> None:
    content = b'id,tariff\na,gold\nb\nc,"open\nd,gold\n\xff,gold\n\ne,x"y\nf,"two\nlines"\ng,gold,more\nh,gold\n'
    assert found(table(tmp_path, content)) == [
        (2, "a", "gold"),
        (3, "wrong_columns"),
        (4, "bad_quotes"),
        (5, "d", "gold"),
        (6, "not_text"),
        (8, "e", 'x"y'),
        (9, "f", "two\nlines"),
        (11, "wrong_columns"),
        (12, "h", "gold"),
    ]


def test_a_quote_that_is_never_closed_costs_its_own_line(tmp_path: Path) -> None:
    content = 'id,tariff\na,"open\n' + "".join(f"b{i},gold\n" for i in range(100))
    rows = found(table(tmp_path, content))
    assert rows[0] == (2, "bad_quotes")
    assert rows[1:] == [(i + 3, f"b{i}", "gold") for i in range(100)]


def test_a_line_without_end_is_one_line(tmp_path: Path) -> None:
    content = b"id,tariff\na," + b"x" * (3 * tables.MOST_BYTES) + b"\nb,gold\n"
    assert found(table(tmp_path, content)) == [(2, "not_text"), (3, "b", "gold")]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("id,tariff\na,gold\n".encode("utf-16"), "save it as UTF-8"),
        ("id,tariff\na,gold\n".encode("utf-16-le"), "save it as UTF-8"),
        ("id,tariff\na,gold\n".encode("utf-16-be"), "save it as UTF-8"),
        (gzip.compress("id,tariff\n".encode("utf-16"), mtime=0), "save it as UTF-8"),
        (b"id,tariff\ra,gold\rb,gold\r", "end with CR alone"),
        (b"id,tariff,tariff\na,b,c\n", "more than one, is called tariff"),
        (b"id;tariff\na;gold\n", "is called id, tariff; its first line has 1 columns"),
    ],
)
def test_a_file_that_is_written_otherwise_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, why: str
) -> None:
    with pytest.raises(BadRequest, match=why):
        read(table(tmp_path, content))


def test_what_nobody_sees_in_the_names_of_columns_is_passed_over(tmp_path: Path) -> None:
    path = table(tmp_path, "\ufeff\u200bid\u00a0,tariff\u200b\r\na,gold\r\n")
    assert found(path) == [(2, "a", "gold")]


def test_line_ends_and_nuls_cost_their_own_line_at_most(tmp_path: Path) -> None:
    content = b'id,tariff\r\na,gold\r\nb,go\rld\r\n\x00c,gold\r\n"d","two\r\nlines"\r\ne,gold'
    assert found(table(tmp_path, content)) == [
        (2, "a", "gold"),
        (3, "stray_line_end"),
        (4, "\0c", "gold"),
        (5, "d", "two\r\nlines"),
        (7, "e", "gold"),
    ]


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"tariff,plan\na,b\n", b"id,tariff,tariff\n", b"\xff\xfei\0d\0\n\0"]
)
def test_a_file_without_the_columns_is_refused_without_its_content(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        read(table(tmp_path, content))
    assert "plan" not in str(refused.value)


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    packed = gzip.compress(b"id,tariff\n" + b"a,gold\n" * 10_000)
    with pytest.raises(BadRequest, match="cannot be read"):
        read(table(tmp_path, packed[:-20]))
    with pytest.raises(BadRequest, match="cannot be read"):
        read(tmp_path / "missing.csv")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@given(st.lists(st.tuples(CELLS.filter(bool), CELLS), max_size=30))
def test_what_csv_writes_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("id", "tariff"), *rows])
    path = table(tmp_path_factory.mktemp("csv"), text.getvalue())
    assert [(one.cells["id"], one.cells["tariff"]) for one in read(path)] == rows


@given(st.lists(st.sampled_from([b"a,b\n", b"a\n", b'a,"b\n', b'"a\n', b"\xff,b\n", b'a"b,c\n', b"a,b,c\n"])))
def test_every_line_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:
    path = table(tmp_path_factory.mktemp("csv"), b"id,tariff\n" + b"".join(parts))
    numbers = [one.number for one in read(path)]
    covered = sum(1 for _ in numbers)
    inside = sum(str(cell).count("\n") for one in read(path) for cell in one.cells.values())
    assert numbers == sorted(set(numbers))
    assert covered + inside == len(parts)


def test_parquet_is_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "customers.parquet"
    parquet.write_table(pyarrow.table({"id": ["a", "b"], "tariff": ["gold", None], "other": [1, 2]}), path)
    assert found(path) == [(1, "a", "gold"), (2, "b", None)]
    table(tmp_path, path.read_bytes()[:-8], "cut.parquet")
    with pytest.raises(BadRequest, match="cannot be read"):
        read(tmp_path / "cut.parquet")
