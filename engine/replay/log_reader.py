"""A log file as a stream of messages: opened, its format recognised, read line by line, bad lines counted."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Literal, cast

import msgspec

from engine.errors import BadEvent, BadRequest
from engine.events import Message
from engine.replay.formats import otto, rees46, segment, taobao
from engine.replay.message_ids import MessageIds

Read = Callable[[bytes, MessageIds], list[Message]]
Format = Literal["rees46", "taobao", "otto", "segment"]
KEPT_FAULTS = 20


class LineFaults(msgspec.Struct):
    """Lines that could not be read: how many, and the first few as ``file:line: reason``."""

    count: int = 0
    first: list[str] = msgspec.field(default_factory=list)

    def add(self, fault: str) -> None:
        """Count one, remember it while there is room."""
        self.count += 1
        if len(self.first) < KEPT_FAULTS:
            self.first.append(fault)


class LogReader(msgspec.Struct, frozen=True):
    """A file to replay.

    ``decode`` turns one Segment payload into its message (the door's own decoding, passed in; only
    Segment files need it). ``salt`` goes into the message ids: equal salt, equal ids, so that a second
    replay of the same file adds nothing. With ``strict`` the first bad line is an error.
    """

    path: Path
    decode: segment.Decode | None = None
    salt: str = ""
    strict: bool = False

    def messages(self, faults: LineFaults) -> Iterator[Message]:
        """Every message of the file; bad lines go to `faults`, and with `strict` raise `BadRequest`.

        Raises `BadRequest` when the file is missing, damaged or of no format we know.
        """
        stream = otto.in_time_order(self._lines(faults)) if self.format() == "otto" else self._lines(faults)
        for batch in stream:
            yield from batch

    def format(self) -> Format:
        """What the file is, from its first line. Raises `BadRequest`."""
        with closing(self._open()) as file:
            first = next(self._raw(file), b"")
        return sniff(self.path.name, first)

    def _lines(self, faults: LineFaults) -> Iterator[list[Message]]:
        with closing(self._open()) as file:
            lines = self._raw(file)
            read, number = self._reader(lines)
            for line in lines:
                number += 1
                if line.strip():
                    yield self._one(read, line, number, faults)

    def _reader(self, lines: Iterator[bytes]) -> tuple[Read, int]:
        """How to read a line, and the lines of header that are gone."""
        match self.format():
            case "rees46":
                return rees46.reader(next(lines)), 1
            case "taobao":
                return taobao.read, 0
            case "otto":
                return otto.read, 0
            case _:
                if self.decode is None:
                    raise BadRequest(f"{self.path.name}: a Segment file needs the Segment door", "FILE")
                return segment.reader(self.decode), 0

    def _one(self, read: Read, line: bytes, number: int, faults: LineFaults) -> list[Message]:
        try:
            return read(line, MessageIds(self.salt, number, line))
        except BadEvent as error:
            fault = f"{self.path.name}:{number}: {error}"
            if self.strict:
                raise BadRequest(fault, "FILE") from error
            faults.add(fault)
            return []

    def _open(self) -> BinaryIO:
        try:
            file = self.path.open("rb")
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
        except OSError as error:
            raise BadRequest(f"{self.path}: {error.strerror or error}", "FILE") from error
        return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file

    def _raw(self, file: BinaryIO) -> Iterator[bytes]:
        try:
            yield from file
        except (OSError, EOFError, zlib.error) as error:
            raise BadRequest(f"{self.path.name}: damaged: {error}", "FILE") from error


def sniff(name: str, first: bytes) -> Format:
    """The format whose first line `first` is. Raises `BadRequest` that says what is understood."""
    line = first.removeprefix(b"\xef\xbb\xbf").strip()
    if not line:
        raise BadRequest(f"{name}: empty", "FILE")
    if line.startswith(b"event_time,"):
        return "rees46"
    if line.startswith(b"{"):
        return "otto" if b'"session"' in line and b'"events"' in line and b'"aid"' in line else "segment"
    columns = line.split(b",")
    if len(columns) == 5 and columns[3] in taobao.KINDS:
        return "taobao"
    raise BadRequest(
        f"{name}: no format we know: REES46 CSV (first line event_time,event_type,…), Taobao CSV "
        "(user,item,category,pv|cart|fav|buy,seconds), OTTO jsonl (session, events) or Segment jsonl "
        "(one payload a line), each plain or gz",
        "FILE",
    )
