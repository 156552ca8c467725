"""Misplaced records count once, whatever fails on their way; and without any of the safeguards they do not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ports.stream_store import Commit
from engine.post.intervals import IntervalSet
from engine.post.ledger import Ledger
from engine.post.letter import Letter
from engine.stream.commit import CommitSender
from engine.stream.held_commits import HeldCommits
from engine.stream.post_office import PostOffice
from tests.stream.post_world import PARTITIONS, Losing, run


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_every_misplaced_event_counts_once_and_a_replay_of_the_log_makes_the_same_rows(seed: int) -> None:
    asyncio.run(check(seed))


async def check(seed: int) -> None:
    world, wrong = await run(seed)
    assert wrong == {}
    assert [ledger.holes for ledger in [Ledger(await world.store.post(p)) for p in range(PARTITIONS)]] == [0] * 3
    again = await world.replayed()
    assert await again.wrong() == {}
    assert await again.rows() == await world.rows()


def test_the_schedules_meet_what_they_are_meant_to_meet() -> None:
    met = Counter[str]()
    for seed in range(40):
        world, _ = asyncio.run(run(seed))
        met.update({name: int(world.meter.value(name)) for name in MET})
        met.update(world.met)
    assert all(met[name] for name in (*MET, "frozen", "restored", "failed")), met


MET = ("post_sent", "post_repeated", "commits_fenced")


# what switches a safeguard off


def number_ignored(self: Ledger, letter: Letter) -> tuple[bool, Mapping[str, str]]:
    return True, {}


def high_water_mark(self: Ledger, letter: Letter) -> tuple[bool, Mapping[str, str]]:
    source = letter.sender, letter.era
    newest = max((one.last for one in self._had.get(source, IntervalSet()).intervals), default=0)
    self._had[source] = IntervalSet().with_interval(0, max(newest, letter.number))
    return letter.number > newest, {f"had.{letter.sender}.{letter.era}": self._had[source].text}


async def mail_after_commit(self: HeldCommits, office: PostOffice, committer: CommitSender) -> None:
    for state, commit in self._commits:
        committer.send(state, commit)
        await state.drained()
    await office.send(self._mail)


def without(prefix: str) -> Callable[..., object]:
    """A store that forgets those fields of the post."""
    stored = Losing.commit

    async def commit(self: Losing, commit: Commit) -> list[list[int]]:
        kept = {name: text for name, text in commit.post.items() if not name.startswith(prefix)}
        return await stored(self, msgspec.structs.replace(commit, post=kept))

    return commit


BROKEN: Sequence[tuple[str, type, str, Callable[..., object]]] = [
    ("numbers are ignored", Ledger, "receive", number_ignored),
    ("a high-water mark instead of a set", Ledger, "receive", high_water_mark),
    ("mail is sent after the commit", HeldCommits, "deliver", mail_after_commit),
    ("what was had is not stored", Losing, "commit", without("had.")),
]


@pytest.mark.parametrize(("kind", "name", "broken"), [one[1:] for one in BROKEN], ids=[one[0] for one in BROKEN])
def test_the_schedules_show_that_a_safeguard_is_missing(
    monkeypatch: pytest.MonkeyPatch, kind: type, name: str, broken: Callable[..., object]
) -> None:
    monkeypatch.setattr(kind, name, broken)
    assert any(asyncio.run(is_wrong(seed)) for seed in range(150))


async def is_wrong(seed: int) -> bool:
    try:
        return bool((await run(seed))[1])
    except Exception:  # what a missing safeguard leads to may be anything
        return True
