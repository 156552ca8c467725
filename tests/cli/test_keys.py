"""`cueline keys` on a real Valkey."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.access import hash_of
from engine.cli import keys
from engine.cli.app import app
from engine.clock import wall_ms
from engine.process.access import follow_keys
from engine.settings import Redis, Web
from engine.settings_sources import read_settings
from engine.store.redis import RedisStore
from engine.web.auth.keys import KeyRing, configured_keys
from tests.services import Valkey

RUN = CliRunner()
KNOWN_AFTER_S = keys.KNOWN_AFTER_S


@pytest.fixture(autouse=True)
def _deployment(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_REDIS__URL", valkey.url)
    monkeypatch.setattr(keys, "KNOWN_AFTER_S", 0)  # nobody follows them here


def ran(*arguments: str, code: int = 0) -> Any:
    result = RUN.invoke(app, ["keys", *arguments])
    assert result.exit_code == code, result.output
    return result


def listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ran("list", "--json").stdout)
    return found


def test_a_key_is_shown_once_listed_without_it_and_revoked() -> None:
    made = ran(
        "create", "desk", "--trust", "secret", "--scope", "decisions", "--scope", "agents:read", "--days", "90"
    )
    key = made.stdout.strip()
    assert key.startswith("cueline_secret_")
    (one,) = listed()
    assert (one["id"], one["trust"], one["scopes"]) == ("desk", "secret", ["decisions", "agents:read"])
    assert (one["where"], one["expiresAt"] - one["createdAt"]) == ("Redis", 90 * 86_400_000)
    assert not {key, hash_of(key)} & {str(value) for value in one.values()}
    assert key not in ran("list").stdout
    assert ran("revoke", "desk").stdout == "desk is revoked\n"
    assert listed() == []


async def test_a_key_opens_once_it_is_shown(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "KNOWN_AFTER_S", KNOWN_AFTER_S)
    ring, stop, store = KeyRing(()), asyncio.Event(), RedisStore(Redis(url=valkey.url), 16)
    following = asyncio.ensure_future(follow_keys(ring, store, stop))
    try:
        made = await asyncio.to_thread(ran, "create", "desk", "--trust", "secret", "--scope", "decisions")
        assert ring.holder(made.stdout.strip().encode(), wall_ms()) is not None
    finally:
        stop.set()
        await following
        await store.close()


@pytest.mark.parametrize(("size", "lines"), [(32, 1), (64, 2)])
def test_a_list_of_eighty_columns_cuts_nothing(monkeypatch: pytest.MonkeyPatch, size: int, lines: int) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name, scopes = ("backend-of-the-shop-" * 4)[:size], ("customers:read", "decisions")
    given = [argument for scope in scopes for argument in ("--scope", scope)]
    ran("create", name, "--trust", "secret", *given, "--rate", "5", "--quota", "10000", "--days", "9")
    shown = ran("list").stdout
    parts = [name[place : place + 32] for place in range(0, size, 32)]
    assert [part in shown for part in parts] == [True] * lines
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_public_key_has_all_that_a_public_key_can_have() -> None:
    made = json.loads(
        ran("create", "shop", "--trust", "public", "--origin", "https://shop.example", "--json").stdout
    )
    assert made["key"].startswith("cueline_public_")
    (one,) = listed()
    assert one["scopes"] == ["cues:read", "events:write", "outcomes:write"]
    assert one["origins"] == ["https://shop.example"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("desk", "--trust", "secret"), "scopes: one of events:write"),
        (("shop", "--trust", "public", "--scope", "admin"), "scopes: a public key cannot have admin"),
        (("Shop!", "--trust", "public"), "id: 1 to 64 of"),
        (("visitor-tokens", "--trust", "public"), "id: visitor-tokens stands for others"),
        (("shop", "--trust", "public", "--origin", "shop.example"), "origins: 'shop.example' is no origin"),
        (("shop", "--trust", "public", "--origin", "https://Shop.example"), "is no origin; write"),
        (("shop", "--trust", "public", "--origin", "https://shop.example:443"), "is no origin; write"),
        (("shop", "--trust", "public", "--kind", "views"), "kinds: 'views' is no kind of event"),
        (("shop", "--trust", "public", "--rate", "inf"), "rate: 0 or more"),
        (("shop", "--trust", "public", "--days", "inf"), "--days"),
    ],
)
def test_a_key_that_cannot_be_is_not_made(arguments: tuple[str, ...], said: str) -> None:
    result = ran("create", *arguments, code=2)
    assert said in result.stderr
    assert result.stdout == ""
    assert listed() == []


def test_an_id_in_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ran("create", "shop", "--trust", "public")
    assert "there is a key shop already" in ran("create", "shop", "--trust", "public", code=2).stderr
    monkeypatch.setenv("CUELINE_WEB__WRITE_KEYS", json.dumps(["w" * 22]))
    assert "already" in ran("create", "write-key-1", "--trust", "public", code=2).stderr
    assert "stands in the settings" in ran("revoke", "write-key-1", code=2).stderr
    assert [(one["id"], one["where"]) for one in listed()] == [("write-key-1", "settings"), ("shop", "Redis")]
    assert "there is no key till" in ran("revoke", "till", code=2).stderr


def test_what_is_printed_for_the_settings_is_the_key(tmp_path: Any) -> None:
    made = ran(
        "create", "till", "--trust", "secret", "--scope", "events:write", "--kind", "order_completed",
        "--rate", "5", "--days", "1", "--origin", "https://shop.example", "--print",
    ).stdout  # fmt: skip
    key, _, table = made.partition("\n\n")
    file = tmp_path / "cueline.toml"
    file.write_text(table)
    web: Web = read_settings(file).web
    (record,) = configured_keys(web)
    assert (record.id, record.kinds, record.rate) == ("till", ("order_completed",), 5.0)
    assert record.expires_at > 0
    holder = KeyRing([record]).holder(key.encode(), record.expires_at - 1)
    assert holder is not None
    assert listed() == []


def test_the_readmes_commands_do_what_it_says() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    block = re.findall(r"```sh\n(.*?)```", readme.split("\n### Keys\n")[1].split("\n## ")[0], re.DOTALL)[0]
    commands = [shlex.split(line, comments=True)[2:] for line in block.splitlines()]
    for command in commands[:-1]:
        ran(*command)
    assert [one["id"] for one in listed()] == ["backend", "desk", "shop"]
    ran(*commands[-1])
    assert [one["id"] for one in listed()] == ["backend", "shop"]


def test_a_redis_that_is_not_there_is_named_with_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_REDIS__URL", "redis://127.0.0.1:1/0")
    said = ran("list", code=1).stderr
    assert "redis.url: 127.0.0.1:1: nobody listens there" in said
    assert "CUELINE_REDIS__URL" in said
