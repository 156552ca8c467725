"""Traits in events: pages and rules are given the same, and what is no trait says nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import WIRE_VERSION, Event, Kind, More, Traits
from engine.kernels.decode import COLUMNS, OK
from engine.kernels.groups import trait
from engine.ports.records import as_columns
from engine.ports.traits import TraitWord
from engine.sources.registry import sources
from engine.stream.decode import decode
from engine.stream.traits import traits_in
from engine.traits import MOST_TRAITS, fault_of, is_name
from tests.kernels.values import decoded
from tests.stream.test_worker import CUSTOMER, START, KafkaRecord

LAYOUT = np.dtype(trait.FIELDS)
encode = msgspec.msgpack.Encoder().encode

NAMES = st.text(min_size=1, max_size=70).filter(is_name)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=60) | st.sampled_from(["1.10", "3.9.1", "x" * 256, "", "007"])
VALUES = st.none() | st.booleans() | NUMBERS | TEXTS.filter(lambda text: not fault_of(text))
SAID = st.dictionaries(NAMES, VALUES, max_size=MOST_TRAITS)


def event(traits: object, trust: int = 1, at: int = START, kind: int = Kind.TRAITS_SET) -> bytes:
    """Its traits may be anything that MessagePack has."""
    fields: list[Any] = list(msgspec.structs.astuple(Event(WIRE_VERSION, int(Kind.IDENTIFIED), at, "id")))
    fields[11], fields[14] = trust, [kind, 0, [], traits]
    return encode(fields)


def words(value: bytes) -> list[TraitWord]:
    batch = decode(as_columns([KafkaRecord(7, value)]), 1, 4, "events", sources())
    assert not batch.dead
    assert traits_in(batch, 0, 0) == []
    found = traits_in(batch, 0, 1)
    assert [change.customer for change in found] == [CUSTOMER] * len(found)
    return [word for change in found for word in change.words]


def row_of(value: bytes) -> list[tuple[int, int, int]]:
    """What the kernel makes of it, by hash of the name."""
    columns, rows = decoded([value], START), np.zeros(1, LAYOUT)
    assert columns["status"][0] == OK
    trait.apply_trait(rows[0], columns[0], np.frombuffer(value, np.uint8))
    return [
        (n, m, v) for n, m, v in zip(*(rows[0][name].tolist() for name in LAYOUT.names or ()), strict=True) if n
    ]


def as_row(found: list[TraitWord]) -> list[tuple[int, int, int]]:
    return sorted((int(word.place, 16), int(word.order[:16], 16), int(word.order[16:], 16)) for word in found)


@given(SAID, st.integers(-1, 3), st.integers(0, 1))
def test_pages_and_rows_hold_the_same(said: dict[str, Any], rank: int, trust: int) -> None:
    value = event(Traits(rank, "crm", said), trust)
    found = words(value)
    assert {word.trait.name: word.trait.value for word in found} == said
    assert {(word.trait.since, word.trait.by) for word in found} <= {(START, "crm")}
    assert as_row(found) == row_of(value)
    true_rank = rank if trust and rank in (1, 2) else 0
    assert all(int(word.order[:16], 16) >> 62 == true_rank for word in found)


ODD = [
    None, 3, "gold", [], [2], [2, "crm"], [2, "crm", None], [2, "crm", []], [2, "crm", {}], ["x", "crm", {"a": 1}],
    [2, 5, {"a": 1}], [2, "crm", {5: 1}], [2, "crm", {"a": [1]}], [2, "crm", {"a": {"b": 1}}], {"a": 1},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_what_is_no_trait_says_nothing_and_the_event_counts(odd: object) -> None:
    value = event(odd)
    assert words(value) == []
    assert row_of(value) == []


def test_what_is_appended_is_passed_over() -> None:
    value = event([2, "crm", {"plan": "gold"}, "later", {"more": 1}])
    assert [word.trait.name for word in words(value)] == ["plan"]
    assert as_row(words(value)) == row_of(value)


def test_a_value_that_cannot_be_kept_costs_no_other() -> None:
    value = event([2, "crm", {"a": "x" * 257, "b": float("inf"), "": 1, "c" * 65: 1, "good": 1}])
    assert [word.trait.name for word in words(value)] == ["good"]
    assert as_row(words(value)) == row_of(value)


def test_more_than_16_are_not_kept() -> None:
    value = event(Traits(2, "crm", {f"t{i}": i for i in range(MOST_TRAITS + 9)}))
    assert [word.trait.name for word in words(value)] == [f"t{i}" for i in range(MOST_TRAITS)]
    assert as_row(words(value)) == row_of(value)


@given(st.binary(max_size=40))
def test_no_bytes_end_the_worker(noise: bytes) -> None:
    columns, rows = np.zeros(1, COLUMNS), np.zeros(1, LAYOUT)
    columns["traits_length"], columns["at"] = len(noise), START
    trait.apply_trait(rows[0], columns[0], np.frombuffer(noise + b"\x00", np.uint8)[: len(noise)])


def test_an_event_has_its_traits_where_they_are_said_to_be() -> None:
    more = More(kind=int(Kind.TRAITS_SET), traits=Traits(2, "crm", {"plan": "gold"}))
    value = encode(Event(WIRE_VERSION, int(Kind.IDENTIFIED), START, "id", trust=1, more=more))
    assert [word.trait.value for word in words(value)] == ["gold"]
    assert decoded([value], START)["kind"][0] == Kind.TRAITS_SET
