"""The users of config/redis-users.acl: each may do all that its processes ask, and nothing that they do not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from engine.errors import Unavailable
from engine.settings import Redis
from tests.certificates import write_certificates
from tests.redis_users import guarded, password_of, users
from tests.services import Valkey
from tests.store.roles import ROLES, decided, everything
from tests.tls_proxy import TlsProxy

OURS = [user for user in users() if user != "default"]
RIGHTS = [(user, rule) for user in OURS for rule in users()[user] if rule.startswith(("+", "~", "%", "&"))]
WORDS_KEPT = 2


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pem")
    write_certificates(folder)
    return folder


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Valkey]:
    started = guarded(tmp_path)
    await started.start()
    yield started
    started.kill()


@pytest.fixture
def look(server: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url, protocol=2) as client:
        yield client


def settings(server: Valkey, user: str, **values: str) -> Redis:
    known = {"url": server.url, "username": user, "password": password_of(user), "words_kept": WORDS_KEPT}
    return Redis.model_validate(known | values)


def test_every_kind_of_process_has_a_user() -> None:
    assert set(OURS) == set(ROLES)


@pytest.mark.parametrize("user", OURS)
async def test_a_user_may_do_all_that_its_processes_ask_over_tls(
    server: Valkey, look: redis.Redis, pem: Path, user: str
) -> None:
    await decided(Redis(url=server.url))
    look.function_flush()
    proxy = TlsProxy(server.port, pem, asks=True)
    await proxy.start()
    tls = {
        "url": f"rediss://127.0.0.1:{proxy.port}/0",
        "ca_file": str(pem / "ca.pem"),
        "client_cert_file": str(pem / "client.pem"),
        "client_key_file": str(pem / "client.key.pem"),
    }
    await everything(user, settings(server, user, **tls))
    proxy.kill()
    assert look.acl_log() == []


async def test_a_right_less_and_something_is_refused(server: Valkey, look: redis.Redis) -> None:
    needless = []
    for user, right in RIGHTS:
        look.flushall()
        look.function_flush()
        await decided(Redis(url=server.url))
        look.function_flush()
        look.acl_log_reset()
        restrict(look, user, right)
        said = await refusal(user, settings(server, user))
        # a count that a function may pass over is let go, so that the server alone notices
        if "permission" not in said and not look.acl_log():
            needless.append((user, right, said))
    assert needless == []


@pytest.mark.parametrize(
    ("user", "right", "said"),
    [
        ("cueline-worker", "+mset", "User cueline-worker has no permissions to run the 'mset' command"),
        ("cueline-api", "+fcall", "User cueline-api has no permissions to run the 'fcall' command"),
        ("cueline-operator", "+time", "User cueline-operator has no permissions to run the 'time' command"),
        ("cueline-worker", "~{p*}:*", "No permissions to access a key"),
    ],
)
async def test_what_is_refused_is_said(
    server: Valkey, look: redis.Redis, user: str, right: str, said: str
) -> None:
    restrict(look, user, right)
    assert said in await refusal(user, settings(server, user))


def restrict(look: redis.Redis, user: str, right: str) -> None:
    """Take one right from a user."""
    without = (rule for rule in users()[user] if rule != right)
    assert look.execute_command("ACL", "SETUSER", user, "reset", *without)  # type: ignore[no-untyped-call]


async def refusal(user: str, redis: Redis) -> str:
    """What stops the user's processes; empty: nothing."""
    try:
        await everything(user, redis)
    except Unavailable as refused:
        return str(refused)
    return ""
