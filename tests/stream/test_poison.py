"""Records that are no MessagePack to whoever reads more of them than kernels do: the next record is applied."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from engine.customer_id import customer_id
from engine.events import LINKED, WIRE_VERSION, Event, Kind
from engine.identity.cargo import Cargo, CargoKind, packed
from engine.identity.marker import Parts
from engine.post.letter import Letter, as_letter, number_of
from engine.post.seal import SIGNATURE_HEADER
from tests.stream.link_world import LinkWorld, named
from tests.stream.post_world import SEAL
from tests.stream.test_bad_links import dead_letters
from tests.stream.test_worker import START, KafkaRecord

A, U = customer_id(named("a", 0)), customer_id(named("u", 1))
TEXTS = ("message", U, "identified 0 2")
DEEP = b"\x91" * 5_000 + b"\xc0"
KINDS = [*(int(kind) for kind in Kind), LINKED]


def written(kind: int) -> bytes:
    return msgspec.msgpack.encode(Event(WIRE_VERSION, kind, START, *TEXTS, trust=1))


def broken(value: bytes) -> Iterator[bytes]:
    """`value` with each of its texts made none, and with what nobody looks at behind it."""
    for text in TEXTS:
        yield value.replace(text.encode(), b"\xff" * len(text))
    fields = msgspec.msgpack.decode(value)
    yield b"\xdc\x00\x13" + b"".join(map(msgspec.msgpack.encode, [*fields, *[None] * (18 - len(fields))])) + DEEP


@pytest.mark.parametrize("kind", KINDS)
async def test_a_text_that_is_none_and_depth_without_end_stop_no_worker(kind: int) -> None:
    world = LinkWorld()
    dead_letters(world)
    for value in broken(written(kind)):
        world.put(A, 1, value)
    world.happens(A, 9, Kind.CART_VIEWED)
    await world.done()
    assert (await world.store.position(0)).offset == len(world.logs[0])
    assert await world.stored(A) is not None


@pytest.mark.parametrize(
    "body",
    [
        packed(Cargo(CargoKind.MERGE, Parts.ALL, b"\x92\xc4\x00\x91\xa1\xff")),
        packed(Cargo(CargoKind.KEEP, Parts.REST, b"\x92\x81\xa1\xff\x91\x01\x80")),
        packed(Cargo(CargoKind.MERGE, Parts.ALL, b"\x93\xc4\x00\x90" + DEEP)),
        b"\x94\x00\x03\xc4\x00" + DEEP,
    ],
    ids=["merged", "history", "deep row", "deep cargo"],
)
async def test_cargo_that_is_none_is_a_dead_letter(body: bytes) -> None:
    world = LinkWorld()
    dead = dead_letters(world)
    value = as_letter(written(LINKED), START, Letter(0, 0, number_of(5), 0, (A,), body))
    key = U.encode()
    world.write(1, KafkaRecord(0, value, key, headers=((SIGNATURE_HEADER, SEAL.sign(1, key, value)),)))
    world.happens(U, 1)
    await world.done()
    assert [one.reason for one in dead] == ["malformed"]
    assert await world.events(U) == 1
