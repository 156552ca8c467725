"""A log file as a stream of messages: opened, its format recognised, read line by line or record by record, bad
ones counted."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar, cast

import msgspec

from engine.errors import BadEvent, BadRequest
from engine.events import Message
from engine.replay.formats import otto, packed, rees46, segment, taobao
from engine.replay.message_ids import MessageIds

T = TypeVar("T", bytes, object)
Read = Callable[[T, MessageIds], list[Message]]
Format = Literal["rees46", "taobao", "otto", "segment", "packed"]
HEAD_BYTES = 64 * 1024  # of the first line, to recognise it by
KEPT_FAULTS = 20


class LineFaults(msgspec.Struct):
    """Lines or records that could not be read: how many, and the first few as ``file:number: reason``."""

    count: int = 0
    first: list[str] = msgspec.field(default_factory=list)

    def add(self, fault: str) -> None:
        """Count one, remember it while there is room."""
        self.count += 1
        if len(self.first) < KEPT_FAULTS:
            self.first.append(fault)


class ReadPosition:
    """How much of a file has been read, without cost to the reader."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._size = 0

    def follow(self, file: BinaryIO) -> None:
        """From now on of `file`, in bytes on disk."""
        self._file, self._size = file, os.fstat(file.fileno()).st_size

    @property
    def share(self) -> float:
        """0 to 1."""
        if self._file is None or self._file.closed:
            return float(self._file is not None)
        return min(self._file.tell() / self._size, 1.0) if self._size else 0.0


class LogReader(msgspec.Struct, frozen=True):
    """A file to replay.

    ``decode`` turns one Segment payload into its message (the Segment source's own decoding, passed in; only
    Segment files need it). ``salt`` goes into the message ids: equal salt, equal ids, so that a second
    replay of the same file adds nothing. With ``strict`` the first bad line is an error.
    """

    path: Path
    decode: segment.Decode | None = None
    salt: str = ""
    strict: bool = False

    def messages(self, faults: LineFaults, position: ReadPosition | None = None) -> Iterator[Message]:
        """Every message of the file; bad lines go to `faults`, and with `strict` raise `BadRequest`.

        Raises `BadRequest` when the file is missing, damaged or of no format we know.
        """
        found, where = self.format(), position or ReadPosition()
        stream = self._records(faults, where) if found == "packed" else self._lines(found, faults, where)
        for batch in otto.in_time_order(stream) if found == "otto" else stream:
            yield from batch

    def first(self) -> Message:
        """The first message. Raises `BadRequest` where there is none: before anything is started for a replay."""
        faults = LineFaults()
        message = next(self.messages(faults), None)
        if message is None:
            why = "; ".join(faults.first[:3]) or "it holds none"
            raise BadRequest(f"{self.path.name}: no event could be read: {why}", "FILE")
        return message

    def format(self) -> Format:
        """What the file is, from its first line. Raises `BadRequest`."""
        with self._open(ReadPosition()) as file:
            return sniff(self.path.name, file.readline(HEAD_BYTES))

    def _lines(self, found: Format, faults: LineFaults, position: ReadPosition) -> Iterator[list[Message]]:
        with self._open(position) as file:
            read, number = self._reader(found, file)
            for line in file:
                number += 1
                if line.strip():
                    yield self._one(read, line, MessageIds(self.salt, number, line), faults)

    def _records(self, faults: LineFaults, position: ReadPosition) -> Iterator[list[Message]]:
        with self._open(position) as file:
            for number, record in enumerate(packed.records(file, self.path.name), 1):
                yield self._one(packed.read, record, MessageIds(self.salt, number, b""), faults)

    def _reader(self, found: Format, file: BinaryIO) -> tuple[Read[bytes], int]:
        """How to read a line, and the lines of header that are gone."""
        match found:
            case "rees46":
                return rees46.reader(file.readline()), 1
            case "taobao":
                return taobao.read, 0
            case "otto":
                return otto.read, 0
            case _:
                if self.decode is None:
                    raise BadRequest(f"{self.path.name}: a Segment file needs the Segment source", "FILE")
                return segment.reader(self.decode), 0

    def _one(self, read: Read[T], what: T, identity: MessageIds, faults: LineFaults) -> list[Message]:
        try:
            return read(what, identity)
        except BadEvent as error:
            fault = f"{self.path.name}:{identity.line}: {error}"
            if self.strict:
                raise BadRequest(fault, "FILE") from error
            faults.add(fault)
            return []

    @contextmanager
    def _open(self, position: ReadPosition) -> Iterator[BinaryIO]:
        """The file, unpacked when it is gzip. What is wrong with it, also while it is read, is `BadRequest`."""
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise BadRequest(f"{self.path}: {error.strerror or error}", "FILE") from error
        with file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BadRequest(f"{self.path}: a file is needed, for it is read more than once", "FILE")
            position.follow(file)
            try:
                gzipped = file.read(2) == b"\x1f\x8b"
                file.seek(0)
                with cast(BinaryIO, gzip.GzipFile(fileobj=file)) if gzipped else nullcontext(file) as content:
                    yield content
            except (OSError, EOFError, zlib.error) as error:
                raise BadRequest(f"{self.path.name}: damaged: {error}", "FILE") from error


def sniff(name: str, first: bytes) -> Format:
    """The format that begins with the line `first`. Raises `BadRequest` that lists the known formats."""
    if first.startswith(packed.FIRST):
        return "packed"
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
        "(user,item,category,pv|cart|fav|buy,seconds), OTTO jsonl (session, events), Segment jsonl "
        "(one payload a line) or MessagePack records [customer, event], each plain or gz",
        "FILE",
    )
