"""What a deployment must not run with, and keys that are followed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.access import KeyRecord, Scope, Trust, hash_of
from engine.errors import BadSettings
from engine.process.access import faults_of_access, follow_keys
from engine.process.api import run_api
from engine.settings import Settings, Web
from engine.store.memory import MemoryStore
from engine.web.auth.keys import KeyRing
from tests.patience import PATIENCE_S

LONG = "k" * 22
SECRET = "s" * 43
TOKEN_KEY = {"kid": "shop", "algorithm": "HS256", "secret": SECRET}
KEY = {"id": "shop", "hash": hash_of(LONG), "trust": "public", "scopes": ["cues:read"]}


def faults(**web: Any) -> list[str]:
    return list(faults_of_access(Settings(web=Web.model_validate(web))))


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({"write_keys": [LONG[1:]]}, "web.write_keys[0]: a key has 22 characters or more"),
        ({"api_keys": [LONG, "short"]}, "web.api_keys[1]: a key has 22 characters or more"),
        ({"write_keys": [LONG], "api_keys": [LONG]}, "web.write_keys and web.api_keys have a key in common"),
        ({"keys": [KEY, {**KEY, "hash": hash_of("another")}]}, "web.keys: the id shop is there twice"),
        ({"keys": [KEY, {**KEY, "id": "shop-2"}]}, "web.keys: one key is there twice"),
        ({"keys": [KEY], "write_keys": [LONG]}, "web.keys and web.write_keys have a key in common"),
        ({"keys": [{**KEY, "scopes": ["admin"]}]}, "web.keys[0].scopes: a public key cannot have admin"),
        (
            {"api_keys": [SECRET], "token_keys": [TOKEN_KEY]},
            "web.api_keys and web.token_keys have a key in common",
        ),
        ({"cors_origins": ["https://shop.example/"]}, "web.cors_origins: 'https://shop.example/' is no origin"),
        ({"token_keys": [{"kid": "a", "algorithm": "HS256", "secret": LONG}]}, "web.token_keys[0].secret: HS256"),
        ({"demo_page": True, "host": "0.0.0.0"}, "web.demo_page: the page opens everything"),
        ({"demo_page": True, "host": "shop.example"}, "web.demo_page: the page opens everything"),
    ],
)
def test_what_is_unsafe_is_said(web: dict[str, Any], said: str) -> None:
    (fault,) = faults(**web)
    assert fault.startswith(said)
    assert LONG not in fault
    assert SECRET not in fault


SECRETS: dict[str, dict[str, Any]] = {
    "contacts": {"secrets": [{"source": "chatwoot", "secret": SECRET}]},
    "post": {"secrets": [{"id": "one", "secret": SECRET}]},
    "identity": {"secret": SECRET},
}
NAMES = {"contacts": "contacts.secrets", "post": "post.secrets", "identity": "identity.secret"}


@pytest.mark.parametrize("section", SECRETS)
@pytest.mark.parametrize(
    ("name", "value"),
    [("api_keys", [SECRET]), ("keys", [{**KEY, "hash": hash_of(SECRET)}]), ("token_keys", [TOKEN_KEY])],
)
def test_a_secret_is_no_key(section: str, name: str, value: Any) -> None:
    settings = Settings.model_validate({section: SECRETS[section], "web": {name: value}})
    (fault,) = faults_of_access(settings)
    assert fault.startswith(f"web.{name} and {NAMES[section]} have a secret in common")
    assert SECRET not in fault


@pytest.mark.parametrize(("one", "other"), [("contacts", "post"), ("contacts", "identity"), ("post", "identity")])
def test_a_secret_has_one_use(one: str, other: str) -> None:
    (fault,) = faults_of_access(Settings.model_validate({name: SECRETS[name] for name in (one, other)}))
    assert fault.startswith(f"{NAMES[one]} and {NAMES[other]} have a secret in common")


def test_two_of_one_use_may_be_the_same() -> None:
    """Two accounts at one vendor."""
    secrets = [{"source": "chatwoot", "secret": SECRET}, {"source": "twilio", "secret": SECRET}]
    assert list(faults_of_access(Settings.model_validate({"contacts": {"secrets": secrets}}))) == []


def test_what_is_safe_is_not() -> None:
    assert faults() == []
    assert faults(write_keys=[LONG], api_keys=["a" * 22], keys=[{**KEY, "hash": hash_of("another")}]) == []
    assert faults(cors_origins=["*", "https://shop.example", "http://localhost:3000"]) == []
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        assert faults(demo_page=True, host=host) == []


async def test_a_process_does_not_start_with_it() -> None:
    with pytest.raises(BadSettings) as refused:
        await run_api(Settings.model_validate({"web": {"write_keys": ["hush"], "api_keys": ["too"]}}))
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        "web.write_keys[0]",
        "web.api_keys[0]",
    ]
    assert "hush" not in str(refused.value)


async def test_keys_made_and_revoked_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.process.access.KEYS_EVERY_S", 0.001)
    store, ring, stop = MemoryStore(1), KeyRing([]), asyncio.Event()
    following = asyncio.create_task(follow_keys(ring, store, stop))
    async with asyncio.timeout(PATIENCE_S):
        for record, opens in ((KeyRecord("k", hash_of(LONG), Trust.SECRET, (Scope.ADMIN,)), True), (None, False)):
            await (store.add_key(record) if record else store.revoke_key("k"))
            while (ring.holder(LONG.encode(), 0) is not None) != opens:
                await asyncio.sleep(0)
    stop.set()
    await following
