"""Files of packed records: what msgpack-python wrote is read, and what it did not write is named."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable
from pathlib import Path

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadEvent, BadRequest
from engine.events import MAX_CUSTOMER_BYTES, MAX_ID_BYTES, WIRE_VERSION, CartLine, Event, Kind, Message, More
from engine.kernels import decode, wire
from engine.post.letter import Letter, as_letter, number_of
from engine.replay.formats import packed
from engine.replay.log_reader import LineFaults, LogReader, sniff
from engine.replay.message_ids import MessageIds
from tests.kernels.values import decoded

NOW = 1_700_000_000_000
GOOD = [WIRE_VERSION, int(Kind.ITEM_VIEWED), NOW, "m1", "tv-55", "tv", 899.0, 1, 0, "", 0, 0, 0, None]
FIELDS = len(GOOD)


def file_of(folder: Path, records: Iterable[object], name: str = "log.msgpack") -> Path:
    path = folder / name
    path.write_bytes(b"".join(msgpack.packb(record) for record in records))
    return path


def read(path: Path, salt: str = "", strict: bool = False) -> tuple[list[Message], LineFaults]:
    faults = LineFaults()
    return list(LogReader(path, salt=salt, strict=strict).messages(faults)), faults


def event_of(**changes: object) -> list[object]:
    fields: list[object] = list(GOOD)
    for place, value in changes.items():
        fields[int(place[1:])] = value
    return fields


def test_records_are_messages_under_their_own_ids_plain_and_gzipped(tmp_path: Path) -> None:
    records = [["ann", GOOD], ["käufer", event_of(_3="m2")], ["bob", GOOD[:4]]]
    path = file_of(tmp_path, records)
    messages, faults = read(path)
    assert [(m.customer, m.event.id, m.event.item) for m in messages] == [
        ("ann", "m1", "tv-55"),
        ("käufer", "m2", "tv-55"),
        ("bob", "m1", ""),
    ]
    assert messages[0].event == Event(WIRE_VERSION, 2, NOW, "m1", "tv-55", "tv", 899.0)
    assert faults.count == 0
    gzipped = tmp_path / "named-like-nothing"
    gzipped.write_bytes(gzip.compress(path.read_bytes()))
    assert read(gzipped)[0] == messages


def test_what_an_event_says_beyond_its_fields_is_read(tmp_path: Path) -> None:
    found = read(file_of(tmp_path, [["ann", [*GOOD, [17, 2**32 - 1, [["a", 2**32 - 1, 10**14]] * 15]]]]))[0]
    assert found[0].event.more == More(17, 2**32 - 1, (CartLine("a", 2**32 - 1, 10**14),) * 15)


def test_what_later_releases_append_is_passed_over(tmp_path: Path) -> None:
    longer = [*GOOD[:14], None, "more"]
    assert read(file_of(tmp_path, [["ann", longer]]))[0] == read(file_of(tmp_path, [["ann", GOOD]]))[0]


@pytest.mark.parametrize("salt", ["", "a run of its own"])
def test_a_letter_is_passed_over_for_the_record_that_caused_it_counts(tmp_path: Path, salt: str) -> None:
    cause = msgspec.msgpack.encode(GOOD)
    letter = as_letter(cause, NOW, Letter(3, 0, number_of(7), 0, ("ann",), b"body"))
    path = tmp_path / "dump.msgpack"
    path.write_bytes(b"".join(b"\x92\xa3ann" + value for value in (cause, letter)))
    messages, faults = read(path, salt=salt, strict=True)
    assert [(message.customer, message.event.at) for message in messages] == [("ann", NOW)]
    assert faults.count == 0
    only = file_of(tmp_path, [["ann", [*GOOD, None, []]]])  # the stream takes it for one, whatever it says
    with pytest.raises(BadRequest, match="holds none"):
        LogReader(only).first()


def test_a_run_of_its_own_gets_ids_of_its_own(tmp_path: Path) -> None:
    path = file_of(tmp_path, [["ann", GOOD]] * 3)
    first, again, other = (
        [message.event.id for message in read(path, salt=salt)[0]] for salt in ("one run", "one run", "another")
    )
    assert first == again
    assert len({*first, *other}) == 6


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ([7, GOOD], "malformed: Expected `str`, got `int` - at `$[0]`"),
        (["", GOOD], "missing_customer"),
        (["c" * (MAX_CUSTOMER_BYTES + 1), GOOD], "too_large"),
        (["ann", []], "malformed"),
        (["ann", GOOD[:3]], "malformed"),
        (["ann"], "malformed"),
        ("ann", "malformed"),
        (None, "malformed"),
        (["ann", msgpack.packb(GOOD)], "malformed"),
        (["ann", event_of(_0=2)], "malformed: version"),
        (["ann", event_of(_1=18)], "unknown_type: kind: 18"),
        (["ann", event_of(_1="view")], "malformed"),
        (["ann", event_of(_2=wire.EARLIEST_MS - 1)], "bad_time"),
        (["ann", event_of(_2=wire.LATEST_MS + 1)], "bad_time"),
        (["ann", event_of(_2=float(NOW))], "malformed"),
        (["ann", event_of(_3="")], "missing_id"),
        (["ann", event_of(_3="x" * (MAX_ID_BYTES + 1))], "missing_id"),
        (["ann", event_of(_6=-0.01)], "bad_number: value"),
        (["ann", event_of(_6=1.01e12)], "bad_number: value"),
        (["ann", event_of(_6=float("nan"))], "bad_number: value"),
        (["ann", event_of(_7=-1)], "bad_number: quantity"),
        (["ann", event_of(_7=1 << 32)], "bad_number: quantity"),
        (["ann", event_of(_5="c" * (packed.MOST_WORDS + 1))], "too_large"),
        *((["ann", event_of(**{f"_{place}": 1 << 63})], "malformed") for place in (8, 10, 11, 12)),
        (["ann", event_of(_13=[""])], "malformed: contact"),
        (["ann", event_of(_13=["c" * (MAX_ID_BYTES + 1)])], "malformed: contact"),
        (["ann", event_of(_13=["c-1", 1, "q" * packed.MOST_WORDS])], "too_large"),
        (["ann", event_of(_13="c-1")], "malformed"),
        (["ann", [*GOOD, "more"]], "malformed"),
        (["ann", [*GOOD, [0, 1 << 32]]], "bad_number: more"),
        (["ann", [*GOOD, [0, -1]]], "bad_number: more"),
        (["ann", [*GOOD, [0, 0, [["a", 0, -1]]]]], "bad_number: more"),
        (["ann", [*GOOD, [0, 0, [["a", -1, 0]]]]], "bad_number: more"),
        (["ann", [*GOOD, [0, 0, [["a", 1 << 32, 0]]]]], "bad_number: more"),
        (["ann", [*GOOD, [0, 0, [["a", 0, 10**14 + 1]]]]], "bad_number: more"),
        (["ann", [*GOOD, [0, 0, [["a", 0, 0]] * 16]]], "malformed: more"),
        (["ann", [*GOOD, [0, 0, [["c" * packed.MOST_WORDS, 0, 0]]]]], "too_large"),
    ],
)
def test_a_record_that_is_no_event_is_counted_with_its_number_and_strict_stops(
    tmp_path: Path, record: object, reason: str
) -> None:
    path = file_of(tmp_path, [["ann", GOOD], record, ["bob", GOOD]])
    messages, faults = read(path)
    assert [message.customer for message in messages] == ["ann", "bob"]
    assert faults.count == 1
    assert faults.first[0].startswith(f"log.msgpack:2: {reason}")
    with pytest.raises(BadRequest) as stopped:
        read(path, strict=True)
    assert str(stopped.value) == faults.first[0]


@pytest.mark.parametrize(
    "event",
    [
        event_of(_2=wire.EARLIEST_MS),
        event_of(_2=wire.LATEST_MS),
        event_of(_3="x" * MAX_ID_BYTES),
        event_of(_6=wire.MAX_VALUE),
        event_of(_6=0),
        event_of(_7=0),
        event_of(_7=(1 << 32) - 1),
        event_of(_4="", _5="c" * packed.MOST_WORDS),
        event_of(_13=["c" * MAX_ID_BYTES, 1, "queue", "agent", "reason"]),
    ],
)
def test_what_lies_at_a_bound_is_taken(tmp_path: Path, event: list[object]) -> None:
    messages, faults = read(file_of(tmp_path, [["c" * MAX_CUSTOMER_BYTES, event]]))
    assert (len(messages), faults.first) == (1, [])


def test_text_that_is_no_utf8_is_a_fault_of_its_record(tmp_path: Path) -> None:
    path = file_of(tmp_path, [["ann", GOOD], ["bob", GOOD]])
    path.write_bytes(path.read_bytes().replace(b"ann", b"a\xffn"))
    messages, faults = read(path)
    assert [message.customer for message in messages] == ["bob"]
    assert faults.first == ["log.msgpack:1: bad_field: customer: not UTF-8"]


BAD = {
    "no byte of the format": b"\xc1",
    "an array beyond its bounds": b"\x92\xa3ann\xdd\xff\xff\xff\xff",
    "a map": b"\x92\xa3ann\x81\xa1a\x01",
    "an extension": b"\x92\xa3ann\xd6\xff\x00\x00\x00\x00",
    "text beyond its bounds": b"\x92\xdb\xff\xff\xff\xff" + b"a" * 100,
    "deeper than anything": b"\x92" * 100_000,
    "cut off": b"\x92\xa3an",
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_messagepack_ends_the_file_and_is_named_by_its_number(tmp_path: Path, bad: str) -> None:
    path = file_of(tmp_path, [["ann", GOOD]] * 2)
    path.write_bytes(path.read_bytes() + BAD[bad])
    messages: list[Message] = []
    with pytest.raises(BadRequest, match=r"^log\.msgpack:3: ") as refused:
        messages.extend(LogReader(path).messages(LineFaults()))
    assert len(messages) <= 2
    assert refused.value.field == "FILE"


class Endless(io.RawIOBase):
    """A file that begins a record and never ends it; remembers how much was asked of it."""

    def __init__(self, begin: bytes, then: bytes) -> None:
        self.given, self._begin, self._then = 0, begin, then

    def read(self, size: int = -1, /) -> bytes:
        part, self._begin = (self._begin or self._then)[:size], b""
        self.given += len(part)
        return part


@pytest.mark.parametrize(("depth", "size"), [(1, 8_000), (9, 1_000)])
def test_a_record_without_an_end_is_given_up_before_it_is_held(depth: int, size: int) -> None:
    """Each array and string is within its bounds; together, nested, they would fill any memory."""
    file = Endless(b"\x92\xa1a" + b"\x9f" * depth, msgpack.packb("a" * size))
    with pytest.raises(BadRequest, match=r"^endless:1: larger than"):
        next(packed.records(file, "endless"))  # type: ignore[arg-type]
    assert file.given <= packed.MOST_BYTES + packed.READ_BYTES


def test_it_is_known_by_its_first_byte_and_by_no_name() -> None:
    assert sniff("log.csv", msgpack.packb(["ann", GOOD])) == "packed"
    with pytest.raises(BadRequest, match="MessagePack"):
        sniff("log.msgpack", msgpack.packb([1, 2, 3]))


TEXT = st.text(max_size=12)
ALMOST = st.tuples(
    st.sampled_from([WIRE_VERSION, 0, 2]) | st.just(WIRE_VERSION),
    st.sampled_from([*map(int, Kind), 17, 40, -1, True]),
    st.integers(NOW - 1_000, NOW) | st.integers(-(2**63), 2**64 - 1) | st.floats(),
    TEXT | st.binary(max_size=4),
    TEXT | st.none(),
    TEXT,
    st.floats() | st.integers(-5, 10**13) | st.none(),
    st.integers(-1, 2**33) | st.floats(0, 9),
    st.integers(-1, 2**40),
    TEXT,
    st.integers(-1, NOW),
    st.integers(-(2**63), 2**64 - 1),
).flatmap(lambda fields: st.integers(3, len(fields)).map(lambda size: list(fields[:size])))


@given(st.lists(ALMOST, max_size=8))
def test_what_is_taken_is_what_the_stream_reads_and_means_the_same(events: list[list[object]]) -> None:
    """A replay of the file and the same records written to Kafka come to the same, but for nil as no text, which
    only the stream takes."""
    file = io.BytesIO(b"".join(msgpack.packb(["ann", event]) for event in events))
    for record, event in zip(packed.records(file, "log"), events, strict=True):
        status = int(decoded([msgpack.packb(event)], wire.LATEST_MS)["status"][0])
        message = taken(record)
        if message is None:
            assert status != decode.OK or None in event[3:6]
        else:
            bad_times = (decode.BAD_TIME, decode.BAD_RECORD_TIME)
            assert status == decode.OK or (status in bad_times and message.event.engine_at > 0)
            assert msgspec.to_builtins(message.event)[: len(event)] == event[:FIELDS]


def taken(record: object) -> Message | None:
    """What the reader makes of `record`; None when it refuses it."""
    try:
        return packed.read(record, MessageIds("", 1, b""))[0]
    except BadEvent:
        return None
