"""The protocol of identity under random schedules; and that these notice each safeguard that is switched off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.customer_id import CustomerId, customer_id
from engine.events import Rank
from engine.identity.link import Cause, Link, LinkTrust
from engine.identity.marker import Effect, HistoryTurn, KeyChange, Marker, Parts, change_of
from engine.identity.route import Passage, Turn, route
from engine.post.intervals import IntervalSet
from engine.post.ledger import Ledger
from engine.post.letter import Letter
from tests.identity.world import SOUND, Record, Rules, World, fault_of, run


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_nothing_is_lost_doubled_or_strays_and_a_replay_of_the_log_makes_the_same(seed: int) -> None:
    assert fault_of(run(seed)) == ""


def test_the_schedules_meet_what_they_are_meant_to_meet() -> None:
    met = Counter[str]()
    for seed in range(300):
        met.update(run(seed).met)
    wanted = {*Effect, Turn.CYCLE_CUT, "sent on", "repeat", "fenced", "frozen", "zombie", "restored"}
    assert {one for one in wanted | {"produce failed", "crash before commit"} if not met[one]} == set()


# what switches a safeguard off


def number_ignored(self: Ledger, letter: Letter) -> tuple[bool, Mapping[str, str]]:
    return True, {}


def high_water_mark(self: Ledger, letter: Letter) -> tuple[bool, Mapping[str, str]]:
    source = letter.sender, letter.era
    newest = max((one.last for one in self._had.get(source, IntervalSet()).intervals), default=0)
    self._had[source] = IntervalSet().with_interval(0, max(newest, letter.number))
    return letter.number > newest, {f"had.{letter.sender}.{letter.era}": self._had[source].text}


def unsigned_moves_all(marker: Marker, link: Link, merged: Collection[str] = ()) -> KeyChange:
    change = change_of(marker, link, merged)
    return msgspec.structs.replace(change, mails=Parts.ALL) if change.mails else change


def all_links_signed(marker: Marker, link: Link, merged: Collection[str] = ()) -> KeyChange:
    return change_of(marker, msgspec.structs.replace(link, signed=True), merged)


def first_link_stays(marker: Marker, link: Link, merged: Collection[str] = ()) -> KeyChange:
    change = change_of(marker, link, merged)
    return KeyChange(change.effect, marker) if change.effect is Effect.MOVED else change


def second_customer_blocks_for_good(marker: Marker, link: Link, merged: Collection[str] = ()) -> KeyChange:
    change = change_of(marker, link, merged)
    if change.effect is not Effect.PARTED:
        return change
    alone = msgspec.structs.replace(change.marker, trust=LinkTrust.OPERATOR)
    return msgspec.structs.replace(change, marker=alone)


def rest_stays_behind(marker: Marker, link: Link, merged: Collection[str] = ()) -> KeyChange:
    change = change_of(marker, link, merged)
    confirmed = change.effect is Effect.CONFIRMED
    return msgspec.structs.replace(change, mails=Parts.NOTHING) if confirmed else change


def never_frozen(marker: Marker, link: Link, merged: Collection[str] = ()) -> KeyChange:
    return msgspec.structs.replace(change_of(marker, link, merged), history=HistoryTurn.STAYS)


def passes_all(key: CustomerId, marker: Marker, parts: Parts, path: tuple[str, ...], numbered: bool) -> Passage:
    trusted = msgspec.structs.replace(marker, trust=LinkTrust.SIGNED)
    found = route(key, trusted, parts, path, numbered)
    return msgspec.structs.replace(found, marker=marker) if not found.opens else found


def never_cut(key: CustomerId, marker: Marker, parts: Parts, path: tuple[str, ...], numbered: bool) -> Passage:
    return msgspec.structs.replace(route(key, marker, parts, (), numbered), path=())


def keep_opens(key: CustomerId, marker: Marker, parts: Parts, path: tuple[str, ...], numbered: bool) -> Passage:
    return route(key, marker, parts, path, True)


def opens_frozen(key: CustomerId, marker: Marker, parts: Parts, path: tuple[str, ...], numbered: bool) -> Passage:
    return msgspec.structs.replace(route(key, marker, parts, path, numbered), turn=Turn.NONE)


RARE = (305, 17_181)  # show that a history has opened a marker, and that a debt went where nothing leads

BROKEN: Mapping[str, Rules] = {
    "numbers are ignored": SOUND._replace(receive=number_ignored),
    "a high-water mark instead of a set": SOUND._replace(receive=high_water_mark),
    "what was had is not stored": SOUND._replace(forget_had=True),
    "mail is sent after the commit": SOUND._replace(mail_after_commit=True),
    "the history goes with the merge": SOUND._replace(history_in_merge=True),
    "the history is sent once, and no timer repeats it": SOUND._replace(keep_once=True),
    "a debt is paid to whom the marker names then": SOUND._replace(debt_follows_marker=True),
    "a history is not frozen": SOUND._replace(change=never_frozen),
    "an unsigned link moves all": SOUND._replace(change=unsigned_moves_all),
    "all links are signed": SOUND._replace(change=all_links_signed),
    "an unsigned link is not overruled": SOUND._replace(change=first_link_stays),
    "a second customer blocks signed links": SOUND._replace(change=second_customer_blocks_for_good),
    "what an unsigned link left behind stays there": SOUND._replace(change=rest_stays_behind),
    "an unsigned marker sends all on": SOUND._replace(route=passes_all),
    "cycles are not cut": SOUND._replace(route=never_cut),
    "a history may open a marker": SOUND._replace(route=keep_opens),
    "what opens stays frozen": SOUND._replace(route=opens_frozen),
}


@pytest.mark.parametrize("broken", list(BROKEN.values()), ids=list(BROKEN))
def test_the_schedules_show_that_a_safeguard_is_missing(broken: Rules) -> None:
    assert any(is_wrong(seed, broken) for seed in (*RARE, *range(2_000)))


def is_wrong(seed: int, broken: Rules) -> bool:
    try:
        return bool(fault_of(run(seed, broken)))
    except KeyError:  # an id that is none, which mail was sent to
        return True


@pytest.mark.parametrize(("keys", "opened"), [(9, None), (10, "u08"), (30, "u08")])
def test_a_chain_that_is_too_long_opens_after_eight_hops_and_loses_nothing(keys: int, opened: str | None) -> None:
    world = World(3)
    world.ids = [customer_id(f"u{number:02d}") for number in range(keys)]
    world.home = {one: number % world.partitions for number, one in enumerate(world.ids)}
    for lower, upper in pairwise(world.ids):  # each is linked on when all below went into it: no mail goes far
        said = Link(lower, Rank.USER, upper, Rank.USER, 0, Cause.ALIASED, True)
        world.links.append(said)
        world.logs[world.home[lower]].append(Record("link", lower, said))
        assert world.settle()
    for _ in range(3):
        world.sent[name := f"e{len(world.sent)}"] = world.ids[0]
        world.logs[world.home[world.ids[0]]].append(Record("event", world.ids[0], name))
    assert world.settle()
    holding = {key: len(row.features) for key, row in world.rows().items() if row.features}
    assert holding == {opened or world.ids[-1]: 3}
    assert fault_of(world) == ""
