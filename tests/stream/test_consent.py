"""Consent that comes over Kafka: kept in its place among the customer's events, and no event of the row's."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from engine.customer_id import customer_id
from engine.decisions.log import recall
from engine.decisions.policy import make_policy
from engine.decisions.record import read_record
from engine.events import WIRE_VERSION, Event, Kind, Reason
from engine.ports.decision_store import Candidate, Reservation
from engine.ports.offer_history import Consent
from engine.rulebook.directory import compile_texts
from tests.stream.fetched import fetched
from tests.stream.test_worker import CUSTOMER, START, KafkaRecord, Setting, event

ANN = customer_id(CUSTOMER.decode())
RULES = """
indicators:
  - {name: looking, when: session.events >= 1}
  - {name: still_looking, when: session.events >= 2}
offers:
  - {id: first, kind: sell, channels: [agent], when: looking and not still_looking, value: 1, propensity: 0.5,
     say: x}
  - {id: second, kind: sell, channels: [agent], when: still_looking, value: 1, propensity: 0.5, say: x}
"""


def stated(kind: Kind, at: int, trust: int = 1, purpose: str = "marketing", channel: str = "agent") -> bytes:
    one = Event(WIRE_VERSION, int(kind), at, f"c-{kind}-{at}", purpose, channel, trust=trust)
    return msgspec.msgpack.encode(one)


def log(*values: bytes) -> list[KafkaRecord]:
    return [KafkaRecord(i, value, timestamp=START + 60_000) for i, value in enumerate(values)]


VIEWED = event(0), event(1, START + 1_000)
REVOKED, GRANTED = stated(Kind.CONSENT_REVOKED, START), stated(Kind.CONSENT_GRANTED, START + 500)


async def after(
    records: Sequence[KafkaRecord],
    at_once: int = 99,
    dead_letter_ratio: float = 0.2,
    rules: str = RULES,
    had: Sequence[Reservation] = (),
) -> Setting:
    setting = Setting(dead_letter_ratio=dead_letter_ratio)
    await setting.store.reserve(had)
    setting.worker.use(make_policy(compile_texts({"rules.yaml": rules}), {}))
    await setting.worker.owned.own([1])
    for start in range(0, len(records), at_once):
        assert await setting.worker.apply(fetched({1: records[start : start + at_once]})) == {}
    await setting.worker.owned.drain()
    return setting


@pytest.mark.parametrize("at_once", [1, 2, 3, 99])
async def test_what_is_sent_follows_the_place_of_each_word_however_records_are_fetched(at_once: int) -> None:
    setting = await after(log(REVOKED, VIEWED[0], GRANTED, VIEWED[1]), at_once)
    assert [entry.cue.offer_id for entry in await setting.store.newest(9)] == ["second"]
    (view,) = await setting.store.views([ANN])
    assert view.consents() == [Consent("marketing", "agent", "granted", START, START + 500, 0)]
    tallies = await setting.store.tallies()
    assert (tallies["events"], tallies["applied"], tallies["cues_unconsented"]) == (4, 2, 1)
    assert setting.meter.value("cues_unconsented") == 1


async def test_a_cue_that_is_withheld_says_why_in_words() -> None:
    """Also when the rulebook of then is gone; and it counts as nothing that was given."""
    setting = await after(log(REVOKED, VIEWED[0], stated(Kind.CONSENT_REVOKED, START, channel="web")))
    (name,) = await setting.store.recorded(ANN)
    stored = await setting.store.decision(name)
    assert stored is not None
    record = read_record(stored)
    assert (record.withheld, record.sent, record.at) == (("!marketing/agent",), (), START)
    for rulebook in (compile_texts({"rules.yaml": RULES}), None):
        told = recall(name, record, rulebook)
        (held,) = told.withheld
        assert (told.offers, told.indicator) == ((), "looking")
        assert (held.offer_id, held.purpose, held.channel) == ("first", "marketing", "agent")
        assert held.detail == "was not sent: there is no consent to marketing on agent, or it was revoked"
        reasons = {one.offer_id: f"{one.stage}.{one.code}" for one in told.suppressed}
        assert reasons == ({"first": Reason.NO_CONSENT, "second": Reason.NOT_TRIGGERED} if rulebook else {})


RIVALS = """
indicators:
  - {name: looking, when: session.events >= 1}
