"""Redis by TLS and with a user: contradictions in the settings, and what keeps us out, in words that name the
setting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadSettings
from engine.process.doctor.redis import of_redis
from engine.settings import Redis, Settings
from engine.store.endpoint import endpoint
from engine.store.reach import unreachable
from engine.store.redis import RedisStore
from tests.certificates import write_certificates
from tests.processes import redis_command
from tests.redis_users import guarded, password_of
from tests.services import Valkey
from tests.tls_proxy import TlsProxy

SECRET = "hush-hush"
USER = "cueline-operator"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reach")


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[dict[str, int]]:
    """Ports: Valkey itself, and TLS in front of it in several ways."""
    write_certificates(folder)
    valkey = guarded(folder)
    proxies = {
        "tls": TlsProxy(valkey.port, folder),
        "asks": TlsProxy(valkey.port, folder, asks=True),
        "elsewhere": TlsProxy(valkey.port, folder, "elsewhere"),
        "expired": TlsProxy(valkey.port, folder, "expired"),
    }
    everyone = [valkey, *proxies.values()]
    with asyncio.Runner() as runner:
        for server in everyone:
            runner.run(server.start())
    yield {"plain": valkey.port, **{name: proxy.port for name, proxy in proxies.items()}}
    for server in everyone:
        server.kill()


def redis(**values: Any) -> Redis:
    return Redis.model_validate({"timeout_s": 5, **values})


def faults(**values: Any) -> list[str]:
    with pytest.raises(BadSettings) as refused:
        endpoint(redis(**values))
    with pytest.raises(BadSettings):
        RedisStore(redis(**values), 1)
    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"url": SECRET}, "redis.url has to begin with redis://, rediss:// (TLS) or unix://"),
        ({"url": f"http://{SECRET}"}, "redis.url has to begin with redis://"),
        ({"url": f"redis://ann:{SECRET}/x@host:6379/0"}, "redis.url cannot be read"),
        (
            {"url": f"redis://ann:12#{SECRET}@host:6379/0"},
            "redis.url holds a password with a character that ends it",
        ),
        (
            {"url": f"redis://ann:12?{SECRET}@host:6379/0"},
            "redis.url holds a password with a character that ends it",
        ),
        ({"url": f"redis://[{SECRET}/0"}, "redis.url cannot be read"),
        ({"url": f"redis://{SECRET}@host:6379/0"}, "redis.url holds a user and no password"),
        ({"url": f"redis://host/0?db={SECRET}"}, "redis.url: what stands behind its ? cannot be used"),
        ({"url": f"rediss://host/0?{SECRET}=1"}, "redis.url: what stands behind its ? cannot be used"),
        ({"username": "ann"}, "redis.username is set, but redis.password is not"),
        (
            {"url": f"redis://:{SECRET}@host/0", "password": SECRET},
            "redis.password is set, and redis.url holds one, too",
        ),
        (
            {"url": f"redis://ann:{SECRET}@host/0", "username": "ann"},
            "redis.username is set, and redis.url holds one, too",
        ),
        ({"ca_file": "ca.pem"}, "redis.ca_file is set, but redis.url begins with redis://"),
        ({"url": "unix:///x", "ca_file": "ca.pem"}, "redis.ca_file is set, but redis.url begins with unix://"),
        ({"url": "rediss://host", "ca_file": "missing"}, "redis.ca_file: missing: No such file or directory"),
        (
            {"url": "rediss://host", "client_key_file": __file__},
            "redis.client_key_file is set, but redis.client_cert",
        ),
    ],
)
def test_a_contradiction_is_one_sentence_that_names_the_setting(values: dict[str, Any], said: str) -> None:
    (fault,) = faults(**values)
    assert fault.startswith(said)


def test_what_is_whole_is_read() -> None:
    apart = endpoint(redis(url="redis://host:7000/3", username="ann", password=SECRET))
    joined = endpoint(redis(url=f"redis://ann:{SECRET}@host:7000/3"))
    assert apart == joined
    assert (joined.address, joined.db, joined.context) == ("host:7000", 3, None)
    assert endpoint(redis(url="redis://host", password=SECRET)).username == "default"
    assert endpoint(redis(url="unix:///tmp/x.sock?db=2")).address == "/tmp/x.sock"
    assert SECRET not in repr(redis(password=SECRET))


KNOWN = {"username": USER, "password": password_of(USER)}
TRUSTED = {"ca_file": "ca"}
FAULTS: list[tuple[str, str, dict[str, str], str]] = [
    ("redis", "plain", {"username": USER, "password": SECRET}, "it does not know this user with this password"),
    ("redis", "plain", {"username": SECRET, "password": SECRET}, "it does not know this user with this password"),
    (
        "rediss",
        "plain",
        KNOWN | TRUSTED | {"timeout_s": "1"},
        "this port speaks no TLS: redis.url has to begin with redis://",
    ),
    ("redis", "tls", KNOWN, "this port speaks TLS: redis.url has to begin with rediss://"),
    ("rediss", "tls", KNOWN, "its certificate is not trusted"),
    ("rediss", "tls", KNOWN | {"ca_file": "other-ca"}, "its certificate is not trusted"),
    ("rediss", "elsewhere", KNOWN | TRUSTED, "its certificate is not for 127.0.0.1"),
    ("rediss", "expired", KNOWN | TRUSTED, "its certificate has expired"),
    (
        "rediss",
        "asks",
        KNOWN | TRUSTED,
        "it hangs up without an answer: does it ask for a client's certificate (redis.client_cert_file)?",
    ),
    (
        "rediss",
        "asks",
        KNOWN | TRUSTED | {"client_cert_file": "stranger", "client_key_file": "stranger.key"},
        "it hangs up without an answer: does it trust the certificate in redis.client_cert_file?",
    ),
]


@pytest.mark.parametrize(("scheme", "server", "values", "said"), FAULTS)
async def test_what_keeps_us_out_is_said(
    servers: dict[str, int], folder: Path, scheme: str, server: str, values: dict[str, str], said: str
) -> None:
    files = {name: str(folder / f"{file}.pem") for name, file in values.items() if name.endswith("_file")}
    settings = redis(url=f"{scheme}://127.0.0.1:{servers[server]}/0", **(values | files))
    (finding,), _ = await of_redis(Settings(redis=settings))
    assert (finding.name, finding.state) == ("redis", "bad")
    assert finding.detail.startswith(f"redis.url: 127.0.0.1:{servers[server]}: {said}")
    assert not any(secret in finding.detail for secret in (SECRET, KNOWN["password"]))


@pytest.mark.parametrize("server", ["tls", "asks"])
async def test_a_user_gets_in_by_tls(servers: dict[str, int], folder: Path, server: str) -> None:
    pair = {"client_cert_file": str(folder / "client.pem"), "client_key_file": str(folder / "client.key.pem")}
    url = f"rediss://localhost:{servers[server]}/0"
    settings = redis(url=url, ca_file=str(folder / "ca.pem"), **KNOWN, **(pair if server == "asks" else {}))
    assert await unreachable(settings) == ""
    findings, _ = await of_redis(Settings(redis=settings))
    assert [finding.detail for finding in findings if not finding.good] == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1:1/0", "redis.url: 127.0.0.1:1: nobody listens there"),
        ("rediss://127.0.0.1:1/0", "redis.url: 127.0.0.1:1: nobody listens there"),
        ("redis://name.invalid:6379/0", "redis.url: name.invalid:6379: this name is not known"),
        ("unix:///nowhere/x.sock", "redis.url: /nowhere/x.sock: no socket that can be used"),
    ],
)
async def test_where_nobody_is(url: str, said: str) -> None:
    assert (await unreachable(redis(url=url))).startswith(said)


async def test_one_that_asks_who_we_are(own: Valkey) -> None:
    assert await redis_command(own.url, f"CONFIG SET requirepass {SECRET}") == b"+OK"
    assert "it asks who we are: set redis.username and redis.password" in await unreachable(redis(url=own.url))
    assert await unreachable(redis(url=own.url, password=SECRET)) == ""


async def test_what_is_no_redis() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert (await unreachable(redis(url=f"redis://127.0.0.1:{port}/0"))).endswith("what answers there is no Redis")
    server.close()
