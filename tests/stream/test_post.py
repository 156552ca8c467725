"""The worker's mail: in what order it works, what it mails, what it believes, and how it begins."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence

import msgspec
import pytest

from engine.errors import BadSettings, BadState
from engine.events import WIRE_VERSION, Contact, ContactChannel, Event, Kind
from engine.kernels.partition import partition_of
from engine.ports.kafka import DeadLetter, Mail
from engine.ports.records import as_columns
from engine.ports.sources import SOURCE_HEADER
from engine.post.ledger import Ledger
from engine.post.letter import Letter, as_letter, letter_in, number_of
from engine.post.seal import FORGED, SIGNATURE_HEADER, UNKNOWN_KEY, UNSIGNED, Seal
from engine.state.row_codec import read
from engine.stream.worker import Worker
from tests.stream.post_world import PARTITIONS, SEAL, Frozen, World
from tests.stream.test_worker import START, KafkaRecord

NAMES = [b"member-%d" % i for i in range(99)]
A, B = (next(name for name in NAMES if partition_of(name, PARTITIONS) == home) for home in (0, 1))
HOUR = 3_600_000


def event(number: int, at: int = START) -> bytes:
    return msgspec.msgpack.encode(Event(WIRE_VERSION, int(Kind.PAGE_VIEWED), at, f"m{number}"))


def world() -> World:
    return World(random.Random(1))


async def counted(of: World, customer: bytes) -> int:
    """Events of the customer's row."""
    (row,) = await of.store.read(partition_of(customer, PARTITIONS), [customer])
    return int(read([row])["recent_total"][0])


async def offsets(of: World) -> list[int]:
    return [(await of.store.position(partition)).offset for partition in range(PARTITIONS)]


# the order of work


async def test_what_has_no_mail_is_committed_while_the_mail_is_written_and_the_rest_after_it() -> None:
    of = world()
    await of.work(1)
    of.event(A, 0)
    of.event(A, 2)  # misplaced
    of.event(A, 2)
    of.event(B, 1)
    fate = of.fate = Frozen()
    task = asyncio.ensure_future(of.worker.apply(of.fetch(of.worker, 9)))
    await fate.stands.wait()
    await of.worker.owned.drain()
    assert await offsets(of) == [1, 1, 0]
    fate.thawed.set()
    await task
    await of.worker.owned.drain()
    assert await offsets(of) == [1, 1, 2]
    assert len(of.logs[0]) == 3


async def test_from_its_first_mail_on_the_commits_of_a_partition_wait() -> None:
    of = world()
    worker = of.worker = of.new_worker(rows_per_commit=1)
    names = [name for name in NAMES if partition_of(name, PARTITIONS) == 2][:4]
    await of.work(1)
    for name in (names[0], names[1], A, names[2], names[3]):
        of.event(name, 2)
    fate = of.fate = Frozen()
    task = asyncio.ensure_future(worker.apply(of.fetch(worker, 9)))
    await fate.stands.wait()
    await worker.owned.drain()
    assert await offsets(of) == [0, 0, 1]  # the second commit reaches to the third customer
    fate.thawed.set()
    await task
    await worker.owned.drain()
    assert await offsets(of) == [0, 0, 5]


async def test_a_produce_that_fails_fails_the_partitions_with_mail_and_no_others() -> None:
    of = world()
    await of.work(1)
    of.event(A, 2)
    of.event(B, 1)
    of.fate = "fails"
    await of.worker.apply(of.fetch(of.worker, 9))
    await of.worker.owned.drain()
    assert {partition: state.live for partition, state in of.worker.states.items()} == {0: True, 1: True, 2: False}
    assert await offsets(of) == [0, 1, 0]
    await of.work(9)
    await of.work(9)
    assert (await counted(of, A), await counted(of, B)) == (1, 1)


# what is mailed


Sent = tuple[list[tuple[bytes, bytes]], Mapping[str, str]]


class Mailed:
    """What a worker mails of a log, with whatever settings, clock and state of affairs."""

    def __init__(self, of: World) -> None:
        self.letters: list[tuple[bytes, bytes]] = []
        self.world = of

    async def __call__(self, letters: Sequence[Mail]) -> None:
        self.letters += [(one.key, one.value) for one in letters]


async def mailed(most: int, on: bool = True, seal: Seal = SEAL, clock: int = START, **settings: object) -> Sent:
    of = world()
    first = of.new_worker()  # has begun the post
    of.worker = first
    await of.work(1)
    of.store._partitions[2].post["mails"] = "1"
    of.write(2, KafkaRecord(0, event(0), A))  # sent on as it is: before the post began
    for number in range(1, 30):
        key = [A, B, next(name for name in NAMES if partition_of(name, PARTITIONS) == 2)][number % 3]
        of.write(2, KafkaRecord(0, event(number, START + number), key))
    sent = Mailed(of)
    worker = of.new_worker(on, seal, clock, **settings)
    worker._office._send = sent
    await worker.owned.own([2])
    await worker.owned.drain()
    while worker.states[2].next < len(of.logs[2]):
        await worker.apply(of.fetch(worker, most))
        await worker.fire_timers(lambda partition: True)
        await worker.owned.drain()
    return sent.letters, await of.store.post(2)


