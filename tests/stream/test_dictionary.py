"""The words behind hashes: told when new, told again when they may be gone, and never one visitor's to another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from engine.errors import Unavailable
from engine.events import WIRE_VERSION, Contact, ContactChannel, Event, Kind
from engine.kernels.hashing import word_hash
from engine.ports.records import as_columns
from engine.sources.registry import sources
from engine.state.row_codec import read
from engine.store.memory import MemoryStore
from engine.stream.decode import decode
from engine.stream.decoded_batch import DecodedBatch
from engine.stream.dictionary import NameDictionary
from tests.stream.fetched import fetched
from tests.stream.test_worker import CUSTOMER, PARTITIONS, START, KafkaRecord, Setting

#: Two words that 32 bits of a hash do not tell apart.
ONE, SAME = "item-5236", "item-44942"


def viewed(offset: int, item: str, category: str = "", customer: bytes = CUSTOMER) -> KafkaRecord:
    made = Event(WIRE_VERSION, int(Kind.ITEM_VIEWED), START, f"id-{offset}", item, category)
    return KafkaRecord(offset, msgspec.msgpack.encode(made), customer)


def batch_of(*records: KafkaRecord) -> DecodedBatch:
    return decode(as_columns(records), 1, PARTITIONS, "events", sources())


class Told(MemoryStore):
    """Keeps what was told; `away` while it is."""

    def __init__(self, words_kept: int = 1_000) -> None:
        super().__init__(PARTITIONS, words_kept=words_kept)
        self.told: list[str] = []
        self.away = False

    async def name(self, words: Sequence[tuple[int, str]]) -> None:
        if self.away:
            raise Unavailable("Redis is away")
        self.told += [word for _, word in words]
        await super().name(words)


async def write(dictionary: NameDictionary, *records: KafkaRecord) -> None:
    dictionary.write(batch_of(*records))
    await asyncio.gather(*dictionary._writing, return_exceptions=True)


async def test_a_word_is_told_once() -> None:
    store = Told()
    dictionary = NameDictionary(store)
    await write(dictionary, viewed(0, "a", "toys"), viewed(1, "b", "toys"))
    await write(dictionary, viewed(2, "b", "a"), viewed(3, "c"))
    assert store.told == ["a", "b", "toys", "c"]


async def test_no_word_is_taken_for_another_of_a_large_catalogue() -> None:
    """Of which the upper halves of their hashes are the same."""
    assert word_hash(ONE) >> 32 == word_hash(SAME) >> 32
    setting = Setting()
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: [viewed(0, ONE), viewed(1, SAME)]}))
    assert await setting.events() == 2
    assert await setting.store.names([word_hash(ONE), word_hash(SAME)]) == {
        word_hash(ONE): ONE,
        word_hash(SAME): SAME,
    }
    (row,) = await setting.store.read(1, [CUSTOMER])
    assert read([row])["session_item_count"].tolist() == [2]


async def test_words_are_told_before_the_rows_that_hold_their_hashes() -> None:
    class Ordered(Told):
        async def commit(self, commit):  # type: ignore[no-untyped-def]
            self.told.append("commit")
            return await super().commit(commit)

    setting = Setting(store := Ordered())
    await setting.worker.owned.own([1])
    await setting.worker.apply(fetched({1: [viewed(0, "a", "toys")]}))
    await setting.worker.owned.drain()
    assert store.told == ["a", "toys", "commit"]


async def test_a_catalogue_larger_than_what_is_remembered_goes_on_being_told() -> None:
    store = Told(words_kept=10_000)
    dictionary = NameDictionary(store, table=1 << 6)
    for turn in range(3):
        await write(dictionary, *(viewed(place, f"item {turn} {place}") for place in range(500)))
    words = {
        word_hash(f"item {turn} {place}"): f"item {turn} {place}" for turn in range(3) for place in range(500)
    }
    assert await store.names(list(words)) == words


async def test_words_in_use_outlive_any_number_of_others() -> None:
    store = Told(words_kept=100)
    dictionary = NameDictionary(store)
    for turn in range(20):
        await write(dictionary, viewed(0, "in use"), *(viewed(1, f"item {turn} {place}") for place in range(60)))
        await dictionary.renew(1)
        assert await store.names([word_hash("in use")])
    assert store.told.count("in use") > 1
    assert len(store._names) + len(store._names_before) <= 200


async def test_words_are_told_again_when_the_store_is_another() -> None:
    store = Told()
    dictionary = NameDictionary(store)
    await dictionary.renew(1)
    await write(dictionary, viewed(0, "a"))
    for connection, again in ((1, 0), (1, 0), (2, 1), (2, 0)):
        await dictionary.renew(connection)
        before = len(store.told)
        await write(dictionary, viewed(0, "a"))
        assert len(store.told) - before == again
    dictionary._stats = emptied = Told()
    await dictionary.renew(2)
    await write(dictionary, viewed(0, "a"))
    assert emptied.told == ["a"]


async def test_words_that_could_not_be_told_are_told_when_next_seen() -> None:
    store = Told()
    dictionary = NameDictionary(store)
    store.away = True
    await write(dictionary, viewed(0, "a"))
    store.away = False
    await asyncio.sleep(0)
    await write(dictionary, viewed(1, "a"))
    assert store.told == ["a"]


async def test_a_long_word_is_cut() -> None:
    store = Told()
    await write(NameDictionary(store), viewed(0, "ä" * 5_000, "b" * 200), viewed(1, "c" * 201))
    assert store.told == ["ä" * 200, "c" * 200, "b" * 200]


def of_contact(offset: int, contact: Contact, kind: Kind = Kind.CONTACT_QUEUED) -> KafkaRecord:
    made = Event(WIRE_VERSION, int(kind), START, f"id-{offset}", contact=contact)
    return KafkaRecord(offset, msgspec.msgpack.encode(made), CUSTOMER)


async def test_the_words_of_contacts_are_told_too() -> None:
    store = Told()
    dictionary = NameDictionary(store)
    first = of_contact(0, Contact("c-1", queue="billing", agent="Ann Übel", reason="ä" * 300))
    await write(dictionary, viewed(1, "a"), first, of_contact(2, Contact("c-2", queue="billing", agent="Bob")))
    await write(dictionary, of_contact(3, Contact("c-3")), of_contact(4, Contact("c-4", reason="refund")))
    assert store.told == ["a", "billing", "Ann Übel", "Bob", "ä" * 200, "refund"]
    assert await store.names([word_hash("Ann Übel")]) == {word_hash("Ann Übel"): "Ann Übel"}


async def test_what_became_of_an_email_is_no_contact_and_its_words_are_not_told() -> None:
    store = Told()
    dictionary = NameDictionary(store)

    def by_mail(offset: int, kind: Kind, channel: int = ContactChannel.EMAIL) -> KafkaRecord:
        return of_contact(offset, Contact("m-1", int(channel), "news", "mailer", "bounce"), kind)

    await write(dictionary, by_mail(0, Kind.CONTACT_OUTCOME), viewed(1, "a"), by_mail(2, Kind.PAGE_VIEWED))
    assert store.told == ["a"]
    await write(dictionary, by_mail(3, Kind.CONTACT_OUTCOME), by_mail(4, Kind.CONTACT_STARTED))
    assert store.told == ["a", "news", "mailer", "bounce"]
    other = Told()
    await write(NameDictionary(other), by_mail(5, Kind.CONTACT_OUTCOME, ContactChannel.VOICE))
    assert other.told == ["news", "mailer", "bounce"]


async def test_what_compiled_code_takes_and_is_no_text_stops_nothing() -> None:
    store = Told()
    made = Event(WIRE_VERSION, int(Kind.CONTACT_QUEUED), START, "x", contact=Contact("c", queue="QQQQ"))
    broken = msgspec.msgpack.encode(made).replace(b"QQQQ", b"\xff\xfeQQ")
    batch = batch_of(KafkaRecord(0, broken, CUSTOMER))
    assert batch.events["contact_queue"].tolist() != [0]
    await write(NameDictionary(store), KafkaRecord(0, broken, CUSTOMER), viewed(1, "a"))
    assert store.told == ["a"]
