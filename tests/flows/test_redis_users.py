"""Api and worker, each with its own user of config/redis-users.acl, towards a Redis that speaks TLS and asks for a
certificate."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import redis as redis_py

from engine.kafka.topics import make_topics, topics_of
from engine.local.loopback import free_port
from engine.settings import Kafka, Redis
from tests.certificates import write_certificates
from tests.flows.test_stream import Deployment, named
from tests.patience import PATIENCE_S
from tests.redis_users import guarded, password_of
from tests.services import Broker, Valkey
from tests.tls_proxy import TlsProxy

WRITE_KEY, API_KEY = "a-write-key-of-this-test-alone", "an-api-key-of-this-test-alone"
VISITOR = "visitor-1"
ORDER = {
    "type": "track",
    "event": "Order Completed",
    "anonymousId": VISITOR,
    "messageId": "m-1",
    "properties": {"order_id": "o-1", "total": 20},
}


async def test_processes_need_no_more_rights_than_their_users_have(
    broker: Broker, unique: Callable[[str], str], tmp_path: Path
) -> None:
    async with secured(tmp_path) as (server, proxy):
        kafka = named(Kafka(brokers=broker.bootstrap), unique, broker.durable)
        deployment = Deployment(kafka, Redis(url=server.url), tmp_path)
        await make_topics(kafka, topics_of(kafka))
        port = free_port()
        web = {
            "CUELINE_WEB__PORT": str(port),
            "CUELINE_WEB__WRITE_KEYS": json.dumps([WRITE_KEY]),
            "CUELINE_WEB__API_KEYS": json.dumps([API_KEY]),
        }
        try:
            await deployment.work("worker", **reached(proxy, tmp_path, "cueline-worker"))
            api = deployment.environment() | web | reached(proxy, tmp_path, "cueline-api")
            await deployment.supervisor.run("api", [sys.executable, "-m", "engine", "api"], api)
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S
            ) as client:
                await until_ready(client)
                sent = await client.post("/v1/batch", json={"batch": [ORDER]}, auth=(WRITE_KEY, ""))
                assert sent.status_code == 200, sent.text
                await deployment.until(lambda tallies: tallies.get("applied", 0) == 1)
                await ask(client)
        finally:
            await deployment.supervisor.stop_all(grace=1)
            await deployment.store.close()
        with redis_py.Redis.from_url(server.url, protocol=2) as look:
            assert look.acl_log() == []
        logs = "".join(path.read_text() for path in (tmp_path / "logs").glob("*.log"))
        assert "permission" not in logs
        assert not any(password_of(user) in logs for user in ("cueline-api", "cueline-worker"))


async def ask(client: httpx.AsyncClient) -> None:
    """What an agent's desktop does."""
    agent = {"x-api-key": API_KEY}
    asked = {"customerId": VISITOR, "channel": "agent", "limit": 1, "deadlineMs": 10_000}
    decided = await client.post("/v1/decisions", json=asked, headers=agent)
    assert decided.json()["fallback"] is False, decided.text
    assert (await client.get(f"/v1/decisions/{decided.json()['decisionId']}", headers=agent)).status_code == 200
    assert (await client.get(f"/v1/customers/{VISITOR}", headers=agent)).status_code == 200
    async with client.stream("GET", "/v1/agents/me/cues", headers=agent) as cues:
        assert cues.status_code == 200


async def until_ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                health = (await client.get("/health/ready")).json()["health"]
                if {part["state"] for part in health.values()} == {"ok"}:
                    return
            except (httpx.TransportError, KeyError):
                pass
            await asyncio.sleep(0.1)


@asynccontextmanager
async def secured(folder: Path) -> AsyncIterator[tuple[Valkey, TlsProxy]]:
    """A server with our users, and TLS in front of it that asks for certificates."""
    write_certificates(folder)
    server = guarded(folder)
    await server.start()
    proxy = TlsProxy(server.port, folder, asks=True)
    await proxy.start()
    try:
        yield server, proxy
    finally:
        proxy.kill()
        server.kill()


def reached(proxy: TlsProxy, folder: Path, user: str) -> dict[str, str]:
    """Settings of a process of `user`."""
    return {
        "CUELINE_REDIS__URL": f"rediss://localhost:{proxy.port}/0",
        "CUELINE_REDIS__USERNAME": user,
        "CUELINE_REDIS__PASSWORD": password_of(user),
        "CUELINE_REDIS__CA_FILE": str(folder / "ca.pem"),
        "CUELINE_REDIS__CLIENT_CERT_FILE": str(folder / "client.pem"),
        "CUELINE_REDIS__CLIENT_KEY_FILE": str(folder / "client.key.pem"),
    }