async def test_what_is_mailed_depends_on_the_log_and_what_is_committed_alone() -> None:
    wanted = await mailed(100)
    others = [
        mailed(1),
        mailed(7, rows_per_commit=1),
        mailed(100, on=False),
        mailed(4, clock=START + 1_000 * HOUR, lateness_ms=0),
        mailed(100, seal=Seal(SEAL.cluster, {"two": b"2" * 32})),
        mailed(3, dead_letter_ratio=1, rows_in_memory=1),
    ]
    for other in others:
        assert await other == wanted
    letters = [letter_in(value) for _, value in wanted[0]]
    assert [letter.number for letter in letters] == [number_of(i) for i in range(1, 30) if i % 3 != 2]


async def test_each_letter_names_the_one_before_it_to_the_same_partition() -> None:
    of = world()
    await of.work(1)
    for customer in (A, B, A, A, B):
        of.event(customer, 2)
        await of.work(1)  # over several micro-batches
        of.worker = of.new_worker()  # and workers
    await of.work(9)
    chains: dict[bytes, list[tuple[int, int]]] = {A: [], B: []}
    for log in of.logs[:2]:
        for record in log:
            letter = letter_in(record.value or b"")
            assert (letter.sender, letter.era, letter.path, letter.body) == (2, 0, (), b"")
            chains[record.key or b""].append((letter.previous, letter.number))
    numbers = [number_of(offset) for offset in range(5)]
    assert chains == {
        A: [(0, numbers[0]), (numbers[0], numbers[2]), (numbers[2], numbers[3])],
        B: [(0, numbers[1]), (numbers[1], numbers[4])],
    }


async def test_json_of_a_source_is_mailed_and_measured_by_its_own_record() -> None:
    of = world()
    await of.work(1)
    later = {"timestamp": "2023-11-15T00:00:00Z"}  # ahead of its record by less than a day
    payload = {"type": "page", "messageId": "j", "userId": A.decode(), **later}
    of.write(2, KafkaRecord(0, json.dumps(payload).encode(), None))
    at = of.logs[2][0].timestamp
    await of.work(9)
    of.logs[0][0] = of.logs[0][0]._replace(timestamp=START + 48 * HOUR)  # it waited for long
    await of.work(9)
    (row,) = await of.store.read(0, [A])
    assert int(read([row])["life_last_at"][0]) == at


async def test_a_contacts_event_is_mailed_with_its_contact() -> None:
    of = world()
    await of.work(1)
    contact = Contact("c-1", int(ContactChannel.VOICE), "billing", "", "moved")
    of.write(2, KafkaRecord(0, msgspec.msgpack.encode(Event(WIRE_VERSION, 30, START, "s", contact=contact)), A))
    await of.work(9)
    (mailed,) = of.logs[0]
    assert msgspec.msgpack.decode(mailed.value or b"", type=Event).contact == contact
    assert letter_in(mailed.value or b"") == Letter(2, 0, number_of(0), 0)
    await of.work(9)
    assert await counted(of, A) == 1


async def test_of_a_vendors_records_what_counts_is_mailed_and_what_is_passed_over_is_not() -> None:
    of = world()
    await of.work(1)
    for topic in ("customer.start", "acd.start", "typing"):
        body = {"conversationId": "c-1", "externalContactId": A.decode(), "mediaType": "VOICE", "eventTime": START}
        payload = {"topicName": f"v2.detail.events.conversation.c-1.{topic}", "eventBody": body}
        of.write(2, KafkaRecord(0, json.dumps(payload).encode(), b"c-1", headers=((SOURCE_HEADER, b"genesys"),)))
    await of.work(9)
    events = [msgspec.msgpack.decode(record.value or b"", type=Event) for record in of.logs[0]]
    assert [event.kind for event in events] == [Kind.CONTACT_STARTED, Kind.CONTACT_QUEUED]
    assert {event.contact.id for event in events if event.contact} == {"c-1"}
    await of.work(9)
    assert (await counted(of, A), (await offsets(of))[2]) == (2, 3)


async def test_an_event_that_announces_more_than_it_has_is_sent_on_as_it_is() -> None:
    of = world()
    await of.work(1)
    fields = msgspec.msgpack.decode(event(1))
    odd = b"\xdc\x00\x10" + msgspec.msgpack.encode(fields)[1:]  # sixteen fields, of which the last is missing
    of.write(2, KafkaRecord(0, odd, A))
    of.event(A, 2)
    await of.work(9)
    assert [record.value == odd for record in of.logs[0]] == [True, False]
    await of.work(9)
    assert await counted(of, A) == 2


