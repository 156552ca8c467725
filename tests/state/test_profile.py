"""A row put into words."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadState
from engine.events import Kind
from engine.kernels.decode import COLUMNS
from engine.kernels.groups.contact_entry import AGENT, HEARD, OUTCOME, QUEUE, REASON, WENT_ON
from engine.kernels.groups.recent import RECENT, apply_recent
from engine.kernels.hashing import word_hash
from engine.kernels.row import ROW, VERSION
from engine.kernels.wire import EARLIEST_S
from engine.state.catalogue import CATALOGUE
from engine.state.profile import active_codes, profile_of
from tests.state.stored import stored

NOW = 1_700_000_000_000


def blank() -> np.ndarray:
    rows = np.zeros(1, ROW)
    rows["version"] = VERSION
    return rows


def test_every_feature_has_its_unit_and_meaning() -> None:
    rows = blank()
    rows["life_last_at"] = rows["session_last"] = NOW - 90_000
    rows["recent_total"], rows["cart_value"] = 7, 1_250
    profile = profile_of(stored(rows)[0], NOW)
    assert list(profile.features) == [feature.name for feature in CATALOGUE]
    assert profile.features["idle.seconds"]["value"] == 90.0
    assert (profile.features["cart.value"]["value"], profile.features["cart.value"]["unit"]) == (12.5, "currency")
    assert profile.features["purchases.mean_value"]["value"] is None
    assert (profile.last_at, profile.events) == (NOW - 90_000, 7)


def test_active_are_as_many_as_are_counted() -> None:
    rows = blank()
    rows["active"][0, :3], rows["active_count"] = (11, 22, 33), 2
    assert active_codes(rows[0]) == {11, 22}


@pytest.mark.parametrize("events", [0, 1, RECENT - 1, RECENT, RECENT + 5])
def test_the_timeline_is_the_newest_events_backwards(events: int) -> None:
    rows = blank()
    rows["recent_total"] = events
    for n in range(events):
        place = n % RECENT
        rows["recent_s"][0, place], rows["recent_ms"][0, place] = NOW // 1000 - EARLIEST_S + n, n
        rows["recent_kind"][0, place], rows["recent_item"][0, place] = Kind.ITEM_VIEWED, 2**63 + n
    profile = profile_of(stored(rows)[0], NOW)
    timeline = profile.timeline
    assert [moment.item - 2**63 for moment in timeline] == list(range(events - 1, -1, -1))[:RECENT]
    assert all(moment.at == NOW + (moment.item - 2**63) * 1001 for moment in timeline)
    assert profile.hashes == sorted(moment.item for moment in timeline)


@pytest.mark.parametrize("value", [0.0, 0.01, 1234567.89, 42_949_672.95, 42_949_672.96, 1e12])
def test_money_is_shown_to_the_cent(value: float) -> None:
    rows, columns = blank(), np.zeros(1, COLUMNS)
    columns["at"], columns["kind"], columns["value"] = NOW, Kind.ITEM_VIEWED, value
    apply_recent(rows[0], columns[0])
    assert [moment.value for moment in profile_of(stored(rows)[0], NOW).timeline] == [value]


STRANGERS = [b"", b"\x01", bytes(ROW.itemsize), bytes([VERSION + 1]) + bytes(ROW.itemsize - 1)]


@pytest.mark.parametrize("row", STRANGERS)
def test_a_row_of_another_layout_is_refused(row: bytes) -> None:
    with pytest.raises(BadState):
        profile_of(row, NOW)


def test_words_of_contacts_are_texts_where_their_letters_are_known() -> None:
    rows, said = blank(), {QUEUE: "billing", AGENT: "Ann", OUTCOME: "refund", REASON: "parcel"}
    rows["contact_id"][0, 0] = 7
    rows["contact_latest"][0, 0, (HEARD, WENT_ON)] = NOW - 1_000
    for place, word in said.items():
        rows["contact_said"][0, 0, place], rows["contact_said_at"][0, 0, place] = word_hash(word), NOW - 1_000
    profile = profile_of(stored(rows)[0], NOW)
    assert profile.hashes == sorted(word_hash(said[place]) for place in (QUEUE, AGENT, OUTCOME))
    known = {word_hash("billing"): "billing", word_hash("refund"): "refund"}
    values = {name: one["value"] for name, one in profile.worded(known).items()}
    assert (values["contact.queue_now"], values["contact.last_outcome"]) == ("billing", "refund")
    assert (values["contact.agent_now"], profile.features["contact.queue_now"]["value"]) == ("", "")
    assert profile_of(stored(blank())[0], NOW).features["contact.queue_now"]["value"] is None
