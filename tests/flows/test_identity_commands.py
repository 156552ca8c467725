"""`cueline identity link` and `split` with a broker and Valkey: what they write is what workers follow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.customer_id import customer_id
from engine.identity.link import LinkTrust
from engine.identity.marker import Marker, Phase
from engine.identity.ties import Ties, packed
from engine.kernels.partition import partition_of
from engine.ports.stream_store import Commit, Timers
from engine.settings import Redis
from engine.state.row_codec import blank
from engine.state.tied_rows import tied
from engine.store.redis import RedisStore
from tests.services import Broker, Valkey
from tests.state.stored import stored

RUN = CliRunner()
PARTITIONS = 2
BROWSER = Ties(Marker(Phase.MERGED, customer_id("ann"), LinkTrust.SIGNED, 1_700_000_000_000))


@pytest.fixture(autouse=True)
def _deployment(
    broker: Broker, valkey: Valkey, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("events", "outcomes", "deadletters", "audit")
    settings = {f"KAFKA__{name.upper()}_TOPIC": unique(name) for name in names}
    settings |= {"KAFKA__BROKERS": broker.bootstrap, "KAFKA__PARTITIONS": str(PARTITIONS)}
    settings |= {"REDIS__URL": valkey.url, "IDENTITY__LINKS": "true", "KAFKA__IDEMPOTENT": str(broker.durable)}
    for name, value in settings.items():
        monkeypatch.setenv(f"CUELINE_{name}", value)

    async def fill() -> None:
        store, row = RedisStore(Redis(url=valkey.url), PARTITIONS), bytes(stored(blank(1))[0])
        for key, value in (("browser", tied(packed(BROWSER), b"")), ("ann", row), ("ben", row)):
            partition = partition_of(key.encode(), PARTITIONS)
            at = await store.claim(partition)
            await store.commit(
                Commit(partition, at.epoch, at.offset, at.offset, [key.encode()], [value], Timers([], []), [], {})
            )
        await store.close()

    asyncio.run(fill())


def ran(*arguments: str, code: int = 0) -> Any:
    result = RUN.invoke(app, ["identity", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_links_and_splits_are_in_the_log_where_the_receipt_says() -> None:
    linked = json.loads(ran("link", "browser", "ben").stdout)
    assert (linked["customerId"], linked["into"], linked["offset"]) == ("browser", "ben", 0)
    assert linked["partition"] == partition_of(b"browser", PARTITIONS)
    split = json.loads(ran("split", "browser").stdout)
    assert split == {**linked, "into": "", "at": split["at"], "offset": 1}
    assert split["at"] >= linked["at"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["link", "ann", "ann"], "an id cannot be linked to itself"),
        (["link", "stranger", "ann"], "nothing of stranger has been seen"),
        (["split", "ann"], "ann is nobody else's"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(arguments: list[str], said: str) -> None:
    result = ran(*arguments, code=1)
    assert said in result.output
    assert "Traceback" not in result.output
