"""An imported file on the customers' pages; a second run changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec

from engine.imports.mapping import parse
from engine.imports.report import Account, ImportReport
from engine.imports.run import TableReader, TraitsOf, send_all
from engine.imports.tables import FileProgress, lines
from engine.process.import_target import open_import
from engine.settings import Settings
from tests.flows.access import ADMIN
from tests.flows.api import NOW
from tests.flows.pipelines.pipeline import Pipeline
from tests.imports.builders import HEADER, MAPPING, table

RULES = """
indicators:
  - {name: seen, description: was seen, when: customer.events >= 1}
"""
ROWS = "ann,gold,30,2020-01-31,ann@EXAMPLE.com,030 90123456,yes\nbob,basic,,,,,\nbad line\n,gold,,,,,\n"


async def imported(api: httpx.AsyncClient, path: Path, dry_run: bool = False) -> ImportReport:
    mapping, account = parse(MAPPING), Account()
    batches = TableReader(mapping, account, NOW - 1_000, NOW).batches(lines(path, mapping, FileProgress()))
    if dry_run:

        async def nowhere(some: Sequence[TraitsOf]) -> Sequence[str]:
            raise AssertionError("sent")

        return await send_all(batches, nowhere, account, lambda account: None, asyncio.Event(), True)
    async with open_import(str(api.base_url), ADMIN, Settings()) as send:
        return await send_all(batches, send, account, lambda account: None, asyncio.Event(), False)


async def traits(api: httpx.AsyncClient, customer: str) -> Mapping[str, Any]:
    page = (await api.get(f"/v1/customers/{customer}", headers={"x-api-key": ADMIN})).json()
    return {one["name"]: one["value"] for one in page["traits"]}


async def test_a_file_is_on_the_pages_and_counts_once(
    pipeline: Pipeline, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    path = table(tmp_path, HEADER + ROWS)
    report = await imported(api, path)
    assert (report.lines, report.taken, report.sent, report.not_sent) == (4, 2, 2, 0)
    assert report.reasons == {"wrong_columns": 1, "no_customer": 1}
    first = list(pipeline.process.log.messages)
    await pipeline.apply()
    found = await traits(api, "ann")
    assert found == {
        "age": 30,
        "joined": 1_580_428_800_000,
        "mail": "ann@example.com",
        "member:newsletter": True,
        "phone": "+493090123456",
        "plan": "gold",
    }
    assert await traits(api, "bob") == {"plan": "basic"}
    assert (await imported(api, path)).sent == 2
    again = list(pipeline.process.log.messages)
    assert [one.event.id for one in again] == [one.event.id for one in first]
    await pipeline.apply()
    assert await traits(api, "ann") == found


MESSY = (
    "contact:9,gold,,,,,", "null,gold,,,,,", "x\0y,gold,,,,,", 'q{},"gold,,,,,', "q{},gold",
    "q{},,31 Feb,2024-02-30,,,",
    f"{'i' * 300},gold,,,,,", "q{},,,45351,,,",
)  # fmt: skip


async def test_a_dry_run_says_what_the_real_one_does(
    pipeline: Pipeline, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    """With a third of bad lines, and cells that are cleaned or left out in the others."""
    good = "\u200bc{},\u00a0gold\u200b ,30,03/04/2024,c{}@EXAMPLE.com,030 90123456,yes"
    rows = [
        MESSY[i // 3 % len(MESSY)].format(i) if i % 3 == 0 else good.format(i, i)
        for i in range(8 * 3 * len(MESSY))
    ]
    path = table(tmp_path, HEADER + "\r\n".join(rows) + "\r\n")
    dry, real = await imported(api, path, dry_run=True), await imported(api, path)
    assert (dry.sent, real.sent, real.not_sent, real.api_reasons) == (0, real.taken, 0, {})
    assert real.taken == 2 * real.lines // 3
    same = {"sent": 0, "dry_run": True, "seconds": 0.0}
    assert msgspec.structs.replace(real, **same) == msgspec.structs.replace(dry, **same)
    await pipeline.apply()
    assert await traits(api, "c1") == {
        "age": 30, "mail": "c1@example.com", "member:newsletter": True, "phone": "+493090123456", "plan": "gold",
    }  # fmt: skip
