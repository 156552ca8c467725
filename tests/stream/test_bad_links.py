"""Links that nobody should have made, and mail that nobody sent: counted or a dead letter, and nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from engine.customer_id import CustomerId, customer_id
from engine.events import LINKED, WIRE_VERSION, Event
from engine.identity.cargo import Kept, MergedRow, keep_of, merge_of, packed
from engine.identity.erased_ids import ErasedIds
from engine.identity.marker import Parts
from engine.identity.ties import SHOWN
from engine.ports.kafka import DeadLetter
from engine.post.letter import Letter, as_letter, number_of
from engine.post.seal import FORGED, SIGNATURE_HEADER, UNSIGNED, Seal
from engine.web.api.erasure_reach import ErasureReach
from engine.web.api.known_links import KnownLinks
from tests.stream.link_world import LinkWorld, home_of, named
from tests.stream.post_world import PARTITIONS, SEAL
from tests.stream.test_erasing_ids import erased
from tests.stream.test_worker import START, KafkaRecord

A, U = customer_id(named("a", 0)), customer_id(named("u", 1))


def dead_letters(world: LinkWorld) -> list[DeadLetter]:
    """Those that the world's worker will write."""
    dead: list[DeadLetter] = []

    async def keep(partition: int, letters: Sequence[DeadLetter], forward: object) -> None:
        dead.extend(letters)

    world.worker._send_side_output = keep
    return dead


@pytest.mark.parametrize("upper", [A, "null", "0000", "00000000-0000-0000-0000-000000000000", "Anonymous"])
async def test_a_link_to_oneself_or_to_nobody_has_no_effect_and_is_counted(upper: str) -> None:
    world = LinkWorld()
    world.happens(A, 1)
    said = Event(WIRE_VERSION, LINKED, START + 2_000, "l", upper, "identified 0 2", trust=1)
    world.put(A, 2, msgspec.msgpack.encode(said))
    world.happens(A, 3)
    await world.done()
    assert await world.events(A) == 2
    assert world.meter.value("stream_links", "impossible") == 1
    assert not (await world.ties(A)).is_merged


@pytest.mark.parametrize(
    ("lower", "upper", "reason"),
    [(A, "u" * 300, "too_large"), (A, "", "missing_customer"), ("a" * 300, U, "too_large")],
)
async def test_an_id_that_is_none_is_a_dead_letter_and_the_rest_is_applied(
    lower: str, upper: str, reason: str
) -> None:
    world = LinkWorld()
    dead = dead_letters(world)
    said = Event(WIRE_VERSION, LINKED, START, "l", upper, "identified 0 2", trust=1)
    world.put(lower, 1, msgspec.msgpack.encode(said))
    world.happens(A, 2)
    world.happens(U, 3)
    await world.done()
    assert len(dead) == 1
    assert reason in dead[0].reason or reason in dead[0].detail
    assert dead[0].key == lower.encode()
    assert [await world.events(key) for key in (A, U)] == [1, 1]


def letter(body: bytes) -> bytes:
    value = msgspec.msgpack.encode(Event(WIRE_VERSION, LINKED, START, "forged", U, trust=1))
    return as_letter(value, START, Letter(0, 0, number_of(5), 0, (A,), body))


STRANGER = Seal(SEAL.cluster, {"one": b"x" * 32})


@pytest.mark.parametrize(
    "body",
    [
        packed(merge_of(Parts.ALL, MergedRow(b"", (A,)))),
        packed(keep_of(Kept({"chat": [START]}, {}))),
    ],
)
@pytest.mark.parametrize(("seal", "reason"), [(STRANGER, FORGED), (None, UNSIGNED)])
async def test_forged_mail_brings_neither_a_row_nor_a_history(body: bytes, seal: Seal | None, reason: str) -> None:
    world = LinkWorld()
    dead = dead_letters(world)
    value, key = letter(body), U.encode()
    headers = ((SIGNATURE_HEADER, seal.sign(1, key, value)),) if seal else ()
    world.write(1, KafkaRecord(0, value, key, headers=headers))
    world.happens(U, 1)
    await world.done()
    assert [one.reason for one in dead] == [reason]
    assert (await world.events(U), await world.given(U)) == (1, {})
    assert await world.store.ids_of(1, key) == []
    true = LinkWorld()  # the same, signed by who may: it is the signature that keeps it out
    true.write(1, KafkaRecord(0, value, key, headers=((SIGNATURE_HEADER, SEAL.sign(1, key, value)),)))
    await true.done()
    assert bool(await true.given(U)) or await true.store.ids_of(1, key) == [A]


@pytest.mark.parametrize("many", [300, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_thousands_of_ids_of_one_customer_are_one_row_and_are_all_erased(many: int) -> None:
    """More than the door lets through in a month; the log may hold them all the same."""
    world = LinkWorld()
    ids = [customer_id(f"a-{number}") for number in range(many)]
    for number, one in enumerate(ids):
        world.happens(one, number)
        world.linked(one, U, number)
    world.happens(U, many)
    await world.done(5_000)
    assert await world.events(U) == many + 1
    assert len((await world.ties(U)).merged) == SHOWN
    stored = await world.stored(U)
    assert stored is not None
    assert len(stored) < 4_096
    reached = await ErasureReach(KnownLinks(world.store), world.store).ids(U)
    assert (reached[0], set(reached[1:])) == (U, set(ids))
    erased(world, U, many + 1)
    await world.done(5_000)
    tombstones = [await world.store.tombstones(partition) for partition in range(PARTITIONS)]
    assert all(_kept(tombstones, one) for one in (U, *ids))
    assert await world.stored(U) is None


def _kept(tombstones: Sequence[Mapping[str, int]], customer: CustomerId) -> bool:
    return ErasedIds().digest(customer.encode()) in tombstones[home_of(customer)]