# what is believed


def letter(number: int, previous: int = 0) -> bytes:
    return as_letter(event(number), START, Letter(2, 0, number_of(number), previous and number_of(previous)))


def signed(value: bytes, seal: Seal = SEAL, receiver: int = 0) -> tuple[tuple[str, bytes], ...]:
    return ((SIGNATURE_HEADER, seal.sign(receiver, A, value)),)


async def applied(*given: KafkaRecord) -> tuple[World, list[DeadLetter]]:
    """What becomes of these records of partition 0."""
    of, dead = world(), list[DeadLetter]()

    async def keep(partition: int, letters: Sequence[DeadLetter], forward: object) -> None:
        dead.extend(letters)

    of.worker._send_side_output = keep
    for record in given:
        of.write(0, record)
    await of.work(99)
    return of, dead


STRANGER = Seal(SEAL.cluster, {"one": b"x" * 32})


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (letter(5), (), UNSIGNED),
        (letter(5), ((SIGNATURE_HEADER, b""),), UNSIGNED),
        (letter(5), (("source", b"segment"),), UNSIGNED),
        (letter(5), signed(letter(5), Seal(SEAL.cluster, {"other": b"1" * 32})), UNKNOWN_KEY),
        (letter(5), signed(letter(5), STRANGER), FORGED),
        (letter(5), signed(letter(5), Seal("another", SEAL.secrets)), FORGED),
        (letter(5), signed(letter(5), receiver=1), FORGED),
        (letter(5), signed(letter(6)), FORGED),
        (letter(5)[:-1] + b"\x01", signed(letter(5)), FORGED),
    ],
)
async def test_mail_that_is_not_ours_is_a_dead_letter_with_its_reason(
    value: bytes, headers: tuple[tuple[str, bytes], ...], reason: str
) -> None:
    of, dead = await applied(KafkaRecord(0, value, A, headers=headers), KafkaRecord(0, event(1), A))
    assert [(one.reason, one.offset, one.key, one.value) for one in dead] == [(reason, 0, A, value)]
    assert dead[0].signature == dict(headers).get(SIGNATURE_HEADER)
    assert await counted(of, A) == 1
    tallies = await of.store.tallies()
    assert (tallies["events"], tallies["applied"], tallies["deadletters"]) == (2, 1, 1)
    assert not any(name.startswith("had.") for name in await of.store.post(0))


async def test_mail_signed_with_an_older_secret_counts_and_what_says_nothing_after_all_is_malformed() -> None:
    older, now = Seal(SEAL.cluster, {"old": b"o" * 32}), Seal(SEAL.cluster, {"one": b"1" * 32, "old": b"o" * 32})
    of = world()
    of.worker = of.new_worker(seal=now)
    of.write(0, KafkaRecord(0, letter(5), A, headers=signed(letter(5), older)))
    await of.work(9)
    assert await counted(of, A) == 1
    nothing = letter(5)[:-7] + msgspec.msgpack.encode([1, 2])
    _, dead = await applied(KafkaRecord(0, nothing, A, headers=signed(nothing)))
    assert [one.reason for one in dead] == ["malformed"]


async def test_a_number_that_was_had_is_dropped_within_a_batch_and_after_it() -> None:
    of = world()
    once = KafkaRecord(0, letter(5), A, headers=signed(letter(5)))
    again = msgspec.msgpack.encode(Event(WIRE_VERSION, int(Kind.PAGE_VIEWED), START, "another id"))
    also = as_letter(again, START, letter_in(letter(5)))
    same = KafkaRecord(0, also, A, headers=signed(also))
    for record in (once, same, KafkaRecord(0, event(9), A)):
        of.write(0, record)
    await of.work(99)
    of.write(0, same)
    of.worker = of.new_worker()
    await of.work(99)
    assert await counted(of, A) == 2
    tallies = await of.store.tallies()
    assert (tallies["events"], tallies["applied"], tallies["duplicates"]) == (4, 2, 2)
    assert of.meter.value("post_repeated") == 2
    assert await offsets(of) == [4, 0, 0]


