"""A file's lines, one at a time: CSV, plain or gz, or Parquet. What is no line of it is handed on as such.

No more than a few lines are held, whatever the file's size. A quote that is not closed costs its own line: what a
reader of CSV would take for a cell of many lines is refused after `MOST_LINES` of them, and reading goes on with
the line behind the one that it began in.
"""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from engine.errors import BadRequest, BadSettings
from engine.imports.mapping import FileMapping
from engine.imports.unseen import seen

MOST_LINES = 16  # of the file, that one line of the table may take
MOST_BYTES = 64 * 1024  # of a line of the file
PARQUET = b"PAR1"
ROWS_AT_ONCE = 1_000  # of Parquet

csv.field_size_limit(MOST_LINES * MOST_BYTES)


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line of the table: its number in the file (of Parquet: the row's), and the cells of the columns that are
    needed, by name; or why it is none."""

    number: int
    cells: Mapping[str, object]
    fault: str = ""


class FileProgress:
    """How much of a file was read, 0 to 1."""

    def __init__(self) -> None:
        self.share = 0.0


def lines(path: Path, mapping: FileMapping, progress: FileProgress) -> Iterator[Line]:
    """The lines of `path`. Raises `BadRequest` for a file without what the mapping needs, or that ends too soon,
    and `BadSettings` for Parquet without pyarrow."""
    try:
        with path.open("rb") as file:
            begin = file.read(4)
            file.seek(0)
            if begin == PARQUET:
                yield from _of_parquet(path, mapping, progress)
                return
            size = max(os.fstat(file.fileno()).st_size, 1)
            packed = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if begin[:2] == b"\x1f\x8b" else None
            with packed or nullcontext(file) as content:
                for line in _of_csv(path.name, _PhysicalLines(content, mapping.encoding), mapping):
                    progress.share = min(file.tell() / size, 1.0)
                    yield line
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadRequest(f"{path.name}: cannot be read: {why}", "FILE") from error


class _PhysicalLines:
    """Lines of a file with their numbers from 1 (None: no text, or too long), which can be put back."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file, self._encoding = file, "utf-8-sig" if encoding == "utf-8" else encoding
        self._number = 0
        self.first = b""  # line, as it lies there
        self._back: deque[tuple[int, str | None]] = deque()

    def next(self) -> tuple[int, str | None] | None:
        """The next, None at the end."""
        if self._back:
            return self._back.popleft()
        data = self._file.readline(MOST_BYTES)
        if not data:
            return None
        self.first = self.first or data
        self._number += 1
        long = len(data) == MOST_BYTES and not data.endswith(b"\n")
        rest = data
        while rest and not rest.endswith(b"\n") and len(rest) == MOST_BYTES:
            rest = self._file.readline(MOST_BYTES)
        return self._number, None if long else self._text(data)

    def back(self, read: list[tuple[int, str | None]]) -> None:
        """Read these again next."""
        self._back.extendleft(reversed(read))

    def _text(self, data: bytes) -> str | None:
        try:
            text = data.decode(self._encoding)
        except UnicodeDecodeError:
            return None
        finally:
            if self._encoding == "utf-8-sig":
                self._encoding = "utf-8"  # a mark stands at the beginning alone
        return text


def _of_csv(name: str, file: _PhysicalLines, mapping: FileMapping) -> Iterator[Line]:
    header = _next_cells(file, mapping.delimiter)
    if fault := _fault_of_first(file.first):
        raise BadRequest(f"{name}: {fault}", "FILE")
    if header is None or isinstance(header[1], str):
        raise BadRequest(f"{name}: no line with the names of columns", "FILE")
    places = _places(name, [seen(cell) for cell in header[1]], mapping)
    width = len(header[1])
    while (found := _next_cells(file, mapping.delimiter)) is not None:
        number, cells = found
        if isinstance(cells, str):
            yield Line(number, {}, cells)
        elif len(cells) != width:
            if cells:  # an empty line is none
                yield Line(number, {}, "wrong_columns")
        else:
            yield Line(number, {column: cells[place] for column, place in places.items()})


def _fault_of_first(line: bytes) -> str:
    """What shows in the first line that no line can be read; empty: nothing."""
    if b"\0" in line:
        return "its first line has NUL bytes, as files of UTF-16 have: save it as UTF-8 (in Excel: CSV UTF-8)"
    if b"\r" in line.rstrip(b"\r\n"):
        return "its lines end with CR alone: save it with LF or CRLF"
    return ""


def _next_cells(file: _PhysicalLines, delimiter: str) -> tuple[int, list[str] | str] | None:
    """The number of the next line and its cells, or why it has none; None at the end."""
    read: list[tuple[int, str | None]] = []
    while (one := file.next()) is not None:
        read.append(one)
        text = one[1]
        if text is None:
            break
        try:
            cells = _cells("".join(part for _, part in read if part is not None), delimiter)
        except csv.Error as fault:
            if "new-line" in str(fault):
                return _refused(file, read, "stray_line_end")
            if "unexpected end" not in str(fault) or len(read) == MOST_LINES:
                break
        else:
            return read[0][0], cells
    if not read:
        return None
    return _refused(file, read, "not_text" if read[0][1] is None else "bad_quotes")


def _refused(file: _PhysicalLines, read: list[tuple[int, str | None]], why: str) -> tuple[int, list[str] | str]:
    """The first line of those `read` has no cells; the others are read again."""
    file.back(read[1:])
    return read[0][0], why


def _cells(text: str, delimiter: str) -> list[str]:
    found = list(csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True))
    return found[0] if found else []


def _places(name: str, header: list[str], mapping: FileMapping) -> dict[str, int]:
    """Where each needed column stands. Raises `BadRequest` that names those that are not there."""
    missing = [column for column in mapping.needed if header.count(column) != 1]
    if missing:  # without what the line holds: of a file that has no names it is a customer
        which = f"no column, or more than one, is called {', '.join(missing)}"
        raise BadRequest(f"{name}: {which}; its first line has {len(header)} columns", "FILE")
    return {column: header.index(column) for column in mapping.needed}


def _of_parquet(path: Path, mapping: FileMapping, progress: FileProgress) -> Iterator[Line]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise BadSettings("a Parquet file needs pyarrow: pip install 'cueline[parquet]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            _places(path.name, list(file.schema_arrow.names), mapping)
            yield from _rows(file, mapping, progress)
    except pyarrow.ArrowException as error:
        raise BadRequest(f"{path.name}: cannot be read: {error}", "FILE") from error


def _rows(file: Any, mapping: FileMapping, progress: FileProgress) -> Iterator[Line]:
    number, count = 0, max(file.metadata.num_rows, 1)
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(mapping.needed)):
        for row in batch.to_pylist():
            number += 1
            progress.share = number / count
            yield Line(number, row)
