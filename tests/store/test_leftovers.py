"""The search for what is left of a customer: every kind of key is found, and none that is another's or newer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest
import redis

from engine.consent import ConsentState, ConsentStatement
from engine.customer_id import CustomerId, customer_id
from engine.decisions.record import RECORD_VERSION, DecisionRecord, encode_record
from engine.identity.link import LinkTrust
from engine.identity.marker import Marker, Phase
from engine.identity.ties import Ties, packed
from engine.ports.decision_store import Candidate
from engine.ports.leftovers import HeldAfterErasure
from engine.ports.link_store import CountedLink
from engine.ports.stream_store import Erasure
from engine.ports.traits import TraitChange
from engine.settings import Redis
from engine.state.row_codec import blank
from engine.state.tied_rows import tied
from engine.store.leftovers import NAMED, WRITTEN_BEHIND_MS
from engine.store.redis import RedisStore
from engine.web.api.links import month_of
from tests.contracts.builders import PARTITIONS, candidate, change, choice, customers_of, reservation, word
from tests.services import Valkey
from tests.state.stored import stored

ANN, BOB = customers_of(1, 2)
ERASED = 1_000
KINDS = {
    "row", "offer history and consent", "traits", "newest cues", "that large batches were sent",
    "list of decisions and cues", "count of links", "record of a decision or cue", "timer", "cue",
}  # fmt: skip


@pytest.fixture
async def store(valkey: Valkey) -> AsyncIterator[RedisStore]:
    opened = RedisStore(Redis(url=valkey.url, timeout_s=20), PARTITIONS)
    yield opened
    await opened.close()


@pytest.fixture
def look(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url, protocol=2) as client:
        yield client


async def live(store: RedisStore, customer: CustomerId, at: int, batches: bool = True) -> None:
    """All that is kept of what a customer did at `at`, of each kind; what does not say when it was written without
    `batches` not."""
    name, position = customer.encode(), await store.claim(1)
    row = blank(1)
    row["life_first_at"] = row["life_last_at"] = at
    record = encode_record(DecisionRecord(RECORD_VERSION, customer, "web", at, "r", (), (), b""))
    cue = msgspec.structs.replace(candidate(customer, "sale", at=at, name=f"1-cue-{customer}-{at}"), record=record)
    await store.commit(
        change(
            position.epoch, position.offset, position.offset + 1, rows={name: stored(row)[0]}, timers={name: at},
            cues=[choice(customer, cue, at=at)], traits=[TraitChange(name, [word("plan", "gold", at, since=at)])],
        )
    )  # fmt: skip
    wanted = reservation(customer, Candidate("chat", 0, 0), at=at, name=f"d-{customer}-{at}", record=record)
    await store.reserve([wanted])
    await store.state_consents(customer, [ConsentStatement("marketing", "web", ConsentState.GRANTED, at)])
    if batches:
        await store.end_batch(b"batch", {customer: b"ids"})
        await store.count_links([CountedLink(customer_id("x"), customer, 24_000, True)], 9)


async def erase(store: RedisStore) -> None:
    position = await store.claim(1)
    cues = await store.cues_of(1, ANN.encode())
    at = position.offset
    await store.commit(change(position.epoch, at, at + 1, erased=[Erasure(ANN.encode(), ERASED, cues)]))


async def held(store: RedisStore, customer: CustomerId, until: int, recorded_at: int) -> HeldAfterErasure:
    return (await store.held_after([customer], until, recorded_at))[customer]


def now(look: redis.Redis) -> int:
    return int(look.time()[0]) * 1_000


async def test_each_kind_is_found_and_no_other_customers(store: RedisStore, look: redis.Redis) -> None:
    await live(store, BOB, ERASED)
    nothing = await held(store, ANN, ERASED, now(look))
    assert (nothing.left, nothing.since, nothing.remembered_until) == ([], 0, 0)
    await live(store, ANN, ERASED)
    found = await held(store, ANN, ERASED, now(look))
    # the timer is that of a row, which is found
    assert {one.what for one in found.left} == KINDS - {"timer"}
    assert found.offset == 2
    endless = {one.what for one in found.left if one.ends_in_s is None}
    assert endless == {"row", "offer history and consent", "traits", "cue"}
    look.unlink(f"{{p1}}:c:{ANN}")
    assert {one.what for one in (await held(store, ANN, ERASED, now(look))).left} == KINDS - {"row"}
    assert BOB not in " ".join(one.key for one in found.left)


#: Each kind of key that names a customer, and where an export has what it holds. The timer follows from the row.
EXPORTED = {
    "row": "row", "offer history and consent": "history", "traits": "traits", "newest cues": "cues", "cue": "cues",
    "that large batches were sent": "sent_batches", "list of decisions and cues": "decisions",
    "record of a decision or cue": "decisions", "count of links": "link_counts",
    "ids that became the customer's": "linked",
}  # fmt: skip


async def test_an_export_has_what_is_looked_for_after_an_erasure_and_no_more(
    store: RedisStore, look: redis.Redis
) -> None:
    """The two are found by other means: by a list of keys, and by a search through all there are."""
    assert {what for _, what in NAMED.values()} | KINDS == EXPORTED.keys() | {"timer"}
    await live(store, ANN, ERASED, batches=False)
    await store.end_batch(b"batch", {ANN: b"ids"})
    await store.count_links([CountedLink(customer_id("x"), ANN, month_of(now(look)), True)], 9)
    look.sadd(f"{{p1}}:u:{ANN}", "browser")
    for gone in (False, True):
        (exported,) = await store.held_under([ANN])
        found = await held(store, ANN, ERASED, now(look))
        assert exported.anything is not gone
        assert {EXPORTED[one.what] for one in found.left} == {
            name for name in exported.__struct_fields__ if getattr(exported, name)
        }
        await erase(store)


async def test_nothing_is_left_of_who_was_erased(store: RedisStore, look: redis.Redis) -> None:
    await live(store, ANN, ERASED, batches=False)
    await live(store, BOB, ERASED)
    await erase(store)
    found = await held(store, ANN, ERASED, now(look))
    assert (found.left, found.since, found.remembered_until) == ([], 0, ERASED)
    other = await held(store, BOB, ERASED, now(look))
    assert len(other.left) >= len(KINDS) - 1


async def test_who_came_back_is_counted_and_not_left(store: RedisStore, look: redis.Redis) -> None:
    await live(store, ANN, ERASED)
    await erase(store)
    await live(store, ANN, ERASED + 1)
    long_ago = now(look) - WRITTEN_BEHIND_MS - 60_000
    found = await held(store, ANN, ERASED, long_ago)
    assert found.left == []
    assert found.since >= len(KINDS)
    # what does not say of when it is, and was written with the erasure, may be of before
    just_now = await held(store, ANN, ERASED, now(look))
    assert {one.what for one in just_now.left} == {
        "that large batches were sent", "count of links", "list of decisions and cues",
    }  # fmt: skip


async def test_keys_of_kinds_to_come_and_what_cannot_be_read_are_found(
    store: RedisStore, look: redis.Redis
) -> None:
    look.set(f"{{p1}}:zz:{ANN}", "?")
    look.set(f"{{p1}}:c:{ANN}", b"\xff no row")
    look.set("{p1}:d:1-broken", b"no record")
    look.set(f"{{p2}}:zz:{ANN}", "another partition's")
    found = await held(store, ANN, ERASED, now(look))
    assert {one.what for one in found.left} == {"key of kind zz", "row"}


async def test_all_pages_of_keys_are_looked_at(store: RedisStore, look: redis.Redis) -> None:
    look.mset({f"{{p1}}:l:{i}": "" for i in range(5_000)})
    await live(store, ANN, ERASED, batches=False)
    assert {one.what for one in (await held(store, ANN, ERASED, now(look))).left} >= {"row", "traits"}


async def test_several_are_looked_for_at_once_in_their_partitions(store: RedisStore, look: redis.Redis) -> None:
    (cid,) = customers_of(2, 1)
    await live(store, ANN, ERASED)
    look.sadd(f"{{p2}}:u:{cid}", ANN)
    found = await store.held_after([BOB, cid, ANN], ERASED, now(look))
    assert {one: {place.what for place in kept.left} for one, kept in found.items()} == {
        ANN: KINDS - {"timer"}, BOB: set(), cid: {"ids that became the customer's"},
    }  # fmt: skip
    assert [found[one].offset for one in (ANN, BOB, cid)] == [1, 1, 0]


async def test_links_of_who_came_back_are_not_left(store: RedisStore, look: redis.Redis) -> None:
    """A row behind a marker says when it began; what was kept of the row before the link, and the link, too."""
    row = blank(1)

    def lies(began: int, since: int, kept: bytes = b"") -> None:
        row["life_first_at"] = row["life_last_at"] = began
        marker = Marker(Phase.MERGED, BOB, LinkTrust.SIGNED, since)
        look.set(f"{{p1}}:c:{ANN}", tied(packed(Ties(marker, kept=kept)), bytes(stored(row)[0])))

    look.sadd(f"{{p1}}:u:{ANN}", "browser")
    both = {"row", "ids that became the customer's"}
    for began, since, left in (
        (ERASED, ERASED + 1, both),
        (ERASED + 1, ERASED, both),
        (ERASED + 1, ERASED + 1, set()),
    ):
        lies(began, since)
        assert {one.what for one in (await held(store, ANN, ERASED, now(look))).left} == left
    row["life_first_at"] = row["life_last_at"] = ERASED
    lies(ERASED + 1, ERASED + 1, bytes(stored(row)[0]))
    assert {one.what for one in (await held(store, ANN, ERASED, now(look))).left} == both
