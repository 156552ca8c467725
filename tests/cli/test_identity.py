"""`cueline identity` on a real Valkey."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.cli.identity import lines
from engine.customer_id import customer_id
from engine.events import Rank
from engine.identity.link import LinkTrust
from engine.identity.marker import Marker, Phase
from engine.identity.ties import Provenance, Ties, packed
from engine.kernels.partition import partition_of
from engine.ports.stream_store import Commit, Timers
from engine.settings import Redis
from engine.state.row_codec import blank
from engine.state.tied_rows import tied
from engine.store.redis import RedisStore
from tests.services import Valkey
from tests.state.stored import stored

RUN = CliRunner()
SINCE = 1_700_000_000_000
BROWSER = Ties(
    Marker(Phase.MERGED, customer_id("ann"), LinkTrust.SIGNED, SINCE),
    provenance=Provenance("identified", "shop", Rank.DEVICE),
)


@pytest.fixture(autouse=True)
def _deployment(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_REDIS__URL", valkey.url)

    async def fill() -> None:
        store = RedisStore(Redis(url=valkey.url), 16)
        ann = tied(packed(Ties(merged=("browser",))), bytes(stored(blank(1))[0]))
        for key, row in (("browser", tied(packed(BROWSER), b"")), ("ann", ann)):
            partition = partition_of(key.encode(), 16)
            at = await store.claim(partition)
            await store.commit(
                Commit(partition, at.epoch, at.offset, at.offset, [key.encode()], [row], Timers([], []), [], {})
            )
        await store.close()

    asyncio.run(fill())


def ran(*arguments: str, code: int = 0) -> Any:
    result = RUN.invoke(app, ["identity", *arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("asked", ["ann", "browser"])
def test_an_id_shows_whose_it_is_and_how_that_came(asked: str) -> None:
    link = {"id": "browser", "state": "merged", "into": "ann", "since": SINCE, "trust": "signed"}
    link |= {"cause": "identified", "by": "shop"}
    found = json.loads(ran("show", asked, "--json").stdout)
    assert found == {"customerId": "ann", "ids": ["browser"], "links": [link]}
    assert ran("show", asked).stdout.splitlines() == [
        "ann: browser became this customer's",
        "  browser is ann's since 2023-11-14 22:13:20 UTC (signed; identified by shop)",
    ]


def test_what_came_apart_says_so_in_words() -> None:
    link: Any = {
        "id": "a",
        "state": "parted",
        "into": "",
        "since": SINCE,
        "trust": "signed",
        "cause": "",
        "by": "",
    }
    went_round = {**link, "state": "opened"}
    found: Any = {"customerId": "u", "ids": [], "links": [link, went_round]}
    assert lines(found) == [
        "u: no other id is this customer's",
        "  a is its own since 2023-11-14 22:13:20 UTC (signed; of unknown cause); what it did before stays, too",
        "  a is its own, since links went round; what it did before stays, too",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "stranger"], 1, "nothing of this id has been seen"),
        (["show", "null"], 1, "stands for nobody"),
        (["link", "browser", "ann"], 2, "identity.links"),
        (["split", "browser"], 2, "identity.links"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], code: int, said: str) -> None:
    assert said in ran(*arguments, code=code).output
