"""`cueline lessons` on a real Valkey."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.clock import wall_ms
from engine.customer_id import customer_id
from engine.events import Outcome, OutcomeName
from engine.kernels.partition import partition_of
from engine.ports.decision_store import Reservation
from engine.settings import Redis
from engine.store.redis import RedisStore
from tests.services import Valkey

RUN = CliRunner()
AT = partition_of(b"ann", 16)


@pytest.fixture(autouse=True)
def _deployment(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_REDIS__URL", valkey.url)

    async def teach() -> None:
        store = RedisStore(Redis(url=valkey.url), 16)
        for i, (outcome, success) in enumerate(((OutcomeName.ACCEPTED, True), (OutcomeName.IGNORED, False)) * 2):
            await store.reserve([Reservation(customer_id("ann"), f"{AT}-{i}", 1, (), b"r")])
            said = Outcome(f"{AT}-{i}", "chat", outcome, 1, customer_id("ann"), "web", "shop", i // 2, wall_ms())
            await store.learn(said, success)
        await store.close()

    asyncio.run(teach())


def ran(*arguments: str, code: int = 0) -> Any:
    result = RUN.invoke(app, ["lessons", *arguments])
    assert result.exit_code == code, result.output
    return result


def shown() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ran("show", "--json").stdout)
    return found


def test_what_one_key_taught_is_taken_back() -> None:
    before = {
        "offerId": "chat",
        "channel": "web",
        "successes": 1,
        "failures": 1,
        "unsigned_successes": 1,
        "unsigned_failures": 1,
    }
    assert shown() == [before]
    taken = [{"offerId": "chat", "channel": "web", "successes": 2, "failures": 2}]
    look = ran("forget", "--key", "shop", "--since", "1h", "--dry-run", "--json")
    assert json.loads(look.stdout) == taken
    assert shown() == [before]
    assert json.loads(ran("forget", "--key", "shop", "--since", "1h", "--json").stdout) == taken
    assert [sum(value for value in one.values() if isinstance(value, int)) for one in shown()] == [0]
    again = RUN.invoke(app, ["keys", "create", "shop", "--trust", "public"])
    assert again.exit_code == 0, again.output
    assert "nothing that shop reported" in ran("forget", "--key", "shop", "--since", "1d").stdout


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_key_that_nobody_knows_is_a_mistake(as_json: tuple[str, ...]) -> None:
    assert "there is no key nosuch" in ran("forget", "--key", "nosuch", "--since", "1h", *as_json, code=2).stderr
    assert ran("forget", "--key", "visitor-tokens", "--since", "1h", *as_json).stderr == ""


def test_the_table_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert "chat" in ran("show").stdout
    assert "would be taken back" in ran("forget", "--key", "shop", "--since", "1d", "--dry-run").stdout
    assert "were taken back" in ran("forget", "--key", "shop", "--since", "1d").stdout


@pytest.mark.parametrize("since", ["yesterday", "", "5", "2999-01-01", "-3d"])
def test_a_time_that_is_none_is_refused(since: str) -> None:
    assert "--since" in ran("forget", f"--since={since}", "--key", "shop", code=2).stderr
