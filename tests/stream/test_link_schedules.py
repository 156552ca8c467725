"""The protocol of identity on the real worker; the schedules notice each safeguard that is switched off."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.identity.marker import Effect
from engine.post.ledger import Ledger
from engine.stream import merging
from engine.stream.held_commits import HeldCommits
from tests.identity.test_protocol import (
    all_links_signed,
    first_link_stays,
    never_cut,
    never_frozen,
    opens_frozen,
    passes_all,
    rest_stays_behind,
    second_customer_blocks_for_good,
    unsigned_moves_all,
)
from tests.stream.link_schedules import run
from tests.stream.post_world import Losing
from tests.stream.test_post_schedules import high_water_mark, mail_after_commit, number_ignored, without


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_nothing_is_lost_doubled_or_strays_and_a_replay_of_the_log_makes_the_same(seed: int) -> None:
    assert asyncio.run(fault(seed)) == ""


async def fault(seed: int) -> str:
    return await (await run(seed)).fault()


def test_the_schedules_meet_what_they_are_meant_to_meet() -> None:
    met = Counter[str]()
    names = [*Effect, "cycle_cut"]
    for seed in range(120):
        world = asyncio.run(run(seed))
        met.update({name: int(world.meter.value("stream_links", name)) for name in names})
        met.update({name: int(world.meter.value(name)) for name in ("post_repeated", "commits_fenced")})
        met.update(world.met)
    wanted = {*names, "post_repeated", "commits_fenced", "frozen", "restored", "failed"}
    assert {name for name in wanted if not met[name]} == set()


RARE = 592  # shows that a device is kept from its user by what nobody vouches for

BROKEN = [
    ("numbers are ignored", Ledger, "receive", number_ignored),
    ("a high-water mark instead of a set", Ledger, "receive", high_water_mark),
    ("what was had is not stored", Losing, "commit", without("had.")),
    ("mail is sent after the commit", HeldCommits, "deliver", mail_after_commit),
    ("an unsigned link moves all", merging, "change_of", unsigned_moves_all),
    ("all links are signed", merging, "change_of", all_links_signed),
    ("an unsigned link is not overruled", merging, "change_of", first_link_stays),
    ("a second customer blocks signed links", merging, "change_of", second_customer_blocks_for_good),
    ("what an unsigned link left behind stays there", merging, "change_of", rest_stays_behind),
    ("a history is not frozen", merging, "change_of", never_frozen),
    ("what opens stays frozen", merging, "route", opens_frozen),
    ("an unsigned marker sends all on", merging, "route", passes_all),
    ("cycles are not cut", merging, "route", never_cut),
]


@pytest.mark.parametrize(("kind", "name", "broken"), [one[1:] for one in BROKEN], ids=[one[0] for one in BROKEN])
def test_the_schedules_show_that_a_safeguard_is_missing(
    monkeypatch: pytest.MonkeyPatch, kind: object, name: str, broken: object
) -> None:
    monkeypatch.setattr(kind, name, broken)
    assert any(asyncio.run(is_wrong(seed)) for seed in (RARE, *range(300)))


async def is_wrong(seed: int) -> bool:
    try:
        return bool(await fault(seed))
    except Exception:  # what a missing safeguard leads to may be anything
        return True
