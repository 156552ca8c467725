"""Consent that is stated over HTTP under one id of a customer holds in the next decision, and cue, for all ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from engine.consent import ConsentStatement
from engine.customer_id import CustomerId, customer_id
from engine.decisions.policy import make_policy
from engine.identity.link import LinkTrust
from engine.identity.marker import Marker, Phase
from engine.identity.ties import Ties, packed
from engine.kernels.partition import partition_of
from engine.ports.stream_store import UNCONSENTED, Commit, CueCandidate, CueChoice, HistoryChange, Timers
from engine.rulebook.directory import compile_texts
from engine.state.tied_rows import tied
from engine.store.memory import MemoryStore
from tests.flows.access import ADMIN, guarded
from tests.flows.api import NOW, PARTITIONS, Process, serving

RULES = """
offers:
  - {id: sale, kind: sell, channels: [email], when: true, value: 9, propensity: 0.5, say: Buy}
  - {id: help, kind: serve, channels: [email], when: true, value: 1, propensity: 0.5, say: Help}
"""
HEADERS = {"authorization": f"Bearer {ADMIN}"}
BROWSER, ADDRESS, ANN = "browser", "email:" + "0" * 32, "ann"
IDS = (BROWSER, ADDRESS, ANN)
REVOKED, GRANTED = ({"channel": "email", "state": state} for state in ("revoked", "granted"))


async def link(store: MemoryStore, lower: str, upper: str, trust: LinkTrust = LinkTrust.SIGNED) -> None:
    """What a worker commits in the lower id's partition; what it mails is on its way."""
    name = lower.encode()
    row = tied(packed(Ties(Marker(Phase.MERGED, customer_id(upper), trust, NOW))), b"")
    frozen = [HistoryChange(name, True)] if trust > LinkTrust.UNSIGNED else []
    await commit(store, name, rows=[row], histories=frozen)


async def commit(store: MemoryStore, name: bytes, rows: list[bytes], **changes: Any) -> list[list[int]]:
    partition = partition_of(name, PARTITIONS)
    at = await store.position(partition)
    customers = [name] if rows else []
    changes = {"cues": [], **changes}
    return await store.commit(
        Commit(partition, at.epoch, at.offset, at.offset, customers, rows, Timers([], []), tallies={}, **changes)
    )


async def process(store: MemoryStore | None = None) -> Process:
    made = Process(guarded().settings, store=store or MemoryStore(PARTITIONS))
    made.policy = make_policy(compile_texts({"rules.yaml": RULES}), {})
    await made.know(ANN, recent_total=1, life_last_at=NOW)
    return made


async def put(api: httpx.AsyncClient, customer: str, *stated: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await api.put(f"/v1/customers/{customer}/consent", json={"consent": stated}, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["consent"])


async def offers(api: httpx.AsyncClient, customer: str) -> list[str]:
    question = {"customerId": customer, "channel": "email", "limit": 5, "deadlineMs": 2_000}
    answer = (await api.post("/v1/decisions", json=question, headers=HEADERS)).json()
    assert not answer["fallback"]
    return [offer["offerId"] for offer in answer["offers"]]


async def cue(store: MemoryStore, customer: str) -> list[list[int]]:
    """What becomes of a cue that nobody may have revoked."""
    wanted = CueCandidate("sale", 0, 0, (1,), needs="0!marketing/email")
    return await commit(store, customer.encode(), [], cues=[CueChoice(customer.encode(), NOW, (wanted,))])


@pytest.mark.parametrize("by", IDS)
async def test_a_word_under_any_id_is_in_the_next_decision_and_cue_for_every_id(by: str) -> None:
    made = await process()
    await link(made.store, BROWSER, ADDRESS)
    await link(made.store, ADDRESS, ANN)
    async with serving(made) as api:
        assert [await offers(api, one) for one in IDS] == [["sale", "help"]] * 3
        (held,) = await put(api, by, {**REVOKED, "at": NOW - 5})
        assert held["state"] == "revoked"
        assert [await offers(api, one) for one in IDS] == [["help"]] * 3
        assert await cue(made.store, ANN) == [[UNCONSENTED]]
        pages = [(await api.get(f"/v1/customers/{one}", headers=HEADERS)).json() for one in IDS]
        assert [page["consent"] for page in pages] == [[held]] * 3
        await put(api, ANN, GRANTED)
        assert [await offers(api, one) for one in IDS] == [["sale", "help"]] * 3
        assert await cue(made.store, ANN) == [[0]]
    assert [one.customer for one in made.log.messages] == [by, ANN]  # once each: mail brings it to the others


async def test_words_under_different_ids_are_one_list_and_of_one_moment_the_one_that_allows_less_holds() -> None:
    made = await process()
    await link(made.store, BROWSER, ANN)
    async with serving(made) as api:
        await put(api, ANN, {**GRANTED, "at": NOW - 5})
        await put(api, BROWSER, {**REVOKED, "at": NOW - 9})
        assert await offers(api, ANN) == ["sale", "help"]
        await put(api, BROWSER, {**REVOKED, "at": NOW - 5}, {"channel": "web", "state": "granted", "at": NOW - 4})
        assert [await offers(api, one) for one in (ANN, BROWSER)] == [["help"]] * 2
        held = await put(api, ANN, {"channel": "web", "state": "confirmed", "at": NOW - 3})
    assert [(one["channel"], one["state"]) for one in held] == [("email", "revoked"), ("web", "confirmed")]


async def test_what_a_device_says_of_which_anybody_may_say_whose_it_is_moves_nothing_of_the_users() -> None:
    made = await process()
    await link(made.store, BROWSER, ANN, LinkTrust.UNSIGNED)
    async with serving(made) as api:
        await put(api, BROWSER, REVOKED)
        assert await offers(api, ANN) == ["sale", "help"]
        assert await cue(made.store, ANN) == [[0]]
        await put(api, ANN, {"channel": "web", "state": "revoked"})
        assert {one["channel"] for one in await put(api, BROWSER, REVOKED)} == {"email"}


class Overtaking(MemoryStore):
    """A store in which an id becomes another's just when its consent is kept."""

    async def state_consents(self, customer: CustomerId, statements: Sequence[ConsentStatement]) -> int:
        changed = await super().state_consents(customer, statements)
        if customer == BROWSER:
            await link(self, BROWSER, ANN)
        return changed


async def test_a_link_that_overtakes_a_word_does_not_keep_it_from_the_user() -> None:
    made = await process(Overtaking(PARTITIONS))
    async with serving(made) as api:
        await put(api, BROWSER, REVOKED)
        assert [await offers(api, one) for one in (ANN, BROWSER)] == [["help"]] * 2
