"""The compiled decoder against msgspec's, on good events and on any bytes."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.events import LINKED, MAX_ID_BYTES, WIRE_VERSION, Event, Kind
from engine.kernels import decode, wire
from engine.kernels.hashing import word_hash
from tests.kernels.values import decoded

NOW = 1_700_000_000_000

moments = st.integers(wire.EARLIEST_MS, NOW + wire.AHEAD_MS)
events = st.builds(
    Event,
    st.just(WIRE_VERSION),
    st.sampled_from([int(kind) for kind in Kind]),
    moments,
    st.text(min_size=1, max_size=25),
    st.text(max_size=40),
    st.text(max_size=300),
    st.floats(0, 1e12, allow_nan=False) | st.integers(0, 10**12),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**45),
    st.text(max_size=20),
    st.just(0) | st.integers(NOW, wire.LATEST_MS),
)


def columns(values: list[bytes], came_in: int = NOW) -> NDArray[np.void]:
    return decoded(values, came_in)


def identity(text: str) -> int:
    """64-bit FNV-1a and MurmurHash3's final mix, in whole numbers; 1 instead of 0, which is no text at all."""
    if not text:
        return 0
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        h = (h ^ h >> 33) * factor % 2**64
    return h ^ h >> 33 or 1


@settings(deadline=None)
@given(st.lists(events, min_size=1, max_size=20))
def test_reads_what_msgspec_wrote(batch: list[Event]) -> None:
    values = [msgspec.msgpack.encode(event) for event in batch]
    for event, got, value, start in zip(
        batch, columns(values), values, np.cumsum([0, *map(len, values)]), strict=False
    ):
        assert got["status"] == decode.OK
        at = min(event.at, event.engine_at or NOW)
        assert (got["kind"], got["at"], got["received_at"]) == (event.kind, at, event.received_at)
        assert (got["value"], got["quantity"]) == (event.value, event.quantity)
        assert got["id"] == identity(event.id)
        assert got["item"] == identity(event.item) == word_hash(event.item)
        assert got["category"] == identity(event.category)
        assert got["order"] == identity(event.order)
        for name, text in (("category", event.category), ("item", event.item)):
            place = int(got[f"{name}_start"]) - int(start)
            assert value[place : place + int(got[f"{name}_length"])].decode() == text


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_get_a_status_and_only_events_are_ok(value: bytes) -> None:
    got = columns([value])[0]
    try:
        event = msgspec.msgpack.decode(value, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError):
        event = None
    if got["status"] == decode.OK and event is not None:
        assert (got["kind"], got["at"]) == (event.kind, min(event.at, event.engine_at or NOW))
    if event is None or event.version != WIRE_VERSION:
        # the decoder does not check that text is UTF-8 (hashes do not care) nor what follows field twelve
        assert got["status"] != decode.OK or not _is_utf8_clean(value)


def _is_utf8_clean(value: bytes) -> bool:
    try:
        raw = msgspec.msgpack.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return isinstance(raw, list) and len(raw) <= 12 and None not in raw and all(type(v) in (int, str) for v in raw)


@settings(deadline=None)
@given(events, st.data())
def test_a_cut_event_is_malformed_and_leaves_its_neighbour_alone(event: Event, data: st.DataObject) -> None:
    whole = msgspec.msgpack.encode(event)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    got = columns([cut, whole])
    assert got["status"][0] == decode.MALFORMED
    assert got["status"][1] == decode.OK
    assert got["id"][1] == identity(event.id)


def test_each_fault_has_its_own_status() -> None:
    good = [1, 1, NOW, "id", "item", "category", 1.5, 1, NOW]

    def status(**changes: object) -> int:
        fields: list[object] = list(good)
        for place, value in changes.items():
            fields[int(place[1:])] = value
        return int(columns([msgspec.msgpack.encode(fields)])["status"][0])

    assert status() == decode.OK
    assert status(_0=2) == decode.MALFORMED
    for code in range(-2, 70):
        known = decode.OK if code in {int(kind) for kind in Kind} else decode.UNKNOWN_TYPE
        assert status(_1=code) == (decode.LINK if code == LINKED else known)
    assert status(_2=NOW + wire.AHEAD_MS + 1) == decode.BAD_TIME
    assert status(_2=0) == decode.BAD_TIME
    assert status(_3="") == decode.MISSING_ID
    assert status(_3="x" * (MAX_ID_BYTES + 1)) == decode.MISSING_ID
    assert status(_4=None, _5=None) == decode.OK
    for bad in (math.nan, math.inf, -math.inf, -0.01, 1.01e12):
        assert status(_6=bad) == decode.BAD_NUMBER
    assert status(_7=-1) == decode.BAD_NUMBER
    assert status(_7=2**32) == decode.BAD_NUMBER
    assert status(_5="c" * 40_000) == decode.TOO_LARGE
    assert status(_6="1.5") == decode.MALFORMED
    assert columns([b'{"type":"track"}'])["status"][0] == decode.JSON
    assert columns([b""])["status"][0] == decode.MALFORMED


def test_how_far_ahead_an_event_may_lie_is_measured_by_when_it_came_in() -> None:
    week = 7 * wire.AHEAD_MS

    def status(at: int, engine_at: int, came_in: int = NOW) -> int:
        event = Event(WIRE_VERSION, 1, at, "id", engine_at=engine_at)
        return int(columns([msgspec.msgpack.encode(event)], came_in)["status"][0])

    for engine_at, bound in ((0, NOW), (NOW + week, NOW + week), (NOW - week, NOW - week)):
        assert status(bound + wire.AHEAD_MS, engine_at) == decode.OK
        assert status(bound + wire.AHEAD_MS + 1, engine_at) == decode.BAD_TIME
    # ring times end, whatever a record says of itself
    for engine_at, came_in in ((2**63 - 1, NOW), (0, 2**63 - 1), (wire.LATEST_MS, NOW)):
        assert status(wire.LATEST_MS, engine_at, came_in) == decode.OK
        assert status(wire.LATEST_MS + 1, engine_at, came_in) == decode.BAD_TIME


def test_the_time_at_which_events_came_in_is_handed_on() -> None:
    values = [msgspec.msgpack.encode(Event(WIRE_VERSION, 1, NOW, "id", engine_at=at)) for at in (0, NOW + 5, 0)]
    came_in = np.full(3, NOW)
    decoded(values, came_in)
    assert came_in.tolist() == [NOW, NOW + 5, NOW]
