"""What links have mailed follows from the log, what is committed and constants; on Valkey as in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from engine.customer_id import customer_id
from engine.events import Kind
from engine.identity.cargo import CargoKind, cargo_in, merged_row
from engine.identity.link import Cause
from engine.kernels.row import ROW
from engine.ports.decision_store import Candidate, Reservation, Taking
from engine.ports.kafka import Mail
from engine.ports.offer_history import FROZEN
from engine.post.letter import Letter, letter_in
from engine.post.seal import Seal
from engine.settings import Redis
from engine.state.row_codec import read
from engine.store.redis import RedisStore
from tests.services import Valkey
from tests.stream.link_world import BESIDE, LinkWorld, home_of, named
from tests.stream.post_world import PARTITIONS, SEAL
from tests.stream.test_worker import START

A, P, U, OTHER = named("a", 0), named("p", 1), named("u", 2), named("u", 0)
Content = tuple[bytes, Letter, Mapping[str, bytes]]


def told(world: LinkWorld) -> None:
    """Each kind of mail: rows, events and orders, by signed and unsigned links, through two hops."""
    for number in range(0, 12, 2):
        world.happens((A, P, OTHER)[number % 3], number, Kind.ORDER_COMPLETED, order=f"o{number}", value=9.0)
        world.happens((A, P, OTHER)[number % 3], number + 1, Kind.ITEM_VIEWED, item=f"i{number}")
    world.linked(A, P, 12, signed=False)
    world.happens(A, 13)
    world.linked(P, U, 14)
    world.happens(A, 15)
    world.linked(A, P, 16)
    world.linked(OTHER, U, 17, cause=Cause.ALIASED)
    world.happens(OTHER, 18)


def content(mail: Mail) -> Content:
    """What a letter says: of a row all but what rules made of it, and in which order its messages came."""
    letter = letter_in(mail.value)
    cargo = cargo_in(letter.body)
    if cargo.kind is not CargoKind.MERGE or not (row := merged_row(cargo).row):
        return mail.key, letter, {}
    fields = {name: read([row])[name].tobytes() for name in set(ROW.names or ()) - BESIDE}
    return mail.key, msgspec.structs.replace(letter, body=b""), fields


async def mailed(
    most: int, on: bool = True, seal: Seal = SEAL, clock_ms: int = START, **settings: object
) -> list[Content]:
    world = LinkWorld()
    await world.work(1)
    told(world)
    for partition in range(PARTITIONS):
        world.store._partitions[partition].post["mails"] = "0"
    world.worker = world.new_worker(on, seal, clock_ms, **settings)
    sent: list[Content] = []
    send = world.worker._office._send

    async def note(letters: Sequence[Mail]) -> None:
        sent.extend(map(content, letters))
        signed = [
            msgspec.structs.replace(one, signature=SEAL.sign(home_of(one.key.decode()), one.key, one.value))
            for one in letters
        ]
        await send(signed)

    world.worker._office._send = note
    world.worker._office.seal = SEAL if seal is SEAL else Seal(SEAL.cluster, {**seal.secrets, **SEAL.secrets})
    await world.done(most)
    return sorted(sent, key=lambda one: (one[1].sender, one[1].number, one[0]))


async def test_what_links_have_mailed_depends_on_the_log_and_what_is_committed_alone() -> None:
    wanted = await mailed(100)
    assert len(wanted) > 6
    for other in (
        mailed(1),
        mailed(3, rows_per_commit=1),
        mailed(100, on=False),
        mailed(4, clock_ms=START + 10**10, lateness_ms=0),
        mailed(5, seal=Seal(SEAL.cluster, {"two": b"2" * 32})),
        mailed(2, rows_in_memory=1),
    ):
        assert await other == wanted


async def given(store: RedisStore, key: str, offer: str) -> Taking:
    """What becomes of an offer that may be given once."""
    wanted = Reservation(customer_id(key), f"{home_of(key)}-{key}", START, (Candidate(offer, 1, 10**12),), b"r")
    ((taking,),) = await store.reserve([wanted])
    return taking


async def test_on_valkey_rows_markers_and_histories_are_as_in_memory(valkey: Valkey) -> None:
    there, memory = LinkWorld(), LinkWorld()
    store = RedisStore(Redis(url=valkey.socket_url, timeout_s=20), PARTITIONS)
    there.store = store  # type: ignore[assignment]
    there.worker = there.new_worker()
    try:
        assert await given(store, A, "chat") is Taking.TAKEN
        told(there)
        told(memory)
        await there.done(5)
        await memory.done(5)
        for key in (A, P, U, OTHER):
            assert await there.row(key) == await memory.row(key)
            assert await there.ties(key) == await memory.ties(key)
        assert FROZEN in await there.given(A)
        assert [await given(store, key, "chat") for key in (A, P, U)] == [
            Taking.MOVED,
            Taking.MOVED,
            Taking.CAPPED,
        ]
    finally:
        await store.close()
