"""Clients as their makers ship them, against a whole deployment: what they send counts, once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sdks.proxy import Fate, between
from tests.sdks.site import Site, finished

pytestmark = pytest.mark.sdks

VISIT = Counter(
    identified=1,
    page_viewed=2,
    grouped=1,
    searched=1,
    item_viewed=2,
    cart_added=1,
    order_completed=1,
    other=1,
    aliased=1,
)


class Runner:
    """Runs the programs of this folder against an address."""

    def __init__(self, command: Callable[[str], list[str]], fetched: Path) -> None:
        self._command = command
        self._env = {**os.environ, "NODE_PATH": str(fetched / "node_modules"), "NO_PROXY": "*"}

    async def __call__(self, program: str, url: str, customer: str) -> None:
        await finished(*self._command(program), url, Site.key, customer, env=self._env)


@pytest.fixture(scope="session")
def run(command: Callable[[str], list[str]], fetched: Path) -> Runner:
    return Runner(command, fetched)


@pytest.mark.parametrize("program", ["segment_node.cjs", "rudder_node.cjs"])
async def test_a_visit_told_by_a_client_for_node_counts(site: Site, run: Runner, program: str) -> None:
    await run(program, site.url, "ann")
    tallies = await site.counted()
    assert (tallies["applied"], tallies["duplicates"], tallies["deadletters"]) == (VISIT.total(), 0, 0)
    kinds, features = await site.customer("ann")
    assert kinds == VISIT
    assert (features["purchases.count"], features["purchases.value"]) == (1, 999)
    assert (features["session.items"], features["session.max_price"]) == (2, 499.5)
    assert await site.measured("events_warned") == 0


@pytest.mark.parametrize(("program", "requests"), [("segment_node_views.cjs", 1), ("rudder_node_views.cjs", 2)])
async def test_ten_views_told_by_a_client_for_node_as_it_is_set_are_ten_of_one_session(
    site: Site, run: Runner, program: str, requests: int
) -> None:
    async with between(site.url) as (url, proxy):
        await run(program, url, "ann")
    assert len(proxy.seen) == requests
    tallies = await site.counted()
    assert (tallies["applied"], tallies["duplicates"], tallies["deadletters"]) == (10, 0, 0)
    kinds, features = await site.customer("ann")
    assert kinds == {"item_viewed": 10}
    names = ("events", "pages", "items", "distinct_items", "top_category_views")
    assert [features[f"session.{name}"] for name in names] == [10] * len(names)
    assert (features["session.number"], features["session.max_price"]) == (1, 109)
    assert await site.measured("events_warned") == 0


async def test_of_ten_events_told_by_the_client_for_python_the_one_of_no_number_is_refused(
    site: Site, run: Runner
) -> None:
    await run("segment_python.py", site.url, "ann")
    tallies = await site.counted()
    assert (tallies["applied"], tallies["deadletters"]) == (9, 0)
    kinds, features = await site.customer("ann")
    assert kinds == {"item_viewed": 9}
    assert features["session.max_price"] == 12.5
    assert await site.measured("events_warned") == 0


async def test_events_told_by_javas_own_client_count(site: Site, run: Runner) -> None:
    await run("Visit.java", site.url, "ann")
    assert (await site.counted())["applied"] == 10
    assert (await site.customer("ann"))[0] == {"item_viewed": 10}


async def test_a_visit_told_by_segments_library_for_java_counts(site: Site, run: Runner) -> None:
    await run("SegmentVisit.java", site.url, "ann")
    assert (await site.counted())["applied"] == 5
    kinds, features = await site.customer("ann")
    assert kinds == {"identified": 1, "page_viewed": 1, "item_viewed": 1, "cart_added": 1, "order_completed": 1}
    assert features["purchases.value"] == 999
    assert await site.measured("events_warned") == 0


@pytest.mark.parametrize(
    ("program", "events"),
    [
        ("segment_node.cjs", VISIT.total()),
        ("rudder_node.cjs", VISIT.total()),
        ("segment_python.py", 9),
    ],
)
async def test_what_a_client_sends_again_by_itself_counts_once(
    site: Site, run: Runner, program: str, events: int
) -> None:
    async with between(site.url, Fate.REFUSED, Fate.UNANSWERED) as (url, proxy):
        await run(program, url, "ann")
    assert len(proxy.seen) >= 3
    tallies = await site.counted()
    assert (tallies["applied"], tallies["deadletters"]) == (events, 0)
    assert tallies["duplicates"] == tallies["events"] - events > 0
    assert (await site.customer("ann"))[0].total() == events