offers:
  - {id: a, kind: sell, channels: [agent], when: looking, value: 9, propensity: 0.5, say: x}
  - {id: b, kind: serve, channels: [agent], when: looking, value: 8, propensity: 0.5, say: x,
     cap: {max: 1, period: 1 d}}
  - {id: c, kind: sell, channels: [agent], when: looking, value: 7, propensity: 0.5, say: x}
  - {id: d, kind: serve, channels: [agent], when: looking, value: 6, propensity: 0.5, say: x}
"""


async def test_of_a_withheld_cue_every_other_offer_has_its_reason() -> None:
    had = Reservation(ANN, "1-x", START - 9, (Candidate("b", 1, 86_400_000),), b"")
    setting = await after(log(REVOKED, VIEWED[0]), rules=RIVALS, had=[had])
    _, name = await setting.store.recorded(ANN)
    record = read_record(await setting.store.decision(name) or b"")
    told = recall(name, record, compile_texts({"rules.yaml": RIVALS}))
    assert {one.offer_id: (one.code, one.detail) for one in told.suppressed} == {
        "a": ("no_consent", "needs the customer's consent to marketing on this channel"),
        "b": ("cap_period", "at most 1 in 1 d, reached"),
        "c": ("no_consent", "needs the customer's consent to marketing on this channel"),
        "d": ("outranked", "holds, but others rank higher, and none of them could be sent"),
    }


async def test_a_word_is_no_event_of_its_customers() -> None:
    with_words = await after(log(VIEWED[0], REVOKED, VIEWED[1], stated(Kind.CONSENT_CONFIRMED, START + 9)))
    without = await after(log(*VIEWED))
    (one,), (other,) = [await setting.store.read(1, [CUSTOMER]) for setting in (with_words, without)]
    assert one == other is not None
    assert await after(log(REVOKED))
    assert await (await after(log(REVOKED))).store.read(1, [CUSTOMER]) == [None]


async def test_nobody_vouches_for_it_so_it_moves_no_consent() -> None:
    setting = await after(log(stated(Kind.CONSENT_REVOKED, START, trust=0), *VIEWED))
    (view,) = await setting.store.views([ANN])
    assert view.consents() == []
    assert setting.meter.value("stream_warned", "unsigned_instruction") == 1
    assert not setting.side_output.dead


@pytest.mark.parametrize("at_once", [1, 99])
async def test_what_nobody_vouches_for_is_passed_over_beside_words_that_count(at_once: int) -> None:
    """In one micro-batch, too, and an erasure that nobody vouches for as well."""
    unsigned = stated(Kind.CONSENT_GRANTED, START + 1, trust=0), stated(Kind.ERASED, START + 2, trust=0)
    setting = await after(log(REVOKED, *unsigned, VIEWED[0], unsigned[0], VIEWED[1]), at_once)
    (view,) = await setting.store.views([ANN])
    assert view.consents() == [Consent("marketing", "agent", "revoked", START, 0, 0)]
    assert setting.meter.value("stream_warned", "unsigned_instruction") == 3
    assert (await setting.store.tallies())["applied"] == 2


@pytest.mark.parametrize(("purpose", "channel"), [("service", "web"), ("A", "web"), ("", "web"), ("x", "fax")])
async def test_what_is_no_consent_is_a_dead_letter(purpose: str, channel: str) -> None:
    faulty = stated(Kind.CONSENT_GRANTED, START, purpose=purpose, channel=channel)
    setting = await after(log(faulty, *VIEWED), dead_letter_ratio=1)
    assert [letter.reason for letter in setting.side_output.dead] == ["bad_field"]
    assert (await setting.store.tallies())["applied"] == 2