async def test_a_letter_that_never_came_is_a_hole_which_stops_nothing_and_is_filled_when_it_comes() -> None:
    of = world()

    def holes(worker: Worker) -> float:
        worker._office.gauge(worker.states.values())
        return of.meter.value("post_holes", "0")

    def comes(number: int, previous: int) -> None:
        of.write(0, KafkaRecord(0, letter(number, previous), A, headers=signed(letter(number, previous))))

    comes(1, 0)
    await of.work(9)
    assert holes(of.worker) == 0
    comes(7, 4)  # 4, and what it names, are not here
    comes(9, 7)
    await of.work(9)
    assert (await counted(of, A), holes(of.worker)) == (3, 1)
    of.worker = of.new_worker()
    comes(4, 1)
    await of.work(9)
    assert (await counted(of, A), holes(of.worker)) == (4, 0)
    await of.worker.owned.own([1, 2])
    assert holes(of.worker) == 0
    assert b'partition="0"' not in of.meter.render()[0]


# how it begins


async def test_while_it_is_off_a_record_is_sent_on_unnumbered_and_once_on_it_stays() -> None:
    of = world()
    of.worker = of.new_worker(on=False)
    of.event(A, 2)
    await of.work(9)
    assert await of.store.post(2) == {}
    of.worker = of.new_worker()
    of.event(A, 2)
    await of.work(9)
    of.worker = of.new_worker(on=False)
    of.event(A, 2)
    await of.work(9)
    lengths = [len(msgspec.msgpack.decode(record.value or b"")) for record in of.logs[0]]
    assert lengths == [15, 16, 16]
    assert (await of.store.post(2))["mails"] == "1"


async def test_nothing_is_mailed_before_it_is_committed_that_mail_begins() -> None:
    of = world()
    await of.worker.owned.own([2])
    of.event(A, 2)
    of.store.lose = "commit"
    assert await of.worker.apply(of.fetch(of.worker, 9)) == {2: 0}
    assert (of.logs[0], await of.store.post(2)) == ([], {})
    of.worker = of.new_worker()
    await of.work(9)
    await of.work(9)
    assert await counted(of, A) == 1


async def test_a_worker_without_secrets_stops_where_mail_has_begun() -> None:
    of = world()
    of.event(A, 2)
    await of.work(9)
    of.worker = of.new_worker(on=False, seal=Seal())
    of.event(A, 2)
    with pytest.raises(BadSettings, match=r"post\.secrets is empty, and partition 2 .* offset 0"):
        await of.work(9)


@pytest.mark.parametrize(
    "field", [("mails", "x"), ("era", "-1"), ("out.1", ""), ("out.x", "1"), ("had.1.0", "3"), ("had.1", "0-3")]
)
async def test_a_field_that_is_none_stops_the_worker(field: tuple[str, str]) -> None:
    of = world()
    of.store._partitions[0].post = dict([field])
    of.event(A, 0)
    with pytest.raises(BadState):
        await of.work(9)


async def test_what_was_sent_on_before_counts_once_in_a_replay_that_mails_it() -> None:
    of = world()
    of.worker = of.new_worker(on=False)
    for _ in range(3):
        of.event(A, 2)
        await of.work(9)
    of.worker = of.new_worker()
    of.event(A, 2)
    await of.work(9)
    of.customers = [A]
    await of.settle()
    again = await of.replayed()
    assert (await of.wrong(), await again.wrong()) == ({}, {})
    assert await again.rows() == await of.rows()


async def test_a_store_that_lost_everything_and_a_log_without_its_beginning_double_and_lose_nothing() -> None:
    """Counted numbers would begin again, double what is in the log and drop as much of what comes later."""
    of = world()
    await of.work(1)
    for _ in range(6):
        of.event(A, 2)
        await of.work(9)
    of.fill(A)
    await of.work(99)
    emptied = world()
    emptied.logs = of.logs
    deleted = 4  # records, of the sender's log alone
    await emptied.worker.owned.own([0, 1, 2])
    rest = as_columns(of.logs[2][deleted:])
    assert await emptied.worker.apply({2: rest}) == {2: 0}
    await emptied.worker.apply({2: rest})
    for _ in range(3):
        await emptied.work(99)
    assert await counted(emptied, A) == await counted(of, A)
    for _ in range(8):
        emptied.event(A, 2)
    for _ in range(3):
        await emptied.work(99)
    assert await counted(emptied, A) == await counted(of, A) + 8


async def test_a_log_that_begins_again_uses_its_offsets_anew() -> None:
    of = world()
    of.worker = of.new_worker(lost_log="restart")
    for _ in range(3):
        of.event(A, 2)
    await of.work(9)
    await of.work(9)
    of.fill(A)
    of.logs[2].clear()
    for _ in range(5):
        of.event(A, 2)
    again = as_columns(of.logs[2])
    await of.work(99)
    for _ in range(2):
        await of.worker.apply({2: again})
    await of.work(99)
    assert await counted(of, A) == of.sent[A]
    ledger = Ledger(await of.store.post(2))
    assert (ledger.era > 0, ledger.mails_from, of.worker.states[2].ledger.mails_from) == (True, 0, 0)  # type: ignore[union-attr]
    assert Ledger(await of.store.post(0)).holes == 0
